"""What zero-cost proxies say to strategies: a warm start, and a filter."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from azora.errors import ConfigError
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.proxies import PROXIES, Probe, Proxy, log_rank, score
from azora.space import Architecture, Product, Space
from azora.strategies import (
    Bandit,
    Bayesian,
    Event,
    Filtered,
    RandomSearch,
    RegularizedEvolution,
    Shortlist,
    Strategy,
    WarmStart,
)
from azora.strategies.bayesian import FEW
from azora.strategies.registry import make_strategy
from azora.strategies.shortlist import names_of
from azora.tasks import SearchData, Signature, Task
from azora.testing import StrategyContract, tiny_space
from azora.testing.strategy_contract import Make
from azora.training import Recipe
from azora.trial import Objective, Report

PICTURES = Signature("classification", (1, 8, 8), 2)
SMALL = {"widths": [4], "depths": [1], "stages": 1}


def cells() -> Space:
    return make_space("cells", PICTURES, **SMALL)


class TestAdvised(StrategyContract):
    """On a space without networks, where the inner strategy's first proposal is taken."""

    @pytest.fixture
    def make(self) -> Make:
        return lambda space, seed: WarmStart(Filtered(RegularizedEvolution(space, seed, population=6)), 3, ["params"])


def test_the_same_seed_and_a_replay_give_the_same_advice() -> None:
    space = cells()

    def make() -> Strategy:
        return WarmStart(Filtered(RegularizedEvolution(space, 0, population=3), draws=3), 3, ["params"])

    strategy, events, made = make(), list[Event](), list[str]()
    for number in range(8):
        proposal = strategy.ask()
        assert proposal is not None
        made.append(proposal.architecture.key)
        report = Report({"accuracy": (7 * number % 5) / 5})
        strategy.tell(proposal, report)
        events += [("asked", proposal), ("told", proposal, report)]
    again = make()
    again.replay(events[:10])
    for place in range(5, 8):
        proposal = again.ask()
        assert proposal is not None and proposal.architecture.key == made[place]
        again.tell(proposal, Report({"accuracy": (7 * place % 5) / 5}))


def test_counts_and_proxies_are_those_of_their_own_functions(stripes: Task) -> None:
    space, rng = cells(), random.Random(0)
    some = [space.sample(rng) for _ in range(6)]
    assert Shortlist(space, ["params"]).scores(some) == log_rank(
        {"params": [cost(space, each)["params"] for each in some]}
    )
    probe = Probe.of(stripes.search_data, 64, 3)
    wanted = {name: [score(space, each, probe, [name], 3)[name] for each in some] for name in ("naswot", "snip")}
    assert Shortlist(space, ["naswot", "snip"], stripes.search_data, 3).scores(some) == log_rank(wanted)


def test_without_data_noise_is_looked_at_and_labels_are_missed() -> None:
    space = cells()
    some = [space.sample(random.Random(number)) for number in range(4)]
    probe = Probe.noise(PICTURES, 64, 0)
    wanted = [score(space, each, probe, ["synflow"])["synflow"] for each in some]
    found = Shortlist(space, ["synflow"]).scores(some)
    assert found is not None
    assert np.argsort(found).tolist() == np.argsort(wanted).tolist()
    with pytest.raises(ConfigError, match="proxy 'snip' needs rows with labels, and there is no data"):
        Shortlist(space, ["snip"])


def test_a_network_that_a_proxy_fails_on_is_the_lowest_and_a_mistake_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([torch.linalg.LinAlgError("no"), RuntimeError("no"), ValueError("no"), None, TypeError("no")])

    def failing(network: nn.Module, probe: Probe) -> float:
        if (error := next(errors)) is not None:
            raise error
        return 1.0

    monkeypatch.setitem(PROXIES, "jacob_cov", Proxy(failing, ""))
    space = cells()
    some = [space.sample(random.Random(number)) for number in range(5)]
    shortlist = Shortlist(space, ["jacob_cov"])
    assert shortlist.values(some[:4]) == [[-math.inf], [-math.inf], [-math.inf], [1.0]]
    with pytest.raises(TypeError, match="no"):
        shortlist.values(some[4:])


def test_a_space_without_networks_has_no_scores() -> None:
    some = [tiny_space().sample(random.Random(0))]
    for name in ("size", "params", "synflow"):
        assert Shortlist(tiny_space(), [name]).scores(some) is None


def test_a_warm_start_by_proxies_begins_with_the_highest(stripes: Task) -> None:
    space = Product(network=cells(), recipe=Recipe(PICTURES))
    strategy = WarmStart(RandomSearch(space, 0), 3, ["synflow", "naswot"], stripes.search_data)
    made = [strategy.ask() for _ in range(4)]
    assert [each.origin for each in made if each] == ["high by synflow, naswot"] * 3 + ["random"]
    rng = random.Random("0:large")
    drawn = [space.sample(rng) for _ in range(100)]
    scores = Shortlist(space, ["synflow", "naswot"], stripes.search_data).scores(drawn)
    assert scores is not None
    assert made[0] is not None
    assert made[0].architecture == drawn[scores.index(max(scores))]


