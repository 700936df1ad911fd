"""What rows cost, and when one model is shown to be better than another."""

from __future__ import annotations

import numpy as np
import pytest

from azora.automl.weighing import Lead, costs
from azora.tasks import METRICS
from azora.tasks.array import Array


def test_a_lead_of_some_rows_is_shown_where_others_are_not_lost_for_it() -> None:
    rows = np.zeros(50)
    one, other = rows.copy(), rows.copy()
    other[:5], one[3:7] = 1.0, 1.0  # three rows are gained, and two lost
    lead = Lead.of(one, other)
    assert lead is not None and (lead.gain, lead.error) == (pytest.approx(0.02), pytest.approx(0.045085, abs=1e-6))
    assert not lead.shown
    one[5:7] = 0.0
    lead = Lead.of(one, other)
    assert lead is not None and lead.gain == pytest.approx(0.06) and lead.shown
    assert Lead.of(rows, rows) == Lead(0.0, 0.0) and not Lead(0.0, 0.0).shown
    assert Lead.of(rows[:1], rows[:1]) is None


def classes() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], (60, 25, 5))
    given = rng.dirichlet(np.ones(3), len(y)) + 0.3 * np.eye(3)[y]
    return y, given / given.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("count", range(24, 92))
def test_one_row_is_never_enough(count: int) -> None:
    rows, one = np.zeros(count), np.zeros(count)
    one[3] = 1.0
    lead = Lead.of(rows, one)
    assert lead is not None and lead.gain == pytest.approx(lead.error) and not lead.shown
    one[4] = 1.0
    lead = Lead.of(rows, one)
    assert lead is not None and lead.shown


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "loss"])
def test_the_mean_cost_of_classes_is_the_metric(metric: str) -> None:
    y, answers = classes()
    cost, found = float(costs(metric, answers, y, ()).mean()), METRICS[metric].measure(y, answers)
    assert cost == pytest.approx(found if metric == "loss" else 1 - found)


def test_metrics_without_a_cost_of_a_row_go_by_the_nearest() -> None:
    y, answers = classes()
    np.testing.assert_array_equal(costs("auroc", answers, y, ()), costs("loss", answers, y, ()))
    np.testing.assert_array_equal(costs("f1", answers, y, ()), costs("balanced_accuracy", answers, y, ()))


def test_numbers_count_in_units_of_their_spread() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(80, 2)) * [1000.0, 1.0]
    answers = y + rng.normal(size=y.shape) * [300.0, 0.7]
    spread = y.std(axis=0)
    assert 1 - float(costs("r2", answers, y, spread).mean()) == pytest.approx(METRICS["r2"].measure(y, answers))
    absolute = float(costs("mae", answers, y, spread).mean())
    assert absolute == pytest.approx(float((np.abs(answers - y) / spread).mean()))
