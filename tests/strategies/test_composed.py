"""The contract for strategies put together from parts, and what each part does."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from azora.errors import ConfigError
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.space import Architecture, Categorical, Integer, Space, Subset
from azora.strategies import Affordable, Composed, RandomSearch, Strategy
from azora.strategies.composed import Phase
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.level import Level
from azora.strategies.registry import make_strategy
from azora.strategies.stopping import EarlyStopping
from azora.tasks import Signature
from azora.testing.strategy_contract import Make, StrategyContract, tiny_space
from azora.trial import Report

GUIDED = {"source": "mixed", "guided": 1.0, "pool": 20, "draws": 3}
SETTINGS: dict[str, dict[str, Any]] = {
    "one phase": {"start": 5},
    "guided": {"phases": [GUIDED], "start": 5},
    "fitted seldom": {"phases": [{**GUIDED, "refit": 3}], "start": 5},
    "three phases": {
        "phases": [
            {"source": "random", "otherwise": "size", "until": 0.3},
            {"source": "cross", "guided": 0.5, "acquisition": "ucb", "pool": 10, "until": 0.6},
            {"source": "neighbours", "changes": 2.0},
        ],
        "start": 5,
        "population": 6,
        "replacement": "worst",
    },
    "archive": {"phases": [{"source": "mutation", "rewiring": 0.0}], "start": 4, "replacement": "none"},
}
DIGITS = Space("digits", [Categorical(f"d{place}", tuple(range(6))) for place in range(4)])


class TestComposed(StrategyContract):
    length = 16

    @pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
    def make(self, request: pytest.FixtureRequest) -> Make:
        return lambda space, seed: Composed(space, seed, None, **{"population": 6, **request.param})


def total(architecture: Architecture) -> float:
    return float(sum(value for value in architecture.values() if isinstance(value, int)))


def play(strategy: Strategy, count: int) -> list[Architecture]:
    found = []
    for _ in range(count):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": total(proposal.architecture)}))
        found.append(proposal.architecture)
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_every_composition_finds_more_than_random_search(name: str) -> None:
    own, chance = (
        sum(max(map(total, play(make(seed), 60))) for seed in range(5))
        for make in (
            lambda seed: Composed(DIGITS, seed, None, **SETTINGS[name]),
            lambda seed: RandomSearch(DIGITS, seed),
        )
    )
    assert own > chance


def test_phases_follow_each_other_by_what_can_be_paid_for() -> None:
    phases = [{"source": "random", "until": 0.5}, {"source": "mutation"}]
    strategy = Composed(DIGITS, 0, None, phases, start=2)
    origins = []
    for place in range(40):
        proposal = strategy.ask()
        assert proposal is not None
        origins.append(proposal.origin)
        strategy.tell(proposal, Report({"accuracy": total(proposal.architecture)}))
        if place == 9:
            strategy.fit(Affordable(30.0))
    assert set(origins[2:20]) == {"random"}
    assert set(origins[20:]) == {"mutation"}


@pytest.mark.parametrize(("replacement", "left"), [("oldest", [3, 4, 5]), ("worst", [5, 4, 3]), ("none", None)])
def test_who_leaves_the_population(replacement: Any, left: list[int] | None) -> None:
    strategy = Composed(DIGITS, 0, None, population=3, replacement=replacement)
    judged = [5, 4, 3, 2] if replacement == "worst" else [1, 2, 3, 4, 5]
    rng = random.Random(0)
    for score in judged:
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": float(score)}))
    scores = [member.rank[1] for member in strategy.members]
    assert scores == (left or judged)
    assert strategy.candidates(Phase(), 1, (), rng)


def test_the_largest_is_proposed_where_that_is_asked_for() -> None:
    space = make_space("mlp", Signature("classification", (6,), 2))
    sizes: dict[str, list[int]] = {}
    for otherwise in ("first", "size"):
        strategy = Composed(space, 0, None, [{"source": "random", "otherwise": otherwise}], start=2)
        found = play(strategy, 22)[2:]
        sizes[otherwise] = sorted(cost(space, each)["params"] for each in found)
    assert sizes["size"][10] > 2 * sizes["first"][10]


def test_connections_mutate_as_often_as_is_said() -> None:
    wired = Space("wired", [Subset("inputs", (0, 1, 2, 3), 1, 3), Categorical("kind", tuple("abcdef"))])
    for rewiring, moved in ((0.0, False), (2.0, True)):
        strategy = Composed(wired, 0, None, [{"rewiring": rewiring, "changes": 1.0}], start=2)
        play(strategy, 2)
        start = {member.architecture["inputs"] for member in strategy.members}
        children = strategy.candidates(Phase(rewiring=rewiring), 40, (), random.Random(0))
        assert ({each["inputs"] for each in children} <= start) is not moved


def test_numbers_mutate_as_often_as_is_said() -> None:
    mixed = Space(
        "mixed", [Integer("whole", 0, 99), Categorical("width", (8, 16, 32)), Categorical("kind", tuple("abcdef"))]
    )
    strategy = Composed(mixed, 0, None, start=2)
    play(strategy, 2)
    start = [member.architecture for member in strategy.members]
    for resizing, moved in ((0.0, False), (2.0, True)):
        children = strategy.candidates(Phase(resizing=resizing), 40, (), random.Random(0))
        for name in ("whole", "width"):
            assert ({each[name] for each in children} <= {each[name] for each in start}) is not moved
        assert not {each["kind"] for each in children} <= {each["kind"] for each in start}


@pytest.mark.parametrize(
    ("fidelity", "kind"),
    [("full", Level), ("halving", SuccessiveHalving), ("median", EarlyStopping), ("curve", EarlyStopping)],
)
def test_the_rule_of_fidelity_is_a_part(fidelity: str, kind: type[Strategy]) -> None:
    made = make_strategy("composed", DIGITS, settings={"fidelity": fidelity, "start": 2}, lowest=2.0)
    assert isinstance(made, kind) and isinstance(made.inner, Composed)  # type: ignore[attr-defined]
    first = made.ask()
    assert first is not None and first.budget == (1.0 if fidelity == "full" else 2.0)


def test_what_is_trained_for_longer_is_not_counted_twice() -> None:
    phases = [{"source": "random", "until": 0.5}, {"source": "mutation"}]
    inner = Composed(DIGITS, 0, None, phases, start=2)
    strategy = SuccessiveHalving(inner, rungs=2)
    inner.all, origins = 40.0, []
    for _ in range(40):
        proposal = strategy.ask()
        assert proposal is not None
        origins += [proposal.origin] if proposal.budget == 1.0 else []
        strategy.tell(proposal, Report({"accuracy": total(proposal.architecture)}))
    assert set(origins[2:20]) == {"random"} and set(origins[20:]) == {"mutation"} and len(origins) < 35


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"phases": [{"source": "mutations"}]}, "there is no source 'mutations'; did you mean 'mutation'"),
        ({"phases": [{"surrogate": "tree"}]}, "there is no surrogate 'tree'; did you mean 'trees'"),
        ({"phases": [{"poole": 3}]}, "a phase has no setting 'poole'; did you mean 'pool'"),
        ({"phases": [{"guided": 2}]}, "guided=2 must be from 0 to 1"),
        ({"phases": [{"draws": 0}]}, "draws=0 must be a whole number, at least 1"),
        ({"phases": []}, "has one at least"),
        ({"phases": [{"resizing": -1}]}, "resizing=-1 at least 0"),
        ({"phases": [3]}, "composed: "),
        ({"fidelity": "halvin"}, "there is no fidelity 'halvin'; did you mean 'halving'"),
        ({"fidelity": "halving", "epochs": 4.0}, "epochs=4 is of fidelity=full"),
        ({"replacement": "eldest"}, "there is no replacement 'eldest'; did you mean 'oldest'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_strategy("composed", tiny_space(), settings=settings)


def test_a_learned_strategy_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    parts = {"phases": [{"source": "cross"}], "start": 3}
    file.write_text(json.dumps({"settings": {**parts, "fidelity": "halving"}, "provenance": {}}))
    assert isinstance(make_strategy("composed", tiny_space(), settings={"file": str(file)}), SuccessiveHalving)
    file.write_text(json.dumps({"settings": parts, "provenance": {}}))
    made = make_strategy("composed", tiny_space(), settings={"file": str(file)})
    assert made.inner.phases == [{"source": "cross"}]  # type: ignore[attr-defined]
    assert made.inner.start == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "says"), [("{", "no file of azora meta-search"), ("{}", "it has no settings")])
def test_a_damaged_file_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        make_strategy("composed", tiny_space(), settings={"file": str(file)})
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        make_strategy("composed", tiny_space(), settings={"file": str(tmp_path / "other.json")})


@pytest.mark.parametrize(
    "beside",
    [
        {"phases": [{"source": "random"}]}, {"start": 4}, {"population": 7}, {"replacement": "worst"},
        {"fidelity": "halving"},
    ],
    ids=lambda each: next(iter(each)),
)  # fmt: skip
def test_what_a_file_says_is_not_said_beside_it(beside: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    file.write_text(json.dumps({"settings": {"start": 3}}))
    usual = {"file": str(file), "phases": [{}], "start": 10, "epochs": 2.0}
    assert make_strategy("composed", tiny_space(), settings=usual).inner.start == 3  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=rf"learned\.json says {next(iter(beside))}; leave out what it says"):
        make_strategy("composed", tiny_space(), settings={**usual, **beside})
