"""Strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.strategies import making
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.hyperband import Hyperband
from azora.strategies.level import Level
from azora.strategies.memory import ALIKE, Remembered
from azora.strategies.stopping import EarlyStopping
from azora.strategies.strategy import Strategy
from azora.tasks import SearchData
from azora.trial import Objective


@dataclass(frozen=True)
class Entry:
    """A strategy as users see it: how to make it, what it is, where it comes from, when to use it.

    `runs` is how many runs of a benchmark are enough, for one that thinks so long that as many as of the others would
    be waited for; `extra` is the optional dependency that it needs, and then it is compared where it is named alone.
    """

    make: Callable[..., Strategy]
    summary: str
    source: str
    advice: str
    runs: int | None = None
    single: bool = True  # whether it is for one objective
    extra: str | None = None
    recalls: bool = False  # whether it is another one without a memory
    kit: bool = False  # whether it is what its settings make of it, and compared where it is named alone
    alike: float = ALIKE  # of tasks less alike it copies nothing

    @property
    def several(self) -> bool:
        """Whether it is for several objectives."""
        return "objectives" in signature(self.make).parameters

    @property
    def hears(self) -> float | None:
        """How alike a task must be for it to begin with what a memory tells of that; None where it does not at all."""
        return self.alike if "memory" in signature(self.make).parameters else None


DEFAULT = "halving"
STRATEGIES: dict[str, Entry] = {
    "random": Entry(
        making.random,
        "draws networks uniformly and trains all equally long",
        "Li & Talwalkar 2019",
        "the yardstick: run it beside any claim",
    ),
    "evolution": Entry(
        making.evolution,
        "mutates the best of a few, forgets the oldest, trains all equally long",
        "Real et al. 2019",
        "when a short training misleads about a long one; warm=true, filter=true where larger is better",
    ),
    "genetic": Entry(
        making.genetic,
        "crosses and mutates the best of a generation, which live on, and trains all equally long",
        "Holland 1975, Xie & Yuille 2017",
        "when several hundred judgements can be paid for and no surrogate is wanted",
    ),
    "local": Entry(
        making.local,
        "moves to a better neighbour until there is none, then begins elsewhere, and trains all equally long",
        "White et al. 2021",
        "when judgements are exact and a network has tens of neighbours, not hundreds",
    ),
    "reinforce": Entry(
        making.reinforce,
        "an LSTM decides one choice after another and is rewarded for good networks, all trained equally long",
        "Zoph & Le 2017, Williams 1992",
        "to have a policy over the space; it needs 200 to 300 judgements to come level with evolution",
    ),
    "bayesian": Entry(
        making.bayesian,
        "learns what good networks have in common, and trains what promises most, all equally long",
        "White et al. 2021 (BANANAS), Ru et al. 2021",
        "when a training takes minutes and 30 to 300 can be paid for; warm=true where larger is better",
        runs=30,
    ),
    "transfer": Entry(
        making.transfer,
        "bayesian that learns how this task differs from those in memory, and trains all equally long",
        "Feurer et al. 2018 (RGPE), Golovin et al. 2017 (residual processes)",
        "when a memory of the same space is there and each training takes minutes",
        runs=30,
        recalls=True,
        alike=0.0,  # it finds out for itself
    ),
    "portfolio": Entry(
        making.portfolio,
        "copies what did best on the tasks in memory, then inner=random (or evolution, bayesian)",
        "Feurer et al. 2022 (Auto-sklearn 2)",
        "the yardstick of transfer: run it beside transfer",
        recalls=True,
    ),
    "bandit": Entry(
        making.bandit,
        "evolution, bayesian and local side by side: whose networks are good is asked more often, all equally long",
        "Gupta et al. 2011 (dynamic Thompson sampling)",
        "when it is not known which of them suits the task; inner=bandit puts it into halving",
        runs=30,
    ),
    "composed": Entry(
        making.composed,
        "phases of your own (phases=…), or what azora meta-search found (file=FILE)",
        "azora (see docs/learned_strategies.md)",
        "to put a strategy together from parts, or to use one that was searched for",
        kit=True,
    ),
    "halving": Entry(
        making.halving,
        "trains many briefly and the best third three times as long, and so on, around evolution",
        "Li et al. 2020 (ASHA), Real et al. 2019",
        "the default: most networks judged in a given time",
    ),
    "hyperband": Entry(
        making.hyperband,
        "halving with several first lengths side by side, around random search",
        "Li et al. 2018, Li et al. 2020",
        "when it is not known whether a short training tells anything",
    ),
    "bohb": Entry(
        making.bohb,
        "hyperband around Bayesian optimisation, which learns from trainings of all lengths",
        "Falkner et al. 2018",
        "when trainings are dear and short ones tell something",
        runs=30,
    ),
    "stopping": Entry(
        making.stopping,
        "trains networks on while they are above the median (rule=curve: while they may end up best)",
        "Golovin et al. 2017, Domhan et al. 2015",
        "when nearly all that is begun deserves to be finished but the worst does not",
    ),
    "pareto": Entry(
        making.pareto,
        "children of the networks that nothing beats in every objective; trains all equally long",
        "Deb et al. 2002 (NSGA-II)",
        "when two or more --objective are given: accuracy against cost, as a front to choose from",
        single=False,
    ),
    "optuna": Entry(
        making.optuna,
        "a sampler of Optuna: sampler=tpe, gp, cmaes, nsga2 or nsga3; trains all equally long",
        "Akiba et al. 2019; pip install azora[optuna]",
        "to compare with what you know, or to have one of them in azora's loop",
        runs=10,
        extra="optuna",
    ),
}


GROUP = "azora.strategies"
"""The entry points by which an installed package offers strategies of its own."""


def offered() -> dict[str, EntryPoint]:
    """What installed packages offer, by name; a name that azora has itself stays azora's."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in STRATEGIES}


