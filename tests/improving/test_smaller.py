"""A smaller network is deployed where it is not worse by a margin, and cheaper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.improving.made import accuracy, blobs, deployed
from torch import nn

from azora.errors import BudgetError, ConfigError
from azora.export.bundle import read_bundle
from azora.improving import improve, paired_test
from azora.improving.challengers import Challengers
from azora.improving.cheaper import compared
from azora.improving.paired import margin_of
from azora.improving.remembering import policy_of
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.networks.complexity import cost
from azora.networks.morphism import grow
from azora.networks.registry import make_space
from azora.space import Architecture, Space


def test_a_smaller_one_is_promoted_where_it_is_not_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy.of({"prefer": "smaller", "margin": 0.06, "challengers": 1})
    carried = Carried({}, False, {}, policy).to_text()
    model, fresh = deployed(tmp_path, blobs(2000, 0), wide=True, carried=carried), blobs(2000, 7)
    was, macs = accuracy(model, fresh), read_bundle(model).about["figures"]["macs"]
    monkeypatch.setattr("azora.improving.cycle.SOONER", 0.0)
    slow = improve(model, blobs(6000, 1), 2.5)
    assert slow.what == "kept" and "p" not in slow.facts  # nothing was tested, and no level spent
    monkeypatch.setattr("azora.improving.cycle.SOONER", 1e9)  # a clock has no place in a test
    outcome = improve(model, blobs(6000, 2), 3.0)
    assert outcome.what == "promoted" and outcome.facts["margin"] == 0.06
    assert outcome.facts["macs"] <= 0.9 * outcome.facts["deployed_macs"]
    assert read_bundle(model).about["figures"]["macs"] == outcome.facts["macs"] != macs
    assert accuracy(model, fresh) > was - 0.06


def test_limits_that_are_not_held_ask_for_it(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1, wide=True, figures={"limits": {"macs": 100.0}})
    said = list[str]()
    with pytest.raises(BudgetError, match="not worse by"):
        improve(model, blobs(900, 1), 4.0, say=said.append)
    assert "a smaller network is looked for, within macs" in said


def test_for_a_counted_limit_an_answer_need_not_be_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = blobs(2000, 0)
    bundle = read_bundle(deployed(tmp_path, task, wide=True))
    now = cost(space := make_space("mlp", bundle.signature), space.parse(bundle.about["architecture"]))["params"]
    policy = Policy.of({"prefer": "smaller", "margin": 0.06, "challengers": 1, "limits": {"params": now - 1}})
    model = deployed(tmp_path, task, wide=True, carried=Carried({}, False, {}, policy).to_text())
    monkeypatch.setattr("azora.improving.cycle.SOONER", 0.0)  # nothing ever is
    outcome = improve(model, blobs(6000, 2), 3.0)
    assert "p" in outcome.facts and outcome.facts["macs"] < outcome.facts["deployed_macs"]


def test_challengers_are_smaller_and_taught(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, wide=True))
    made = Challengers(bundle, (), Policy(), 0)
    most = 0.9 * cost(made.space, made.start)["macs"]
    found = made.some(6, smaller=True)
    assert found and all(cost(each.space, each.architecture)["macs"] <= most for each in found)
    assert all(each.teacher is bundle.network for each in found)
    told = compared(bundle, found[0], found[0].network, blobs(90, 0).validation.x[:1])
    assert told["macs"] < told["deployed_macs"] and 0 < told["latency_ms"] < 1000


def test_limits_hold_for_all_that_is_promoted_or_it_comes_nearer_to_them(tmp_path: Path) -> None:
    """By parameters alone: what is beyond them may have as many multiply-accumulates as it likes."""
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, wide=True))
    now = cost(made := make_space("mlp", bundle.signature), made.parse(bundle.about["architecture"]))["params"]

    def tried(most: float, smaller: bool = True) -> list[int]:
        found = Challengers(bundle, (), Policy.of({"limits": {"params": most}}), 0).some(99, smaller=smaller)
        return [cost(each.space, each.architecture)["params"] for each in found]

    assert tried(now - 1) and max(tried(now - 1)) < now  # a little less is enough
    assert tried(10) and max(tried(10)) <= 0.9 * now  # nothing holds it, so much less
    assert tried(now - 1, smaller=False) == [] and max(tried(now, smaller=False)) <= now
    grown = Challengers(bundle, ("elm",), Policy.of({"limits": {"params": now}}), 0)
    assert grown.over == ["params"] and grown.some(9) == []
    assert all(cost(each.space, each.architecture)["params"] <= now for each in grown.some(9, smaller=True))


def test_what_is_beyond_the_limits_is_not_even_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1))
    now = cost(space := make_space("mlp", bundle.signature), space.parse(bundle.about["architecture"]))["params"]
    built = list[int]()

    def build(root: Space, old: nn.Module, start: Architecture, to: Architecture) -> nn.Module:
        built.append(cost(root, to)["params"])
        return grow(root, old, start, to)

    monkeypatch.setattr("azora.networks.morphism.grow", build)
    for most, some in ((now, False), (100 * now, True)):
        found = Challengers(bundle, (), Policy.of({"kinds": "grow", "limits": {"params": most}}), 0).some(2)
        assert bool(found) == some and built and max(built) <= most
        built.clear()


def test_a_model_beyond_all_that_is_near_is_told_so(tmp_path: Path) -> None:
    model, said = deployed(tmp_path, blobs(300, 0), wide=True, figures={"limits": {"params": 10}}), list[str]()
    improve(model, blobs(6000, 1), 2.5, say=said.append)
    assert "none that is smaller holds params: what comes nearer is tried" in said


def test_what_a_reward_aims_at_is_no_limit(tmp_path: Path) -> None:
    for objective, limits in (("reward", {}), ("accuracy", {"macs": 100.0})):
        figures = {"limits": {"macs": 100.0}, "objective": objective}
        bundle = read_bundle(deployed(tmp_path / objective, blobs(300, 0), epochs=1, wide=True, figures=figures))
        policy = policy_of(bundle, None)
        assert policy.limits == limits and bool(Challengers(bundle, (), policy, 0).over) == bool(limits)


def test_too_few_rows_and_unknown_words_are_told(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    with pytest.raises(BudgetError, match=r"cannot show that a network is not worse by 0\.01"):
        improve(model, blobs(900, 1), 4.0, prefer="smaller")
    with pytest.raises(ConfigError, match="did you mean 'smaller'"):
        improve(model, blobs(900, 1), 4.0, prefer="smalle")


def test_what_is_worse_by_the_margin_passes_no_oftener_than_the_level() -> None:
    """The share of the score test's false passes at the edge of its hypothesis, in 2,000 draws of each kind of pair."""
    rng, level, draws, rows, margin = np.random.default_rng(0), 0.05, 2000, 1000, 0.02
    for gained in (0.0, 0.02, 0.1):
        passed = 0
        for _ in range(draws):
            which = rng.choice(3, size=rows, p=[gained, gained + margin, 1 - 2 * gained - margin])
            old, new = (which == 0).astype(float), (which == 1).astype(float)
            passed += paired_test("classification", old, new, margin) < level
        assert passed / draws < level + 0.015, gained
    same = np.zeros(rows)
    assert paired_test("classification", same, same, margin) < 1e-4
    lost = np.zeros(rows)
    lost[:60] = 1
    assert paired_test("classification", same, lost, margin) > 0.999
    assert paired_test("classification", lost, same, -margin) < 0.001  # worse by more than the margin, seen from there
    assert paired_test("classification", lost[::-1] * 0 + same, same, -margin) > 0.999


def test_numbers_have_a_margin_of_their_variance() -> None:
    rng = np.random.default_rng(0)
    y = 3 * rng.normal(size=(2000, 1))
    margin = margin_of("regression", 0.01, y)
    assert margin == pytest.approx(0.09, rel=0.1) and margin_of("classification", 0.01, y) == 0.01
    old = rng.normal(size=2000) ** 2
    assert margin_of("regression", 0.01, np.tile(y, 2), (3.0, 3.0)) == pytest.approx(0.02, rel=0.1)
    assert paired_test("regression", old, old + 0.5 * margin, margin) < 0.01
    assert paired_test("regression", old, old + 1.5 * margin, margin) > 0.99
