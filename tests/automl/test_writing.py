"""What is kept of a budget for the files."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

import azora
from azora.automl import discover, last_training
from azora.automl.setting import Setting
from azora.automl.writing import UNKNOWN, until_writing, writing_takes, wrote
from azora.job import Job
from azora.machine import recall
from azora.tasks import Signature, Task

PICTURES, ROWS = Signature("classification", (1, 8, 8), 2), Signature("classification", (3,), 2)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "azora" / "writing.json"


@pytest.mark.usefixtures("cache")
def test_the_median_of_the_last_three_is_kept_and_a_tenth_at_most() -> None:
    assert writing_takes(PICTURES) == UNKNOWN
    for seconds in (100.0, 8.0, 9.0, 30.0):
        wrote(seconds, PICTURES)
    assert writing_takes(PICTURES) == 9.0
    assert writing_takes(ROWS) == UNKNOWN  # other files, another time
    assert until_writing(None, 9.0) is None
    assert (until_writing(600.0, 9.0), until_writing(60.0, 9.0)) == (591.0, 54.0)


@pytest.mark.parametrize("found", ["{ not json", "[]", '{"%s": 3}', '{"%s": []}', '{"%s": ["long"]}'])
def test_a_damaged_file_is_as_good_as_none(found: str, cache: Path) -> None:
    wrote(1.0, PICTURES)
    key = next(iter(json.loads(cache.read_text())))
    cache.write_text(found.replace("%s", key))
    assert writing_takes(PICTURES) == UNKNOWN
    wrote(2.0, PICTURES)
    assert writing_takes(PICTURES) == 2.0


@pytest.mark.usefixtures("cache", "processes")
def test_a_search_stops_in_time_to_write_and_learns_how_long_it_took(slopes: Task, tmp_path: Path) -> None:
    for _ in range(3):
        wrote(1.25, slopes.signature)
    words: dict[str, Any] = {"budget": "15s", "workers": 1, "boosting": False, "space": "mlp"}
    assert Setting.of(Job.parse(task=slopes, out=tmp_path / "none", **words)).until == 13.75
    figures = azora.search(slopes, out=tmp_path / "out", **words).figures
    assert figures["seconds"] < 14.5
    (seconds,) = recall("writing").values()
    assert seconds[:2] == [1.25, 1.25] and 0 < seconds[2] != 1.25


@pytest.mark.usefixtures("cache")
def test_a_later_session_keeps_what_the_first_one_kept(
    slopes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its last training would end, or the search go on, at another time than was planned."""
    words: dict[str, Any] = {"budget": "30s", "trials": 2, "workers": 1, "boosting": False, "space": "mlp"}
    kept: list[float | None] = []

    def killed(setting: Setting, *rest: Any, **more: Any) -> None:
        kept.append(setting.until)
        raise KeyboardInterrupt

    monkeypatch.setattr(last_training, "train_winner", killed)
    for took, resume in ((2.0, False), (0.5, True)):
        for _ in range(3):
            wrote(took, slopes.signature)
        with pytest.raises(KeyboardInterrupt):
            azora.search(copy.copy(slopes), out=tmp_path / "out", resume=resume, **words)
    assert kept == [28.0, 28.0]


@pytest.mark.usefixtures("cache")
def test_what_is_made_beside_the_model_has_a_time_of_its_own() -> None:
    wrote(3.0, PICTURES)
    wrote(20.0, PICTURES, "for executorch")
    assert writing_takes(PICTURES) == 3.0
    assert writing_takes(PICTURES, "for executorch") == 20.0
    assert writing_takes(PICTURES, "for onnxruntime") == UNKNOWN


@pytest.mark.usefixtures("cache")
def test_a_discovery_counts_its_own_files(slopes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = discover.deploy

    def slowly(*words: Any) -> Any:
        time.sleep(0.5)
        return deploy(*words)

    monkeypatch.setattr(discover, "deploy", slowly)
    words: dict[str, Any] = {"budget": "20s", "trials": 2, "workers": 1, "boosting": False, "space": "mlp"}
    job = Job.parse(task=slopes, out=tmp_path / "out", strategy="random", **words)
    result = discover.discover(job)
    ((key, (seconds,)),) = recall("writing").items()
    assert key.endswith("rows for None") and seconds > 0.5
    assert result.figures["deployed"]
