"""What happens after a search, where something goes wrong or the clock is short."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.automl.made import LIMIT, WORDS, false_file, widths

import azora
import devices
from azora.automl import delivery, ensemble, last_training
from azora.automl.clocked import clock_of
from azora.automl.last_training import LastTraining
from azora.automl.run import run
from azora.automl.watching import Watcher
from azora.automl.winner import KEPT
from azora.errors import StudyError, TaskError
from azora.job import Job
from azora.tasks import Task
from azora.training import Training, TrainingDiverged

pytestmark = pytest.mark.usefixtures("brief")
PLAIN = {**WORDS, "target": None, "trials": 6}


class Listening(Watcher):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes = list[str]()

    def note(self, said: str) -> None:
        self.notes.append(said)


def diverging(monkeypatch: pytest.MonkeyPatch, wide: Callable[[int], bool]) -> None:
    """From here on, the last training of networks of such widths fails."""
    train = last_training.train_winner

    def fails(setting: Any, architecture: Any, *words: Any, **more: Any) -> Any:
        if wide(architecture["width_0"]):
            raise TrainingDiverged("the training loss became nan at step 7")
        return train(setting, architecture, *words, **more)

    monkeypatch.setattr(last_training, "train_winner", fails)


def test_the_next_best_ships_where_the_last_training_of_the_best_fails(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(monkeypatch, lambda width: width > 16)
    watch, out = Listening(), tmp_path / "out"
    result = run(Job.parse(task=stripes, out=out, **PLAIN), watch=watch)
    assert max(widths(out)) > 16
    assert result.architecture["width_0"] == max(width for width in widths(out) if width <= 16)
    assert any("failed (the training loss became nan at step 7): the next best" in said for said in watch.notes)


def test_where_every_last_training_fails_it_is_one_line(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(monkeypatch, lambda width: True)
    with pytest.raises(StudyError, match="the last training of every one that was judged failed"):
        azora.search(stripes, out=tmp_path / "out", **PLAIN)


def test_on_a_target_too_the_next_best_that_holds_ships(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    diverging(monkeypatch, lambda width: width == 16)
    file = false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0)
    out = tmp_path / "out"
    result = azora.search(stripes, out=out, **{**WORDS, "target": str(file), "limits": [LIMIT]})
    assert 16 in widths(out) and result.architecture["width_0"] == 8


def test_a_loss_that_is_small_enough_ends_the_search(stripes: Task, tmp_path: Path) -> None:
    # On `devices.larger_is_better` the loss is one less a thousandth of the width: a width of 64 has 0.936.
    words = {**PLAIN, "trials": 60, "objective": "loss:min", "stop_at": 0.94}
    azora.search(stripes, out=tmp_path / "out", **words)
    found = widths(tmp_path / "out")
    assert len(found) < 60 and found[-1] == 64 and 64 not in found[:-1]


def last(stop: threading.Event) -> LastTraining:
    job = SimpleNamespace(budget=None, precision="float32", reference=False)
    study = SimpleNamespace(measures={}, alive=lambda: None, elapsed=9.0)
    parts: tuple[Any, ...] = (
        SimpleNamespace(job=job, until=None),
        study,
        None,
        Path(),
        Path(),
        stop,
        Watcher(),
        lambda *said: None,
    )
    return LastTraining(*parts)


def test_an_interrupt_ends_the_trainings_that_follow_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    went_on = list[bool]()

    def train(*words: Any, watch: Callable[[float, float], bool], **more: Any) -> None:
        went_on.append(watch(0.0, 1.0))

    monkeypatch.setattr(last_training, "train_winner", train)
    stop = threading.Event()
    interrupted = last(stop)
    interrupted._train(cast(Any, None), None)
    stop.set()
    interrupted._train(cast(Any, None), None)
    late = last(stop)  # interrupted in the search already: the last trainings have their time
    late._train(cast(Any, None), None)
    assert went_on == [True, False, True]


def test_members_have_equal_parts_of_what_is_left_after_the_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"left": 100.0}

    def grow(*words: Any) -> tuple[None, str]:
        clock["left"] -= 40.0
        return None, "trees"

    def train(architecture: Any, seconds: float | None) -> Any:
        assert seconds is not None
        clock["left"] -= seconds
        return f"{architecture} in {seconds:g} s"

    monkeypatch.setattr(ensemble.boosting, "shipped", grow)
    assert members_of(["a", None, "b"], train, lambda: clock["left"]) == ["a in 30 s", "trees", "b in 30 s"]


def test_members_beside_a_usual_network_have_equal_parts_and_leave_it_its_half(monkeypatch: pytest.MonkeyPatch) -> None:
    best: Any = SimpleNamespace(report=SimpleNamespace(metrics={"judging_seconds": 0.7}))
    study: Any = SimpleNamespace(elapsed=20.0, best=lambda objective: best)
    setting = SimpleNamespace(
        job=SimpleNamespace(reference=True, ensemble=2), task=SimpleNamespace(test_rows=10), objective=None,
        data=SimpleNamespace(validation=range(10)), until=100.0,
    )  # fmt: skip
    parts: list[Any] = [setting, study, SimpleNamespace(known=lambda: ["usual"]), Path(), Path(), threading.Event()]
    made, given = LastTraining(*parts, Watcher(), lambda *said: None), list[float]()

    def train(architecture: Any, seconds: float | None) -> Any:
        assert seconds is not None
        given.append(seconds)
        study.elapsed += seconds
        return SimpleNamespace(epochs=3.0, seconds=study.elapsed)

    def ship(setting: Any, study: Any, best: Any, checkpoints: Path, other: Any, seconds: Any, *rest: Any) -> Any:
        return "trial", members_of(["a", "b"], train, seconds)[-1]

    monkeypatch.setattr(ensemble, "ship", ship)
    monkeypatch.setattr(made, "_train", train)
    _, winner, _ = made.ship(best)
    made.reference(winner)
    # Of the 80 s half a second is a margin, 0.7 s are for one look and four times as much for the test of both members.
    assert given == pytest.approx([19.0, 19.0, 80.0 - 38.0 - 0.5 - 2.8])


def members_of(
    names: list[str | None], train: Any, seconds: Any = lambda: 9.0, stop: threading.Event | None = None
) -> list[Any]:
    """What `train` gave for the members of these names (None: trees) that were trained."""
    nothing, watch = cast(Any, None), Listening()
    trials = [name and SimpleNamespace(proposal=SimpleNamespace(architecture=name)) for name in names]
    members = [ensemble._Candidate(cast(Any, trial), nothing) for trial in trials]
    chosen = ensemble._Chosen(members, [1.0] * len(members), 1.0, nothing)
    made = ensemble._members(nothing, nothing, chosen, train, seconds, stop or threading.Event(), watch)
    assert all(made[each][0] is each.trial for each in made)
    return [made[each][1] for each in members if each in made]


def test_a_member_that_fails_or_comes_after_an_interrupt_is_left_out() -> None:
    stop = threading.Event()

    def fails(architecture: Any, seconds: float | None) -> Any:
        if architecture == "b":
            raise TrainingDiverged("nan")
        return architecture

    def interrupted(architecture: Any, seconds: float | None) -> Any:
        stop.set()
        return architecture

    assert members_of(["a", "b", "c"], fails) == ["a", "c"]
    assert members_of(["a", "b", "c"], interrupted, stop=stop) == ["a"]
    assert members_of(["b"], fails) == []


def test_who_interrupts_a_search_waits_two_thirds_as_long_at_most() -> None:
    report = SimpleNamespace(report=SimpleNamespace(metrics={"judging_seconds": 0.0}))

    def seconds(stop: threading.Event) -> Any:
        job = SimpleNamespace(reference=False, ensemble=0)
        task, data = SimpleNamespace(test_rows=10), SimpleNamespace(validation=range(10))
        setting = SimpleNamespace(job=job, task=task, data=data, until=1000.0)
        parts = [setting, SimpleNamespace(elapsed=90.0), None, Path(), Path()]
        return LastTraining(*cast(Any, parts), stop, Watcher(), lambda *said: None)._seconds(cast(Any, report))

    stop = threading.Event()
    assert seconds(stop) == pytest.approx(909.5)
    stop.set()
    assert seconds(stop) == pytest.approx(60.0)


def test_what_was_trained_is_not_lost_where_delivering_it_fails(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, deliver = tmp_path / "out", delivery.deliver

    def no_room(*words: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("azora.automl.run.deliver", no_room)
    with pytest.raises(OSError, match="no space left"):
        azora.search(stripes, out=out, **PLAIN)
    monkeypatch.setattr("azora.automl.run.deliver", deliver)

    def refuse(*some: Any) -> None:
        raise AssertionError("a step")

    monkeypatch.setattr(Training, "_step", refuse)
    assert azora.search(stripes, out=out, resume=True, **PLAIN).final_epochs == 2.0


def test_more_time_or_trials_are_searched_with_though_the_last_training_was_killed(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def killed(*words: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    train = last_training.train_winner
    monkeypatch.setattr(last_training, "train_winner", killed)
    with pytest.raises(KeyboardInterrupt):
        azora.search(copy.copy(stripes), out=out, **PLAIN)
    monkeypatch.setattr(last_training, "train_winner", train)
    assert azora.search(copy.copy(stripes), out=out, resume=True, **{**PLAIN, "trials": 9}).trials == 9


@pytest.mark.parametrize(
    "enough", [{"trials": 3}, {"stop_at": 0.01}, {"trials": 6, "strategy": "evolution", "baseline": "random"}]
)
def test_a_killed_last_training_goes_on_where_nothing_more_is_to_be_searched(
    enough: Mapping[str, Any], stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of the budget is left."""
    out, words = tmp_path / "out", {**PLAIN, "trials": None, "budget": "10m", **enough}
    train = last_training.train_winner

    def killed(setting: Any, architecture: Any, checkpoints: Path, *rest: Any, **more: Any) -> None:
        (checkpoints / KEPT).mkdir(parents=True)
        raise KeyboardInterrupt

    def goes_on(setting: Any, architecture: Any, checkpoints: Path, *rest: Any, **more: Any) -> Any:
        assert (checkpoints / KEPT).is_dir()
        return train(setting, architecture, checkpoints, *rest, **{**more, "seconds": 1.0})

    monkeypatch.setattr(last_training, "train_winner", killed)
    with pytest.raises(KeyboardInterrupt):
        azora.search(copy.copy(stripes), out=out, **words)
    monkeypatch.setattr(last_training, "train_winner", goes_on)
    assert azora.search(copy.copy(stripes), out=out, resume=True, **words).seconds < 500


def nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, nothing may be trained, and no test rows read."""

    def refuse(*words: Any, **more: Any) -> Any:
        raise AssertionError("again")

    monkeypatch.setattr(last_training, "train_winner", refuse)
    monkeypatch.setattr(Task, "read_test", refuse)


@pytest.mark.parametrize("more", [{}, {"budget": "10m"}])
def test_what_is_finished_is_read(
    more: Mapping[str, Any], stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, words = tmp_path / "out", {**PLAIN, "trials": 3, **more}
    first = azora.search(copy.copy(stripes), out=out, **words)
    assert first.seconds < 500, "there is time left"
    nothing_again(monkeypatch)
    weights = (out / "model" / "weights.safetensors").read_bytes()
    for fewer in ({}, {"trials": 2}):
        again = azora.search(copy.copy(stripes), out=out, resume=True, **{**words, **fewer})
        assert again.figures == first.figures
    assert (out / "model" / "weights.safetensors").read_bytes() == weights


@pytest.mark.parametrize("more", [{"trials": 4}, {"trials": None, "budget": "60s"}, {"stop_at": 0.9}, {"ensemble": 2}])
def test_what_is_finished_goes_on_where_more_or_something_else_is_asked(
    more: Mapping[str, Any], stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, words = tmp_path / "out", {**PLAIN, "trials": 3}
    azora.search(copy.copy(stripes), out=out, **words)
    nothing_again(monkeypatch)
    with pytest.raises(AssertionError, match="again"):
        azora.search(copy.copy(stripes), out=out, resume=True, **{**words, **more})


def test_what_was_interrupted_goes_on_though_it_has_a_result(stripes: Task, tmp_path: Path) -> None:
    out, stop = tmp_path / "out", threading.Event()

    class Interrupts(Watcher):
        def see(self, sight: Any) -> None:
            stop.set()

    first = run(Job.parse(task=copy.copy(stripes), out=out, **PLAIN), stop=stop, watch=Interrupts())
    assert first.given["interrupted"] and first.trials < 6
    assert azora.search(copy.copy(stripes), out=out, resume=True, **PLAIN).trials == 6


def test_the_time_is_told_of_all_sessions_whatever_their_order() -> None:
    """A search that is gone on with after its last training: the phases' beginnings say nothing then."""

    def trial(seconds: float, **metrics: float) -> Any:
        return SimpleNamespace(report=SimpleNamespace(seconds=seconds, metrics=metrics))

    study: Any = SimpleNamespace(
        phases={"search": 5.0, "final": 20.0},
        spent={"search": 60.0, "final": 10.0, "baseline": 12.0},
        spent_before=lambda phase: 60.0,
        trials=[trial(30.0, judging_seconds=3.0), trial(20.0, judging_seconds=2.0), trial(4.0)],
        boosted=None,
    )
    told = dict(clock_of(study, cast(Any, SimpleNamespace(seconds=9.0))))
    assert told["training candidates"] == pytest.approx(49.0) and told["judging candidates"] == pytest.approx(5.0)
    assert told["choosing, waiting, writing the journal"] == pytest.approx(6.0)
    assert told["random search beside it"] == 12.0 and min(told.values()) >= 0


