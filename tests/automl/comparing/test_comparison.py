"""Planning, going on, and what is refused; searches are faked."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.automl.comparing import runs
from azora.automl.comparing.comparison import PLAN, Asked, Plan, compare, plan
from azora.automl.comparing.remembering import leave
from azora.automl.comparing.runs import Record
from azora.automl.comparing.systems import SCALED
from azora.automl.comparing.writing import summarise, write
from azora.automl.setting import Setting
from azora.cli.comparing import _remember
from azora.cli.main import main
from azora.errors import ConfigError, StudyError, TaskError
from azora.job import Job
from azora.meta import Knowledge
from azora.meta.evidence import experienced
from azora.study import StudyFolder
from azora.study.folder import JOURNAL
from azora.tasks import load_task
from azora.trial import Proposal, Report

FIGURES = {
    "parameters": 100, "macs": 1000, "judged": 5, "trials": 9, "failed": 0, "seconds": 9.5, "final_seconds": 4.0,
    "final_epochs": 20.0, "key": "abc", "architecture": {"depth": 1}, "validation_accuracy": 0.7,
    "azora": "0.1", "machine": "x86_64, 2 cores",
}  # fmt: skip
Fake = Callable[[Sequence[str]], tuple[int, str]]


@pytest.fixture
def data(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (60, 8, 8)).astype(np.uint8), np.arange(60) % 2
    file = tmp_path / "small.npz"
    np.savez(file, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return str(file)


@pytest.fixture
def asked(data: str, tmp_path: Path) -> Asked:
    return Asked(data, 30.0, 2, ["genetic", "resnet"], tmp_path / "out")


def silent(line: str) -> None:
    pass


def after(words: Sequence[str], name: str) -> str:
    return words[list(words).index(name) + 1]


class Searches:
    """In place of processes: each writes a result, unless it is told what else to do once it has begun a study, or
    refuses to begin."""

    def __init__(self) -> None:
        self.commands: list[Sequence[str]] = []
        self.instead: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.figures: dict[str, Any] = {}

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append(command)
        out = Path(after(command, "--out"))
        name = f"{out.parent.name}/{out.name}"
        if name in self.refused:
            return 2, self.refused.pop(name)
        out.mkdir(parents=True)  # it is nobody else's
        (out / JOURNAL).touch()
        if name in self.instead:
            found = self.instead.pop(name)
            if isinstance(found, BaseException):
                raise found
            return found[0], found[1]
        score = 0.8 + 0.01 * int(after(command, "--seed")) + 0.05 * (out.parent.name == "resnet")
        interval = {"metric": "accuracy", "low": score - 0.03, "high": score + 0.03}
        figures = {**FIGURES, **self.figures, "test_accuracy": score, "test_interval": interval}
        (out / "result.json").write_text(json.dumps(figures))
        return 0, ""

    def done(self) -> list[str]:
        """`system/seed-N` of all that were begun, in order."""
        return ["/".join(Path(after(command, "--out")).parts[-2:]) for command in self.commands]


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Searches:
    made = Searches()
    monkeypatch.setattr(runs, "run_command", made)
    return made


def test_every_system_with_one_seed_then_with_the_next(asked: Asked, searches: Searches) -> None:
    planned = plan(asked, silent)
    assert compare(planned, silent) == []
    both = [f"{name}/seed-{seed}" for seed in (0, 1) for name in ("random", "genetic", "resnet")]
    assert searches.done() == both
    command = searches.commands[-1]
    assert after(command, "--budget") == "30s" and after(command, "--seed") == "1" and "--no-memory" in command
    assert "--no-boosting" in command, "trees beside the networks would be what is compared"
    assert after(command, "--trial-timeout") == "30s", "the one network of its space may take all of the time"
    assert "--trial-timeout" not in searches.commands[1]


def test_what_is_finished_is_not_run_again_and_what_was_interrupted_begins_anew(
    asked: Asked, searches: Searches
) -> None:
    searches.instead["genetic/seed-0"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        compare(plan(asked, silent), silent)
    assert searches.done() == ["random/seed-0", "genetic/seed-0"]
    half = asked.out / "genetic" / "seed-0" / "workers.log"
    half.touch()
    compare(plan(asked, silent), silent)
    # Gone on with, it would have started twice in the time in which the others started once.
    assert searches.done()[2] == "genetic/seed-0" and "--resume" not in searches.commands[2] and not half.exists()
    assert len(searches.done()) == 7 and searches.done().count("random/seed-0") == 1
    record = Record.read(asked.out / "genetic" / "seed-0.json")
    assert record is not None and [session["exit"] for session in record.sessions] == [0] and not record.error


def test_a_study_that_no_run_has_left_is_not_removed(asked: Asked, searches: Searches) -> None:
    there = asked.out / "genetic" / "seed-0"
    there.mkdir(parents=True)
    (there / JOURNAL).touch()
    with pytest.raises(StudyError, match="genetic/seed-0 holds a study that no comparison has begun"):
        compare(plan(asked, silent), silent)
    assert (there / JOURNAL).exists() and searches.done() == ["random/seed-0"]


def test_a_search_that_outlived_a_killed_comparison_is_let_alone(asked: Asked, searches: Searches) -> None:
    planned = plan(asked, silent)
    run = planned.runs()[0]
    run.folder.parent.mkdir(parents=True)
    never_ended = {"wall": None, "processor": None, "load": [1.0, None], "exit": None}
    Record("random", 0, [], [never_ended]).write(run.file)
    going = StudyFolder(run.folder, resume=False)
    with pytest.raises(StudyError, match="another search is running in"):
        compare(planned, silent)
    going.release()
    assert compare(planned, silent) == [] and len(searches.done()) == 6


def test_a_search_that_was_hurried_has_no_result_here(asked: Asked, searches: Searches) -> None:
    planned = plan(asked, silent)
    compare(planned, silent)
    run = planned.runs()[0]
    record = Record.read(run.file)
    assert record is not None and run.figures() is not None
    replace(record, sessions=[{**record.sessions[0], "exit": 130}]).write(run.file)
    assert run.figures() is None
    # One that outlived a comparison that was killed has gone to its own end.
    replace(record, sessions=[{**record.sessions[0], "exit": None, "wall": None}]).write(run.file)
    assert run.figures() is not None


def test_more_seeds_and_systems_may_follow(asked: Asked, searches: Searches) -> None:
    compare(plan(asked, silent), silent)
    compare(plan(replace(asked, seeds=3, names=["genetic", "evolution"]), silent), silent)
    assert searches.done()[6:] == [
        "evolution/seed-0", "evolution/seed-1", "random/seed-2", "genetic/seed-2", "evolution/seed-2",
    ]  # fmt: skip


def judged(out: Path, task: Any, words: dict[str, Any], score: float) -> None:
    """A journal in place of the empty file that a faked search leaves."""
    setting = Setting.of(Job.parse(task=task, out=out, **words))
    (out / JOURNAL).unlink()
    study = StudyFolder(out, resume=False).study(setting.space, setting.about(), time.monotonic())
    study.told(
        study.asked(Proposal(setting.space.sample(random.Random(0)), 1.0)), Report({"accuracy": score}), known=False
    )
    study.close()


def test_what_searches_found_is_left_in_memory_when_all_are_over(
    asked: Asked, searches: Searches, tmp_path: Path
) -> None:
    planned = plan(asked, silent)
    compare(planned, silent)
    task = load_task(asked.data)
    for strategy in ("random", "genetic"):
        judged(asked.out / strategy / "seed-0", task, {"strategy": strategy, "budget": 30.0}, 0.6)
    assert leave(planned, tmp_path / "m.db") == leave(planned, tmp_path / "m.db") == 2  # of seed 1 nothing was judged
    with Knowledge(tmp_path / "m.db") as memory:
        records = memory.records()
    assert [(each.facts["strategy"], each.facts["seed"], each.facts["budget"]) for each in records] == [
        ("random", 0, 30.0), ("genetic", 0, 30.0),
    ]  # fmt: skip
    assert {each.facts["outcome"] for each in records} == {0.8}
    (case,) = experienced(records)
    assert case.scores.keys() == {"random", "genetic"}
    assert experienced(records, task.test_digest) == []


def test_a_failed_run_is_told_and_tried_again(asked: Asked, searches: Searches) -> None:
    searches.instead["genetic/seed-1"] = (1, "azora: MemoryError")
    planned = plan(asked, silent)
    assert compare(planned, silent) == ["genetic with seed 1: azora: MemoryError"]
    assert searches.done()[-1] == "resnet/seed-1"
    table = {row.system: row for row in summarise(planned)}
    assert table["genetic"].failed == {1: "azora: MemoryError"} and list(table["genetic"].runs) == [0]
    assert compare(planned, silent) == [] and summarise(planned)[1].failed == {}


def test_a_run_whose_networks_all_failed_ends_no_comparison(asked: Asked, searches: Searches) -> None:
    """It is an error of the run, though azora search calls it the user's; and its study can only fail again."""
    why = "azora: all 1 networks that were tried failed; the first: no answer in 10 s"
    searches.instead["genetic/seed-0"] = (2, why)
    planned = plan(asked, silent)
    assert compare(planned, silent) == [f"genetic with seed 0: {why}"]
    assert len(searches.done()) == 6 and summarise(planned)[1].failed == {0: why}
    assert compare(planned, silent) == [] and searches.done()[6:] == ["genetic/seed-0"]


