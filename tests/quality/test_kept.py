"""What benchmarks of tables and tasks keep, refuse and tell."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

tasks, misleading_memory, boosting, keeping = (
    script(name) for name in ("tasks", "misleading_memory", "boosting", "keeping")
)


def test_a_table_is_not_packed_before_all_networks_are_trained(tmp_path: Path) -> None:
    codes = tasks.codes()[:3]
    for name in tasks.TASKS[1:]:
        lines = [json.dumps({"code": code}) for code in codes]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines[: 2 if name == tasks.TASKS[1] else 3]))
    with pytest.raises(SystemExit, match=f"of 3 networks {tasks.TASKS[0]} has 0, {tasks.TASKS[1]} has 2: train"):
        tasks.pack(tmp_path, tmp_path, tmp_path / "results", 3)
    assert not (tmp_path / "results").exists()
    (tmp_path / f"{tasks.TASKS[0]}.jsonl").write_text("\n".join(json.dumps({"code": code}) for code in codes))
    with pytest.raises(SystemExit, match=r"by --networks \(all tasks have the first 2\)"):
        tasks.pack(tmp_path, tmp_path, tmp_path / "results", 3)


def test_trainings_of_two_processors_are_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", ["mnist_a", "mnist_b"])
    (code,) = tasks.codes()[:1]
    for name, processor in (("mnist_a", "EPYC"), ("mnist_b", "Xeon")):
        line = {"code": code, "on": {"processor": processor, "commit": "now"}}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line))
    with pytest.raises(SystemExit, match="has runs of processors EPYC, Xeon; move"):
        tasks.pack(tmp_path, tmp_path, tmp_path / "results", 1)
    assert not (tmp_path / "results").exists()


def test_lines_are_kept_whole_and_folded_away(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    keeping.fold(file)
    assert keeping.lines_of(file) == []
    file.write_text('{"a": 1}\n{"a": ', encoding="utf-8")  # a kill cut it short
    for number in (2, 3):
        with keeping.appending(file) as append:
            append({"a": number})
        assert keeping.lines_of(file) == [{"a": each + 1} for each in range(number)]
        keeping.fold(file)
        assert [each.name for each in tmp_path.iterdir()] == ["runs.jsonl.gz"]
        assert keeping.lines_of(file) == [{"a": each + 1} for each in range(number)]


def test_how_much_is_left_is_told_once_a_minute_at_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 3600.0, 3630.0, 7200.0))
    monkeypatch.setattr(keeping, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = keeping.Progress("some.py", 2, [10.0, 20.0, 30.0], 5400.0)
    for amount in (10.0, 20.0, 30.0):
        progress(amount)
    assert capsys.readouterr().err.splitlines() == [
        "some.py: 2 of 5 are there, about 1.5 hours left",
        "some.py: 3 of 5 are there, about 5.0 hours left",
        "some.py: 5 of 5 are there, about 0.0 hours left",
    ]


def regrets(cold: float | None, warm: float | None) -> dict[str, Any]:
    figures = {"bayesian": cold, "transfer": warm, "portfolio": warm, "random": cold}
    return {name: {"10": {"seen": figure, "held out": figure}} for name, figure in figures.items()}


def test_a_missing_figure_is_none_and_means_have_intervals() -> None:
    found = {"mnist_a": regrets(4.0, 1.0), "mnist_b": regrets(2.0, 1.0), "bhmsds_a": regrets(2.0, 2.0)}
    told = tasks.means(found, 300)["transfer"]["10"]["seen"]
    assert told == {
        "mean": pytest.approx(4 / 3, abs=1e-3), "mean interval": [1.0, 2.0],
        "of cold": 0.5, "of cold interval": [pytest.approx(1 / 3, abs=1e-3), 1.0],
    }  # fmt: skip
    lacking = tasks.means({**found, "bhmsds_b": regrets(2.0, None)}, 50)
    assert lacking["transfer"]["10"]["seen"] == {"mean": None, "of cold": None}
    assert lacking["bayesian"]["10"]["seen"]["of cold"] == 1.0


def test_a_missing_regret_of_a_memory_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {
        "transfer": {
            10.0: SimpleNamespace(regret=None, seen_regret=0.0),
            25.0: SimpleNamespace(regret=1.0, seen_regret=2.0),
        }
    }
    monkeypatch.setattr(misleading_memory, "compare", lambda *given, **words: SimpleNamespace(figures=figures))
    told = misleading_memory.regrets(None, 1)
    assert told == {"transfer": {"10": {"held out": None, "seen": 0.0}, "25": {"held out": 1.0, "seen": 2.0}}}


def test_memories_are_read_before_anything_is_played_and_told_one_by_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    events = list[str]()

    def memories(source: str, others: list[str]) -> Iterator[tuple[str, str]]:
        for name in ("source", *others):
            events.append(f"read {name}")
            yield name, name

    def regrets(setup: Any, runs: int) -> dict[str, str]:
        events.append(f"played {'/'.join(setup.strategies)}")
        return {name: f"of {name}" for name in setup.strategies}

    monkeypatch.setattr(misleading_memory, "memories", memories)
    monkeypatch.setattr(misleading_memory, "regrets", regrets)
    monkeypatch.setattr(misleading_memory, "write_records", lambda records: "")
    asked = argparse.Namespace(
        table="table", source="source", others=["device"], strategy="transfer", queries=9, runs=1, recall=5
    )
    told = misleading_memory.played(asked, tmp_path)
    assert next(told) == ("random", "of random") and next(told) == ("cold", "of bayesian")
    assert events == ["read source", "read device", "played random/bayesian"], "once for both"
    assert list(told) == [("source", "of transfer"), ("device", "of transfer")]


def test_runs_beside_boosting_are_kept_and_failed_ones_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = list[int]()

    def measured(file: Path, words: argparse.Namespace, seed: int, task: Any, x: Any) -> dict[str, Any]:
        seeds.append(seed)
        on = {"commit": "then", "processor": "one"}
        if seed == 1:
            return {"error": "RuntimeError: lost", "on": on}
        sure = np.eye(3)[np.zeros(len(x), int)]
        return {"run": {"judged": 3}, "answers": {"azora": sure.tolist(), "boosting": sure.tolist()}, "on": on}

    monkeypatch.setattr(boosting, "measured", measured)
    words = argparse.Namespace(seeds=2, budget=1.0, no_boosting=False, work=tmp_path / "work")
    told = boosting.compared("iris", words, tmp_path)
    assert told == boosting.compared("iris", words, tmp_path) and seeds == [0, 1, 1]
    assert told["runs on"] == {"commits": ["then"], "processors": ["one"]}
    assert told["gain"] == 0.0 and told["failed"] == ["RuntimeError: lost"] and told["at_or_above"] is False
    words.seeds = 1
    told = boosting.compared("iris", words, tmp_path)
    assert told["at_or_above"] is told["mean_at_or_above"] is True
    with pytest.raises(SystemExit, match=r"iris-seed0\.json was made with other budget"):
        boosting.compared("iris", argparse.Namespace(**{**vars(words), "budget": 2.0}), tmp_path)


def test_a_mean_below_boosting_is_told_though_the_rows_do_not_show_it() -> None:
    y = np.zeros(30, int)
    one, other = np.eye(2)[[0] * 28 + [1] * 2], np.eye(2)[[1] + [0] * 29]
    told = boosting.summary("classification", y, [(one, other)], whole=True)
    assert told["at_or_above"] is True and told["mean_at_or_above"] is False and told["low"] < told["gain"] < 0


def test_a_discovery_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lost = SimpleNamespace(returncode=2, stdout="", stderr="first\nazora: there is no time")
    monkeypatch.setattr(boosting.subprocess, "run", lambda *given, **words: lost)
    words = argparse.Namespace(budget=1.0, no_boosting=True)
    task = SimpleNamespace(signature=SimpleNamespace(kind="classification"))
    assert boosting.measured(tmp_path, words, 0, task, None)["error"] == "RuntimeError: azora: there is no time"


def test_what_measures_time_waits_for_another_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, waits = list[str](), Event()
    monkeypatch.setattr(keeping, "LOCK", tmp_path / "lock")

    def said(line: str, **words: Any) -> None:
        events.append(line)
        waits.set()

    def other() -> None:
        with keeping.alone("gain.py"):
            events.append("gain")

    monkeypatch.setattr(keeping, "print", said, raising=False)
    thread = Thread(target=other)
    with keeping.alone("limits.py"):
        thread.start()
        assert waits.wait(30)
        events.append("limits")
    thread.join(30)
    assert events == ["gain.py must be alone on the machine: it waits for limits.py to end", "limits", "gain"]


class Pool:
    """Trains nothing, and is killed at the code that `lost` is."""

    lost = ""

    def __init__(self, processes: int, mp_context: Any) -> None: ...

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *given: object) -> None: ...

    def map(self, train: Any, jobs: list[Any], chunksize: int) -> Iterator[dict[str, Any]]:
        for _, name, code in jobs:
            if code == self.lost:
                raise BrokenProcessPool("A process was killed.")
            yield {"code": code, "task": name}


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", ["mnist_a", "mnist_b"])
    monkeypatch.setattr(tasks, "ProcessPoolExecutor", Pool)


def on(monkeypatch: pytest.MonkeyPatch, commit: str, processor: str = "EPYC") -> None:
    monkeypatch.setattr(tasks, "provenance", lambda: {"commit": commit, "processor": processor})


@pytest.mark.usefixtures("trains")
def test_a_training_says_of_which_checkout_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for networks, commit in ((1, "then"), (2, "now")):
        on(monkeypatch, commit)
        tasks.train_all(tmp_path, tmp_path, networks, 1)
    lines = keeping.lines_of(tmp_path / "mnist_a.jsonl")
    assert [each["on"]["commit"] for each in lines] == ["then", "now"]
    on(monkeypatch, "now", "Xeon")
    with pytest.raises(SystemExit, match="has runs of processors EPYC, and this is Xeon"):
        tasks.train_all(tmp_path, tmp_path, 3, 1)


@pytest.mark.usefixtures("trains")
def test_what_a_kill_left_of_trainings_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = tasks.codes()[:3]
    on(monkeypatch, "now")
    monkeypatch.setattr(tasks, "BLOCK", 2)
    monkeypatch.setattr(Pool, "lost", codes[2])
    with pytest.raises(
        SystemExit, match=r"^A process was killed\. What is in .* stays: start it again, and it goes on$"
    ):
        tasks.train_all(tmp_path, tmp_path, 3, 1)
    assert [list(tasks.trained(tmp_path, name)) for name in tasks.TASKS] == [codes[:2]] * 2, "as many of each"
    with (tmp_path / "mnist_b.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"code": "12')  # a kill cut it short
    monkeypatch.setattr(Pool, "lost", "")
    tasks.train_all(tmp_path, tmp_path, 3, 1)
    tasks.fold_all(tmp_path)
    assert [list(tasks.trained(tmp_path, name)) for name in tasks.TASKS] == [codes] * 2
    assert "tasks.py: 4 of 6 are there\n" in capsys.readouterr().err


def test_a_score_tells_each_task_as_soon_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bhmsds_a", "mnist_a"):
        (tmp_path / f"{name}.csv.gz").touch()
    figures = {name: {10.0: SimpleNamespace(regret=1.0, seen_regret=2.0)} for name in ("random", *tasks.STRATEGIES)}
    played, heard = list[str](), list[str]()

    def compare(setup: Any, **words: Any) -> Any:
        heard.append(capsys.readouterr().err)
        played.append(Path(setup.table).name.removesuffix(".csv.gz"))
        return SimpleNamespace(figures=figures)

    for name, stub in {
        "compare": compare, "record_of": str, "find_table": lambda file: SimpleNamespace(networks=30),
        "write_records": lambda records: "", "provenance": dict,
    }.items():  # fmt: skip
        monkeypatch.setattr(tasks, name, stub)
    told = tasks.score(tmp_path, 1, 5)
    assert played == ["bhmsds_a"] * 3 + ["mnist_a"] * 3 and list(told["tasks"]) == ["bhmsds_a", "mnist_a"]
    assert heard[3].startswith('{"bhmsds_a": {"networks": 30, "random": ') and not any(heard[:3] + heard[4:])
    assert capsys.readouterr().err.startswith('{"mnist_a": ')
    assert tasks.score(tmp_path, 1, 5) == told and len(played) == 6, "it is not played again"
    (tmp_path / "mnist_a.csv.gz").write_bytes(b"more networks")
    tasks.score(tmp_path, 1, 5)
    assert len(played) == 12
