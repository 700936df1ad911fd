"""What is said of a mixture while it is trained."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.mixing import training

from azora.evaluation.mixing import Favoured, settings_to_json, start_mixing
from azora.methods.presets import PRESETS
from azora.networks.derivation import Derivation
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import SearchData, Split, Task
from azora.testing import EvaluatorContract
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings


def favoured(task: Task) -> Favoured:
    made = training(task, MixtureSettings())
    made.advance(2.0)
    return Favoured(made, task.search_data)


class TestFavoured(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, stripes: Task) -> Favoured:
        return favoured(stripes)

    @pytest.fixture
    def space(self, evaluator: Favoured) -> Space:
        return evaluator.training.space

    @pytest.fixture
    def metric(self) -> str:
        return "accuracy"


def test_looking_changes_nothing_that_is_trained(stripes: Task) -> None:
    looked, alone = training(stripes, MixtureSettings()), training(stripes, MixtureSettings())
    judge = Favoured(looked, stripes.search_data)
    for made in (looked, alone):
        made.advance(1.0)
        if made is looked:
            judge.mixture()
            judge.derived(Derivation(made.space, made.relaxed.options).strongest(made.strengths()))
            assert math.isfinite(made.eigenvalue()) and 0.9 < made.entropy() <= 1
        made.advance(2.0)
    assert torch.equal(looked.relaxed.logits.values, alone.relaxed.logits.values)
    mine, theirs = dict(looked.relaxed.named_parameters()), dict(alone.relaxed.named_parameters())
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def by_class(task: Task) -> SearchData:
    """As folders are read: all of one class, then all of the next."""
    data = task.search_data
    train, validation = (
        Split(split.x[order], split.y[order])
        for split in (data.train, data.validation)
        for order in [np.argsort(split.y, kind="stable")]
    )
    return replace(data, train=train, validation=validation)


def test_rows_in_the_order_of_their_classes_are_looked_at_across_classes(
    stripes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, seen = by_class(stripes), list[torch.Tensor]()
    space = make_space("nb201", stripes.signature, width=4, depth=1)
    settings = MixtureSettings(batch_size=8)
    made = MixtureTraining(space, data.train, data.signature, data.scaling, settings, 4.0, seed=1)
    assert set(made.logits_batches.y[:8].tolist()) == set(data.validation.y[:8].tolist()) == {0}
    loss = made._loss

    def watched(x: torch.Tensor, y: torch.Tensor, exact: bool) -> torch.Tensor:
        assert len(x) == len(y) == 8 and exact
        seen.append(y)
        return loss(x, y, exact=exact)

    monkeypatch.setattr(made, "_loss", watched)
    made.eigenvalue()
    assert set(seen[0].tolist()) == {0, 1} and all(torch.equal(seen[0], each) for each in seen)  # one function
    one, other = (Favoured(made, data, rows=8) for _ in range(2))
    assert len(one.y) == 8 and set(one.y.tolist()) == {0, 1} and (one.y == other.y).all()
    assert (Favoured(made, data).y == data.validation.y).all()


def test_another_process_makes_the_same_training(stripes: Task) -> None:
    space = make_space("cells", stripes.signature, nodes=2, operations=("conv_3x3", "skip_connect"), widths=(4, 8))
    about = {
        "settings": settings_to_json(PRESETS["pc-darts"].settings), "epochs": 2.0, "target": None,
        "limited": False, "numbers": {"width": 4, "depth": 1, "shrink": 1},
    }  # fmt: skip
    one, other = (start_mixing(space, stripes.search_data, about, 3, "float32") for _ in range(2))
    one.advance(1.0)
    other.advance(1.0)
    assert torch.equal(one.relaxed.logits.values, other.relaxed.logits.values)
