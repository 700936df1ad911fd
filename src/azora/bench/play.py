"""One search on a table."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any, final

from azora.bench.protocol import Protocol
from azora.loop import MEASURED
from azora.strategies import Affordable, Strategy
from azora.trial import Report

REPEATS = 1_000  # asks in a row for what is known: the strategy has settled, and would go on for ever


@final
@dataclass
class Run:
    """What one search asked for.

    Args:
        rows: the table's row of each query, in order; -1 where the strategy asked for what is not in the table.
        levels: the level of `Protocol.levels` at which each was judged.
        seconds: what each cost; all zero where the table does not say.
        asks: proposals in all, repeats included.
        ended: why it ended before its budget was spent; empty where it did not.
    """

    rows: list[int] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    asks: int = 0
    ended: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("rows", "levels", "seconds", "asks", "ended")}


def play(strategy: Strategy, protocol: Protocol) -> Run:
    """Let `strategy` search until the protocol's budget is spent.

    Asks and tells as `azora.loop.search` does with one worker. That loop ends after so many trials or at a time; this
    one ends after so many distinct networks or stated seconds, and keeps no journal. What is asked again is answered
    from memory and is no query. After the first judgements the strategy is told what it can afford, by the same rule.
    """
    run, known, paid, pace = Run(), dict[tuple[str, int], Report](), dict[str, float](), _Pace(protocol)
    repeats, spent = 0, 0.0
    while protocol.queries is None or len(run.rows) < protocol.queries:
        proposal = strategy.ask()
        if proposal is None:
            run.ended = "nothing was left to ask for"
            break
        run.asks += 1
        key, level = proposal.architecture.key, protocol.level(proposal.budget)
        report = known.get((key, level))
        repeats = 0 if report is None else repeats + 1
        if report is None:
            row = protocol.table.row(proposal.architecture)
            cost = _cost(protocol, row, level, paid.get(key, 0.0))
            if protocol.seconds is not None and spent + cost > protocol.seconds:
                break
            report = Report(error="not in the table") if row is None else protocol.report(row, level, cost)
            known[key, level] = report
            if protocol.table.continues:
                paid[key] = paid.get(key, 0.0) + cost
            spent += cost
            run.rows.append(-1 if row is None else row)
            run.levels.append(level)
            run.seconds.append(cost)
        strategy.tell(proposal, report)
        pace.saw(proposal.budget or 1.0, report.seconds)
        if pace.told == MEASURED:
            strategy.fit(pace.affordable(run))
        if repeats >= REPEATS:
            run.ended = f"{REPEATS:,} proposals in a row were known"
            break
    return run


def _cost(protocol: Protocol, row: int | None, level: int, paid: float) -> float:
    """Seconds that a training takes beyond those `paid`, from where it goes on; 0 where nobody says."""
    seconds = protocol.levels[level].seconds
    if row is None or seconds is None or math.isnan(seconds[row]):
        return 0.0
    return max(0.0, float(seconds[row]) - paid)


@final
class _Pace:
    """What judgements have taken so far."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol, self.told = protocol, 0
        self.units: list[float] = []
        self.paces: list[float] = []

    def saw(self, units: float, seconds: float) -> None:
        if self.told < MEASURED:
            self.units.append(units)
            self.paces.append(seconds / units)
        self.told += 1

    def affordable(self, run: Run) -> Affordable:
        """What is left, in units of a proposal's budget."""
        if self.protocol.queries is not None:
            left = self.protocol.queries - len(run.rows)
            return Affordable(max(0.0, left * sum(self.units) / len(self.units)))
        left_seconds, pace = float(self.protocol.seconds or 0.0) - sum(run.seconds), statistics.median(self.paces)
        return Affordable(max(0.0, min(left_seconds / pace if pace > 0 else math.inf, 1e6)))
