"""Judging by training, checkpoints, and evaluators by name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from azora.errors import ConfigError
from azora.evaluation import Evaluator, make_evaluator, trained
from azora.evaluation.checkpoints import Checkpoints, prune
from azora.evaluation.trained import Trained, resume
from azora.networks.registry import make_space
from azora.space import Product, Space
from azora.tasks import SearchData, Task
from azora.testing import EvaluatorContract
from azora.training import MODES, Mode, Recipe, RecipeSettings, Training
from azora.trial import Proposal, Report


@pytest.fixture
def space(stripes: Task) -> Space:
    network = make_space("cells", stripes.signature, widths=[4], depths=[1], stages=2)
    return Product(network=network, recipe=Recipe(stripes.signature))


@pytest.fixture
def data(stripes: Task) -> SearchData:
    return stripes.search_data


class TestTrained(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, space: Space, data: SearchData, tmp_path: Path) -> Evaluator:
        return Trained(space, data, tmp_path, precision="float32")

    @pytest.fixture
    def metric(self) -> str:
        return "accuracy"


class TestTrainedOnRows(EvaluatorContract):
    @pytest.fixture
    def space(self, slopes: Task) -> Space:
        return make_space("mlp", slopes.signature)

    @pytest.fixture
    def evaluator(self, space: Space, slopes: Task) -> Evaluator:
        return Trained(space, slopes.search_data, metric="r2")

    @pytest.fixture
    def metric(self) -> str:
        return "r2"


def test_going_on_from_a_checkpoint_gives_what_one_training_gives(
    space: Space, data: SearchData, tmp_path: Path
) -> None:
    architecture = space.sample(random.Random(0))
    whole = Trained(space, data, None, precision="float32")(Proposal(architecture, 3.0))
    kept = Trained(space, data, tmp_path, precision="float32")
    kept(Proposal(architecture, 1.0))
    continued = kept(Proposal(architecture, 3.0))
    assert continued["loss"] == whole["loss"]
    assert continued["epochs"] == 3.0


def test_each_network_is_trained_in_its_fastest_mode_and_goes_on_in_it(
    space: Space, data: SearchData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fastest(*about: object, brief: bool) -> Mode:
        asked.append("bf16" if len(asked) % 2 == 0 else "float32")
        return MODES[asked[-1]]

    monkeypatch.setattr(trained, "fastest_mode", fastest)
    evaluator = Trained(space, data, tmp_path, precision="each")
    architecture = space.sample(random.Random(0))
    evaluator(Proposal(architecture, 1.0))
    continued = evaluator(Proposal(architecture, 2.0))
    assert asked == ["bf16"]  # measured again, it would be float32
    whole = Trained(space, data, None, precision="bf16")(Proposal(architecture, 2.0))
    assert continued["loss"] == whole["loss"]


def test_a_checkpoint_at_the_budget_is_judged_as_it_was(space: Space, data: SearchData, tmp_path: Path) -> None:
    """A search may be killed after a checkpoint and before its report: the proposal is then issued again."""
    proposal = Proposal(space.sample(random.Random(0)), 1.0)
    first = Trained(space, data, tmp_path, precision="float32")(proposal)
    again = Trained(space, data, tmp_path, precision="float32")(proposal)
    assert Report(again).ok
    assert "epoch_seconds" not in again
    assert all(again[name] == first[name] for name in again if name != "judging_seconds")


class TiedWeights(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 2)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.second(self.first(x.flatten(1)).relu()))
        return answer


def test_tied_weights_are_kept(space: Space, data: SearchData, tmp_path: Path) -> None:
    recipe = RecipeSettings(batch_size=16, learning_rate=0.01)
    first, second = (
        Training(TiedWeights(), data.train, data.signature, data.scaling, recipe, seed=seed) for seed in (0, 1)
    )
    first.advance(1)
    architecture = space.sample(random.Random(0))
    Checkpoints(tmp_path).save(architecture, first.state_tensors())
    resume(second, Checkpoints(tmp_path).load(architecture), 2.0)
    assert second.step == first.step
    assert second.network.second.weight is second.network.first.weight
    assert torch.equal(second.network.first.weight, first.network.first.weight)


def test_a_damaged_checkpoint_is_none(space: Space, data: SearchData, tmp_path: Path) -> None:
    architecture = space.sample(random.Random(0))
    whole = Trained(space, data, None, precision="float32")(Proposal(architecture, 2.0))
    Checkpoints(tmp_path)._file(architecture).parent.mkdir(exist_ok=True)
    Checkpoints(tmp_path)._file(architecture).write_bytes(b"\xff" * 100)
    again = Trained(space, data, tmp_path, precision="float32")(Proposal(architecture, 2.0))
    assert again["loss"] == whole["loss"]


def test_a_checkpoint_of_another_network_or_beyond_the_budget_is_not_taken_up(
    space: Space, data: SearchData, tmp_path: Path
) -> None:
    first, second = space.sample(random.Random(0)), space.sample(random.Random(1))
    kept = Trained(space, data, tmp_path, precision="float32")
    kept(Proposal(first, 3.0))
    kept_as, taken_as = (Checkpoints(tmp_path)._file(each) for each in (first, second))
    kept_as.rename(taken_as)
    fresh = Trained(space, data, None, precision="float32")
    assert kept(Proposal(second, 2.0))["loss"] == fresh(Proposal(second, 2.0))["loss"]
    assert kept(Proposal(second, 1.0))["loss"] == fresh(Proposal(second, 1.0))["loss"]


def test_only_the_metric_that_is_searched_for_is_dear(space: Space, data: SearchData) -> None:
    architecture = space.sample(random.Random(0))
    plain = Trained(space, data, precision="float32")(Proposal(architecture, 1.0))
    areas = Trained(space, data, precision="float32", metric="auroc")(Proposal(architecture, 1.0))
    assert "auroc" not in plain
    assert 0 <= areas["auroc"] <= 1


def test_architectures_of_one_key_do_not_take_each_others_weights(stripes: Task, tmp_path: Path) -> None:
    space = make_space("nb201", stripes.signature, width=4, depth=1)
    first = space.from_string("|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|")  # type: ignore[attr-defined]
    second = space.from_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")  # type: ignore[attr-defined]
    assert first == second
    Checkpoints(tmp_path).save(first, {"step": torch.zeros(1)})
    assert Checkpoints(tmp_path).load(first) is not None
    assert Checkpoints(tmp_path).load(second) is None


def test_pruning_keeps_what_is_named_and_the_youngest_within_the_limit(space: Space, tmp_path: Path) -> None:
    import os

    kept = Checkpoints(tmp_path)
    some = [space.sample(random.Random(seed)) for seed in range(4)]
    for place, architecture in enumerate(some):
        kept.save(architecture, {"step": torch.zeros(1000)})
        os.utime(kept._file(architecture), (place, place))
    prune(tmp_path, {each.key for each in some[:3]}, 10_000)
    assert [kept.load(each) is not None for each in some] == [False, True, True, False]
    prune(tmp_path, set(), 10_000)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_the_checkpoint_and_nothing_else(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azora.evaluation import checkpoints

    def full(*some: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    architecture = space.sample(random.Random(0))
    Checkpoints(tmp_path).save(architecture, {"step": torch.zeros(1)})
    assert Checkpoints(tmp_path).load(architecture) is None


def half(proposal: Proposal) -> dict[str, float]:
    return {"accuracy": 0.5}


def test_evaluators_by_name(space: Space, data: SearchData, stripes: Task) -> None:
    about = {"space": space, "data": data, "folder": None, "seed": 0, "device": "cpu"}
    assert isinstance(make_evaluator("trained", **about), Trained)  # type: ignore[arg-type]
    plain = make_evaluator(f"{__name__}:half", **about)  # type: ignore[arg-type]
    assert plain(Proposal(space.sample(random.Random(0)))) == {"accuracy": 0.5}
    with pytest.raises(ConfigError, match="there is no evaluator 'traind'; did you mean 'trained'"):
        make_evaluator("traind", **about)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be called with a proposal"):
        make_evaluator("azora.trial:SUFFIXES", **about)  # type: ignore[arg-type]
