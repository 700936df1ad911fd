"""Means, intervals and paired differences."""

from __future__ import annotations

import re

import pytest
from scipy import stats

from azora.automl.comparing.plot import to_svg
from azora.automl.comparing.summary import Estimate, rows


def run(test: float) -> dict[str, object]:
    return {"test": test, "rows": [test - 0.1, test + 0.1], "validation": None, "load": None}


def test_the_interval_is_students() -> None:
    values = [0.9, 0.92, 0.97]
    found = Estimate.of(values)
    assert found is not None
    low, high = stats.t.interval(0.95, 2, loc=sum(values) / 3, scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.over == "seeds" and Estimate.of([]) is None


def test_differences_are_of_equal_seeds() -> None:
    runs = {"random": {0: run(0.5), 1: run(0.7)}, "other": {1: run(0.8), 2: run(0.1)}}
    random, other = rows([("random", "", False), ("other", "", False)], runs, {})
    assert other.above is not None and other.above.values == [pytest.approx(0.1)]
    assert random.above is None and other.test is not None and other.test.mean == pytest.approx(0.45)


def test_above_is_better_whatever_the_direction() -> None:
    runs = {"random": {0: run(5.0)}, "other": {0: run(4.0)}}
    _, other = rows([("random", "", False), ("other", "", False)], runs, {}, maximise=False)
    assert other.above is not None and other.above.mean == 1.0


def test_figures_that_nobody_has_have_no_mean() -> None:
    (row,) = rows([("random", "", False)], {"random": {0: run(0.5)}}, {})
    assert row.mean("validation") is None and row.mean("test") == 0.5


def test_a_bar_stays_within_the_axes() -> None:
    runs = {"random": {0: run(0.9), 1: run(0.91)}, "other": {0: run(0.5), 1: run(0.9)}}
    svg = to_svg(rows([("random", "", False), ("other", "", False)], runs, {}), "a wide interval")
    left, right = re.findall(r'd="M([\d.]+) [\d.]+H([\d.]+)"', svg)[-1]
    labels = float(re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="end"', svg)[0])
    assert labels < float(left) < float(right) <= labels + 12 + 460


def test_one_score_without_any_spread_can_be_drawn() -> None:
    perfect = {**run(1.0), "rows": [1.0, 1.0]}
    svg = to_svg(rows([("random", "", False), ("other", "", True)], {"random": {0: perfect}}, {}), "nothing to see")
    assert svg.count("<circle") == 1 + 3


def test_equal_scores_can_be_drawn() -> None:
    found = rows([("random", "", False), ("a<b", "", True)], {"random": {0: run(1.0)}, "a<b": {0: run(1.0)}}, {})
    svg = to_svg(found, "all & the same")
    assert "a&lt;b" in svg and "all &amp; the same" in svg and "nan" not in svg
