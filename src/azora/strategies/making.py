"""How strategies are made from the settings that users say by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest, plain
from azora.space import Space
from azora.strategies.bandit import Bandit
from azora.strategies.bayesian import Bayesian
from azora.strategies.begun import Begun, begun
from azora.strategies.composed import Composed, Replacement
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.filtered import DRAWS, Filtered
from azora.strategies.genetic import Genetic
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.hyperband import Hyperband
from azora.strategies.hypervolume import HypervolumeSearch
from azora.strategies.learned import read_learned
from azora.strategies.level import Level
from azora.strategies.local import Improvement, LocalSearch
from azora.strategies.memory import Remembered
from azora.strategies.optuna_search import OptunaSearch, Sampler
from azora.strategies.pareto import ParetoEvolution
from azora.strategies.policy import Kind
from azora.strategies.random_search import RandomSearch
from azora.strategies.reinforce import Reinforce
from azora.strategies.scalarised import Scalarised
from azora.strategies.shortlist import Shortlist, names_of
from azora.strategies.stopping import RULES, EarlyStopping
from azora.strategies.strategy import Strategy
from azora.strategies.warm_start import WarmStart
from azora.tasks import SearchData
from azora.trial import Objective

Proxies = bool | str | Sequence[str]
PORTFOLIO = 10  # networks of a memory that are copied
POINTS = 10  # of a warm start, where no population says how many
ARMS = ("evolution", "bayesian", "local")
INNER = ("evolution", "random", "bayesian", "local", "bandit")
ANY_LENGTH = ("random", "bayesian")  # of INNER, those to whom a longer training is no merit of itself
FRONTS = ("hypervolume", "scalarised")
FULL = "full"
FIDELITIES = (FULL, "halving", *RULES)  # by which rule what is composed trains: all equally long, or some for longer


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
    warm: Proxies = False,
    filter: Proxies = False,
    draws: int = DRAWS,
    data: SearchData | None = None,
    memory: Sequence[Remembered] = (),
) -> Strategy:
    """Regularised evolution, every network trained equally long; `warm`: begun with what these proxies rank high (true:
    with large networks); `filter`: of so many `draws`, the highest by these proxies is trained. What did best in
    `memory` is tried first."""
    inner = RegularizedEvolution(space, seed, objective, population, tournament, replacement, ageing, crossover, start)
    return Level(begun(_advised(inner, warm, population or POINTS, filter, draws, data), memory), epochs)


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
    warm: Proxies = False,
    filter: Proxies = False,
    draws: int = DRAWS,
    data: SearchData | None = None,
) -> Strategy:
    """A genetic algorithm, every network trained equally long; `warm`, `filter` and `draws` as in `evolution`."""
    inner = Genetic(space, seed, objective, population, tournament, crossover, mutation, rewiring, elite)
    return Level(_advised(inner, warm, population or POINTS, filter, draws, data), epochs)


def local(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    improvement: Improvement = "first",
    starts: int = 5,
    warm: Proxies = False,
    data: SearchData | None = None,
) -> Strategy:
    """Hill climbing, every network trained equally long; `warm` as in `evolution`."""
    return Level(_advised(LocalSearch(space, seed, objective, improvement, starts), warm, starts, data=data), epochs)


def reinforce(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    policy: Kind = "lstm",
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
    warm: Proxies = False,
    features: Proxies = False,
    front: str = "hypervolume",
    data: SearchData | None = None,
) -> Strategy:
    """Bayesian optimisation, every network trained equally long; `warm` as in `evolution`, `features`: proxies that
    the surrogate is told. Of two objectives, towards their front by the area that it covers (the acquisition then is
    that growth), or by `front` = "scalarised", which is also for more than two."""
    if front not in FRONTS:
        raise ConfigError(f"there is no front {front!r}; {closest(front, FRONTS)}")
    # One for all that are made: of several objectives there is a new one at every ask.
    told = Shortlist(space, names, data, seed) if (names := names_of(features)) else ()

    def make(space: Space, seed: int, objective: Objective) -> Strategy:
        return Bayesian(space, seed, objective, surrogate, acquisition, candidates, start, told)

    proposer: Strategy
    if len(objectives) == 1:
        proposer = make(space, seed, objectives[0])
    elif len(objectives) == 2 and front == "hypervolume":
        if features:
            raise ConfigError("features= is for one objective, and for several with front=scalarised")
        around = None if candidates == "near" else candidates
        proposer = HypervolumeSearch(space, seed, objectives, surrogate, around, start)
    else:
        proposer = Scalarised(space, seed, objectives, make)
    return Level(_advised(proposer, warm, start, data=data), epochs)


def transfer(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    surrogate: str = "gp",
    acquisition: str = "ei",
    candidates: str = "near",
    start: int = 10,
    memory: Sequence[Remembered] = (),
) -> Strategy:
    """Bayesian optimisation that begins with what other tasks taught, every network trained equally long."""
    inner = Bayesian(space, seed, objective, surrogate, acquisition, candidates, start, memory=memory)
    return Level(inner, epochs)


def portfolio(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    inner: str = "random",
    points: int = PORTFOLIO,
    memory: Sequence[Remembered] = (),
) -> Strategy:
    """What did best on other tasks, copied; then `inner`, every network trained equally long."""
    return Level(Begun(_inner(inner, space, seed, objective), memory, points), epochs)


def bandit(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    arms: Sequence[str] = ARMS,
    forgetting: float = 0.05,
    memory: Sequence[Remembered] = (),
) -> Strategy:
    """Several strategies side by side, of which who helps is asked more often, every network trained equally long."""
    names = names_of(arms)
    if "bandit" in names:
        raise ConfigError("arms: a bandit is no arm of a bandit; take those that it would choose among")
    chosen = {name: _inner(name, space, seed, objective) for name in names}
    return Level(begun(Bandit(chosen, forgetting), memory), epochs)


def composed(
    space: Space,
    seed: int,
    objective: Objective,
    epochs: float | None = None,
    phases: Sequence[Mapping[str, Any]] = ({},),
    start: int = 10,
    population: int = 20,
    replacement: Replacement = "oldest",
    fidelity: str = FULL,
    file: str | None = None,
    lowest: float = 1.0,
    eta: int = 3,
    rungs: int | None = None,
    longest: float | None = None,
) -> Strategy:
    """Phases of one's own, or those that `azora meta-search` wrote into `file`, with all that it wrote beside them;
    `fidelity`: every network trained equally long ("full", then `epochs`), by successive "halving" (then `lowest`,
    `eta`, `rungs`), or on while the "median" or the "curve" says so (then `lowest`, `longest`)."""
    parts: dict[str, Any] = {"phases": phases, "start": start, "population": population, "replacement": replacement}
    if file is not None:
        _refuse_beside(file, {**parts, "fidelity": fidelity})
        parts = dict(read_learned(Path(file)))
        fidelity = parts.pop("fidelity", FULL)
    inner = Composed(space, seed, objective, **parts)
    if fidelity not in FIDELITIES:
        raise ConfigError(f"there is no fidelity {fidelity!r}; {closest(str(fidelity), FIDELITIES)}")
    if fidelity == FULL:
        return Level(inner, epochs)
    if epochs is not None:
        raise ConfigError(f"epochs={epochs:g} is of fidelity={FULL}; {fidelity} trains some for longer than others")
    if fidelity == "halving":
        return SuccessiveHalving(inner, lowest, eta, rungs)
    return EarlyStopping(inner, fidelity, lowest, longest)


def _refuse_beside(file: str, told: Mapping[str, Any]) -> None:
    """Raises ConfigError: a setting that the file says as well is told otherwise than it is unless said."""
    usual = signature(composed).parameters
    if others := [name for name, value in told.items() if plain(value) != plain(usual[name].default)]:
        raise ConfigError(f"{file} says {', '.join(others)}; leave out what it says, or file=")


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
    warm: Proxies = False,
    filter: Proxies = False,
    draws: int = DRAWS,
    data: SearchData | None = None,
    memory: Sequence[Remembered] = (),
) -> Strategy:
    """Asynchronous successive halving around evolution, `random`, `bayesian`, `local` or `bandit`; `warm`, `filter` and
    `draws` as in `evolution`."""
    proposer = _inner(inner, space, seed, objective, population, tournament)
    advised = _advised(proposer, warm, population or POINTS, filter, draws, data)
    return SuccessiveHalving(begun(advised, memory), lowest, eta, rungs)


def hyperband(
    space: Space,
    seed: int,
    objective: Objective,
    inner: str = "random",
    lowest: float = 1.0,
    eta: int = 3,
    rungs: int | None = None,
) -> Strategy:
    """Brackets of successive halving, around random search or `bayesian`. For the others of `halving` a long training
    means that a network was promoted; here a bracket may have begun with it."""
    if inner in INNER and inner not in ANY_LENGTH:
        raise ConfigError(
            f"inner={inner!r} takes what was trained longest for the best, and brackets begin at several lengths; "
            f"take {' or '.join(ANY_LENGTH)}, or strategy halving"
        )
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


def _advised(
    inner: Strategy,
    warm: Proxies,
    points: int,
    filter: Proxies = False,
    draws: int = DRAWS,
    data: SearchData | None = None,
) -> Strategy:
    """`inner` with what zero-cost proxies have to say."""
    if by := names_of(filter):
        inner = Filtered(inner, by, draws, data)
    if by := names_of(warm):
        inner = WarmStart(inner, points, by, data)
    return inner


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
    if name == "local":
        return LocalSearch(space, seed, objective)
    if name == "bandit":
        return Bandit({each: _inner(each, space, seed, objective, population, tournament) for each in ARMS})
    raise ConfigError(f"inner={name!r} proposes nothing; {closest(name, INNER)}")


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


def optuna(
    space: Space,
    seed: int,
    objectives: Sequence[Objective],
    epochs: float | None = None,
    sampler: Sampler = "tpe",
    start: int = 10,
    population: int | None = None,
) -> Strategy:
    """One of Optuna's samplers, every network trained equally long."""
    return Level(OptunaSearch(space, seed, objectives, sampler, start, population), epochs)
