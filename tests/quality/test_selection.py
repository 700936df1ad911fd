"""What the benchmark of choosing says of failures, seeds and rules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

from azora.meta.evidence import Experience, Situation, read_evidence

selection, keeping = script("selection"), script("keeping")
DESCRIBED = {name: {"nearest": 0.5} for name in ("mnist_a", "mnist_b", "bhmsds_a")}


def runs(scores: dict[str, list[float | None]], name: str = "mnist_a") -> dict[Any, dict[str, Any]]:
    """A strategy's accuracy by seed; None where it failed."""
    return {
        (name, 45.0, strategy, seed): {"error": "lost"} if one is None else {"test_accuracy": one}
        for strategy, own in scores.items()
        for seed, one in enumerate(own)
    }


def test_what_failed_counts_as_the_worst_of_its_task_and_time() -> None:
    told = {"halving": [0.8, 0.9], "spos": [None, None], "random": [0.7, None]}
    (case,) = selection.experiences({**runs(told), **runs({"halving": [None]}, "mnist_b")}, DESCRIBED)
    assert case.scores == {"halving": [0.8, 0.9], "spos": [0.7, 0.7], "random": [0.7, 0.7]}
    assert case.ranks(("halving", "spos", "random"))["halving"] == 0.0


def test_halves_are_by_the_number_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "STRATEGIES", ("halving", "spos"))
    told = runs({"halving": [None, 0.9, 0.7, 0.95], "spos": [0.8, 0.85, 0.81, 0.86]})
    told |= runs({"halving": [0.5, 0.5], "spos": [0.5]}, "mnist_b")  # a night that ended early
    (even, odd), left_out = selection.halves(told, DESCRIBED)
    assert [each.scores for each in even] == [{"halving": [0.7, 0.7], "spos": [0.8, 0.81]}]
    assert [each.scores for each in odd] == [{"halving": [0.9, 0.95], "spos": [0.85, 0.86]}]
    assert left_out == 1


