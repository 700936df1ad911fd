"""Single-path one-shot search: the contract, and what becomes of it when things go wrong."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.errors import ConfigError, StudyError
from azora.evaluation import sharing
from azora.evaluation.inherited import Inherited
from azora.evaluation.sharing import load_state, save_state
from azora.methods import Method, Work, borrowing, phases
from azora.methods.phases import of_networks
from azora.methods.registry import check_method
from azora.methods.spos import Spos
from azora.strategies import Affordable
from azora.strategies.memory import Remembered
from azora.study import SqlJournal, Study
from azora.tasks import Task
from azora.testing import Desk, MethodContract
from azora.training import SharedTraining
from azora.training.paths import Binned
from azora.trial import Objective, Proposal, Report

SMALL = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}
ABOUT = {"name": "cells", "settings": SMALL, "recipe": True}


@pytest.fixture
def desk(stripes: Task, tmp_path: Path) -> Desk:
    return Desk(stripes, tmp_path, ABOUT)


def small(**settings: Any) -> Spos:
    return Spos(**{"population": 4, "epochs": 2.0, "judged": 12, "size": 4, **settings})


def inherited(desk: Desk) -> Study:
    return Study(SqlJournal(desk.folder / "one_shot" / "study.db"), desk.sit().space)


class TestSpos(MethodContract):
    each = 0.4

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return small


def test_the_shortlist_is_of_what_the_shared_weights_judged(desk: Desk) -> None:
    strategy = small().prepare(desk.sit())
    asked = [proposal for _ in range(4) if (proposal := strategy.ask()) is not None]
    study = inherited(desk)
    assert study.judged == 12
    ranked = study.ranked(Objective())
    assert asked[0].origin == "given"
    assert {each.architecture.key for each in asked} < {trial.proposal.architecture.key for trial in ranked}
    assert ranked[0].proposal.architecture.key in {each.architecture.key for each in asked}
    assert all(each.architecture["recipe.learning_rate"] == 0.1 for each in asked)


def test_what_did_best_on_other_tasks_is_trained_beside_the_shortlist_and_judged_by_that_alone(desk: Desk) -> None:
    work, rng = desk.sit(), random.Random(5)
    drawn = tuple({each.key: each for each in (work.space.sample(rng) for _ in range(12))}.values())
    memory = Remembered("other", drawn, tuple(float(place) for place in range(len(drawn))))
    cold = small().prepare(work)
    strategy = small().prepare(replace(desk.sit(), recall=lambda: [memory]))
    asked = [proposal for _ in range(8) if (proposal := strategy.ask()) is not None]
    assert [each.origin for each in asked] == ["did well on other"] * 4 + ["given"] * 4
    assert {each.budget for each in asked} == {1.0}
    best = {each.key for each in memory.best(8)}
    assert {each.architecture.key for each in asked[:4]} <= best
    assert [each.architecture for each in asked[4:]] == [each.architecture for _ in range(4) if (each := cold.ask())]
    for place, proposal in enumerate(asked):
        strategy.tell(proposal, Report({"accuracy": place / 10}))  # the memory misled
    strategy.fit(Affordable(60.0))
    promoted = strategy.ask()
    assert promoted is not None and promoted.architecture == asked[7].architecture and promoted.budget == 3.0


def test_a_session_after_a_kill_goes_on_with_the_epoch_that_was_being_trained(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[float] = []
    save = phases.save_state

    def killed(state: Mapping[str, Any], folder: Path) -> bool:
        done = save(dict(state), folder)
        saved.append(float(state["step"]))
        if len(saved) == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(phases, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        small(epochs=4.0).prepare(desk.sit())
    small(epochs=4.0).prepare(desk.sit())
    assert saved == sorted(set(saved))
    assert inherited(desk).result is not None
    assert inherited(desk).result["epochs"] == 4.0  # type: ignore[index]


def test_scores_that_are_all_the_same_choose_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inherited, "__call__", lambda self, proposal: {"accuracy": 0.5, "loss": 0.7})
    strategy = small().prepare(desk.sit())
    proposal = strategy.ask()
    assert isinstance(proposal, Proposal)
    assert proposal.origin != "given"
    assert any("cannot tell networks apart" in note for note in desk.notes)


def test_weights_that_diverge_choose_nobody(desk: Desk) -> None:
    method = small()
    work = desk.sit()
    work.data.train.x.setflags(write=True)
    strategy = method.prepare(_broken(work))
    proposal = strategy.ask()
    assert proposal is not None and proposal.origin != "given"
    assert any("trained one by one" in note for note in desk.notes)


def _broken(work: Any) -> Any:
    from azora.tasks import Scaling, SearchData

    bad = Scaling(tuple(float("nan") for _ in work.data.scaling.mean), work.data.scaling.spread)
    return replace(work, data=SearchData(work.data.signature, work.data.train, work.data.validation, bad))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"share": 0.9, "judging": 0.2}, "leave time for the shortlist"),
        ({"size": 1}, "size=1"),
        ({"population": 1}, "population=1"),
        ({"epochs": 0.0}, "epochs=0"),
        ({"epochs": math.inf}, "epochs=inf must be a finite number"),
        ({"share": math.nan}, "share=nan must be a finite number"),
        ({"size": 4.5}, "size=4.5 must be a whole number"),
        ({"judged": 50.5}, "judged=50.5 must be a whole number"),
        ({"population": 5e1}, "population=50.0 must be a whole number"),
        ({"population": True}, "population=True must be a whole number"),
        ({"calibration": -1}, "calibration=-1"),
        ({"ema": "much"}, "ema='much' must be a finite number"),
        ({"bins": 3}, "paths=uniform has no setting 'bins'; it is one of paths=binned"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Spos(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"paths": "shrinking"}, "has no number named like 'kernel'"),
        ({"paths": "binned", "bins": 2.5}, "bins=2.5 must be a whole number"),
        ({"paths": "binned", "quantity": "watts"}, "neither macs nor params"),
        ({"paths": "sandwich", "random_networks": -1}, "random_networks=-1"),
    ],
)
def test_paths_that_do_not_fit_are_refused_before_anything_is_begun(
    desk: Desk, settings: Mapping[str, Any], said: str
) -> None:
    work = desk.sit()
    with pytest.raises(ConfigError, match=said):
        check_method(Spos(**settings), work.space, work.data)


def test_settings_of_paths_reach_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[object]()

    def stopped(work: Work, about: object, paths: object) -> None:
        made.append(paths)

    monkeypatch.setattr(borrowing, "share_weights", stopped)
    work = desk.sit()
    small(paths="binned", bins=3, quantity="params").learn(work, of_networks(work.space))
    [paths] = made
    assert isinstance(paths, Binned) and (paths.bins, paths.quantity) == (3, "params")


def test_what_fair_paths_leave_out_is_told(desk: Desk) -> None:
    work = desk.sit()
    space = work.space.constrain(lambda each: each["network.width"] == 4, "narrow")
    small(paths="fair").prepare(replace(work, space=space))
    assert any("network.width=8" in note and "fair paths leave that out" in note for note in desk.notes)


def test_without_time_for_a_step_random_weights_judge_nobody(desk: Desk) -> None:
    desk.seconds = {"sharing": 1e-9, "inheriting": 5.0}
    proposal = small().prepare(desk.sit()).ask()
    assert proposal is not None and proposal.origin != "given"
    assert [note for note in desk.notes if "no time for a step of the shared weights" in note]
    assert inherited(desk).result == {} and not inherited(desk).trials


def test_an_epoch_that_cannot_be_written_is_told_of_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    room = iter([False, False, True])  # in three epochs of four; the last one is written

    def save(state: Mapping[str, Any], folder: Path) -> bool:
        return next(room, True) and save_state(dict(state), folder)

    monkeypatch.setattr(phases, "save_state", save)
    small(epochs=4.0).prepare(desk.sit())
    assert len([note for note in desk.notes if "is trained again" in note]) == 1


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_how_networks_are_recalibrated_is_a_setting(desk: Desk, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    calibration = SharedTraining.calibration

    def counted(self: SharedTraining, rows: int) -> list[torch.Tensor]:
        asked.append(rows)
        return calibration(self, rows)

    monkeypatch.setattr(SharedTraining, "calibration", counted)
    small(calibration=batches).prepare(desk.sit())
    assert set(asked) == ({384 * batches} if batches else set())
    assert inherited(desk).judged == 12


def test_interrupted_when_all_judgements_failed_it_gives_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Inherited, proposal: Proposal) -> Mapping[str, float]:
        desk.stop.set()
        raise ValueError("no such luck")

    monkeypatch.setattr(Inherited, "__call__", fails)
    work = desk.sit()
    small().prepare(work)
    assert inherited(desk).failed >= 1
    assert work.study.best(Objective()) is None


def test_weights_that_cannot_be_written_are_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "save_state", lambda state, folder: False)
    with pytest.raises(StudyError, match="make room and go on with --resume"):
        small().prepare(desk.sit())


def test_a_full_disk_leaves_the_weights_of_the_last_epoch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = desk.folder / "one_shot"
    assert save_state({"step": torch.tensor(1.0)}, folder)

    def full(state: Mapping[str, Any], file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sharing, "save_file", full)
    assert not save_state({"step": torch.tensor(2.0)}, folder)
    assert [path.name for path in folder.iterdir()] == ["shared.safetensors"]
    assert load_state(folder) == {"step": torch.tensor(1.0)}


def test_where_no_training_had_time_the_best_by_shared_weights_is_trained_last(desk: Desk) -> None:
    method, work = small(), desk.sit()
    method.prepare(work)
    assert work.study.best(Objective()) is None
    method.settle(work)
    best = work.study.best(Objective())
    assert best is not None and best.proposal.budget == 0.0
    assert best.proposal.architecture == inherited(desk).ranked(Objective())[0].proposal.architecture
