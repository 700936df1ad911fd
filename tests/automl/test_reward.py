"""Rewards that aim at a limit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.automl.made import search, widths

from azora.automl.reading import read_events
from azora.automl.reward import Reward
from azora.automl.setting import Setting
from azora.job import Job
from azora.networks.complexity import cost
from azora.tasks import Task
from azora.trial import Limit, Proposal, Report


@pytest.mark.parametrize("form", ["soft", "hard", "absolute"])
def test_a_reward_aims_at_a_limit_and_does_not_keep_it(form: str, brief: None, stripes: Task, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = search(stripes, out, reward=form, limits=["latency=1.2ms"], trials=14)
    assert max(widths(out)) == 64, "networks beyond the aim are judged too"
    told = [event["report"]["metrics"] for event in read_events(out) if event["kind"] == "told"]
    assert {"accuracy", "latency", "reward"} <= told[0].keys()
    reward = Reward(form, Limit("latency", 1.2))
    assert all(each["reward"] == pytest.approx(reward(each["accuracy"], each)) for each in told)
    best = max(told, key=lambda each: each["reward"])
    assert result.validation_reward == pytest.approx(best["reward"])
    assert result.target["predicted_latency_ms"] == pytest.approx(best["latency"], abs=1e-3)


@pytest.mark.parametrize(
    ("form", "quality", "latency", "wanted"),
    [
        ("soft", 0.8, 10.0, 0.8),
        ("soft", 0.8, 20.0, 0.762115),  # 0.8 · 2^-0.07
        ("soft", 0.8, 5.0, 0.839768),  # 0.8 · 2^0.07
        ("hard", 0.8, 10.0, 0.8),
        ("hard", 0.8, 5.0, 0.8),
        ("hard", 0.8, 20.0, 0.4),
        ("absolute", 0.8, 10.0, 0.8),
        ("absolute", 0.8, 20.0, 0.73),  # 0.8 − 0.07 · 1
        ("absolute", 0.8, 5.0, 0.765),  # 0.8 − 0.07 · 0.5
        ("soft", -0.8, 20.0, -0.839768),  # below zero cost makes it worse, too
        ("hard", -0.8, 20.0, -1.6),
    ],
)
def test_rewards_are_what_their_papers_say(form: str, quality: float, latency: float, wanted: float) -> None:
    reward = Reward(form, Limit.parse("latency=10ms"))
    assert reward(quality, {"latency": latency, "macs": 3.0}) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("form", ["soft", "hard", "absolute"])
def test_what_costs_nothing_is_rewarded_by_a_finite_number(form: str) -> None:
    """A runtime without a file has files of no bytes."""
    assert 0 < Reward(form, Limit("size", 1000.0))(0.8, {"size": 0.0}) < 10


def test_rewards_may_be_of_what_is_counted(stripes: Task, tmp_path: Path) -> None:
    job = Job.parse(task=stripes, out=tmp_path / "out", limits=["macs=1k"], reward="hard", trials=2, space="mlp")
    setting = Setting.of(job)
    proposal = Proposal(setting.space.sample(random.Random(0)))
    found = setting.complete(proposal, Report({"accuracy": 0.6})).metrics
    assert found["macs"] == cost(setting.space, proposal.architecture)["macs"] > 1000
    assert found["reward"] == pytest.approx(0.6 * 1000 / found["macs"])
    failed = Report(error="no memory")
    assert setting.complete(proposal, failed) == failed
    lacking = setting.complete(proposal, Report({"speed": 1.0}))
    assert lacking.error == "the evaluator gave no 'accuracy', which is rewarded; it gave speed"
    assert setting.within_limits() is setting.space