def test_a_filter_takes_the_highest_of_what_the_strategy_draws() -> None:
    space = cells()
    strategy, alone = Filtered(RandomSearch(space, 0), ["params"], 8), RandomSearch(space, 0)
    rng = random.Random("0:0")
    drawn = [alone.propose(rng) for _ in range(8)]
    asked = strategy.ask()
    assert asked is not None
    sizes = [cost(space, each.architecture)["params"] for each in drawn if each is not None]
    assert cost(space, asked.architecture)["params"] == max(sizes)
    assert asked.origin.startswith("of ") and asked.origin.endswith(" the highest by params: random")
    assert asked.architecture.key in strategy.inner.seen  # type: ignore[attr-defined]


def test_a_bandit_learns_inside_a_filter_who_helped() -> None:
    space = cells()
    inner = Bandit({"chance": RandomSearch(space, 0), "evolution": RegularizedEvolution(space, 0, population=4)})
    strategy, origins = Filtered(inner, ["params"], 3), []
    for number in range(16):
        proposal = strategy.ask()
        assert proposal is not None
        origins.append(proposal.origin)
        strategy.tell(proposal, Report({"accuracy": number / 16}))
    assert any("the highest by params: " in each for each in origins)
    assert sum(map(sum, inner.helped.values())) > 1


def test_promotions_are_no_choice_of_a_filter() -> None:
    strategy = make_strategy("halving", cells(), settings={"rungs": 2, "filter": "params", "draws": 3})
    budgets = []
    for number in range(8):
        proposal = strategy.ask()
        assert proposal is not None
        budgets.append(proposal.budget)
        strategy.tell(proposal, Report({"accuracy": number / 8}))
    assert budgets.count(3.0) == 1 + (budgets.count(1.0) >= 6)


@pytest.mark.parametrize("name", ["evolution", "genetic", "local", "bayesian", "halving"])
def test_strategies_take_advice_by_name(name: str, stripes: Task) -> None:
    settings = {"warm": "synflow,params"}
    strategy = make_strategy(name, cells(), settings=settings, data=stripes.search_data)
    proposal = strategy.ask()
    assert proposal is not None and proposal.origin == "high by synflow, params"
    large = make_strategy(name, cells(), settings={"warm": True}).ask()
    assert large is not None and large.origin == "large"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"warm": "synflw"}, "there is no proxy 'synflw'; did you mean 'synflow'?"),
        ({"filter": "fisher"}, "proxy 'fisher' needs rows with labels"),
        ({"filter": True, "draws": 1}, "draws=1 must be a whole number, at least 2"),
        ({"warm": []}, None),
        ({"data": 3}, "evolution has no setting 'data'"),
    ],
)
def test_bad_advice_is_refused_in_words(settings: dict[str, object], said: str | None) -> None:
    if said is None:
        assert make_strategy("evolution", cells(), settings=settings).ask() is not None
        return
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        make_strategy("evolution", cells(), settings=settings)


class Hidden:
    """A proxy that knows the score of every network, which nothing else tells."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def values(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        self.asked |= {each.key for each in architectures}
        return [[hidden(each)] for each in architectures]


def hidden(architecture: Architecture) -> float:
    return int(architecture.key, 16) % 1000 / 1000


def test_a_surrogate_that_is_told_a_good_proxy_chooses_by_it() -> None:
    means = []
    for told in (False, True):
        strategy, scores = Bayesian(tiny_space(), 0, start=8), []
        proxy = Hidden()
        if told:
            strategy.proxies = proxy  # type: ignore[assignment]
        for _ in range(16):
            proposal = strategy.ask()
            assert proposal is not None
            scores.append(hidden(proposal.architecture))
            strategy.tell(proposal, Report({"accuracy": scores[-1]}))
        means.append(sum(scores[8:]) / 8)
        assert len(proxy.asked) <= (15 + 8 * FEW if told else 0)  # and of no other candidate
    assert means[0] < 0.7 < 0.8 < means[1]


def test_features_by_name_in_a_search_with_budgets_and_failures(stripes: Task) -> None:
    settings = {"features": "params,naswot", "start": 3}
    strategy = make_strategy("bayesian", cells(), settings=settings, data=stripes.search_data)
    for number in range(6):
        proposal = strategy.ask()
        assert proposal is not None
        report = Report(error="no") if number == 1 else Report({"accuracy": number / 6})
        strategy.tell(replace(proposal, budget=1.0 + number % 2), report)
    assert proposal is not None and proposal.origin == "ei of gp"


def test_of_several_objectives_a_feature_is_computed_once_for_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    computed, value = [], Shortlist._value

    def counted(self: Shortlist, name: str, architecture: Architecture) -> float:
        computed.append(tuple(architecture.items()))
        return value(self, name, architecture)

    monkeypatch.setattr(Shortlist, "_value", counted)
    both = (Objective(), Objective("macs", False))
    settings = {"features": "params", "front": "scalarised", "start": 3}
    strategy = make_strategy("bayesian", cells(), objectives=both, settings=settings)
    for number in range(6):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": number / 6, "macs": float(number % 4)}))
    assert len(computed) == len(set(computed)) > 6


def test_names_are_words_lists_or_true() -> None:
    assert names_of(True) == ("size",)
    assert names_of(False) == names_of([]) == ()
    assert names_of("a,b") == names_of(["a", "b"]) == ("a", "b")


def test_data_is_looked_at_and_not_changed(stripes: Task) -> None:
    data: SearchData = stripes.search_data
    before = data.train.x.copy()
    Shortlist(cells(), ["grad_norm"], data).scores([cells().sample(random.Random(0))])
    assert (data.train.x == before).all()
