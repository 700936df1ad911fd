"""`azora target`, as a user calls it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from azora.cli.main import main
from azora.hardware import Measuring, TargetFile
from azora.hardware.features import FEATURES
from azora.hardware.predictor import QUICK, REGRESSORS

SMALL = ["--space", "nb201", "--set", "width=4", "--set", "depth=1"]
FEW = ["--measurements", "8", "--check", "3"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where predictors are kept; each network is measured for a moment only."""
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("azora.hardware.making.Measuring", partial(Measuring, each=0.01))
    return tmp_path / "home"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regressors that take no time."""
    some = {name: REGRESSORS[name] for name in ("layers", QUICK)}
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", some)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["target", *words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_build_measures_fits_checks_and_writes(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cpu.target.json"
    found = told(capsys, "build", "torch-cpu", "--task", "digits", *FEW, "--out", str(file))
    assert found["file"] == str(file)
    assert (found["target"], found["measured"]) == ("torch-cpu:threads=1", 8)
    assert found["space"]["name"] == "cells"
    assert found["input"] == [1, 8, 8]
    assert found["versions"].keys() == {"torch"}
    assert found["device"]["cores"] >= 1
    assert found["kept"] in found["errors"]
    assert found["validation"]["networks"] == 3
    assert found["seconds"] > 0
    read = TargetFile.load(file)
    assert read.is_here and len(read.predictor.rows) == 8
    assert all(measured.latency.median > 0 for _, measured in read.predictor.rows)


def test_show_lists_what_is_kept_and_tells_of_one(few: None, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["target", "show"]) == 0
    assert "no predictors in" in capsys.readouterr().out
    made = told(capsys, "build", "devices:Counted", "--task", "digits", *SMALL, *FEW)
    assert Path(made["file"]).parent == home / "targets"
    assert told(capsys, "show") == {"folder": str(home / "targets"), "files": [made["file"]]}
    shown = told(capsys, "show", made["file"])
    assert shown == made
    assert main(["target", "show"]) == 0
    assert capsys.readouterr().out == f"{made['file']}\n"
    unchecked = home / "unchecked.json"
    unchecked.write_text(json.dumps({**json.loads(Path(made["file"]).read_text()), "validation": None, "repeated": 4}))
    assert main(["target", "show", str(unchecked)]) == 0
    out = capsys.readouterr().out
    assert (
        "not checked on networks that it has not seen" in out
        and "4 networks varied too much in their first runs" in out
    )
    assert main(["target", "show", made["file"]]) == 0
    out = capsys.readouterr().out
    for said in ("devices:Counted, counted 1", "nb201, inputs 1 × 8 × 8", "8 networks", "Spearman", "measured again"):
        assert said in out


@pytest.mark.parametrize("features", [None, FEATURES - 1])
def test_a_check_by_an_earlier_version_says_so(
    features: int | None, few: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "build", "devices:Counted", "--task", "digits", *SMALL, *FEW)
    assert "earlier" not in made
    data = json.loads(Path(made["file"]).read_text())
    assert data.pop("features") == FEATURES
    file = home / "earlier.target.json"
    file.write_text(json.dumps(data if features is None else {**data, "features": features}))
    assert told(capsys, "show", str(file))["earlier"] is True
    assert main(["target", "show", str(file)]) == 0
    said = "by an earlier version of azora, which counted networks otherwise"
    assert said in capsys.readouterr().out
    assert main(["target", "show", made["file"]]) == 0
    assert said not in capsys.readouterr().out


def test_transfer_adapts_others_to_a_new_device(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = [str(tmp_path / f"{macs}.target.json") for macs in (100, 2000)]
    for file, spec in zip(old, ("devices:Roofline:macs=100.0", "devices:Roofline:macs=2000.0"), strict=True):
        told(capsys, "build", spec, "--task", "digits", *SMALL, "--measurements", "14", "--check", "0", "--out", file)
    new = tmp_path / "new.target.json"
    found = told(
        capsys, "transfer", *old, "--to", "devices:Roofline", "--measurements", "5", "--check", "8", "--out", str(new)
    )
    assert (found["kept"], found["measured"]) == ("transfer", 5)
    assert found["validation"]["spearman"] > 0.9
    assert [each["target"] for each in found["from"]] == [TargetFile.load(Path(each)).spec for each in old]
    assert "r2" not in found
    assert main(["target", "show", str(new)]) == 0
    assert "from 2 other devices' predictors" in capsys.readouterr().out
    # Where nobody says to which, the device is this one with the first's runtime; transfers can be transferred.
    again = told(capsys, "transfer", str(new), "--measurements", "3", "--check", "0", "--out", str(tmp_path / "c.json"))
    assert again["target"] == "devices:Roofline:macs=500.0,values=20.0,start=5.0"


def test_no_program_that_a_file_names_is_started_unasked(
    few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, mark = tmp_path / "a.target.json", tmp_path / "it_ran"
    told(capsys, "build", "devices:Counted", *SMALL, "--measurements", "8", "--check", "0", "--out", str(file))
    data = json.loads(file.read_text())
    for spec in (
        f"command:touch {mark} {{model}}",
        f"azora.hardware.command_target:Command:command=touch {mark} {{model}}",
    ):
        file.write_text(json.dumps({**data, "target": spec}))
        assert main(["target", "transfer", str(file), "--out", str(tmp_path / "b.target.json")]) == 2
        err = capsys.readouterr().err
        assert "no program that a file names is started unasked; say with --to" in err and err.count("\n") == 1
    assert not mark.exists()


@pytest.mark.parametrize("place", [".", "folder", "file/a.target.json"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(
    few: None, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = told(capsys, "build", "devices:Counted", *SMALL, "--measurements", "8", "--check", "0")["file"]
    monkeypatch.setattr(Measuring, "__call__", lambda *_: pytest.fail("something was measured"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for words in (["build", "devices:Counted", *SMALL], ["transfer", old]):
        assert main(["target", *words, "--out", place]) == 2
        err = capsys.readouterr().err
        assert f"{place} cannot be written: " in err and err.count("\n") == 1
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder", "home"}


def test_transfers_are_of_one_space(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = [str(tmp_path / f"{width}.target.json") for width in (4, 8)]
    for file, width in zip(old, (4, 8), strict=True):
        told(
            capsys, "build", "devices:Counted", "--space", "nb201", "--set", f"width={width}", "--set", "depth=1",
            "--measurements", "8", "--check", "0", "--out", file,
        )  # fmt: skip
    assert main(["target", "transfer", *old]) == 2
    assert "is for another space, input or output than" in capsys.readouterr().err


def test_transfers_are_of_one_number_of_outputs(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = [tmp_path / f"{outputs}.target.json" for outputs in (10, 3)]
    told(capsys, "build", "devices:Counted", *SMALL, "--measurements", "8", "--check", "0", "--out", str(old[0]))
    data = json.loads(old[0].read_text())
    data["signature"].update(outputs=3, classes=["a", "b", "c"])
    old[1].write_text(json.dumps(data))
    assert main(["target", "transfer", *map(str, old)]) == 2
    assert "is for another space, input or output than" in capsys.readouterr().err


def test_a_space_of_two_networks_is_too_small_to_transfer(
    few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.target.json"
    told(capsys, "build", "devices:Counted", *SMALL, "--measurements", "8", "--check", "0", "--out", str(file))
    read = TargetFile.load(file)
    two = [architecture for architecture, _ in read.predictor.rows][:2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("azora.hardware.making.draw_distinct", lambda *words: two)
        assert main(["target", "transfer", str(file)]) == 2
    assert "2 networks could be measured, 3 at least are wanted; nb201 has no more than 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "onnxruntme"], "there is no target 'onnxruntme'; did you mean 'onnxruntime'?"),
        (["build", "onnxruntime:precision=int4"], "there is no precision 'int4'"),
        (["build", "devices:Counted", "--space", "cels"], "did you mean 'cells'?"),
        (["build", "devices:Counted", "--set", "nodez=3"], "no setting 'nodez'; did you mean 'nodes'?"),
        (["build", "devices:Counted", "--task", "nosuch"], "there is no task, file or folder 'nosuch'"),
        (["build", "devices:Counted", "--measurements", "5"], "--measurements 5: a predictor needs 8 at least"),
        (["build", "devices:Counted", "--check", "-1"], "--check -1 must be at least 0"),
        (["build", "devices:Counted", "--budget", "soon"], "budget 'soon' is not a duration"),
        (["build", "devices:Picky:every=0", *SMALL], "no memory for"),
        (["build", "command:nosuchprogram {model}", *SMALL], "there is no program 'nosuchprogram'"),
        (["show", "nosuch.target.json"], "there is no predictor nosuch.target.json"),
        (["transfer", "nosuch.target.json"], "there is no predictor nosuch.target.json"),
        (["transfer", "nosuch.target.json", "--measurements", "2"], "--measurements 2: a transfer needs 3 at least"),
        (["transfer"], "Missing argument 'old'"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_nothing_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["target", *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (err.count("\n"), out) == (1, "")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]