def test_regrets_are_of_other_seeds_and_say_how_much_of_the_gap_is_closed() -> None:
    known, scored = [], []
    for place, name in enumerate(("mnist_a", "bhmsds_a", "mnist_b")):
        situation, data = Situation(DESCRIBED[name], "cells", 45.0), name.rsplit("_", 1)[0]
        good, bad = ("halving", "spos") if place else ("spos", "halving")
        for cases in (known, scored):
            cases.append(Experience(name, situation, {good: [0.9], bad: [0.7], "random": [0.5]}, data))
    rules = {(name, 45.0): "random" for name in DESCRIBED}
    lines = selection.regrets(known, scored, rules)
    assert [line["data"] for line in lines] == ["mnist", "bhmsds", "mnist"]
    assert [line["oracle"] for line in lines] == [0.0] * 3 and [line["rules"] for line in lines] == [1.0] * 3
    assert lines[0]["best single"] == pytest.approx(0.5), "bhmsds says halving"
    best, told = selection.in_hindsight(lines)
    assert best == "halving", "two of three cases"
    assert [line[selection.HINDSIGHT] for line in told] == pytest.approx([0.5, 0.0, 0.0])
    of_all = selection.summary(told, 50)
    assert of_all["regret"][selection.HINDSIGHT] == pytest.approx(0.1667, abs=1e-3)
    assert of_all["closed of single in hindsight"] == pytest.approx(
        (0.1667 - of_all["regret"]["chosen"]) / 0.1667, abs=0.01
    )
    usual = {"chosen": 0.0, "best single": 0.5, "rules": 1.0, "oracle": 0.0, "chance": 0.5, "data": "mnist"}
    told = selection.summary([usual, {**usual, "best single": 0.0, "data": "bhmsds"}], 200)
    assert told["closed"] == 1.0 and told["closed interval"] == [1.0, 1.0]
    assert 0.6 < told["resamples with a gap to close"] < 0.9, "none where bhmsds alone was drawn"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one data set, of ten classes in turn."""
    x = np.random.default_rng(0).integers(0, 256, (9_000, 14, 14, 3), dtype=np.uint8)
    y = np.arange(len(x)) % 10
    np.savez(tmp_path / "cifar10_full.npz", x_train=x[500:], y_train=y[500:], x_test=x[:500], y_test=y[:500])
    return tmp_path


def test_a_task_has_few_pictures_or_many_and_others_to_judge_by(pictures: Path) -> None:
    few, many = (selection.cut(str(pictures), f"cifar10_full_{size}") for size in ("few", "many"))
    assert few["x_train"].shape == (300, 3, 14, 14) and few["x_test"].shape == (1_500, 3, 14, 14)  # a third of 4,500
    assert many["x_train"].shape == (3_000, 3, 14, 14) and many["x_test"].shape == (1_500, 3, 14, 14)
    assert set(few["y_train"]) == set(many["y_test"]) == set(range(5))
    rows = {each.tobytes() for each in few["x_train"]}
    assert not rows & {each.tobytes() for each in few["x_test"]}
    assert not rows & {each.tobytes() for each in many["x_train"]}, "other classes"


def test_rules_are_azoras_for_the_very_search(pictures: Path) -> None:
    cases = [Experience(f"cifar10_full_{size}", Situation({}, "cells", 45.0), {}) for size in ("few", "many")]
    assert selection.ruled(pictures, cases) == {
        ("cifar10_full_few", 45.0): "halving",
        ("cifar10_full_many", 45.0): "spos",
    }


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (subprocess.TimeoutExpired("azora", 345.0), "TimeoutExpired"),
        (SimpleNamespace(returncode=0, stdout="no JSON", stderr=""), "JSONDecodeError"),
        (SimpleNamespace(returncode=0, stdout="{}", stderr=""), "KeyError: 'test_accuracy'"),
        (SimpleNamespace(returncode=2, stdout="", stderr="one\nthe last"), "RuntimeError: the last"),
    ],
)
def test_a_search_that_hangs_or_answers_oddly_is_a_line(
    came: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def run(command: list[str], **words: Any) -> Any:
        asked.append(words)
        if isinstance(came, Exception):
            raise came
        return came

    monkeypatch.setattr(selection, "provenance", lambda: {"commit": "now"})
    monkeypatch.setattr(selection.subprocess, "run", run)
    cores = SimpleQueue[int]()
    cores.put(3)
    line = selection.searched(("mnist_a", 45.0, "spos", 1), tmp_path, cores)
    assert said in line["error"] and (line["task"], line["seed"]) == ("mnist_a", 1)
    assert line["on"] == {"commit": "now"}, "each run says of which checkout it is"
    assert line["took"] < 15.0
    assert cores.get_nowait() == 3 and asked[0]["timeout"] == 345.0


def test_a_line_that_a_kill_cut_short_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "RUNS", tmp_path / "runs.jsonl")
    whole = '{"task": "mnist_a", "seconds": 45.0, "strategy": "spos", "seed": 1, "error": "lost"}'
    selection.RUNS.write_text(f'{whole}\n{{"task": "mni', encoding="utf-8")
    assert list(selection.read_runs()) == [("mnist_a", 45.0, "spos", 1)]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for runs, of tasks that need no data."""
    monkeypatch.setattr(selection, "RUNS", tmp_path / "runs.jsonl")
    monkeypatch.setattr(selection, "STRATEGIES", ("halving", "spos"))
    monkeypatch.setattr(selection, "write_task", lambda data, name, folder: name)
    monkeypatch.setattr(selection, "load_task", lambda name: SimpleNamespace(search_data=name))
    monkeypatch.setattr(selection, "describe_task", lambda name: {"nearest": 0.5})
    monkeypatch.setattr(selection, "ruled", lambda data, cases: {(each.task, 45.0): "spos" for each in cases})
    return tmp_path


def keep(lines: Mapping[Any, Mapping[str, Any]], *processors: str) -> None:
    """With a processor for each run, in turns."""
    text = ""
    for place, (key, line) in enumerate(lines.items()):
        on = {"processor": processors[place % len(processors)], "commit": f"c{place % 2}"}
        text += json.dumps({**dict(zip(("task", "seconds", "strategy", "seed"), key, strict=True)), **line, "on": on})
        text += "\n"
    selection.RUNS.write_text(text, encoding="utf-8")


