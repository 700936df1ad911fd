"""What is read from a journal, and the folder that it lies in."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azora.errors import StudyError
from azora.space import Categorical, Space
from azora.study import MemoryJournal, Study, StudyFolder
from azora.study.folder import remove
from azora.testing import tiny_space
from azora.trial import Objective, Proposal, Report


def proposal(seed: int, budget: float | None = 1.0) -> Proposal:
    return Proposal(tiny_space().sample(random.Random(seed)), budget)


def test_a_study_read_again_is_the_same() -> None:
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    study.create({"task": "t"})
    first, second, third = (study.asked(proposal(seed)) for seed in range(3))
    study.told(first, Report({"accuracy": 0.5}))
    study.told(second, Report(error="no"))
    study.fitted(40.0)
    study.enter("final")
    again = Study(journal, tiny_space())
    assert [trial.report for trial in again.trials] == [trial.report for trial in study.trials]
    assert list(again.pending) == [third]
    assert (again.phase, again.failed, again.judged, again.asks) == ("final", 1, 1, 3)
    assert [event[0] for event in again.history()] == ["asked", "asked", "asked", "told", "told", "fitted"]
    assert again.find(proposal(0)) == Report({"accuracy": 0.5})
    assert again.find(proposal(0, 3.0)) is None


def test_the_highest_fidelity_decides_and_ties_go_to_the_smaller_loss() -> None:
    study = Study(MemoryJournal(), tiny_space())
    reports = {
        (0, 1.0): Report({"accuracy": 0.99, "loss": 0.1}),
        (1, 1.0): Report({"accuracy": 0.90, "loss": 0.1}),
        (1, 3.0): Report({"accuracy": 0.95, "loss": 0.3}),
        (2, 3.0): Report({"accuracy": 0.95, "loss": 0.2}),
        (3, 9.0): Report(error="failed at the longest"),
    }
    for (seed, budget), report in reports.items():
        study.told(study.asked(proposal(seed, budget)), report)
    ranked = [trial.proposal.architecture.key for trial in study.ranked(Objective())]
    assert ranked == [proposal(seed).architecture.key for seed in (2, 1, 0)]


def test_what_was_cut_is_neither_judged_nor_failed_nor_pending() -> None:
    study = Study(MemoryJournal(), tiny_space())
    study.cut(study.asked(proposal(0)), "the budget was spent")
    assert (study.judged, study.failed, study.pending, study.trials) == (0, 0, {}, [])


def test_what_was_cut_is_for_the_next_session() -> None:
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    study.open()
    first, second, third = (study.asked(proposal(seed)) for seed in range(3))
    study.cut(second, "interrupted")
    study.told(third, Report({"accuracy": 0.5}))
    again = Study(journal, tiny_space())
    assert list(again.pending) == [first]
    again.open()
    assert list(again.pending) == list(Study(journal, tiny_space()).pending) == [first, second]
    again.told(second, Report({"accuracy": 0.7}))
    assert list(Study(journal, tiny_space()).pending) == [first]


def test_the_best_is_the_first_of_the_ranked_at_every_moment() -> None:
    study, rng, objective = Study(MemoryJournal(), tiny_space()), random.Random(0), Objective()
    assert study.best(objective) is None
    assert study.top(objective) == float("-inf")
    for _ in range(200):
        metrics = {"accuracy": rng.choice((0.1, 0.5, 0.9)), "loss": rng.choice((0.1, 0.2))}
        report = Report(metrics) if rng.random() < 0.8 else Report(error="no")
        study.told(study.asked(proposal(rng.randrange(30), rng.choice((1.0, 3.0, 9.0)))), report)
        assert study.best(objective) == next(iter(study.ranked(objective)), None)
    assert study.top(objective) == max(objective.score(trial.report) for trial in study.trials)
    assert study.failed == sum(not trial.report.ok for trial in study.trials)
    assert study.judged == len({trial.proposal.architecture.key for trial in study.trials if trial.report.ok})


def test_time_is_that_of_all_sessions() -> None:
    journal = MemoryJournal()
    first = Study(journal, tiny_space(), started=time.monotonic() - 20)
    first.open()
    second = Study(journal, tiny_space(), started=time.monotonic() - 5)
    assert 25 <= second.elapsed < 26


def test_a_phase_takes_the_time_that_it_had_and_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    study.create({})
    study.open()
    now += 5
    study.enter("search")
    now += 2
    study.told(study.asked(proposal(0)), Report({"accuracy": 0.5}))
    now += 1  # and killed
    again = Study(journal, tiny_space())
    again.open()
    now += 7
    again.enter("search")
    now += 3
    again.told(again.asked(proposal(1)), Report({"accuracy": 0.5}))
    now += 1
    assert again.spent_in("search") == 6.0
    again.enter("final")
    now += 10
    assert (again.spent_in("search"), again.spent_in("final")) == (6.0, 10.0)
    assert Study(journal, tiny_space()).worked == again.worked == [2.0, 5.0]


def test_parts_of_a_phase_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    study = Study(MemoryJournal(), tiny_space(), started=0.0)
    study.create({})
    for phase, seconds in (("search:sharing", 3.0), ("search:judging", 2.0), ("search", 4.0), ("searching", 9.0)):
        study.enter(phase)
        now[0] += seconds
    assert study.spent_in("search") == 9.0
    assert study.spent_in("search:sharing") == 3.0
    assert study.spent_in("searching") == 9.0
    assert study.spent_before("searching") == 0.0


def test_a_clock_set_back_takes_no_time_away(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(MemoryJournal(), tiny_space())
    before = study.elapsed
    monkeypatch.setattr(time, "time", lambda: 0.0)
    study.open()
    assert study.elapsed >= before


def test_a_folder_with_a_study_is_refused_unless_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = StudyFolder(out, resume=False)
    folder.study(tiny_space(), {"task": "digits", "strategy": "random", "seed": 0}, time.monotonic()).close()
    folder.release()
    with pytest.raises(StudyError, match=r"holds a study .task digits, strategy random, seed 0.; go on with --resume"):
        StudyFolder(out, resume=False)
    again = StudyFolder(out, resume=True)
    with pytest.raises(StudyError, match="holds a study with seed 0, not seed 1"):
        again.study(tiny_space(), {"task": "digits", "strategy": "random", "seed": 1}, time.monotonic())
    again.release()


def test_resuming_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study to resume"):
        StudyFolder(tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


def test_a_live_study_is_refused_to_a_second_process_and_free_when_the_first_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from azora.study import StudyFolder;"
        "StudyFolder(Path(sys.argv[1]), resume=False); print('locked', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(StudyError, match="another search is running"):
        StudyFolder(tmp_path / "out", resume=False)
    other.kill()
    other.communicate()
    StudyFolder(tmp_path / "out", resume=False).release()


def test_a_study_is_removed_but_not_while_a_search_is_running(tmp_path: Path) -> None:
    out = tmp_path / "out"
    remove(out)  # there is nothing to do
    folder = StudyFolder(out, resume=False)
    folder.study(tiny_space(), {"task": "digits"}, time.monotonic()).close()
    with pytest.raises(StudyError, match="another search is running"):
        remove(out)
    assert (out / "study.db").exists()
    folder.release()
    remove(out)
    assert not out.exists() and tmp_path.exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written"):
        StudyFolder(tmp_path / "file" / "out", resume=False)


def test_the_front_is_of_the_highest_fidelity_and_nothing_in_it_is_beaten() -> None:
    study, rng = Study(MemoryJournal(), tiny_space()), random.Random(0)
    both = (Objective(), Objective("macs", maximise=False))
    assert study.front(both) == []
    for number in range(60):
        proposal = Proposal(tiny_space().sample(rng), float(1 + 2 * (number % 2)))
        metrics = {"accuracy": rng.random(), "macs": rng.random()}
        study.told(study.asked(proposal), Report(metrics) if number % 7 else Report(error="no"))
    front = study.front(both)
    assert front and all(trial.proposal.budget == 3.0 for trial in front)
    able = [trial.report.metrics for trial in study.trials if trial.report.ok and trial.proposal.budget == 3.0]
    for trial in front:
        mine = trial.report.metrics
        assert not any(each["accuracy"] > mine["accuracy"] and each["macs"] < mine["macs"] for each in able)
    assert [trial.report.metrics["accuracy"] for trial in front] == sorted(
        (trial.report.metrics["accuracy"] for trial in front), reverse=True
    )


def test_going_on_in_another_space_names_what_differs(tmp_path: Path) -> None:
    out, space = tmp_path / "out", tiny_space()
    folder = StudyFolder(out, resume=False)
    study = folder.study(space, {"task": "digits", "space": "tiny"}, time.monotonic())
    study.told(study.asked(Proposal(space.sample(random.Random(0)))), Report({"accuracy": 0.5}))
    study.close()
    folder.release()
    again = StudyFolder(out, resume=True)
    other = Space("other", [Categorical("depth", (1, 2))])
    with pytest.raises(StudyError, match="holds a study with space 'tiny', not space 'other'; choose another --out"):
        again.study(other, {"task": "digits", "space": "other"}, time.monotonic())
    again.release()
