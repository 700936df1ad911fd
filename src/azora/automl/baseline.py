"""Random search beside a search, at equal cost: a study of its own in the same folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from azora.clock import show_seconds
from azora.errors import BudgetError
from azora.fronts import dominates, hypervolume
from azora.job import Job
from azora.space import Space
from azora.strategies import Strategy
from azora.strategies.baseline import random_in_place_of
from azora.study import SqlJournal, Study
from azora.study.folder import BASELINE, JOURNAL
from azora.trial import Objective, Trial

BASELINES = ("random",)
SHARE = 0.5  # of the time or the judgements of the search: equal cost is what makes it a comparison
START = 3.0  # seconds for the workers of the baseline to start, which are nobody's
QUARTERS = (0.25, 0.5, 0.75, 1.0)
Curve = list[tuple[float, float]]


def check_baseline(job: Job, strategy: Strategy | None) -> None:
    """Refuse what cannot be compared before anything is begun.

    Raises:
        ConfigError, BudgetError: the strategy is the baseline, or there are too few judgements.
    """
    if job.baseline is None:
        return
    if strategy is not None:  # a method's is not known yet, and is never random search
        random_in_place_of(strategy)
    if job.trials is not None and job.trials < 2:
        raise BudgetError(f"trials={job.trials} leaves none for the baseline; give 2 or more")


def split(job: Job) -> tuple[int | None, int | None]:
    """How many judgements the search has, and its baseline; None where time alone is shared out."""
    if job.baseline is None or job.trials is None:
        return job.trials, None
    beside = int(SHARE * job.trials)
    return job.trials - beside, beside


def statement(job: Job, seconds: float | None) -> str:
    """The split, to be said before the search begins; `seconds` are left to both."""
    parts = []
    if seconds is not None:
        parts.append(f"about {show_seconds(SHARE * seconds)} each, the last training apart")
    if job.trials is not None:
        parts.append("{} and {} judgements at most".format(*split(job)))
    return f"half of the search is the strategy's, then half is {job.baseline} search's: {'; '.join(parts)}"


def open_baseline(out: Path, space: Space, about: Mapping[str, Any], strategy: Strategy | None) -> Study:
    """The baseline's study below `out`; begun, where there is none yet, with random search in place of `strategy`."""
    (out / BASELINE).mkdir(exist_ok=True)
    study = Study(SqlJournal(out / BASELINE / JOURNAL), space)
    if study.created is None:
        assert strategy is not None, "a baseline is begun after the search that it is for"
        name, settings = random_in_place_of(strategy)
        study.create({**about, "strategy": name, "settings": settings})
    study.open()
    return study


def compared(out: Path, space: Space, study: Study, objectives: Sequence[Objective], by_time: bool) -> dict[str, Any]:
    """What `result.json` says of search and baseline, with their curves; empty where there is no baseline.

    Cost is seconds of searching (`by_time`) or judgements; what either did beyond the cost of the cheaper one does not
    count. Of several objectives it is the hypervolume that is compared, above the worst that either judged.
    """
    if not (out / BASELINE / JOURNAL).is_file():
        return {}
    journal = SqlJournal(out / BASELINE / JOURNAL)
    try:
        other = Study(journal, space)
    finally:
        journal.close()
    costs = [each.spent_before("search") if by_time else float(len(each.trials)) for each in (study, other)]
    cost = min(costs)
    reference = _worst([*study.trials, *other.trials], objectives)
    curves = [_curve(each, objectives, reference, by_time, cost) for each in (study, other)]
    if other.created is None or not all(curves):
        return {}
    maximise = len(objectives) > 1 or objectives[0].maximise
    better = max if maximise else min
    best = better(curves[0][-1][1], curves[1][-1][1])
    at = [{"at": part * cost, **_moment(curves, part * cost, best)} for part in QUARTERS]
    reached = [cost for cost, value in curves[0] if better(value, curves[1][-1][1]) == value]
    return {
        "strategy": "random",
        "as": other.created["strategy"],
        "settings": other.created["settings"],
        "share": SHARE,
        "unit": "seconds" if by_time else "judgements",
        "metric": "hypervolume" if len(objectives) > 1 else objectives[0].metric,
        "cost": cost,
        "trials": len(other.trials),
        "failed": other.failed,
        "judged": other.judged,
        "search": curves[0][-1][1],
        "random": curves[1][-1][1],
        "level_at": reached[0] if reached else None,
        "at": at,
        "curves": {"search": curves[0], "random": curves[1]},
    }


def _moment(curves: Sequence[Curve], at: float, best: float) -> dict[str, float | None]:
    values = [next((value for cost, value in reversed(curve) if cost <= at), None) for curve in curves]
    return {
        "search": values[0],
        "random": values[1],
        "regret_search": None if values[0] is None else abs(best - values[0]),
        "regret_random": None if values[1] is None else abs(best - values[1]),
    }


def _curve(
    study: Study, objectives: Sequence[Objective], reference: Sequence[float], by_time: bool, end: float
) -> Curve:
    """(cost, best so far) whenever it rose, up to `end`."""
    found: Curve = []
    front: list[list[float]] = []
    for place, trial in enumerate(study.trials):
        cost = round(study.worked[place], 3) if by_time else place + 1.0
        point = [objective.score(trial.report) for objective in objectives]
        if cost > end or -math.inf in point:
            continue
        if len(objectives) > 1:
            if any(other == point or dominates(other, point) for other in front):
                continue  # it adds nothing
            front = [other for other in front if not dominates(point, other)] + [point]
            value = hypervolume(front, reference)
        else:
            value = point[0]
        if not found or value > found[-1][1]:
            found.append((cost, value))
    sign = -1.0 if len(objectives) == 1 and not objectives[0].maximise else 1.0
    return [(cost, sign * value) for cost, value in found]


def _worst(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[float]:
    """By each objective, of what was judged by all."""
    points = [[objective.score(trial.report) for objective in objectives] for trial in trials]
    able = [point for point in points if -math.inf not in point]
    return [min(column) for column in zip(*able, strict=True)]