def test_what_comes_first_is_kept_first(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "TASKS", ["mnist_a"])
    monkeypatch.setattr(selection.os, "sched_getaffinity", lambda process: {0, 1})
    later = Event()

    def searched(key: Any, *rest: Any) -> dict[str, Any]:
        if key[2] == "halving":  # the first that is asked for
            assert later.wait(10)
        return {**dict(zip(("task", "seconds", "strategy", "seed"), key, strict=True)), "on": {"processor": "EPYC"}}

    @contextmanager
    def appending(file: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
        def append(line: dict[str, Any]) -> None:
            write(line)
            later.set()

        with keeping.appending(file) as write:
            yield append

    monkeypatch.setattr(selection, "searched", searched)
    monkeypatch.setattr(selection, "appending", appending)
    monkeypatch.setattr(selection, "provenance", lambda: {"processor": "EPYC"})
    selection.run(kept, [45.0], 1, ["halving", "spos"], 2, False)
    assert [key[2] for key in selection.read_runs()] == ["spos", "halving"]
    assert "selection.py: 2 of 2 are there, about 0.0 hours left" in capsys.readouterr().err
    monkeypatch.setattr(selection, "searched", lambda *given: pytest.fail("they are there"))
    selection.run(kept, [45.0], 1, ["halving", "spos"], 2, False)


@pytest.mark.parametrize("on", [{"processor": "EPYC"}, None])
def test_a_night_of_another_processor_is_not_gone_on_with(
    on: dict[str, str] | None, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"task": "mnist_a", "seconds": 45.0, "strategy": "spos", "seed": 0, "error": "lost", "on": on}
    selection.RUNS.write_text(json.dumps(line) + "\n", encoding="utf-8")
    monkeypatch.setattr(selection, "provenance", lambda: {"processor": "Xeon"})
    told = r"runs\.jsonl has runs of processors (EPYC|None), and this is Xeon; go on there, or move these aside"
    with pytest.raises(SystemExit, match=told):
        selection.run(kept, [45.0], 1, ["halving", "spos"], 2, True)


def line_of(seed: int, took: float | None = None) -> dict[str, Any]:
    """A run that went well, or one that failed after so many seconds."""
    came = {"test_accuracy": 0.9, "took": 44.0} if took is None else {"error": f"OSError: {seed}", "took": took}
    return {"task": "mnist_a", "seconds": 45.0, "strategy": "spos", "seed": seed, **came}


def test_failures_soon_one_after_another_are_an_outage_and_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    def ignore(seconds: float) -> None: ...

    written = list[dict[str, Any]]()
    came = [line_of(0), line_of(1, 1.0), line_of(2, 40.0), *(line_of(seed, 1.0) for seed in range(3, 9))]
    with pytest.raises(SystemExit, match=r"^4 searches failed soon, .* the last said OSError: 6: mend"):
        selection.keep(came, 4, written.append, ignore)
    assert [line["seed"] for line in written] == [0, 1, 2]
    assert "mnist_a, 45.0, spos, 1: OSError: 1" in capsys.readouterr().err
    written.clear()
    few = [line_of(0, 1.0), line_of(1, 1.0), line_of(2), line_of(3, 1.0)]
    selection.keep(few, 4, written.append, ignore)
    assert written == few, "a strategy may fail"


def test_a_night_ends_where_the_checkout_is_gone(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "searched", lambda key, *rest: {**line_of(key[3], 0.1), "strategy": key[2]})
    with pytest.raises(SystemExit, match=r"^4 searches failed soon"):
        selection.run(kept, [45.0], 1, ["halving", "spos"], 2, False)
    assert selection.read_runs() == {}


def test_of_a_night_that_is_not_over_the_seeds_count_that_all_strategies_have(kept: Path) -> None:
    told = {"halving": [0.9, 0.9, 0.1], "spos": [0.8, 0.8]}
    keep({**runs(told, "bhmsds_a"), **runs(told, "mnist_b")}, "EPYC")
    found = selection.score(kept, 20)
    assert (found["runs"], found["uneven"], found["cases"]) == (8, 2, 2)
    assert found["regret"]["rules"] == 1.0, "the unlucky third seed of halving is nobody else's"


def test_a_score_takes_its_own_strategies_and_tells_the_commits_of_runs(kept: Path) -> None:
    told = {"halving": [0.9, 0.9], "spos": [0.8, 0.8], "random": [0.99]}
    keep({**runs(told, "bhmsds_a"), **runs(told, "mnist_b")}, "EPYC")
    found = selection.score(kept, 20)
    assert (found["cases"], found["left out"], found["runs"]) == (2, 0, 8), "random is none of them"
    assert found["runs on"] == {"commits": ["c0", "c1"], "processors": ["EPYC"]}
    assert found["regret"]["rules"] == 1.0
    keep(runs(told, "mnist_b"), "EPYC")
    with pytest.raises(SystemExit, match="has 4 runs, and 1 cases with all of halving, spos on even and on odd seeds"):
        selection.score(kept)
    selection.RUNS.unlink()
    with pytest.raises(SystemExit, match="has 0 runs"):
        selection.score(kept)


def test_runs_of_two_processors_are_neither_scored_nor_packed(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "FILE", kept / "evidence.json")
    keep(runs({"halving": [0.9, 0.9], "spos": [0.8, 0.8]}), "EPYC", "Xeon")
    for act in (selection.score, selection.pack):
        with pytest.raises(SystemExit, match="has runs of processors EPYC, Xeon; move"):
            act(kept)
    assert not selection.FILE.exists()
    alone = runs({"halving": [0.9]}, "mnist_b")
    keep(alone, "EPYC")
    with pytest.raises(SystemExit, match="has 1 runs, and no case of two strategies; run more"):
        selection.pack(kept)
    assert not selection.FILE.exists()
    keep({**runs({"halving": [0.9, None, 0.9], "spos": [0.8, 0.8]}), **alone}, "EPYC")
    selection.fold(selection.RUNS)
    told = {"runs": 5, "failed": 1, "uneven": 1, "cases": 1}
    assert selection.pack(kept) == {"runs on": {"commits": ["c0", "c1"], "processors": ["EPYC"]}, **told}
    assert [each.task for each in read_evidence(selection.FILE)] == ["mnist_a"]
