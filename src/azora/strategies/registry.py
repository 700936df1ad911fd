"""Strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.strategies.bayesian import Bayesian
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.level import Level
from azora.strategies.random_search import RandomSearch
from azora.strategies.strategy import Strategy
from azora.strategies.warm_start import WarmStart
from azora.trial import Objective


@dataclass(frozen=True)
class Entry:
    """A strategy as users see it: how to make it, what it is, where it comes from, when to use it."""

    make: Callable[..., Strategy]
    summary: str
    source: str
    advice: str


def random(space: Space, seed: int, objective: Objective, epochs: float | None = None) -> Strategy:
    """Random search, every network trained equally long."""
    return Level(RandomSearch(space, seed, objective), epochs)


def evolution(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    population: int | None = None,
    tournament: int | None = None,
) -> Strategy:
    """Regularised evolution, every network trained equally long."""
    return Level(RegularizedEvolution(space, seed, objective, population, tournament), epochs)


def bayesian(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    surrogate: str = "gp",
    acquisition: str = "ei",
    candidates: str = "near",
    start: int = 10,
    warm: bool = False,
) -> Strategy:
    """Bayesian optimisation, every network trained equally long; `warm`: begun with large networks."""
    proposer = Bayesian(space, seed, objective, surrogate, acquisition, candidates, start)
    return Level(WarmStart(proposer, start) if warm else proposer, epochs)


def halving(
    space: Space,
    seed: int,
    objective: Objective,
    inner: str = "evolution",
    lowest: float = 1.0,
    eta: int = 3,
    rungs: int | None = None,
    population: int | None = None,
    tournament: int | None = None,
) -> Strategy:
    """Asynchronous successive halving around evolution or random search."""
    if inner == "random":
        return SuccessiveHalving(RandomSearch(space, seed, objective), lowest, eta, rungs)
    if inner == "evolution":
        proposer = RegularizedEvolution(space, seed, objective, population, tournament)
        return SuccessiveHalving(proposer, lowest, eta, rungs)
    raise ConfigError(f"inner={inner!r} cannot be halved; {closest(inner, ('evolution', 'random'))}")


DEFAULT = "halving"
STRATEGIES: dict[str, Entry] = {
    "random": Entry(
        random,
        "draws networks uniformly and trains all equally long",
        "Li & Talwalkar 2019",
        "the yardstick: run it beside any claim",
    ),
    "evolution": Entry(
        evolution,
        "mutates the best of a few, forgets the oldest, trains all equally long",
        "Real et al. 2019",
        "when a short training misleads about a long one",
    ),
    "bayesian": Entry(
        bayesian,
        "learns what good networks have in common, and trains what promises most, all equally long",
        "White et al. 2021 (BANANAS), Ru et al. 2021",
        "when a training takes minutes and 30 to 300 can be paid for; warm=true where larger is better",
    ),
    "halving": Entry(
        halving,
        "trains many briefly and the best third three times as long, and so on, around evolution",
        "Li et al. 2020 (ASHA), Real et al. 2019",
        "the default: most networks judged in a given time",
    ),
}


def make_strategy(
    name: str,
    space: Space,
    *,
    seed: int = 0,
    objective: Objective | None = None,
    settings: Mapping[str, Any],
    lowest: float = 1.0,
) -> Strategy:
    """The strategy called `name`, or the user's own at `module:Name`, with its settings.

    `lowest` is the budget, in epochs, of a network's first training, for those strategies that have such a setting and
    where `settings` does not say.

    Raises:
        ConfigError: an unknown name or setting (the nearest is suggested), or something that is no strategy.
    """
    context = {"space": space, "seed": seed, "objective": objective or Objective()}
    if ":" in name:
        made = construct(resolve(name), settings, **context)
        if not isinstance(made, Strategy):
            raise ConfigError(f"{name} gives a {type(made).__name__}, which is not an azora.strategies.Strategy")
        return Level(made)
    if name not in STRATEGIES:
        raise ConfigError(f"there is no strategy {name!r}; {closest(name, STRATEGIES)}")
    return construct(STRATEGIES[name].make, settings, **context, lowest=lowest)
