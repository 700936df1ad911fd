"""Looks again and again: one loop and one look at a time, whatever fails in between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.improving.made import BRIEF, NAMES, blobs, deployed

from azora.cli.main import main
from azora.errors import BundleError
from azora.improving import Versions, improve
from azora.improving.versions import LOOP


def test_one_process_decides_at_a_time(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    with Versions(model).locked(), pytest.raises(BundleError, match="is being improved by another process"):
        improve(model, blobs(900, 1), BRIEF)


def test_the_loop_waits_for_its_turn_and_survives_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    versions, slept = Versions(model), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 2:
            raise KeyboardInterrupt  # as a person ends it

    monkeypatch.setattr("azora.cli.improving.time.sleep", sleep)
    versions.note("kept", {"why": "of another process"})
    words = ["improve", str(model), "--data", "digits", "--budget", "20s", "--every", "1h"]
    assert main(words) == 130
    assert slept == [5.0, 5.0, 5.0] and "the next look" in capsys.readouterr().err
    # An hour later it looks at once, finds that the data are of another shape, and waits for those of another day.
    line = json.dumps({"when": "2026-01-01T00:00:00+00:00", "what": "kept"})
    (versions.folder / "history.jsonl").write_text(f'{line}\n{{"when": "20', encoding="utf-8")
    slept.clear()
    assert main(words) == 130
    told = capsys.readouterr().err
    assert "the model takes 8" in told and "the next look" in told and slept == [5.0, 5.0, 5.0]
    assert versions.history()[-1]["what"] == "failed"
    # Without any look before it, whoever asked is told, and nothing is noted.
    (versions.folder / "history.jsonl").unlink()
    assert main(words) == 2 and versions.history() == []


def test_a_model_has_one_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    with Versions(model).locked(LOOP):
        assert main(["improve", str(model), "--data", "digits", "--every", "1h"]) == 2
        assert "again and again by another process" in capsys.readouterr().err
        with Versions(model).locked():
            pass  # single looks go on


def test_a_look_that_fails_later_on_does_not_end_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    file, looks = tmp_path / "rows.npz", list[int]()
    rows = blobs(900, 1).everything()
    np.savez(file, x_train=rows.x, y_train=NAMES[rows.y])

    def wait(versions: Versions, pause: float) -> None:
        looks.append(len(versions.history()))
        if len(looks) == 2:
            file.unlink()
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("azora.cli.improving._wait", wait)
    assert main(["improve", str(model), "--data", str(file), "--budget", "4s", "--every", "1h", "--quiet"]) == 130
    assert [each["what"] for each in Versions(model).history()][1:] == ["failed", "failed"]
    assert capsys.readouterr().err.count("rows.npz") == 2 and len(looks) == 4


def test_a_model_that_another_process_improves_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    versions, slept, looks = Versions(model), list[float](), list[int]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 2:
            raise KeyboardInterrupt

    def look(self: object, seed: int, dry: bool = False) -> int:
        looks.append(seed)
        if len(looks) > 9:
            raise KeyboardInterrupt
        if len(looks) > 1:
            raise BundleError("is being improved by another process; wait for it")
        return 0

    monkeypatch.setattr("azora.cli.improving.time.sleep", sleep)
    monkeypatch.setattr("azora.cli.improving._Look.once", look)
    with versions.locked():
        assert main(["improve", str(model), "--data", "digits", "--every", "1h"]) == 130
    assert slept == [60.0, 60.0, 60.0] and len(looks) == 4 and versions.history() == []
