"""Training of split supernets, and what they are split on."""

from __future__ import annotations

import random
from functools import partial

import pytest
import torch
from torch import nn

from azora.errors import SpaceError
from azora.evaluation.inherited import Inherited
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.networks.split_weights import split
from azora.space import Space
from azora.tasks import Task
from azora.training import RecipeSettings, SplitTraining, disagreements, fit_shared, make_paths
from azora.trial import Proposal

RECIPE = RecipeSettings(batch_size=20, learning_rate=0.05, augmentation=0.0, label_smoothing=0.0)
SETTINGS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}


def cells(task: Task) -> Space:
    return make_space("cells", task.signature, **SETTINGS)


def training(task: Task, parent: SharedWeights, epochs: float = 2, ema: float | None = None) -> SplitTraining:
    data, paths, weights = task.search_data, partial(make_paths, "uniform"), split(parent, "width")
    return SplitTraining(weights, data.train, data.signature, data.scaling, RECIPE, paths, epochs, ema=ema)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_split_supernet_goes_on_from_its_parent(stripes: Task, ema: float | None) -> None:
    space, data = cells(stripes), stripes.search_data
    parent = SharedWeights(space)
    fit_shared(parent, data.train, data.signature, data.scaling, make_paths("uniform", space), 8)
    kept = {name: value.clone() for name, value in parent.state_dict().items()}
    trained = training(stripes, parent, epochs=3, ema=ema)
    before = {name: value.clone() for name, value in trained.weights.state_dict().items()}
    trained.advance()
    assert trained.epochs == 3
    assert all(torch.equal(value, kept[name]) for name, value in parent.state_dict().items())
    for place in range(len(trained.parts)):
        start = f"parts.{place}.whole"
        moved = [name for name, value in trained.weights.state_dict().items() if not torch.equal(value, before[name])]
        assert any(name.startswith(start) for name in moved)
    evaluate = Inherited(trained.judged, data, trained.calibration(), trained.parts[0].scaling)
    scores = [evaluate(Proposal(space.sample(random.Random(seed))))["accuracy"] for seed in range(6)]
    assert sum(scores) / len(scores) > 0.9
    assert (trained.judged is trained.weights) == (ema is None)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_split_supernet_goes_on_exactly_where_its_state_was_taken(stripes: Task, ema: float | None) -> None:
    parent = SharedWeights(cells(stripes))
    whole, first, second = (training(stripes, parent, ema=ema) for _ in range(3))
    whole.advance()
    first.advance(1)
    second.load_state(first.state_tensors())
    second.advance()
    for name, value in whole.state_tensors().items():
        assert torch.equal(second.state_tensors()[name], value), name


class Opposed(nn.Module):
    """Shared weights, and then a way that is a sign: what a network learns before it depends on which is taken."""

    def __init__(self, decide: object) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.mild = decide.module("mild", lambda option: nn.Identity())  # type: ignore[attr-defined]
        self.sign = decide.module("sign", Sign)  # type: ignore[attr-defined]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sign(self.mild(self.first(x)))


class Sign(nn.Module):
    def __init__(self, option: str) -> None:
        super().__init__()
        self.factor = -1.0 if option == "minus" else 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


def test_the_decision_whose_options_pull_apart_is_found(stripes: Task) -> None:
    from azora.space import Categorical
    from azora.tasks import Signature

    class Opposing(Space):
        signature = Signature("classification", (4,), 4, ("a", "b", "c", "d"))

        def __init__(self) -> None:
            choices = [Categorical("mild", ("a", "b")), Categorical("sign", ("plus", "minus", "also_plus"))]
            super().__init__("opposing", choices)

        def build(self, decide: object) -> nn.Module:
            return Opposed(decide)

    shared = SharedWeights(Opposing())
    kept = {name: value.clone() for name, value in shared.state_dict().items()}
    target = torch.randn(16, 4)

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        return (outputs * target).mean()

    most, least = disagreements(shared, torch.randn(16, 4), loss)
    assert (most.decision, least.decision) == ("sign", "mild")
    assert most.value == pytest.approx(2, abs=1e-4)
    assert least.value == pytest.approx(0, abs=1e-4)
    assert set(map(frozenset, most.groups)) == {frozenset({"plus", "also_plus"}), frozenset({"minus"})}
    assert all(torch.equal(value, kept[name]) for name, value in shared.state_dict().items())
    assert all(parameter.grad is None for parameter in shared.parameters())


def test_a_decision_of_real_cells_is_found_and_can_be_split_on(stripes: Task) -> None:
    space, data = cells(stripes), stripes.search_data
    shared = SharedWeights(space)
    trained = fit_shared(shared, data.train, data.signature, data.scaling, make_paths("uniform", space), 2)
    x, y = trained.batches.batch(0, RECIPE)
    found = disagreements(shared, x, lambda outputs: nn.functional.cross_entropy(outputs, y), contexts=3)
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
    assert all(0 <= each.value <= 2 for each in found)
    assert len(split(shared, found[0].decision, found[0].groups).parts) == 2


def test_a_space_without_such_a_decision_says_so(stripes: Task) -> None:
    space = make_space("nb201", stripes.signature, width=4, depth=1)
    fixed = {name: choice.values[0] for name, choice in space.choices.items()}
    shared = SharedWeights(space.constrain(None, "", **{**fixed, next(iter(fixed)): "conv_3x3"}))
    with pytest.raises(SpaceError, match="no choice that all networks have"):
        disagreements(shared, torch.randn(2, *stripes.signature.shape), lambda outputs: outputs.sum())