def test_all_trainings_after_an_interrupt_share_its_time_with_a_budget_and_without() -> None:
    report = SimpleNamespace(report=SimpleNamespace(metrics={"judging_seconds": 0.0}))
    stop, study = threading.Event(), SimpleNamespace(elapsed=90.0)

    def seconds(until: float | None) -> Any:
        job = SimpleNamespace(reference=False, ensemble=0)
        task, data = SimpleNamespace(test_rows=10), SimpleNamespace(validation=range(10))
        setting = SimpleNamespace(job=job, task=task, data=data, until=until)
        made = LastTraining(*cast(Any, [setting, study, None, Path(), Path()]), stop, Watcher(), lambda *said: None)
        study.elapsed = 120.0  # one was trained
        left = made._seconds(cast(Any, report))
        study.elapsed = 90.0
        return left

    assert seconds(None) is None
    stop.set()
    assert seconds(1000.0) == pytest.approx(30.0)
    assert seconds(None) == pytest.approx(30.0)


def test_a_task_whose_test_rows_were_read_is_refused_before_anything_is_searched(stripes: Task, tmp_path: Path) -> None:
    stripes.read_test()
    with pytest.raises(TaskError, match="was read before, and a second look would be a selection on it; make the task"):
        azora.search(stripes, out=tmp_path / "out", **PLAIN)
    assert not (tmp_path / "out").exists()
