"""The whole chain by one call."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.automl.made import WORDS

import azora
from azora.automl.advice import Advice, advise
from azora.automl.discover import discover, form_of
from azora.automl.reading import read_events
from azora.automl.result import Result
from azora.automl.watching import Watcher
from azora.cli.main import main
from azora.errors import BudgetError, TargetError
from azora.export.bundle import read_bundle
from azora.improving.remembering import carried_of
from azora.job import Job
from azora.tasks import Signature, Task

PICTURES = Signature("classification", (3, 32, 32), 10)


@pytest.mark.parametrize(
    ("signature", "rows", "seconds", "strategy", "why"),
    [
        (Signature("classification", (6,), 3), 10**6, 60.0, "halving", "1,000,000 rows of a table"),
        (PICTURES, 3_000, None, "halving", "judgements are counted"),
        (PICTURES, 3_000, 3_600.0, "halving", "leave time to train many"),
        (PICTURES, 3_000, 300.0, "spos", "leave time for few trainings"),
        (PICTURES, 300_000, 300.0, "halving", "too short for shared weights"),
    ],
)
def test_rules_give_a_strategy_and_its_reason(
    signature: Signature, rows: int, seconds: float | None, strategy: str, why: str
) -> None:
    advice = advise(signature, rows, seconds, workers=2)
    assert advice.strategy == strategy
    assert why in advice.why


@pytest.mark.parametrize(
    ("words", "strategy", "why"),
    [
        ({"objectives": 2}, "pareto", "2 objectives: it keeps the networks that no other beats"),
        ({"weight": 0.1}, "halving", "for networks with 0.1 times the usual multiply-accumulates, leave time to train"),
        ({"weight": 10}, "halving", "10 times the usual multiply-accumulates, are too short for shared weights"),
        ({"weight": 1.2}, "spos", "in 5m 00s leave time for few trainings"),
        ({"barred": lambda: "a GRU cannot be sliced"}, "halving", "no weights can be shared: a GRU cannot be sliced"),
    ],
)
def test_objectives_and_networks_have_a_say_beside_the_data(words: dict[str, Any], strategy: str, why: str) -> None:
    advice = advise(PICTURES, 3_000, 300.0, workers=2, **words)
    assert advice.strategy == strategy
    assert why in advice.why


@pytest.mark.parametrize(
    ("target", "form"),
    [
        (None, "onnx"),
        ("torch-cpu", "torch"),
        ("onnxruntime:threads=1", "onnx"),
        ("onnxruntime:precision=int8", "onnx-int8"),
        ("executorch:precision=int8", "executorch-int8"),
        ("command:sh pi.sh {model}", "onnx"),
        ("command:sh phone.sh {pte}", "executorch"),
    ],
)
def test_a_target_runs_files_of_a_form(target: str | None, form: str) -> None:
    assert form_of(target) == form


class Notes(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, said: str) -> None:
        self.said.append(said)


def test_it_chooses_searches_ships_and_compares(stripes: Task, tmp_path: Path) -> None:
    notes = Notes()
    job = Job.parse(task=stripes, trials=2, workers=1, strategy="auto", out=tmp_path / "out", limits=["macs=2M"])
    result = discover(job, watch=notes)
    assert notes.said[0].startswith("halving: judgements are counted")
    figures = json.loads((tmp_path / "out" / "result.json").read_text())
    assert figures["advice"]["strategy"] == "halving"
    assert Path(figures["deployed"]["file"]).is_file()
    assert figures["deployed"]["difference"] < 1e-4 and figures["deployed"]["holds"]
    assert figures["deployed"]["test_accuracy"] == figures["test_accuracy"], "both by one reading of the test rows"
    assert read_events(tmp_path / "out")[-1]["result"] == figures, "the journal tells as much"
    assert not (tmp_path / "out" / "model" / "search.json").exists()  # nobody asked for it
    reference = figures["reference"]
    assert reference["macs"] <= 2_000_000
    assert reference["gain"] == pytest.approx(figures["test_accuracy"] - reference["test_accuracy"])
    assert reference["gain_low"] <= reference["gain"] <= reference["gain_high"]
    assert f"{reference['test_accuracy']:.4f} test accuracy after as long a training" in result.summary()


def test_a_kill_while_the_file_is_written_costs_no_second_training(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, Any] = {**WORDS, "target": None, "trials": 2, "out": tmp_path / "out"}

    def killed(*some: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("azora.automl.discover.deploy", killed)
    with pytest.raises(KeyboardInterrupt):
        azora.discover(copy.copy(stripes), **words)
    monkeypatch.setattr("azora.automl.discover.deploy", lambda *some: {"file": "model.onnx", "notes": ["it ships"]})
    monkeypatch.setattr("azora.automl.last_training.train_winner", killed)
    monkeypatch.setattr(Task, "read_test", killed)
    result = azora.discover(copy.copy(stripes), resume=True, **words)
    assert result.deployed["file"] == "model.onnx" and result.notes[-1] == "it ships"


def test_where_the_phases_of_what_was_chosen_are_too_long_here_networks_are_trained_by_themselves(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule knows no machine: what shared weights cost is measured when the search begins."""
    notes, starts, ran = Notes(), list[float](), list[str]()

    def run(job: Job, *, started: float, **words: Any) -> Result:
        ran.append(job.strategy)
        starts.append(started)
        if job.strategy == "spos":
            raise BudgetError("a budget of 60s is too short for the phases of spos; the least is about 116s")
        return Result(job.out, {})

    monkeypatch.setattr("azora.automl.discover.run", run)
    monkeypatch.setattr("azora.automl.discover.choose_strategy", lambda job, task: Advice("spos", "few trainings"))
    words: dict[str, Any] = {"task": stripes, "budget": "60s", "out": tmp_path / "out"}
    discover(Job.parse(strategy="auto", **words), watch=notes)
    assert ran == ["spos", "halving"] and starts[0] == starts[1], "of one budget"
    assert notes.said[1].startswith("halving: spos would be chosen, but a budget of 60s is too short for the phases")
    for other in ({"strategy": "spos"}, {"strategy": "auto", "resume": True}):
        with pytest.raises(BudgetError, match="about 116s"):
            discover(Job.parse(**words, **other), watch=notes)


