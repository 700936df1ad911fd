"""What the deployed network is weak at says what is tried: classes that it errs on, layers that take long."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.improving.made import NAMES, blobs, deployed
from torch import nn

from azora.export.bundle import read_bundle
from azora.improving import analyse
from azora.improving.analysis import weak_classes
from azora.improving.challengers import LOOKED, OFTEN, Challengers
from azora.meta.policy import Policy
from azora.networks.complexity import parameters
from azora.tasks import Split, from_arrays
from azora.training import RecipeSettings, Training, outputs


def test_weak_is_what_is_wrong_twice_as_often_as_all_on_five_rows_or_more() -> None:
    """However many others have a greater share, on fewer rows."""
    names = [f"rare {number}" for number in range(6)] + ["weak", "few", "usual"]
    rows, lost = [2] * 6 + [77, 40, 900], [2] * 6 + [20, 4, 60]
    y = np.repeat(np.arange(9), rows)
    answer = np.concatenate(
        [
            np.r_[np.full(bad, (n + 1) % 9), np.full(all_ - bad, n)]
            for n, (all_, bad) in enumerate(zip(rows, lost, strict=True))
        ]
    )
    assert weak_classes(np.eye(9)[answer], y, names) == ("weak",)
    assert weak_classes(np.eye(9)[y], y, names) == ()


def test_a_model_is_weak_at_nothing_where_classes_are_new(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, rows=20))
    assert analyse(bundle, blobs(900, 3, classes=4)).weak == ()


def test_rows_of_weak_classes_are_learned_more_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1))
    policy, seen = Policy.of({"kinds": "recipe"}), dict[str, Split]()

    class Noted:
        def __init__(self, network: nn.Module, rows: Split, *rest: object, **more: object) -> None:
            self.network = network
            seen["rows"] = rows

        def finish(self, seconds: float) -> None:
            pass

        def judging_network(self) -> nn.Module:
            return self.network

    monkeypatch.setattr("azora.improving.challengers.Training", Noted)
    made = Challengers(bundle, (), policy, 0, weak=("cedar",)).some(2)
    assert made[0].change == "trained on, more of cedar" and made[1].change.startswith("trained on, learning rate")
    rows, place = blobs(300, 1).train, bundle.signature.classes.index("cedar")
    for challenger, times in zip(made, (OFTEN, 1), strict=True):
        challenger.train(bundle, rows, 1.0, 0)
        counts, now = np.bincount(rows.y), np.bincount(seen["rows"].y)
        assert now[place] == times * counts[place] and len(seen["rows"].x) == now.sum()
        assert (np.delete(now, place) == np.delete(counts, place)).all()
    assert not any("more of" in each.change for each in Challengers(bundle, (), policy, 0).some(4))


def test_more_of_a_weak_class_makes_it_likelier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its rows, to a model that was hardly shown it, than where all rows are learned equally often."""
    task = blobs(3000, 0)
    rare = task.train.y != 2
    rare[np.flatnonzero(~rare)[:20]] = True
    few = from_arrays(task.train.x[rare], NAMES[task.train.y[rare]], name="blobs", seed=0)
    bundle = read_bundle(deployed(tmp_path, few, epochs=4))
    found = analyse(bundle, task)
    assert found.weak == (NAMES[2],)
    made = Challengers(bundle, (), Policy.of({"kinds": "train,recipe"}), 0, weak=found.weak).some(2)
    assert [each.change for each in made] == ["trained on", "trained on, more of cedar"]
    likely, finish = list[float](), Training.finish
    monkeypatch.setattr(Training, "finish", lambda training, seconds: finish(training, epochs=20 * seconds))
    for challenger in made:
        network = challenger.train(bundle, few.train, 1.0, 0)
        asked = task.validation.x[task.validation.y == 2]
        likely.append(float(outputs(network, asked, bundle.signature, bundle.scaling)[:, 2].mean()))
    assert likely[1] > likely[0]


def test_smaller_ones_come_by_the_time_that_they_save_for_what_they_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, wide=True))
    made = Challengers(bundle, (), Policy(), 0)
    rng, times = random.Random(0), dict[int, float]()

    def milliseconds(call: Callable[[], object], *, runs: int) -> float:
        network: nn.Module = call.args[0]  # type: ignore[attr-defined]
        return times.setdefault(parameters(network), rng.uniform(1.0, 2.0))

    monkeypatch.setattr("azora.improving.challengers.median_ms", milliseconds)
    found = made.some(LOOKED, smaller=True)
    now = times[parameters(made.network)]
    saved = [(now - times[parameters(each.network)]) / made._given_up(each) for each in found]
    assert len(found) > 2 and saved == sorted(saved, reverse=True)
    times.clear()
    assert Challengers(bundle, (), Policy.of({"limits": {"params": 10}}), 0).some(2, smaller=True)
    assert not times, "where parameters are to be saved, time is not asked for"


def test_the_usual_recipe_is_left_where_nothing_is_weak(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1))
    (one,) = Challengers(bundle, (), Policy.of({"kinds": "train"}), 0, weak=("ash",)).some(1)
    assert (one.change, one.often, one.recipe) == ("trained on", (), RecipeSettings.default(bundle.signature))
