"""Searching for search strategies: a search whose space is the space of strategies."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np

from azora import __version__
from azora.bench.compositions import BAYESIAN, EVOLUTION, Compositions, acting, decisions_of, settings_of
from azora.bench.curves import Curve
from azora.bench.gains import Gains
from azora.bench.play import play
from azora.bench.protocol import Protocol
from azora.bench.registry import find_file
from azora.bench.setup import Setup
from azora.errors import BenchmarkError, ConfigError
from azora.executors import InlineExecutor
from azora.loop import Budget, search
from azora.settings import closest
from azora.space import Architecture, Option, Space
from azora.strategies import RandomSearch, Strategy
from azora.strategies.learned import digest_of
from azora.strategies.registry import make_strategy
from azora.study import Study, StudyFolder
from azora.trial import Objective, Proposal, Trial

LEARNED = "learned.json"
FIRST_RUNS = 2  # on each table, of a strategy that is judged for the first time
RANDOM_RUNS = 30  # of random search, whose mean regret is the measure
FIRST_SEED = 10_000  # runs that score strategies have other seeds than those of comparisons
PLACES = (25, 50, 100, 150)  # queries at which a strategy is scored, as far as it makes so many
LEAST = 1e-3  # points of regret: what random search itself finds cannot be divided by
BRIEF = 0.2  # of a query: what the briefest training counts, for it is begun, and thought about, as a long one is
GAIN = Objective("gain")
RUN = "gain_of_run_"  # and its number: in a report, what each run was worth, the mean over tables
STRUCTURE = ("phases", "source", "guided", "surrogate", "acquisition", "otherwise", "replacement", "fidelity")
BASES: Mapping[str, Mapping[str, Any]] = {"evolution": EVOLUTION, "bayesian": BAYESIAN}


@final
@dataclass
class Task:
    """A table on which strategies are scored.

    Args:
        setup: the table and its rules.
        protocol: the same, read. Where the table has trainings of several lengths, a query is a whole training, and a
            shorter one is as much less of a query, but a fifth at least.
        places: queries at which regret counts.
        random: (places,) the mean regret of random search there.
    """

    setup: Setup
    protocol: Protocol
    places: tuple[int, ...]
    random: np.ndarray[Any, Any] = field(repr=False)

    @classmethod
    def of(cls, table: str, queries: int) -> Task:
        """Raises BenchmarkError: there is no such table, or it is too small for so many queries."""
        made = cls._read(table, queries)
        space, objective = made.protocol.table.space, made.protocol.objective
        regrets = [made.regret(RandomSearch(space, FIRST_SEED + seed, objective)) for seed in range(RANDOM_RUNS)]
        made.random = np.maximum(np.mean(regrets, axis=0), LEAST)
        return made

    @classmethod
    def _read(cls, table: str, queries: int) -> Task:
        """Random search's regret is not known yet."""
        setup = Setup(table, {}, queries=queries)
        protocol = setup.protocol()
        protocol.check_queries()
        places = tuple(place for place in PLACES if place <= queries) or (queries,)
        return cls(setup, _by_length(protocol, queries), places, np.ones(len(places)))

    def to_json(self) -> dict[str, Any]:
        """What another process makes the same of."""
        return {"table": self.setup.table, "queries": self.setup.queries, "random": self.random.tolist()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Task:
        made = cls._read(told["table"], told["queries"])
        made.random = np.array(told["random"])
        return made

    def regret(self, strategy: Any) -> np.ndarray[Any, Any]:
        """(places,) of one run, in the table's unit."""
        curve = Curve.of(play(strategy, self.protocol), self.protocol)
        counted = self.protocol.queries is not None
        found: np.ndarray[Any, Any] = np.abs(self.protocol.best - curve.at(self.places, counted))
        return found

    def gain(self, settings: Mapping[str, Any], seed: int) -> float:
        """The share of random search's regret that one run of a composed strategy saves, the mean over places."""
        made = replace(self.setup, strategies={"composed": settings})
        strategy = made.strategy("composed", self.protocol, FIRST_SEED + seed)
        return float(np.mean(1.0 - self.regret(strategy) / self.random))

    def describe(self) -> dict[str, Any]:
        """Where it comes from."""
        file = find_file(self.setup.table)
        known = {} if file is None else {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        name = self.protocol.table.name
        return {"table": name, **known, "queries": self.setup.queries, "random_regret": self.random.tolist()}


def _by_length(protocol: Protocol, queries: int) -> Protocol:
    """Where a search may see every row at several lengths of training, the rules by which trainings count as they are
    long; else those that were given."""
    table = protocol.table
    lengths = [level.epochs for level in table.fidelities if level.epochs is not None]
    if len(lengths) < max(2, len(table.fidelities)):
        return protocol
    counted = [
        replace(level, seconds=np.full(len(table), max(BRIEF, length / lengths[-1])))
        for level, length in zip(table.fidelities, lengths, strict=True)
    ]
    try:
        return Protocol(table.lasting(counted), protocol.noise, seconds=float(queries))
    except BenchmarkError:  # a row was not trained for each length
        return protocol


@final
class Judging:
    """Judges a strategy by runs on every table: its proposal's budget says how many. A longer judgement goes on from a
    shorter one, and one of a strategy that differs in nothing that acts has the runs of that: no run is made twice.

    Args:
        workers: see `Gains`.
    """

    def __init__(self, tasks: Sequence[Task], workers: int = 0) -> None:
        self.tasks, self.runs = tasks, Gains(tasks, workers)
        self.gains: dict[str, list[float]] = {}

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        settings = settings_of(proposal.architecture)
        known = self.gains.setdefault(digest_of(acting(settings)), [])
        runs, places = max(1, round(proposal.budget or 1.0)), range(len(self.tasks))
        wanted = range(len(known), runs)
        played = self.runs.play(settings, [(place, seed) for seed in wanted for place in places])
        known += [float(each) for each in np.reshape(played, (len(wanted), len(places))).mean(1)]
        gains = known[:runs]
        told = {GAIN.metric: float(np.mean(gains)), "deviation": float(np.std(gains)), "runs": float(runs)}
        return told | {f"{RUN}{seed}": gain for seed, gain in enumerate(gains)}

    def take_up(self, trials: Sequence[Trial]) -> None:
        """The runs that an earlier session made."""
        for trial in trials:
            digest, metrics = digest_of(acting(settings_of(trial.proposal.architecture))), trial.report.metrics
            gains = [metrics[f"{RUN}{seed}"] for seed in range(len(metrics)) if f"{RUN}{seed}" in metrics]
            if trial.report.ok and len(gains) > len(self.gains.get(digest, [])):
                self.gains[digest] = gains


def tasks_of(tables: Sequence[str], queries: int) -> list[Task]:
    """The tables, read, random search played on each.

    Raises:
        BenchmarkError: none is named, one is named twice, or one cannot be read.
    """
    if not tables:
        raise BenchmarkError("no table to score strategies on; name one or more")
    for place, table in enumerate(tables):
        if table in tables[:place]:
            raise BenchmarkError(f"{table} is named twice; each table counts once")
    return [Task.of(table, queries) for table in tables]


def strategies_space(fixed: str | None) -> Space:
    """All strategies, or those of the structure of `fixed`, whose numbers alone are open.

    Raises:
        ConfigError: there is no such structure.
    """
    space = Compositions()
    if fixed is None:
        return space
    if fixed not in BASES:
        raise ConfigError(f"there is no structure {fixed!r}; {closest(fixed, BASES)}")
    base = space.architecture(**decisions_of(BASES[fixed]))
    structure: dict[str, Option] = {name: base[name] for name in base if name.startswith(STRUCTURE)}
    return space.constrain(None, "", **structure)


def write_learned(
    file: Path, best: Architecture, gain: Mapping[str, float], tasks: Sequence[Task], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The strategy that was found, and how, as JSON that `--strategy composed --set file=…` reads.

    Raises:
        BenchmarkError: it cannot be written.
    """
    found = {
        "settings": settings_of(best),
        "provenance": {
            "found_by": "azora meta-search",
            "azora": __version__,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "tables": [task.describe() for task in tasks],
            **{name: round(value, 6) for name, value in gain.items()},
            **facts,
        },
    }
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise BenchmarkError(f"{file} cannot be written: {error.strerror or error}") from error
    return found


@final
@dataclass(frozen=True)
class Found:
    """What a search for strategies came to."""

    best: Architecture
    gain: Mapping[str, float]
    judged: int
    file: Path
    learned: Mapping[str, Any]


def meta_search(
    tables: Sequence[str],
    *,
    out: Path,
    budget: Budget,
    queries: int = 150,
    strategy: str = "halving",
    fixed: str | None = None,
    seed: int = 0,
    resume: bool = False,
    workers: int = 0,
    told: Callable[[Study], None] = lambda study: None,
) -> Found:
    """Search for a search strategy by how it does on `tables`, and write the best to OUT/learned.json.

    Args:
        strategy: what searches, by the name of one of azora's own; its budgets are numbers of runs.
        fixed: "evolution" or "bayesian": this structure, whose numbers alone are searched.
        workers: processes that play runs, on a core each; 0 plays them in this one. What is found does not hang on it.
        told: called after every judgement.

    Raises:
        BenchmarkError: a table that cannot be read, or nothing that could be judged in the time.
        ConfigError, StudyError: an unknown strategy or structure; a study in OUT that is of something else.
    """
    begun, space = time.monotonic(), strategies_space(fixed)
    searching = make_strategy(strategy, space, seed=seed, objectives=(GAIN,), settings={}, lowest=FIRST_RUNS)
    folder = StudyFolder(out, resume=resume)
    try:
        tasks = tasks_of(tables, queries)
        about = {
            "task": "strategies", "strategy": strategy, "seed": seed, "queries": queries, "fixed": fixed,
            "tables": [task.describe() for task in tasks],
        }  # fmt: skip
        study = folder.study(space, about, begun)
        best = _best(searching, Judging(tasks, workers), study, budget, told)
        facts = {"by": strategy, "seed": seed, "judged": study.judged, "seconds": round(study.elapsed, 1)}
        facts |= {} if fixed is None else {"fixed": fixed}
        file = out / LEARNED
        metrics = {name: value for name, value in best.report.metrics.items() if not name.startswith(RUN)}
        learned = write_learned(file, best.proposal.architecture, metrics, tasks, facts)
        judged = study.judged
        study.close()
        return Found(best.proposal.architecture, metrics, judged, file, learned)
    finally:
        folder.release()


def _best(searching: Strategy, judging: Judging, study: Study, budget: Budget, told: Callable[[Study], None]) -> Trial:
    """The best that is known when the search has ended.

    Raises:
        BenchmarkError: nothing could be judged.
    """
    judging.take_up(study.trials)
    try:
        search(searching, InlineExecutor(judging), study, budget, told)
    finally:
        judging.runs.close()
    best = study.best(GAIN)
    if best is None:
        failed = next((trial.report.error for trial in study.trials if trial.report.error), "no time was left")
        raise BenchmarkError(f"no strategy could be judged: {failed}")
    return best