def test_where_the_limits_leave_no_usual_network_there_is_none_beside_it(stripes: Task, tmp_path: Path) -> None:
    words: dict[str, Any] = {"trials": 1, "workers": 1, "strategy": "random", "limits": ["params=24k"]}
    result = azora.discover(stripes, out=tmp_path / "out", **words)
    assert "reference" not in result.figures
    assert result.figures["advice"]["why"] == "it was asked for"


def test_from_python_the_strategy_is_chosen_too(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = list[Job]()
    monkeypatch.setattr("azora.automl.discover.discover", lambda job, **more: heard.append(job))
    azora.discover(stripes, trials=3)
    azora.discover(stripes, strategy="random")
    assert [(job.strategy, job.trials) for job in heard] == [("auto", 3), ("random", None)]


def test_on_the_command_line_a_model_is_told_to_carry_its_search(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out, rows = tmp_path / "stripes.npz", tmp_path / "out", stripes.everything()
    np.savez(file, x_train=rows.x[:, 0], y_train=rows.y)
    brief = {"budget": None, "trials": 1, "workers": 1}
    monkeypatch.setattr("azora.automl.discover.discover", lambda job, **more: discover(replace(job, **brief), **more))
    words = ["--self-improving", "--policy", "level=0.01", "--no-memory", "--quiet", "--json"]
    assert main(["discover", str(file), "--out", str(out), *words]) == 0
    assert json.loads(capsys.readouterr().out)["strategy"] == "halving"
    there = carried_of(read_bundle(out / "model"))
    assert there is not None and there.policy.level == 0.01
    assert there.strategy["name"] == "halving" and len(there.records[0].trials) == 1
    assert main(["improve", str(out), "--data", str(file), "--dry-run"]) == 0
    assert "the model carries its policy, and a memory of 1 networks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strategy", "halvin"], "did you mean 'halving'"),
        (["--target", "onxruntime"], "did you mean 'onnxruntime'"),
        (["--limit", "latency=5ms"], "say which, such as --target onnxruntime"),
        (["--budget", "soon"], "is not a duration"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", "digits", "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_of_the_files_of_a_class_of_ones_own_nothing_is_known_and_nothing_is_searched(
    stripes: Task, tmp_path: Path
) -> None:
    job = Job.parse(task=stripes, trials=1, target="devices:Counted", strategy="auto", out=tmp_path / "out")
    with pytest.raises(TargetError, match="nothing is known of the files that devices:Counted runs"):
        discover(job)
    assert not (tmp_path / "out").exists()


def test_data_is_read_as_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = list[Job]()

    def hear(job: Job, **more: object) -> Result:
        heard.append(job)
        return Result(job.out, {"deployed": {"within": True, "holds": True}})

    monkeypatch.setattr("azora.automl.discover.discover", hear)
    words = ["--label", "price", "--kind", "regression", "--group", "shop", "--ignore", "day", "--ignore", "id"]
    assert main(["discover", "sales.csv", *words, "--no-memory", "--json"]) == 0
    assert {name: value for name, value in heard[0].reading.items() if value} == {
        "label": "price", "kind": "regression", "group": "shop", "ignore": ["day", "id"],
    }  # fmt: skip


@pytest.mark.parametrize("deployed", [{"within": False, "holds": True}, {"within": True, "holds": False}])
def test_a_file_that_is_not_as_good_as_asked_is_told_by_the_exit_code(
    deployed: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azora.automl.discover.discover", lambda job, **more: Result(job.out, {"deployed": deployed}))
    assert main(["discover", "digits", "--no-memory", "--json"]) == 1


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_limit_of_latency_holds_from_the_search_to_the_file_that_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    words: dict[str, Any] = {"target": "onnxruntime", "limits": ["latency=5ms"], "trials": 2, "workers": 1}
    figures = azora.discover("digits", out=tmp_path / "out", **words).figures
    assert figures["target"]["measured_networks"] >= 8 and figures["target"]["latency_ms"] <= 5.25
    deployed = figures["deployed"]
    assert deployed["holds"] and deployed["on_target"]["latency_ms"] <= 5.25
    assert Path(deployed["file"]).parent == tmp_path / "out" / "deploy"
    assert deployed["test_accuracy"] == pytest.approx(figures["test_accuracy"], abs=0.01)
    assert figures["reference"]["gain_low"] <= figures["reference"]["gain"] <= figures["reference"]["gain_high"]
