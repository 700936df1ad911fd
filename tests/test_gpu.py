"""What runs on a CUDA device: the same mathematics as on the processor, and whole searches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import azora
from azora.evaluation.inherited import Inherited
from azora.evaluation.mixing import Favoured
from azora.hardware import Target, find_target
from azora.methods.presets import PRESETS
from azora.networks.derivation import Derivation
from azora.networks.hypernetwork import Hypernetwork
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Space
from azora.tasks import Task, from_arrays
from azora.testing import TargetContract
from azora.training import MODES, Mode, RecipeSettings, SharedTraining, Training, make_paths, outputs
from azora.training.fit_mixture import MixtureTraining
from azora.training.mode import speeds
from azora.trial import Proposal

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
BOTH = ("cpu", DEVICE)
RECIPE = RecipeSettings(batch_size=20, learning_rate=0.05, augmentation=0.5, flip=True)
SMALL = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}
CLOSE = {"rtol": 0.02, "atol": 0.02}  # a processor adds in another order, and a device may round products


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Convolutions in whole single precision, as on the processor."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


class TestCuda(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return find_target(DEVICE)


def training(task: Task, device: str, mode: str = "float32", recipe: RecipeSettings = RECIPE) -> Training:
    torch.manual_seed(0)
    channels, outputs_ = task.signature.shape[0], task.signature.outputs
    network = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(32, outputs_),
    )  # fmt: skip
    return Training(network, task.train, task.signature, task.scaling, recipe, seed=3, mode=MODES[mode], device=device)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_training_there_is_that_of_the_processor_and_goes_on_on_either(stripes: Task, optimiser: str) -> None:
    recipe = RecipeSettings(optimiser, 0.01, 1e-3, 20, 0.1, augmentation=1.0, flip=True)
    made = [training(stripes, device, recipe=recipe) for device in BOTH]
    for each in made:
        each.advance(2)
    here, there = (each.state_tensors() for each in made)
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, **CLOSE)
    taken = [training(stripes, device, recipe=recipe) for device in BOTH]
    for each in taken:
        each.load_state(there)
        each.advance(3)
    ends = [each.state_tensors() for each in taken]
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, **CLOSE)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_trains_and_judges(stripes: Task, mode: str) -> None:
    made = training(stripes, DEVICE, mode)
    made.advance(4)
    made.finish(epochs=4)
    found = outputs(
        made.judging_network(), stripes.validation.x, stripes.signature, made.scaling, mode=MODES[mode], device=DEVICE
    )
    assert (found.argmax(1) == stripes.validation.y).mean() > 0.8


def test_rows_and_targets_in_a_unit_of_their_own(slopes: Task) -> None:
    recipe = RecipeSettings("adamw", 1e-2, 1e-3, 20, 0.0, 0.0)
    answers = []
    for device in BOTH:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
        made = Training(network, slopes.train, slopes.signature, slopes.scaling, recipe, device=device)
        made.advance(3)
        judged = made.judging_network()
        answers.append(outputs(judged, slopes.validation.x, slopes.signature, made.scaling, device=device))
    assert answers[1] == pytest.approx(answers[0], rel=0.02)


def test_modes_are_measured(stripes: Task) -> None:
    assert all(each > 0 for each in speeds(stripes.signature, DEVICE, seconds=0.05).values())


def test_a_batch_that_memory_has_no_room_for_is_taken_in_pieces() -> None:
    rng = np.random.default_rng(0)
    task = from_arrays(rng.integers(0, 255, (600, 64, 64)).astype(np.uint8), np.arange(600) % 2, name="noise")
    torch.manual_seed(0)
    wide = [nn.Conv2d(1, 64, 3, padding=1), *(nn.Conv2d(64, 64, 3, padding=1) for _ in range(6))]
    network = nn.Sequential(*wide, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    recipe = RecipeSettings(batch_size=256, learning_rate=1e-3, augmentation=0.0)
    made = Training(network, task.train, task.signature, task.scaling, recipe, device=DEVICE)
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.5e9 / whole)  # the activations of 256 rows take 1.9 GB and more
    try:
        made.advance(1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert made.pieces > 1 and made.step == made.batches.steps


# Shared weights -----------------------------------------------------------------------------------------------------


def sharing(task: Task, device: str, paths: str, *, transforms: bool = False, ema: float | None = None) -> Any:
    data = task.search_data
    space: Space
    if paths == "shrinking":
        space = make_space("stages", task.signature, depths=(1, 2), widths=((4, 8), (8, 16)), expansions=(1, 2))
    else:
        space = make_space("cells", task.signature, **SMALL)
    shared = SharedWeights(space, kernel_transforms=transforms)
    drawn = make_paths(paths, space)
    return SharedTraining(
        shared, data.train, data.signature, data.scaling, RECIPE, drawn, 3, seed=1, device=device, ema=ema
    )


@pytest.mark.parametrize(
    ("paths", "transforms", "ema"),
    [("uniform", False, None), ("fair", False, 0.9), ("sandwich", False, None), ("shrinking", True, None)],
)
def test_shared_weights_learn_and_judge_there_as_on_the_processor(
    stripes: Task, paths: str, transforms: bool, ema: float | None
) -> None:
    made = [sharing(stripes, device, paths, transforms=transforms, ema=ema) for device in BOTH]
    for each in made:
        assert each.advance()
    here, there = (each.state_tensors() for each in made)
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, rtol=0.05, atol=0.05)
    for each in made:
        each.load_state(here)
    space, judges = made[0].shared.space, list[Inherited]()
    for device, each in zip(BOTH, made, strict=True):
        judges.append(Inherited(each.judged, stripes.search_data, each.calibration(), each.scaling, Mode(), device))
    for seed in range(4):
        proposal = Proposal(space.sample(random.Random(seed)))
        assert judges[1](proposal)["loss"] == pytest.approx(judges[0](proposal)["loss"], rel=0.02)
        extracted = [each.judged.extract(proposal.architecture).cpu().state_dict() for each in made]
        torch.testing.assert_close(extracted[1], extracted[0])


def test_a_hypernetwork_writes_there_what_it_writes_here(stripes: Task) -> None:
    data, space = stripes.search_data, make_space("cells", stripes.signature, **SMALL)
    recipe = RecipeSettings(batch_size=20, learning_rate=3e-3, augmentation=0.5, label_smoothing=0.0)
    made = [
        SharedTraining(
            Hypernetwork(space), data.train, data.signature, data.scaling, recipe, make_paths("uniform", space), 2,
            device=device,
        )
        for device in BOTH
    ]  # fmt: skip
    for each in made:
        assert each.advance()
    state = made[0].state_tensors()
    made[1].load_state(state)
    architecture = space.sample(random.Random(0))
    here, there = (each.judged.extract(architecture).cpu().state_dict() for each in made)
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, **CLOSE)


# Mixtures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_mixtures_learn_there_are_looked_at_and_taken_up(stripes: Task, preset: str) -> None:
    data, found = stripes.search_data, PRESETS[preset].settings
    space = make_space("nb201", stripes.signature, width=4, depth=1)

    def begin(device: str) -> MixtureTraining:
        return MixtureTraining(space, data.train, data.signature, data.scaling, found, 4.0, seed=1, device=device)

    first = begin(DEVICE)
    first.advance(2.0)
    state = first.state_tensors()
    looked = Favoured(first, data)
    derived = Derivation(space, first.relaxed.options).strongest(first.strengths())
    metrics = looked(Proposal(derived))
    assert 0 <= metrics["accuracy"] <= 1 and metrics["eigenvalue"] == metrics["eigenvalue"]
    ends: list[dict[str, Tensor]] = []
    for device in BOTH:
        each = begin(device)
        each.load_state(state)
        assert each.advance()
        ends.append(each.state_tensors())
    torch.testing.assert_close(ends[1]["logits"], ends[0]["logits"], rtol=0.1, atol=0.1)


# Whole searches -----------------------------------------------------------------------------------------------------


def found_by(out: Path, strategy: str, **more: Any) -> Any:
    return azora.search("digits", budget="75s", strategy=strategy, device=DEVICE, workers=2, out=out, **more)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("strategy", ["halving", "bayesian", "spos", "enas", "ofa", "smash", "darts-", "gdas"])
def test_a_search_there_keeps_its_budget_and_ships(tmp_path: Path, strategy: str) -> None:
    result = found_by(tmp_path / "out", strategy)
    assert result.device == DEVICE and result.seconds <= 75
    assert result.failed == 0 and result.judged > 0
    assert result.test_accuracy > 0.95
    assert (tmp_path / "out" / "model" / "model.onnx").is_file()


@pytest.mark.timeout(200)
def test_a_limit_of_latency_there_is_kept(tmp_path: Path) -> None:
    result = found_by(tmp_path / "out", "evolution", target=DEVICE, limits=["latency=3ms", "params=100k"])
    assert result.target["predicted_latency_ms"] <= 3.0 and result.parameters <= 100_000
    assert result.test_accuracy > 0.9
