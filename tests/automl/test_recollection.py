"""The memory on the command line, and what searches take from it."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.automl.recollection import FILE, Recollection, record_of
from azora.automl.run import run
from azora.automl.setting import Setting
from azora.automl.watching import Watcher
from azora.bench import BENCHMARKS
from azora.cli.main import main
from azora.errors import AzoraError
from azora.job import Job
from azora.meta import Judgement, Knowledge, Record
from azora.networks.registry import make_space
from azora.strategies.memory import Remembered
from azora.strategies.registry import STRATEGIES
from azora.study import StudyFolder
from azora.tasks import Task
from azora.trial import Objective, Proposal, Report

SEARCH = ["search", "digits", "--trials", "4", "--workers", "1", "--space", "mlp", "--json", "--quiet"]


def searched(out: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*SEARCH, "--out", str(out), *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_search_begins_with_what_an_earlier_one_found(
    brief: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = searched(tmp_path / "first", capsys)
    assert "recalled" not in first
    assert main(["memory", "show", "--json"]) == 0
    studies = json.loads(capsys.readouterr().out)["studies"]
    assert [(each["task"], each["networks"], each["space"]) for each in studies] == [("digits", 4, "mlp × recipe")]
    second = searched(tmp_path / "second", capsys, "--seed", "1")
    assert [(each["task"], each["networks"]) for each in second["recalled"]] == [("digits", 4)]
    # A study goes on with the memory that it began with, whatever was learned or forgotten since.
    assert main(["memory", "forget", "digits"]) == 0
    assert "2 searches forgotten" in capsys.readouterr().out
    gone_on = searched(tmp_path / "second", capsys, "--seed", "1", "--resume", "--trials", "6")
    assert gone_on["recalled"] == second["recalled"]
    alone = searched(tmp_path / "third", capsys, "--no-memory")
    assert "recalled" not in alone and not (tmp_path / "third" / "recalled.json").exists()
    assert alone["key"] == first["key"]  # equal seeds, and nothing that was remembered


@pytest.mark.parametrize(
    ("strategy", "heard"), [("random", False), ("evolution", True), ("spos", True), ("darts", False)]
)
def test_memory_is_named_where_the_strategy_hears_of_it(strategy: str, heard: bool, tmp_path: Path) -> None:
    words = {"trials": 1, "workers": 1, "space": "cells", "knowledge": tmp_path / "m.db", "out": tmp_path / "out"}
    job = Job.parse(task="digits", strategy=strategy, **words)
    cold = Setting.of(job)
    assert cold.memory is not None
    drawn = [Judgement(dict(cold.space.sample(random.Random(seed))), 0.5, 1.0) for seed in range(3)]
    space = {"name": cold.space.name, "fingerprint": cold.space.root.fingerprint}
    with Knowledge(tmp_path / "m.db") as memory:
        memory.remember(Record("1", "other", cold.memory.features, space, "accuracy", True, drawn))
    found = Setting.of(job).memory
    assert found is not None and len(found.remembered) == 1
    assert (found.statement() == "from memory: other (3 networks, 1.00 alike)") is heard
    assert (found.statement() is not None, bool(found.figures())) == (heard, heard)


def test_what_is_of_no_use_is_told(brief: None, tmp_path: Path, slopes: Task) -> None:
    notes: list[str] = []

    class Listening(Watcher):
        def note(self, said: str) -> None:
            notes.extend([said] if said.startswith("memory") else [])

    def search(task: Any, out: str) -> None:
        words = {"trials": 1, "workers": 1, "space": "mlp", "knowledge": tmp_path / "m.db"}
        run(Job.parse(task=task, out=tmp_path / out, **words), watch=Listening())

    search(slopes, "one")
    assert notes == []
    search("digits", "two")
    assert len(notes) == 1 and notes[0].startswith("memory: none of 1 searches") and notes[0].endswith("begun cold")
    with Knowledge(tmp_path / "m.db") as memory:
        assert [each.task for each in memory.records()] == ["slopes", "digits"]
        one = memory.records()[:1]
    assert (
        Recollection({}, one, []).statement() == "memory: none of 1 searches here is for a task like this; begun cold"
    )
    assert Recollection({}, [], [], 3).statement() == "memory: none of 3 searches is in this space; begun cold"
    assert Recollection({}, [], []).statement() is None
    two = tuple(make_space("mlp", slopes.signature).sample(random.Random(seed)) for seed in range(2))
    unlike = Recollection({}, one, [Remembered("other", two, (0.0, 1.0), 0.3)], heard=STRATEGIES["halving"].hears)
    assert unlike.statement() == "memory: none of 1 searches here is for a task like this; begun cold"
    assert unlike.figures() == {} and len(unlike.remembered) == 1
    doubted = replace(unlike, heard=STRATEGIES["transfer"].hears)  # it hears them once they have proved right
    assert doubted.statement() == "from memory: other (2 networks, 0.30 alike)"


def test_beside_random_search_nothing_is_remembered_of_the_same_rows(brief: None, slopes: Task, tmp_path: Path) -> None:
    words = {"trials": 1, "workers": 1, "space": "mlp", "knowledge": tmp_path / "m.db"}
    run(Job.parse(task=slopes, out=tmp_path / "one", **words))
    space = Setting.of(Job.parse(task=slopes, out=tmp_path / "x", **words)).space
    with Knowledge(tmp_path / "m.db") as memory:
        (found,) = memory.records()
        drawn = [Judgement(dict(space.sample(random.Random(seed))), 0.5, 1.0) for seed in range(3)]
        own = replace(found, trials=[*found.trials, *drawn])
        memory.remember(own)
        memory.remember(replace(own, id="other", task="other", facts={**own.facts, "data": "o", "test": "o"}))
        # The same rows, divided otherwise for another seed.
        memory.remember(replace(own, id="again", task="again", facts={**own.facts, "data": "another digest"}))
        # Scores that nobody trained for are no memory of this metric.
        memory.remember(replace(own, id="proxy", task="proxy", facts={**own.facts, "evaluator": "zero-cost"}))
        memory.remember(replace(own, id="count", task="count", facts={**own.facts, "evaluator": "mine:Count"}))
        memory.remember(replace(own, id="aim", task="aim", metric="reward"))

    def recalled(**more: Any) -> set[str]:
        found = Recollection.of(Job.parse(task=slopes, out=tmp_path / "two", **words, **more), slopes, space)
        assert found is not None
        return {each.task for each in found.remembered}

    assert recalled() == {"slopes", "other", "again"}
    assert recalled(baseline="random") == {"other"}
    assert recalled(evaluator="mine:Count") == {"count"}
    other = Job.parse(task=slopes, out=tmp_path / "other", evaluator="mine:Other", **words)
    none = Recollection.of(other, slopes, space)
    assert none is not None and none.statement() is None, "tasks like this there are, but no scores of that kind"
    mine = Job.parse(task=slopes, out=tmp_path / "mine", evaluator="mine:Count", **words)
    begun = Recollection.of(mine, slopes, space)
    assert begun is not None
    (tmp_path / "mine").mkdir()
    begun.save(tmp_path / "mine")
    again = Recollection.of(replace(mine, resume=True), slopes, space)
    assert again is not None and again.remembered == begun.remembered


def test_what_a_killed_search_kept_is_not_gone_on_with_by_another(brief: None, slopes: Task, tmp_path: Path) -> None:
    out, words = tmp_path / "out", {"trials": 1, "workers": 1, "space": "mlp", "knowledge": tmp_path / "m.db"}
    out.mkdir()
    (out / FILE).write_text('{"format": 1, "stud')
    run(Job.parse(task=slopes, out=out, **words))
    assert not (out / FILE).exists()  # there was nothing to remember


def test_only_one_network_that_had_the_whole_time_speaks_of_its_strategy(slopes: Task, tmp_path: Path) -> None:
    words = {"trials": 1, "workers": 1, "space": "mlp", "knowledge": tmp_path / "m.db"}
    plain = Job.parse(task=slopes, out=tmp_path / "out", **words)
    beside = Job.parse(task=slopes, out=tmp_path / "out", baseline="random", **words)
    setting = Setting.of(plain)
    study = StudyFolder(tmp_path / "out", resume=False).study(setting.space, setting.about(), time.monotonic())
    study.told(study.asked(Proposal(setting.space.sample(random.Random(0)))), Report({"r2": 0.5}), known=False)

    both = Job.parse(task=slopes, out=tmp_path / "out", objective=["r2", "macs:min"], **words)

    def outcome(job: Job, figures: dict[str, Any], *, interrupted: bool = False) -> Any:
        recollection = Recollection({}, [], [])
        recollection.leave(job, study, Objective("r2"), slopes, Watcher(), figures, interrupted=interrupted)
        with Knowledge(tmp_path / "m.db") as memory:
            (record,) = memory.records()
        return record.facts["outcome"]

    figures = {"test_r2": 0.7, "boosting": {"shipped": False}}
    assert outcome(plain, figures) == 0.7
    assert outcome(plain, figures, interrupted=True) is None
    assert outcome(beside, figures) is None and outcome(both, figures) is None
    assert outcome(plain, {**figures, "ensemble": {"members": []}}) is None
    assert outcome(plain, {**figures, "boosting": {"shipped": True}}) is None
    longer = Job.parse(task=slopes, out=tmp_path / "out", budget="60s", **{**words, "trials": None})
    Recollection({}, [], []).leave(longer, study, Objective("r2"), slopes, Watcher(), figures)
    with Knowledge(tmp_path / "m.db") as memory:
        assert [each.facts["budget"] for each in memory.records()] == [None, 60.0]
    study.close()


def test_all_trainings_of_a_network_are_kept_and_the_longest_stands_for_it(
    slopes: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job.parse(task=slopes, out=tmp_path / "out", trials=1, workers=1, space="mlp")
    setting = Setting.of(job)
    study = StudyFolder(tmp_path / "out", resume=False).study(setting.space, setting.about(), time.monotonic())
    one, other = (setting.space.sample(random.Random(seed)) for seed in range(2))
    for network, length, report in (
        (one, 3.0, Report({"r2": 0.5}, 2.0)), (one, 1.0, Report({"r2": 0.9}, 1.0)),
        (other, 1.0, Report({"r2": 0.7}, 1.0)), (one, 9.0, Report(error="lost")),
    ):  # fmt: skip
        study.told(study.asked(Proposal(network, length)), report, known=False)
    record = record_of(job, study, Objective("r2"), slopes, {})
    study.close()
    assert [(each.budget, each.score, each.others) for each in record.trials] == [
        (3.0, 0.5, ((1.0, 0.9, 1.0),)), (1.0, 0.7, ()),
    ]  # fmt: skip
    with Knowledge(tmp_path / "m.db") as memory:
        memory.remember(record)
        assert memory.records() == [record]
    assert main(["memory", "show", "--json", "--knowledge", str(tmp_path / "m.db")]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["studies"]
    assert (shown["networks"], shown["best"]) == (2, 0.5)


def test_a_search_that_came_to_nothing_is_left_as_evidence_alone(slopes: Task, tmp_path: Path) -> None:
    words = {"workers": 1, "space": "mlp", "knowledge": tmp_path / "m.db", "evaluator": "evaluators:raises"}
    for out, limit in (("one", {"trials": 2}), ("two", {"budget": "3s"})):
        with pytest.raises(AzoraError, match=r"networks that were tried failed|no network was judged"):
            run(Job.parse(task=slopes, out=tmp_path / out, **words, **limit))
    with Knowledge(tmp_path / "m.db") as memory:
        (record,) = memory.records()
    assert (record.facts["failed"], record.facts["budget"], record.facts["outcome"]) == (True, 3.0, None)
    assert record.trials == []
    next_one = Job.parse(task=slopes, out=tmp_path / "next", trials=1, **words)
    found = Recollection.of(next_one, slopes, Setting.of(next_one).space)
    assert found is not None and found.statement() is None
    assert main(["memory", "show", "--knowledge", str(tmp_path / "m.db")]) == 0


def test_a_memory_is_taken_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write(tmp_path / "macro.csv", MACRO_HEADER, macro_rows(5))
    one, other = ["--knowledge", str(tmp_path / "one.db")], ["--knowledge", str(tmp_path / "other.db")]
    assert main(["memory", "import", str(table), *one]) == 0
    assert main(["memory", "export", str(tmp_path / "all.json"), *one]) == 0
    assert main(["memory", "import", str(tmp_path / "all.json"), *other]) == 0
    capsys.readouterr()
    assert main(["memory", "show", *other]) == 0
    shown = capsys.readouterr().out
    assert "1 searches" in shown and "243 networks" in shown
    assert main(["memory", "export", *other]) == 0
    assert capsys.readouterr().out == (tmp_path / "all.json").read_text(encoding="utf-8")
    assert main(["memory", "forget", "--all", *other]) == 0
    assert "1 searches forgotten" in capsys.readouterr().out


def test_a_table_is_searched_with_a_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = BENCHMARKS["digits-cells"]
    alike = tmp_path / "alike.csv.gz"  # another table of the same space, which says the same
    alike.write_bytes(table.read_bytes())
    (tmp_path / "alike.toml").write_bytes(table.with_name("digits_cells.toml").read_bytes())
    kept, file = ["--knowledge", str(tmp_path / "one.db")], str(tmp_path / "all.json")
    assert main(["memory", "import", str(alike), *kept]) == 0
    assert main(["memory", "export", file, *kept]) == 0
    capsys.readouterr()
    words = ["bench", "digits-cells", "--queries", "8", "--runs", "4", "--workers", "1"]
    named = ["--strategy", "transfer", "--strategy", "portfolio", "--json"]
    assert main([*words, "--memory", file, "--recall", "40", *named]) == 0
    found = json.loads(capsys.readouterr().out)["strategies"]
    assert found["transfer"]["8"]["mean"] > found["random"]["8"]["mean"]
    assert found["portfolio"]["5"]["mean"] > found["random"]["5"]["mean"]
    for wrong, said in (
        (["--memory", "nosuch.json"], "cannot be read"),
        (["--recall", "5"], "say what of by --memory"),
        (["--memory", file, "--recall", "1"], "ask for 2 at least"),
    ):
        assert main([*words, *wrong]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["memory", "forget"], "say which searches to forget"),
        (["memory", "forget", "nosuch"], "has no search 'nosuch'; it has nothing"),
        (["memory", "import", "nosuch.json"], "nosuch.json cannot be read"),
        ([*SEARCH, "--out", "x", "--no-memory", "--knowledge", "m.db"], "say one of the two"),
        ([*SEARCH, "--out", "x", "--knowledge", "/dev/null/m.db"], "cannot be opened"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not (tmp_path / "x").exists()
