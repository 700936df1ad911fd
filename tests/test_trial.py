"""Proposals, reports, objectives and limits."""

from __future__ import annotations

import json
import math
import random

import pytest

from azora.errors import ConfigError
from azora.tasks import METRICS
from azora.testing.strategy_contract import tiny_space
from azora.trial import Limit, Objective, Proposal, Report


def test_proposals_and_reports_survive_json() -> None:
    proposal = Proposal(tiny_space().sample(random.Random(0)), 3.0, "random")
    assert Proposal.from_json(json.loads(json.dumps(proposal.to_json())), tiny_space()) == proposal
    report = Report({"accuracy": 0.5}, 1.5, None, {"curve": [1, 2]})
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_that_is_not_a_number_is_a_failure_that_says_so() -> None:
    report = Report({"accuracy": math.nan, "loss": 1.0})
    assert not report.ok
    assert Objective().score(report) == -math.inf
    again = Report.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False)))
    assert again.error == "accuracy is not a finite number"


def test_equal_scores_are_ordered_by_loss() -> None:
    sure, unsure = Report({"accuracy": 0.9, "loss": 0.1}), Report({"accuracy": 0.9, "loss": 0.4})
    assert Objective().order(sure) > Objective().order(unsure)
    assert Objective.parse("loss").score(sure) > Objective.parse("loss").score(unsure)
    assert Objective.parse("accuracy:min") == Objective("accuracy", maximise=False)
    with pytest.raises(ConfigError, match="min or max, not 'up'"):
        Objective.parse("accuracy:up")


@pytest.mark.parametrize(
    ("text", "quantity", "most"),
    [
        ("params=200k", "params", 2e5),
        ("macs=5M", "macs", 5e6),
        ("memory=2MB", "memory", 2e6),
        ("params=10", "params", 10),
        ("params=1e6", "params", 1e6),
        ("macs=1.5G", "macs", 1.5e9),
        ("memory=800kb", "memory", 8e5),
        ("memory=2M", "memory", 2e6),
        ("size=500kB", "size", 5e5),
        ("size=900B", "size", 900),
        ("latency=5ms", "latency", 5),
        ("latency=0.25ms", "latency", 0.25),
        ("latency=800us", "latency", 0.8),
        ("latency=800µs", "latency", 0.8),
        ("latency=2s", "latency", 2000),
        ("latency= 2 MS", "latency", 2),
    ],
)
def test_limits(text: str, quantity: str, most: float) -> None:
    limit = Limit.parse(text)
    assert limit.quantity == quantity
    assert limit.most == pytest.approx(most)
    assert limit.met({quantity: limit.most}) and not limit.met({quantity: most * 1.01})


@pytest.mark.parametrize(
    ("text", "shown"),
    [("latency=800us", "latency ≤ 0.8 ms"), ("latency=2s", "latency ≤ 2000 ms"), ("size=500kB", "size ≤ 500,000")],
)
def test_limits_are_shown_in_one_unit(text: str, shown: str) -> None:
    assert str(Limit.parse(text)) == shown


@pytest.mark.parametrize("name", METRICS)
def test_a_known_metric_brings_its_own_direction(name: str) -> None:
    assert Objective.parse(name) == Objective(name, METRICS[name].maximise)


def test_costs_are_to_be_small() -> None:
    assert not any(Objective.parse(name).maximise for name in ("latency", "size", "memory", "macs", "params"))
    assert Objective.parse("latency:min") == Objective.parse("latency")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params", "quantity=amount"),
        ("parms=3", "did you mean 'params'"),
        ("params=many", "not an amount"),
        ("macs=0", "above zero"),
        ("macs=inf", "above zero"),
        ("params=-3", "above zero"),
        ("latency=5", "'5' is not an amount of latency such as 5ms or 800us"),
        ("latency=5MB", "'5MB' is not an amount of latency"),
        ("latency=5m", "'5m' is not an amount of latency"),
        ("latency=ms", "'ms' is not an amount of latency"),
        ("latency=0ms", "above zero"),
        ("memory=5ms", "'5ms' is not an amount of memory such as 500kB or 2MB"),
        ("size=5s", "'5s' is not an amount of size such as 500kB or 2MB"),
        ("macs=5MB", "'5MB' is not an amount of macs such as 200k or 5M"),
        ("params=5kb", "'5kb' is not an amount of params"),
        ("latancy=5ms", "did you mean 'latency'"),
    ],
)
def test_limits_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Limit.parse(text)