def find_maker(name: str, others: Iterable[str] = ()) -> Callable[..., Any]:
    """What makes the strategy called `name`: one of azora's, one that an installed package offers, or `module:Name`.

    `others` are names that the user could also have meant.

    Raises:
        ConfigError: there is none (the nearest is suggested), or it cannot be imported.
    """
    if ":" in name:
        return resolve(name)  # type: ignore[no-any-return]
    if name in STRATEGIES:
        return STRATEGIES[name].make
    if (point := offered().get(name)) is not None:
        return resolve(point.value)  # type: ignore[no-any-return]
    raise ConfigError(f"there is no strategy {name!r}; {closest(name, [*STRATEGIES, *offered(), *others])}")


def make_strategy(
    name: str,
    space: Space,
    *,
    seed: int = 0,
    objectives: Sequence[Objective] = (Objective(),),
    settings: Mapping[str, Any],
    lowest: float = 1.0,
    data: SearchData | None = None,
    memory: Sequence[Remembered] = (),
    lengths: bool = True,
) -> Strategy:
    """The strategy that `find_maker` finds, with its settings.

    `lowest` is the budget, in epochs, of a network's first training, for those strategies that have such a setting and
    where `settings` does not say; `data` is for those that look at rows before anything is trained, `memory` for those
    that begin with what other tasks taught. Without `lengths`, for who judges a network alike however long it is to be
    trained, what would train some for longer, or all equally long, is left off. Of several objectives, a strategy for
    one takes the first alone, so it is refused.

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
        if given := {"data", "memory"} & settings.keys():
            raise ConfigError(f"{name} has no setting {given.pop()!r}; rows are those of the task")
        known = construct(STRATEGIES[name].make, settings, **context, lowest=lowest, data=data, memory=memory)
        return known if lengths else _proposing(known)
    made = construct(make, settings, **context)
    if not isinstance(made, Strategy):
        raise ConfigError(f"{name} gives a {type(made).__name__}, which is not an azora.strategies.Strategy")
    return Level(made) if lengths else _proposing(made)


def _proposing(strategy: Strategy) -> Strategy:
    """What proposes architectures in `strategy`, without what says how long each is trained."""
    while isinstance(strategy, Level | SuccessiveHalving | Hyperband | EarlyStopping):
        strategy = strategy.inner
    return strategy
