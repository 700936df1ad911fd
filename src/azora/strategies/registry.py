"""Strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.strategies.bayesian import Bayesian
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.genetic import Genetic
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.hyperband import Hyperband
from azora.strategies.hypervolume import HypervolumeSearch
from azora.strategies.level import Level
from azora.strategies.local import Improvement, LocalSearch
from azora.strategies.pareto import ParetoEvolution
from azora.strategies.random_search import RandomSearch
from azora.strategies.reinforce import Policy, Reinforce
from azora.strategies.scalarised import Scalarised
from azora.strategies.stopping import EarlyStopping
from azora.strategies.strategy import Strategy
from azora.strategies.warm_start import WarmStart
from azora.trial import Objective


@dataclass(frozen=True)
class Entry:
    """A strategy as users see it: how to make it, what it is, where it comes from, when to use it.

    `runs` is how many runs of a benchmark are enough, for one that thinks so long that as many as of the others would
    be waited for.
    """

    make: Callable[..., Strategy]
    summary: str
    source: str
    advice: str
    runs: int | None = None
    single: bool = True  # whether it is for one objective

    @property
    def several(self) -> bool:
        """Whether it is for several objectives."""
        return "objectives" in signature(self.make).parameters


def random(space: Space, seed: int, objectives: Sequence[Objective], epochs: float | None = None) -> Strategy:
    """Random search, every network trained equally long."""
    return Level(RandomSearch(space, seed, objectives[0]), epochs)


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


def bayesian(
    space: Space,
    seed: int,
    objectives: Sequence[Objective],
    epochs: float | None = None,
    surrogate: str = "gp",
    acquisition: str = "ei",
    candidates: str = "near",
    start: int = 10,
    warm: bool = False,
    front: str = "hypervolume",
) -> Strategy:
    """Bayesian optimisation, every network trained equally long; `warm`: begun with large networks. Of two objectives,
    towards their front by the area that it covers (the acquisition then is that growth), or by `front` = "scalarised",
    which is also for more than two."""
    if front not in FRONTS:
        raise ConfigError(f"there is no front {front!r}; {closest(front, FRONTS)}")

    def make(space: Space, seed: int, objective: Objective) -> Strategy:
        return Bayesian(space, seed, objective, surrogate, acquisition, candidates, start)

    proposer: Strategy
    if len(objectives) == 1:
        proposer = make(space, seed, objectives[0])
    elif len(objectives) == 2 and front == "hypervolume":
        around = None if candidates == "near" else candidates
        proposer = HypervolumeSearch(space, seed, objectives, surrogate, around, start)
    else:
        proposer = Scalarised(space, seed, objectives, make)
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
    return SuccessiveHalving(_inner(inner, space, seed, objective, population, tournament), lowest, eta, rungs)


def hyperband(
    space: Space,
    seed: int,
    objective: Objective,
    inner: str = "random",
    lowest: float = 1.0,
    eta: int = 3,
    rungs: int | None = None,
) -> Strategy:
    """Brackets of successive halving, around random search unless said."""
    return Hyperband(_inner(inner, space, seed, objective), lowest, eta, rungs)


def bohb(
    space: Space,
    seed: int,
    objective: Objective,
    lowest: float = 1.0,
    eta: int = 3,
    rungs: int | None = None,
    surrogate: str = "gp",
    acquisition: str = "ei",
    candidates: str = "near",
    start: int = 10,
) -> Strategy:
    """Hyperband around Bayesian optimisation, which learns from trainings of all lengths."""
    proposer = Bayesian(space, seed, objective, surrogate, acquisition, candidates, start)
    return Hyperband(proposer, lowest, eta, rungs)


def stopping(
    space: Space,
    seed: int,
    objective: Objective,
    inner: str = "evolution",
    rule: str = "median",
    lowest: float = 1.0,
    longest: float | None = None,
) -> Strategy:
    """Evolution or random search whose trainings are stopped when they promise nothing."""
    return EarlyStopping(_inner(inner, space, seed, objective), rule, lowest, longest)


def _inner(
    name: str,
    space: Space,
    seed: int,
    objective: Objective,
    population: int | None = None,
    tournament: int | None = None,
) -> Strategy:
    if name == "random":
        return RandomSearch(space, seed, objective)
    if name == "evolution":
        return RegularizedEvolution(space, seed, objective, population, tournament)
    if name == "bayesian":
        return Bayesian(space, seed, objective)
    raise ConfigError(f"inner={name!r} proposes nothing; {closest(name, ('evolution', 'random', 'bayesian'))}")


def pareto(
    space: Space,
    seed: int,
    objectives: Sequence[Objective],
    epochs: float | None = None,
    population: int | None = None,
    crossover: float = 0.5,
) -> Strategy:
    """Evolution towards the front of several objectives, every network trained equally long."""
    return Level(ParetoEvolution(space, seed, objectives, population, crossover), epochs)


FRONTS = ("hypervolume", "scalarised")
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
    "bayesian": Entry(
        bayesian,
        "learns what good networks have in common, and trains what promises most, all equally long",
        "White et al. 2021 (BANANAS), Ru et al. 2021",
        "when a training takes minutes and 30 to 300 can be paid for; warm=true where larger is better",
        runs=30,
    ),
    "halving": Entry(
        halving,
        "trains many briefly and the best third three times as long, and so on, around evolution",
        "Li et al. 2020 (ASHA), Real et al. 2019",
        "the default: most networks judged in a given time",
    ),
    "hyperband": Entry(
        hyperband,
        "halving with several first lengths side by side, around random search",
        "Li et al. 2018, Li et al. 2020",
        "when it is not known whether a short training tells anything",
    ),
    "bohb": Entry(
        bohb,
        "hyperband around Bayesian optimisation, which learns from trainings of all lengths",
        "Falkner et al. 2018",
        "when trainings are dear and short ones tell something",
        runs=30,
    ),
    "stopping": Entry(
        stopping,
        "trains networks on while they are above the median (rule=curve: while they may end up best)",
        "Golovin et al. 2017, Domhan et al. 2015",
        "when nearly all that is begun deserves to be finished but the worst does not",
    ),
    "pareto": Entry(
        pareto,
        "children of the networks that nothing beats in every objective; trains all equally long",
        "Deb et al. 2002 (NSGA-II)",
        "when two or more --objective are given: accuracy against cost, as a front to choose from",
        single=False,
    ),
}


GROUP = "azora.strategies"
"""The entry points by which an installed package offers strategies of its own."""


def offered() -> dict[str, EntryPoint]:
    """What installed packages offer, by name; a name that azora has itself stays azora's."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in STRATEGIES}


