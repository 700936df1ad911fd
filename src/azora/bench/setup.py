"""A comparison as JSON: what each process needs to play any run of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from azora.bench.apart import Apart
from azora.bench.limited import limited
from azora.bench.listed import Listed
from azora.bench.memory import remembered
from azora.bench.play import Run, play
from azora.bench.protocol import Protocol
from azora.bench.reading import read_cost
from azora.bench.registry import find_file, find_table
from azora.errors import AzoraError, BenchmarkError, ConfigError
from azora.settings import closest
from azora.strategies import Level, Strategy
from azora.strategies.registry import find_maker, make_strategy

APART = 3  # times as long is the next rung's training, at least
SLACK = 1e-9  # of logarithms and roots, which are not exact: that of 243 to the base 3 comes out below 5
QUERIES = 150
"""Queries of a run, where nobody says otherwise."""


@final
@dataclass(frozen=True)
class Setup:
    """What is compared on what.

    Args:
        table: the word by which `find_table` finds the table.
        noise, fidelity, queries, seconds: see `Protocol`.
        strategies: by name in the registry or `module:Name`, each with its settings.
        cost: a second objective, as `read_cost` finds it; `floor` as `Protocol` has it.
        limit: instead of an objective the cost is limited: to a number, or, as `25%`, to what so many of the rows
            cost at most. Rows above it are not in the space that is searched, nor do they count as the best.
        memory: a file that `azora memory export` wrote, for the strategies that begin with what other tasks taught.
        recall: how many networks of each of its searches a run remembers, drawn anew for each; None: all.
    """

    table: str
    strategies: Mapping[str, Mapping[str, Any]]
    noise: str | None = None
    fidelity: float | None = None
    queries: int | None = None
    seconds: float | None = None
    cost: str | None = None
    floor: float | None = None
    limit: str | None = None
    memory: str | None = None
    recall: int | None = None

    def protocol(self) -> Protocol:
        """The table, read, and the rules. Where neither queries nor seconds are said: 150 queries, or the whole table.

        Raises:
            BenchmarkError: see `find_table` and `Protocol`.
        """
        table, queries = find_table(self.table), self.queries
        if queries is None and self.seconds is None:
            queries = min(QUERIES, table.networks)
        if self.cost is None:
            if self.floor is not None:
                raise BenchmarkError(f"--floor {self.floor:g} is of a front: say the second objective by --cost")
            if self.limit is not None:
                raise BenchmarkError(f"--limit {self.limit}: say what is limited by --cost")
            return Protocol(table, self.noise, self.fidelity, queries, self.seconds)
        if (file := find_file(self.table)) is None:
            raise BenchmarkError(f"{self.table} is no file: --cost is for tables that are read from one")
        apart = table.within(Apart(table.space))
        table = apart.within(Listed(apart)) if isinstance(table.space, Listed) else apart
        costs, name = read_cost(file, self.cost, table), self.cost.rpartition(":")[2]
        if self.limit is not None:
            if self.floor is not None:
                raise BenchmarkError(f"--limit {self.limit} and --floor {self.floor:g}: a front has no limit; say one")
            table = limited(table, costs, name, self.limit)
            queries = min(queries, table.networks) if self.queries is None and queries is not None else queries
            return Protocol(table, self.noise, self.fidelity, queries, self.seconds)
        return Protocol(table, self.noise, self.fidelity, queries, self.seconds, costs, name, self.floor)

    def strategy(self, name: str, protocol: Protocol, seed: int) -> Strategy:
        """The strategy called `name`, made for the protocol's table.

        A table is not trained on, so what shares a budget out over trainings of equal length (`Level`) is left off, and
        what ladders are made of is taken from the table (`ladder`).

        Raises:
            ConfigError: an unknown name or setting.
        """
        settings = dict(self.strategies[name])
        if settings.pop("epochs", None) is not None:
            raise ConfigError(f"{name}: epochs cannot be set here; a table has its own, chosen by --fidelity")
        lengths = [level.epochs for level in protocol.levels if level.epochs is not None] or [1.0]
        known = parameters(name)
        fitted = {each: value for each, value in ladder(lengths).items() if each in known}
        made = make_strategy(
            name,
            protocol.table.space,
            seed=seed,
            objectives=protocol.objectives,
            settings={**fitted, **settings},
            lowest=lengths[0],
            memory=remembered(self.memory, protocol.table, self.recall, seed),
        )
        return made.inner if isinstance(made, Level) else made

    def run(self, name: str, protocol: Protocol, seed: int) -> Run:
        """One run.

        Raises:
            BenchmarkError: the strategy raised something.
        """
        try:
            return play(self.strategy(name, protocol, seed), protocol)
        except AzoraError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            raise BenchmarkError(f"{name} failed in the run of seed {seed}: {type(error).__name__}: {said}") from error

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "strategies": {name: dict(settings) for name, settings in self.strategies.items()}}


def ladder(lengths: Sequence[float]) -> dict[str, Any]:
    """The settings of strategies that train some networks for longer, by the `lengths` of a table, the shortest first.

    Rungs go from the shortest length to the longest or beyond it, each `eta` times as long as the one below: a whole
    number, three or more where the lengths are so far apart. There are no more rungs than lengths. A rung between two
    lengths is judged at the longer, one beyond all at the longest (`Protocol.level`).
    """
    longest, apart = lengths[-1], lengths[-1] / lengths[0]
    if len(lengths) == 1:
        return {"rungs": 1, "longest": longest}
    steps = min(len(lengths) - 1, max(1, int(math.log(apart, APART) + SLACK)))
    eta = max(2, math.ceil(apart ** (1 / steps) - SLACK))
    return {"rungs": 1 + math.ceil(math.log(apart, eta) - SLACK), "eta": eta, "longest": longest}


def parameters(name: str) -> set[str]:
    """The settings that a strategy knows.

    Raises:
        ConfigError: there is no such strategy; the nearest is named.
    """
    kind = find_maker(name)
    given = {"self", "space", "seed", "objective", "objectives", "data", "memory"}
    try:
        return set(inspect.signature(kind).parameters) - given
    except (TypeError, ValueError):
        raise ConfigError(f"{name} is a {type(kind).__name__}, which makes no strategy") from None


def share_settings(names: Sequence[str], settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`population=20` for every strategy that knows it, `evolution.population=20` for one alone.

    Raises:
        ConfigError: none of the strategies knows a setting; the nearest is named.
    """
    known = {name: parameters(name) for name in names}
    shared: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting, value in settings.items():
        owner, _, rest = setting.rpartition(".")
        asked = [owner] if owner in known else list(names)
        short = rest if owner in known else setting
        takers = [name for name in asked if short in known[name]]
        if not takers:
            there = {each for name in asked for each in known[name]}
            raise ConfigError(f"{' and '.join(asked)} know no setting {short!r}; {closest(short, there)}")
        for name in takers:
            shared[name][short] = value
    return shared
