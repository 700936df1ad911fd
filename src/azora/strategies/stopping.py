"""Stopping trainings that promise nothing."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import final

from azora.errors import ConfigError
from azora.settings import check_finite, closest, given
from azora.space import Architecture
from azora.strategies.curves import chance_to_beat
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report

RULES = ("median", "curve")
GRACE = 4  # others of the same length, before which nothing is stopped
HOPE = 0.05  # the chance to beat the best, below which a training is stopped
NETWORKS = 16  # how many whole trainings a search should be able to pay for
LONGEST = 32.0


@final
class EarlyStopping(Strategy):
    """Train each network on, twice as long every time, until a rule stops it or it has been trained in full.

    `median`: it goes on while its score is not below the median of the others' scores at the same length (Golovin et
    al., 2017). `curve`: it goes on while the chance that it ends above the best score so far is 5 % or more (Domhan et
    al., 2015; see `chance_to_beat`).

    What to try is `inner`'s to say; it is told every report, with its budget.

    Args:
        rule: `median` or `curve`.
        lowest: epochs of the first part.
        longest: epochs of a whole training; None fits it to what the search can pay for: 16 of them, of 2 to 32 times
            the first part. Where judgements are counted, each stands for the first part.

    Raises:
        ConfigError: an unknown rule, or lengths that are out of order or not finite.
    """

    def __init__(
        self, inner: Strategy, rule: str = "median", lowest: float = 1.0, longest: float | None = None
    ) -> None:
        super().__init__(inner.space, inner.seed, inner.objective)
        if rule not in RULES:
            raise ConfigError(f"rule={rule!r} is not known; {closest(rule, RULES)}")
        check_finite(lowest=lowest, **given(longest=longest))
        if lowest <= 0 or (longest is not None and longest < lowest):
            raise ConfigError(f"lowest={lowest} must be above 0, and longest={longest} not below it")
        self.inner, self.rule, self.lowest, self.longest = inner, rule, float(lowest), longest
        self.end, self.open = float(longest or lowest), longest is None
        self.architectures: dict[str, Architecture] = {}
        self.curves: dict[str, dict[float, float]] = {}  # by key: score by budget
        self.going: dict[str, float] = {}  # by key: the budget that it has had, of those that go on

    def fit(self, affordable: Affordable) -> None:
        if self.longest is None:
            units = min(affordable.budgets, affordable.judgements * self.lowest)
            self.end = min(LONGEST * self.lowest, max(2 * self.lowest, units / NETWORKS))
            self.open = False
        # Half go on after each part: a network costs half of a whole training, and fewer than two judgements.
        parts = 2 - self.lowest / self.end
        self.inner.fit(Affordable(min(2 * affordable.budgets / self.end, affordable.judgements / parts)))

    def proposers(self) -> Iterable[Strategy]:
        return (self.inner,)

    def propose(self, rng: random.Random) -> Proposal | None:
        for key, budget in self.going.items():
            if budget < self.end:  # not so before it is known how long a whole training is
                return Proposal(self.architectures[key], min(2 * budget, self.end), f"goes on after {budget:.3g}")
        fresh = self.inner.propose(rng)
        return None if fresh is None else replace(fresh, budget=self.lowest)

    def proposed(self, proposal: Proposal) -> None:
        if self.going.pop(proposal.architecture.key, None) is None:
            self.inner.hand_out(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        key, budget = proposal.architecture.key, proposal.budget or self.lowest
        self.architectures.setdefault(key, proposal.architecture)
        score = self.objective.score(report)
        self.curves.setdefault(key, {})[budget] = score
        self.inner.tell(proposal, report)
        if score > -math.inf and (self.open or budget < self.end) and self._promises(key, budget):
            self.going[key] = budget

    def keep(self) -> set[str]:
        """Those that may go on."""
        return set(self.going)

    def _promises(self, key: str, budget: float) -> bool:
        others = [curve[budget] for other, curve in self.curves.items() if other != key and budget in curve]
        if len(others) < GRACE or (self.open and self.rule == "curve"):  # where a curve ends is not known yet
            return True
        mine = self.curves[key]
        if self.rule == "median":
            return mine[budget] >= statistics.median(others)
        scale, best = self._scale()
        points = [(length, scale(score)) for length, score in sorted(mine.items())]
        return chance_to_beat(points, self.end, scale(best)) >= HOPE

    def _scale(self) -> tuple[Callable[[float], float], float]:
        """How scores become those that `chance_to_beat` knows, and the best score: accuracies are as they are; of
        others, the worst but a twentieth is 0.1 and the best 0.8."""
        scores = sorted(score for curve in self.curves.values() for score in curve.values() if score > -math.inf)
        worst, best = scores[len(scores) // 20], scores[-1]
        if scores[0] >= 0 and best <= 1:
            return lambda score: score, best
        return lambda score: 0.1 + 0.7 * (score - worst) / max(best - worst, 1e-9), best