def find_maker(name: str) -> Callable[..., Any]:
    """What makes the strategy called `name`: one of azora's, one that an installed package offers, or `module:Name`.

    Raises:
        ConfigError: there is none (the nearest is suggested), or it cannot be imported.
    """
    if ":" in name:
        return resolve(name)  # type: ignore[no-any-return]
    if name in STRATEGIES:
        return STRATEGIES[name].make
    if (point := offered().get(name)) is not None:
        return resolve(point.value)  # type: ignore[no-any-return]
    raise ConfigError(f"there is no strategy {name!r}; {closest(name, [*STRATEGIES, *offered()])}")


def make_strategy(
    name: str,
    space: Space,
    *,
    seed: int = 0,
    objectives: Sequence[Objective] = (Objective(),),
    settings: Mapping[str, Any],
    lowest: float = 1.0,
) -> Strategy:
    """The strategy that `find_maker` finds, with its settings.

    `lowest` is the budget, in epochs, of a network's first training, for those strategies that have such a setting and
    where `settings` does not say. Of several objectives, a strategy for one takes the first alone, so it is refused.

    Raises:
        ConfigError: an unknown name or setting (the nearest is suggested), something that is no strategy, or one that
            does not take several objectives.
    """
    make = find_maker(name)
    if len(objectives) > 1 and "objectives" not in signature(make).parameters:
        able = ", ".join(each for each, entry in STRATEGIES.items() if entry.several)
        raise ConfigError(f"strategy {name!r} is for one objective; for several there is {able}")
    context = {"space": space, "seed": seed, "objective": objectives[0], "objectives": tuple(objectives)}
    if name in STRATEGIES:
        return construct(STRATEGIES[name].make, settings, **context, lowest=lowest)
    made = construct(make, settings, **context)
    if not isinstance(made, Strategy):
        raise ConfigError(f"{name} gives a {type(made).__name__}, which is not an azora.strategies.Strategy")
    return Level(made)