def test_a_budget_that_is_too_short_names_its_system(asked: Asked, searches: Searches) -> None:
    searches.refused["genetic/seed-0"] = "azora: a budget of 30s is too short for one training here"
    told = list[int]()
    with pytest.raises(StudyError, match=r"^genetic with seed 0: a budget of 30s is too short.*--systems$"):
        compare(plan(asked, silent), silent, lambda: told.append(len(searches.done())))
    assert told == [1, 2, 3, 4, 5, 6]  # the others have run all the same
    record = Record.read(asked.out / "genetic" / "seed-0.json")
    assert record is not None and not record.sessions and record.error and "too short" in record.error


@pytest.mark.parametrize(
    ("change", "said"),
    [({"seconds": 60.0}, "seconds 30.0, not seconds 60.0"), ({"workers": 1}, "workers None, not workers 1")],
)
def test_another_comparison_in_the_same_folder_is_refused(asked: Asked, change: dict[str, Any], said: str) -> None:
    plan(asked, silent)
    with pytest.raises(StudyError, match=said):
        plan(replace(asked, **change), silent)


def test_a_folder_that_cannot_be_written_is_told(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="file/out cannot be written: Not a directory"):
        plan(replace(asked, out=tmp_path / "file" / "out"), silent)


def test_two_at_once_are_refused(asked: Asked, searches: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(asked, silent)

    def nested(command: Sequence[str]) -> tuple[int, str]:
        with pytest.raises(StudyError, match="another comparison is running"):
            compare(planned, silent)
        return searches(command)

    monkeypatch.setattr(runs, "run_command", nested)
    assert compare(planned, silent) == []


def test_the_scaled_network_is_sized_once_and_pays_for_it(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from azora.automl.comparing import comparison
    from azora.automl.comparing.scaling import Scale

    monkeypatch.setattr(comparison, "largest_scale", lambda *_: time.sleep(0.15) or Scale(2))
    planned = plan(replace(asked, names=[SCALED]), silent)
    late = planned.late[SCALED]
    assert late >= 0.1
    words = planned.runs()[1].command()
    assert float(after(words, "--budget").removesuffix("s")) == pytest.approx(30 - late)
    assert f"space.widths={json.dumps([[each] for each in Scale(2).channels])}" in words
    monkeypatch.setattr(comparison, "largest_scale", lambda *_: pytest.fail("it is known already"))
    again = plan(replace(asked, names=[SCALED]), silent)
    assert again.runs()[1].words == planned.runs()[1].words
    assert json.loads((asked.out / PLAN).read_text())["scaled"]["step"] == 2


def test_only_random_search_is_no_comparison(asked: Asked) -> None:
    with pytest.raises(ConfigError, match="nothing to compare"):
        plan(replace(asked, names=["random"]), silent)


def test_what_is_written(asked: Asked, searches: Searches) -> None:
    planned = plan(replace(asked, names=["genetic", "resnet", "perceptron"]), silent)
    compare(planned, silent)
    told = write(planned, summarise(planned))
    assert json.loads((asked.out / "compare.json").read_text()) == told
    assert told["left_out"] == {"perceptron": "it is for tables"} and told["metric"] == "accuracy"
    by_name = {system["system"]: system for system in told["systems"]}
    assert by_name["resnet"]["test"]["mean"] == pytest.approx(0.855)
    assert by_name["resnet"]["above"]["mean"] == pytest.approx(0.05)
    table = (asked.out / "compare.md").read_text()
    assert "| resnet | 0.8550 | 0.8500, 0.8600 | 0.0071 | 0.7915 to 0.9185 | +0.0500" in table
    assert "perceptron** is left out" in table and "Load of the machine" in table
    svg = (asked.out / "compare.svg").read_text()
    assert svg.count("<circle") == 6 + 3 and svg.index(">resnet<") < svg.index(">random<")


def test_runs_of_several_versions_and_machines_are_told(asked: Asked, searches: Searches) -> None:
    planned = plan(asked, silent)
    compare(plan(replace(asked, seeds=1), silent), silent)
    told = write(planned, summarise(planned))
    assert (told["azora"], told["machines"]) == (["0.1"], ["x86_64, 2 cores"])
    table = (asked.out / "compare.md").read_text()
    assert "Load of the machine (x86_64, 2 cores) before" in table and "Runs are of several" not in table
    searches.figures = {"azora": "0.2", "machine": "aarch64, 4 cores"}
    compare(planned, silent)
    told = write(planned, summarise(planned))
    assert told["azora"] == ["0.1", "0.2"] and len(told["machines"]) == 2
    assert [run["azora"] for run in told["systems"][0]["runs"]] == ["0.1", "0.2"]
    table = (asked.out / "compare.md").read_text()
    assert "Runs are of several machines (aarch64, 4 cores; x86_64, 2 cores)" in table
    assert "Runs are of several versions of azora (0.1; 0.2)" in table


def test_what_is_unequal_by_design_is_said(asked: Asked, searches: Searches) -> None:
    planned = plan(replace(asked, names=["genetic", "resnet", "spos", "random-cells", "ofa"]), silent)
    assert planned.apart() == {"spos": "random-cells", "ofa": None}
    compare(planned, silent)
    told = write(planned, summarise(planned))
    assert {system["system"] for system in told["systems"] if system["alike"]} == {"spos"}
    table = (asked.out / "compare.md").read_text()
    assert "Networks by hand are trained by the\ntask's usual recipe, and searches search theirs too" in table
    own = "searches a space of its own: *above random* is of space and strategy together"
    assert f"- **spos** {own}; above random search in the same space (random-cells) it is +0.0000" in table
    assert f"- **ofa** {own}\n" in table and f"**genetic** {own}" not in table


def test_one_seed_has_the_interval_of_the_rows(asked: Asked, searches: Searches) -> None:
    planned = plan(replace(asked, seeds=1), silent)
    compare(planned, silent)
    row = summarise(planned)[0]
    assert row.test is not None and row.test.over == "rows"
    assert (row.test.low, row.test.high) == (pytest.approx(0.77), pytest.approx(0.83))


def test_nothing_finished_can_be_written(asked: Asked) -> None:
    planned: Plan = plan(asked, silent)
    told = write(planned, summarise(planned))
    assert told["systems"][0]["test"] is None and "not run yet" in (asked.out / "compare.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "--seeds 0: one at least"),
        (["--workers", "0"], "--workers 0: one at least"),
        (["--budget", "soon"], "budget 'soon' is not a duration"),
        (["--systems", "spoz"], "there is no system 'spoz' to compare; did you mean 'spos'?"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "digits", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_the_command_line(data: str, tmp_path: Path, searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", data, "--budget", "30s", "--seeds", "1", "--systems", "genetic", "--out", str(tmp_path / "o")]
    searches.instead["genetic/seed-0"] = KeyboardInterrupt()
    assert main(words) == 130
    assert "| genetic | not finished" in capsys.readouterr().out
    assert main([*words, "--json", "--quiet"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out)["systems"][1]["test"]["mean"] == 0.8 and seen.err == ""


def test_where_a_search_refuses_what_is_finished_is_written(
    data: str, tmp_path: Path, searches: Searches, capsys: pytest.CaptureFixture[str]
) -> None:
    searches.refused["genetic/seed-0"] = "azora: a budget of 30s is too short for one training here"
    words = ["compare", data, "--budget", "30s", "--seeds", "1", "--systems", "genetic", "--out", str(tmp_path / "o")]
    assert main(words) == 2
    assert "or leave it out by --systems" in capsys.readouterr().err
    assert "| random | 0.8000" in (tmp_path / "o" / "compare.md").read_text()


def test_a_comparison_is_not_lost_for_data_that_are_gone() -> None:
    said = list[str]()

    def gone() -> int:
        raise TaskError("there is no file data.npz")

    _remember(gone, said.append)
    assert said == ["nothing was left in memory: there is no file data.npz"]
