"""The script that judges latency predictors by published measurements."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

from azora.hardware.predictor import Regressor

PRICES = {"none": 0.0, "skip_connect": 0.1, "avg_pool_3x3": 1.0, "nor_conv_1x1": 1.5, "nor_conv_3x3": 4.0}
DEVICES = {"lat_ms_gpu_1": 0.2, "lat_ms_gpu_32": 0.5, "lat_ms_phone": 3.0, "lat_ms_pi": 1.0}  # milliseconds of a start


@pytest.fixture
def latency(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("latency")
    for name in ("POOL", "JUDGED"):
        monkeypatch.setattr(module, name, 30)
    monkeypatch.setattr("azora.hardware.predictor.POOL", 30)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    return module


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng, lines = random.Random(0), [",".join(["idx", "arch", *DEVICES])]
    for row in range(90):
        ops = [rng.choice(list(PRICES)) for _ in range(6)]
        arch = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)
        cost = sum(PRICES[op] for op in ops)
        times = [f"{start + (1 + start) * cost * rng.uniform(0.95, 1.05):.4f}" for start in DEVICES.values()]
        lines.append(",".join([str(row), arch, *times]))
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


def test_a_new_device_is_adapted_from_predictors_and_not_from_what_nobody_has(latency: ModuleType, table: Path) -> None:
    published = latency.Published.read(table)
    found = latency.run_of(published, 0, 25, 5)
    assert min(found["family"]["lat_ms_phone"], found["family_known"]["lat_ms_phone"]) > 0.5
    judged = np.random.default_rng(0).permutation(90)[-30:]
    times = published.times.copy()
    times[judged, :2] = np.random.default_rng(1).permutation(times[judged, :2])  # of other devices, judged cells alone
    other = latency.run_of(replace(published, times=times), 0, 25, 5)
    for kind, same in (("device", True), ("family", True), ("device_known", False), ("family_known", False)):
        assert (other[kind]["lat_ms_phone"] == found[kind]["lat_ms_phone"]) is same, kind


def test_each_run_is_kept_and_not_run_again(
    latency: ModuleType, table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, asked, run_of = table.with_name("out.json"), list[int](), latency.run_of

    def runs(published: Any, run: int, *rest: Any) -> Any:
        if run == 1 and not asked.count(1):
            asked.append(run)
            raise KeyboardInterrupt
        asked.append(run)
        return run_of(published, run, *rest)

    monkeypatch.setattr(latency, "run_of", runs)
    words = ["latency", str(table), "--measured", "25", "--few", "5", "--runs", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(KeyboardInterrupt):
        latency.main()
    latency.main()
    assert asked == [0, 1, 1]
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(out.read_text()) and told["runs"] == 2
    assert [len(values) for values in told["family"]["devices"].values()] == [2] * len(DEVICES)
    monkeypatch.setattr(sys, "argv", [*words, "--few", "6"])
    with pytest.raises(SystemExit):
        latency.main()
