"""The page: every figure in it, nothing from elsewhere, and no name that breaks it."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from azora.report.importance import Importance
from azora.report.page import ReportData, TrialRow, write_page

FIGURES: dict[str, Any] = {
    "task": "digits", "azora": "0.1.0", "strategy": "halving", "space": "cells", "seed": 0, "key": "a" * 16,
    "when": "2026-01-02T03:04:05+00:00", "architecture": {"depth": 2, "rate": 0.123456789, "inputs": [0, 1]},
    "test_accuracy": 0.91234, "validation_accuracy": 0.95, "parameters": 68_710, "macs": 41_234_567_890, "judged": 3,
    "test_interval": {"metric": "accuracy", "low": 0.9, "high": 0.93}, "trials": 4, "failed": 1, "seconds": 59.0,
    "final_seconds": 26.0, "onnx_bytes": 330_000, "latency_ms_torch": 0.7, "latency_ms_onnxruntime": 0.04,
}  # fmt: skip
TRIALS = [
    TrialRow(0, "b" * 16, 1.0, 0.5, 1.0, 2.0, "random", None),
    TrialRow(1, "a" * 16, 3.0, 0.95, 1.0, 3.0, "mutation", None),
    TrialRow(2, "c" * 16, 1.0, None, 1.0, 4.0, "random", "worker killed by signal 9"),
    TrialRow(3, "d" * 16, None, math.nan, 1.0, 5.0, "random", None),
]
DATA = ReportData(
    FIGURES,
    "accuracy",
    True,
    TRIALS,
    '<svg width="300"><text>conv_3x3</text></svg>',
    curve=[{"seconds": s, "epochs": s / 2, "loss": loss} for s, loss in ((1.0, 2.0), (2.0, math.nan), (3.0, 1.0))],
    confusion=[[30, 1], [0, 9]],
    classes=["cat", "dog"],
)


def written(folder: Path, data: ReportData = DATA) -> tuple[str, dict[str, Any]]:
    """The page without its scripts and styles, and the numbers that its script draws."""
    write_page(folder / "report.html", data)
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    text = (folder / "report.html").read_text(encoding="utf-8")
    (numbers,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    found: dict[str, Any] = json.loads(numbers)
    return re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL), found


def test_the_page_is_one_file_that_needs_no_other(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 6_000_000
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert (tmp_path / "report.html").read_text().count("plotly.js v") == 1


def test_the_figures_stand_at_the_top(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    for said in ("0.9123", "95 %: 0.900 to 0.930", "68,710", "0.33 MB as ONNX", "41.2 G", "4 trials, 1 failed",
                 "0.04 ms", "2026-01-02 03:04 UTC", "<svg", "conv_3x3"):  # fmt: skip
        assert said in page
    assert re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", page)[:3] == [
        ("depth", "2"), ("rate", "0.1235"), ("inputs", "0, 1"),
    ]  # fmt: skip


BESIDE: dict[str, Any] = {
    "unit": "seconds", "metric": "accuracy", "cost": 20.0, "trials": 12, "level_at": 4.5,
    "at": [
        {"at": 5.0, "search": 0.9, "random": None, "regret_search": 0.06, "regret_random": None},
        {"at": 20.0, "search": 0.96, "random": 0.9, "regret_search": 0.0, "regret_random": 0.06},
    ],
}  # fmt: skip


def test_random_search_stands_beside_the_search_in_words_numbers_and_a_chart(tmp_path: Path) -> None:
    versus = {"search": [(4.5, 0.9), (15.0, 0.96)], "random": [(6.0, 0.9)]}
    page, numbers = written(tmp_path, dataclasses.replace(DATA, figures={**FIGURES, "baseline": BESIDE}, versus=versus))
    said = " ".join(re.sub("<.*?>", " ", page).split())
    assert "After 20s each, the best accuracy is 0.9600 of the search and 0.9000 of random search" in said
    assert "with which the search was level after 4.5s" in said
    assert "5.0s 0.9000 0.0600 20s 0.9600 0.9000 0.0000 0.0600" in said
    assert numbers["versus"]["search"] == {"at": [4.5, 15.0, 20.0], "best": [0.9, 0.96, 0.96]}
    assert numbers["versus"]["random"]["at"] == [6.0, 20.0]
    assert 'id="versus"' in page


def test_without_a_baseline_nothing_is_said_of_one(tmp_path: Path) -> None:
    page, numbers = written(tmp_path)
    assert "random search" not in page
    assert numbers["versus"] == {}


def test_every_trial_is_a_row_and_failures_say_why(tmp_path: Path) -> None:
    page, numbers = written(tmp_path)
    (body,) = re.findall(r'<table id="trials">.*?<tbody>(.*?)</tbody>', page, flags=re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", body, flags=re.DOTALL)
    assert len(rows) == 4
    assert ['class="best"' in row for row in rows] == [False, True, False, False]
    assert "worker killed by signal 9" in rows[2]
    assert "nan" not in rows[3]
    assert numbers["score"] == [0.5, 0.95]
    assert numbers["best"] == [0.5, 0.95]
    assert numbers["lost"] == [4.0, 5.0]


def test_best_so_far_follows_the_objectives_direction(tmp_path: Path) -> None:
    rows = [dataclasses.replace(TRIALS[0], number=n, score=s) for n, s in enumerate((3.0, 5.0, 2.0))]
    assert written(tmp_path, dataclasses.replace(DATA, maximise=False, trials=rows))[1]["best"] == [3.0, 3.0, 2.0]
    assert written(tmp_path, dataclasses.replace(DATA, trials=rows))[1]["best"] == [3.0, 5.0, 5.0]


def test_what_the_score_hung_on_and_where_the_time_went(tmp_path: Path) -> None:
    told = Importance((("network.width", 0.4), ("recipe.rate", 0.1)), 0.62, 70, 1.0)
    clock = [("starting", 6.0), ("training candidates", 24.0), ("nothing", 0.0), ("the last training", 30.0)]
    page, _ = written(tmp_path, dataclasses.replace(DATA, importance=told, clock=clock))
    lines = re.findall(r'<th scope="row">([^<]*)</th><td class="n">([^<]*)</td>.*?width:([\d.]+)%', page)
    assert lines == [
        ("network.width", "0.400", "100.0"), ("recipe.rate", "0.100", "25.0"),
        ("starting", "6s", "20.0"), ("training candidates", "24s", "80.0"), ("the last training", "30s", "100.0"),
    ]  # fmt: skip
    assert "ranks of 70 trials of 1 epochs" in " ".join(page.split())
    page, _ = written(tmp_path, dataclasses.replace(DATA, importance=Importance(why_not="Too few.")))
    assert "Too few." in page


def test_other_studies_and_residuals_are_drawn(tmp_path: Path) -> None:
    band = {"name": "random, 2 studies", "at": [1.0, 2.0], "low": [0.1, 0.2], "middle": [0.2, 0.3], "high": [0.3, 0.4]}
    pairs = [(1.0, 1.5), (2.0, 1.75)]
    page, numbers = written(tmp_path, dataclasses.replace(DATA, confusion=None, beside=[band], residuals=pairs))
    assert numbers["beside"] == [band]
    assert (numbers["true"], numbers["answer"]) == ([1.0, 2.0], [1.5, 1.75])
    assert "each of 2 test rows" in page


def test_residuals_are_drawn_however_small_or_far_from_zero_targets_are(tmp_path: Path) -> None:
    pairs = [(1.234e-7, 1.3e-7), (2.5e-7, 2.4e-7), (1.6e9, 1_600_000_130.0)]
    _, numbers = written(tmp_path, dataclasses.replace(DATA, confusion=None, residuals=pairs))
    assert list(zip(numbers["true"], numbers["answer"], strict=True)) == pairs


def test_the_learning_curve_leaves_out_what_is_no_number(tmp_path: Path) -> None:
    curve = written(tmp_path)[1]["curve"]
    assert curve["loss"] == [2.0, 1.0]
    assert curve["seconds"] == [1.0, 3.0]
    assert curve["smooth"] == [2.0, pytest.approx(1.7)]


def test_mistakes_are_counted_and_seen(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    assert "1 of 40 answered wrongly" in page
    cells = re.findall(r'<td class="(\w+)" style="--share:([\d.]+)">(\d+)</td>', page)
    assert [(kind, count) for kind, _, count in cells] == [
        ("right", "30"), ("wrong", "1"), ("none", "0"), ("right", "9"),
    ]  # fmt: skip
    assert float(cells[1][1]) > 0.2


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    rows = [dataclasses.replace(TRIALS[0], key=evil, origin=evil), dataclasses.replace(TRIALS[2], error=evil)]
    data = dataclasses.replace(
        DATA, classes=[evil, "<b>"], trials=rows, figures={**FIGURES, "task": evil, "architecture": {evil: evil}}
    )
    page, numbers = written(tmp_path, data)
    assert "alert(1)" in page
    assert evil not in page
    assert evil not in (tmp_path / "report.html").read_text()
    assert numbers["keys"] == [evil]


def test_the_page_does_with_little(tmp_path: Path) -> None:
    """A regression whose only trial failed, that could not be written as ONNX."""
    missing = ("test_accuracy", "validation_accuracy", "onnx_bytes", "latency_ms_torch", "latency_ms_onnxruntime")
    figures = {name: value for name, value in FIGURES.items() if name not in missing}
    figures |= {"test_rmse": 3.25, "test_interval": {"metric": "rmse", "low": 3.0, "high": 3.5}}
    page, numbers = written(tmp_path, ReportData(figures, "params", False, TRIALS[2:3], "<svg></svg>"))
    assert "3.2500" in page
    assert "95 %: 3.000 to 3.500" in page
    assert numbers["score"] == []
    assert 'id="curve"' not in page
    assert 'id="h-conf"' not in page


def test_the_page_can_be_used_without_a_mouse_or_eyes(tmp_path: Path) -> None:
    page, _ = written(tmp_path)
    assert re.search(r'<html lang="en">', page)
    charts = re.findall(r'<div id="(?:progress|curve)"[^>]*>', page)
    assert len(charts) == 2
    assert all('role="img"' in each and "aria-label=" in each for each in charts)
    headings = re.findall(r"<th scope=\"col\"[^>]*aria-sort=\"(\w+)\"><button type=\"button\">", page)
    assert headings.count("ascending") == 1
    assert len(headings) == 7
    assert all('role="region"' in each for each in re.findall(r"<div [^>]*tabindex=\"0\"[^>]*>", page))
    used = set(re.findall(r'aria-labelledby="([^"]+)"', page))
    assert used <= set(re.findall(r' id="([^"]+)"', page))


def test_what_a_mixture_showed_in_every_epoch_is_drawn(tmp_path: Path) -> None:
    line = {"accuracy": 0.8, "mixture_accuracy": 0.9, "gap": 0.1, "entropy": 0.7, "skips": 2.0, "eigenvalue": 1.23e-7}
    history = [{"epoch": 1.0, **line}, {"epoch": 2.0, **line, "eigenvalue": -321.5, "skips": 1.0}]
    relaxed = {"history": history, "says": "it is not known", "seconds": 3.0, "share": 0.5}
    page, numbers = written(tmp_path, dataclasses.replace(DATA, figures={**FIGURES, "relaxed": relaxed}))
    assert numbers["relaxed"] == {
        "epoch": [1.0, 2.0], "mixture": [0.9, 0.9], "derived": [0.8, 0.8], "gap": [0.1, 0.1], "entropy": [0.7, 0.7],
        "skips": [2.0, 1.0], "eigenvalue": [1.23e-7, -321.5],
    }  # fmt: skip
    assert 'id="relaxed"' in page and 'id="signs"' in page
    script = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f"D.relaxed.{name}" in script for name in numbers["relaxed"])
