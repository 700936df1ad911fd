"""What one-shot methods have in common: weights for all networks, a search by them, a shortlist that is trained."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from azora.errors import ConfigError
from azora.evaluation.sharing import Stored
from azora.executors.inline import judge
from azora.methods.diagnosis import diagnose
from azora.methods.method import Method, Work
from azora.methods.phases import INHERITING, SHARING, judge_inherited, of_networks, open_inherited
from azora.methods.shortlist import draw, shortlist, usable
from azora.settings import check_finite, check_whole
from azora.space import Space
from azora.strategies import Strategy
from azora.strategies.begun import begun
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.halving import SuccessiveHalving
from azora.study import Study
from azora.tasks import Signature
from azora.trial import Objective, Proposal, Trial

HURRIED, HURRIED_SECONDS = 12, 5.0  # networks, and how long they are judged, when the user wants an end
# Of operations that do nearly the same, shared weights learn one well sooner than three badly; an edge need not be
# `none`, since a node chooses its inputs. What sizes differ by, they learn last.
CELLS = {
    "operations": ("conv_3x3", "depthwise_conv_3x3", "depthwise_conv_5x5", "max_pool_3x3", "skip_connect"),
    "widths": (8, 16, 24, 32),
    "depths": (1, 2),
}
UNTRAINED = 0.0  # epochs of its own that a network had which shared weights alone have judged


class OneShot(Method):
    """Train weights that all networks share, judge by them, train a shortlist from scratch.

    The shortlist is trained by successive halving around evolution, which goes on from it while there is time. Before
    it stand the few networks that together did best on other tasks, where a memory has some: one first training each
    is what a memory that misleads costs. Where the shared weights' scores say nothing, evolution begins as it would
    without them.

    Args:
        share: of the time before the last training, for the shared weights.
        judging: of that time, for judging by them.
        judged: networks that are judged by shared weights, at most.
        size: networks on the shortlist.
        calibration: batches of 384 rows of search-train on which the normalisations of each network are measured
            before it is judged; with 0 they are those of the rows that are judged, which is cheaper.

    Raises:
        ConfigError: a setting out of its range.
    """

    def __init__(self, share: float, judging: float, judged: int, size: int, calibration: int) -> None:
        check_finite(share=share, judging=judging)
        if not (share > 0 and judging > 0 and share + judging < 1):
            raise ConfigError(f"share={share} and judging={judging} must be above 0 and leave time for the shortlist")
        check_whole(2, size=size)
        check_whole(0, calibration=calibration)
        if not isinstance(judged, int) or judged < size:
            raise ConfigError(f"judged={judged!r} must be a whole number, at least size={size}")
        self.share, self.judging, self.judged, self.size = share, judging, judged, size
        self.calibration = calibration

    @abstractmethod
    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        """Train the shared weights, or go on with that, and put them into the work's folder; figures of it, or None
        where they are of no use.

        Args:
            networks: of the work's space, those with the usual recipe.
        """

    @abstractmethod
    def searcher(self, work: Work, networks: Space) -> Strategy:
        """The strategy that searches by the shared weights."""

    def shares(self) -> Mapping[str, float]:
        return {SHARING: self.share, INHERITING: self.judging}

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        return ("cells", CELLS) if signature.pictures else None

    def prepare(self, work: Work) -> Strategy:
        networks = of_networks(work.space)
        inherited = open_inherited(work, networks)
        try:
            if inherited.result is None:
                learned = self.learn(work, networks)
                if learned is not None and not work.stop.is_set():
                    judge_inherited(work, inherited, self.searcher(work, networks), self.judged)
                if not work.stop.is_set():
                    inherited.finish(learned or {})
                elif learned is not None:
                    _remember_best(work, networks, inherited)
            return self._strategy(work, inherited)
        finally:
            inherited.close()

    def diagnose(self, folder: Path, space: Space, study: Study, objective: Objective) -> Mapping[str, Any]:
        found = diagnose(folder, space, study, objective)
        return {"one_shot": found} if found else {}

    def settle(self, work: Work) -> None:
        networks = of_networks(work.space)
        inherited = open_inherited(work, networks)
        try:
            if inherited.trials:
                _remember_best(work, networks, inherited)
        finally:
            inherited.close()

    def _strategy(self, work: Work, inherited: Study) -> Strategy:
        """Evolution from what memory has to say and from the shortlist, trained by successive halving."""
        start = list[Mapping[str, object]]()
        if usable(inherited, work.objective):
            start = [dict(each) for each in shortlist(inherited, work.objective, self.size)]
        elif inherited.trials and not work.stop.is_set():
            work.note("the shared weights cannot tell networks apart: they are trained one by one instead")
        elif inherited.result:  # weights that diverged have been told of
            work.note("there was no time to judge by the shared weights: networks are trained one by one instead")
        inner = RegularizedEvolution(work.space, work.seed, work.objective, start=start)
        return SuccessiveHalving(begun(inner, work.recall()), work.lowest)

    def hears(self) -> bool:
        return True


def _remember_best(work: Work, networks: Space, inherited: Study) -> None:
    """When the end comes before anything was trained by itself, the best by shared weights is what there is."""
    if work.study.best(work.objective) is not None:
        return
    best = inherited.best(work.objective) if inherited.trials else _hurried(work, networks)
    if best is not None:
        proposal = replace(best.proposal, budget=UNTRAINED, origin="shared weights")
        work.study.told(work.study.asked(proposal), best.report)


def _hurried(work: Work, networks: Space) -> Trial | None:
    """The best of a few networks. The inherited study does not hear of it, for its weights were not finished."""
    evaluate = Stored(
        networks,
        work.data,
        work.folder,
        work.seed,
        work.device,
        work.precision,
        work.objective.metric,
    )
    begun, best = time.monotonic(), None
    for architecture in draw(networks, HURRIED, work.seed):
        proposal = Proposal(architecture)
        trial = Trial(0, proposal, judge(evaluate, proposal), 0.0)
        if trial.report.ok and (best is None or work.objective.order(trial.report) > work.objective.order(best.report)):
            best = trial
        if time.monotonic() - begun > HURRIED_SECONDS:
            break
    return best
