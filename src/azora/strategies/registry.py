"""Strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.genetic import Genetic
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.level import Level
from azora.strategies.local import Improvement, LocalSearch
from azora.strategies.random_search import RandomSearch
from azora.strategies.reinforce import Policy, Reinforce
from azora.strategies.strategy import Strategy
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
    replacement: bool = True,
    ageing: bool = True,
    crossover: float = 0.0,
    start: Sequence[Mapping[str, Any]] = (),
) -> Strategy:
    """Regularised evolution, every network trained equally long."""
    inner = RegularizedEvolution(space, seed, objective, population, tournament, replacement, ageing, crossover, start)
    return Level(inner, epochs)


def genetic(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    population: int | None = None,
    tournament: int = 3,
    crossover: float = 0.5,
    mutation: float | None = None,
    rewiring: float | None = None,
    elite: int | None = None,
) -> Strategy:
    """A genetic algorithm, every network trained equally long."""
    inner = Genetic(space, seed, objective, population, tournament, crossover, mutation, rewiring, elite)
    return Level(inner, epochs)


def local(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    improvement: Improvement = "first",
    starts: int = 5,
) -> Strategy:
    """Hill climbing, every network trained equally long."""
    return Level(LocalSearch(space, seed, objective, improvement, starts), epochs)


def reinforce(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    policy: Policy = "lstm",
    samples: int = 10,
    rate: float | None = None,
    entropy: float = 0.01,
    hidden: int = 64,
    clip: float | None = None,
) -> Strategy:
    """Reinforcement learning, every network trained equally long."""
    return Level(Reinforce(space, seed, objective, policy, samples, rate, entropy, hidden, clip), epochs)


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
    "genetic": Entry(
        genetic,
        "crosses and mutates the best of a generation, which live on, and trains all equally long",
        "Holland 1975, Xie & Yuille 2017",
        "when several hundred judgements can be paid for and no surrogate is wanted",
    ),
    "local": Entry(
        local,
        "moves to a better neighbour until there is none, then begins elsewhere, and trains all equally long",
        "White et al. 2021",
        "when judgements are exact and a network has tens of neighbours, not hundreds",
    ),
    "reinforce": Entry(
        reinforce,
        "an LSTM decides one choice after another and is rewarded for good networks, all trained equally long",
        "Zoph & Le 2017, Williams 1992",
        "to have a policy over the space; it needs 200 to 300 judgements to come level with evolution",
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
