"""How far the shared weights of a search can be trusted, measured on what was trained for real."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from azora.methods.method import PHASE
from azora.methods.phases import INHERITING, SHARING, of_networks
from azora.space import Space
from azora.study import SqlJournal, Study
from azora.study.folder import JOURNAL
from azora.trial import Objective

FEWEST = 3  # networks, with fewer of which no correlation is told
FIFTH = 5
FEWEST_BEST = 5  # of the best fifth, for among three or four a correlation is chance
QUANTILES = {"least": 0.0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75, "most": 1.0}
Pairs = list[tuple[float, float]]


def diagnose(folder: Path, space: Space, study: Study, objective: Objective) -> dict[str, Any]:
    """What `result.json` says of a method's shared weights; empty where there were none.

    `pairs` are (metric by shared weights, metric after the shortest training of its own) of the networks that have
    both; `kendall` is Kendall's rank correlation over them, `kendall_best_fifth` over the fifth of them that did best
    when trained (`best_fifth` says how many), where these are five or more.
    """
    if not (folder / JOURNAL).is_file():
        return {}
    journal = SqlJournal(folder / JOURNAL)
    try:
        inherited = Study(journal, of_networks(space))
    finally:
        journal.close()
    scores = [objective.score(trial.report) for trial in inherited.trials if trial.report.ok]
    pairs = pairs_of(inherited, study, objective)
    best = sorted(pairs, key=lambda pair: pair[1], reverse=objective.maximise)[: len(pairs) // FIFTH]
    spent = {name: round(study.spent_before(PHASE + name), 2) for name in (SHARING, INHERITING)}
    return {
        **(inherited.result or {}),
        "judged": len({trial.proposal.architecture.key for trial in inherited.trials if trial.report.ok}),
        "failed": inherited.failed,
        "spread": spread(scores, objective),
        "trained": len(pairs),
        "kendall": kendall(pairs),
        "best_fifth": len(best),
        "kendall_best_fifth": kendall(best) if len(best) >= FEWEST_BEST else None,
        "seconds": spent,
        "share": round(sum(spent.values()) / max(study.elapsed, 1e-9), 3),
        "pairs": pairs,
    }


def pairs_of(inherited: Study, study: Study, objective: Objective) -> Pairs:
    """(by shared weights, by the shortest training of its own) of every network that has both, as the metric has it."""
    by_weights = {
        trial.proposal.architecture.key: trial.report.metrics[objective.metric]
        for trial in inherited.trials
        if objective.score(trial.report) > -math.inf
    }
    trained: dict[str, tuple[float, float]] = {}
    for trial in study.trials:
        key, epochs = trial.proposal.architecture.key, trial.proposal.budget
        if key not in by_weights or epochs == 0 or objective.score(trial.report) == -math.inf:
            continue
        length = math.inf if epochs is None else epochs
        if key not in trained or length < trained[key][0]:
            trained[key] = length, trial.report.metrics[objective.metric]
    return [(by_weights[key], score) for key, (_, score) in trained.items()]


def kendall(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Kendall's rank correlation, ties counted (tau-b); None for too few pairs, or where one side is all the same."""
    from scipy.stats import kendalltau

    if len(pairs) < FEWEST:
        return None
    left, right = zip(*pairs, strict=True)
    found = float(kendalltau(left, right).statistic)
    return found if math.isfinite(found) else None


def spread(scores: Sequence[float], objective: Objective) -> Mapping[str, float]:
    """Least, quartiles and greatest of what the metric was."""
    if not scores:
        return {}
    values = np.asarray(scores) * (1.0 if objective.maximise else -1.0)
    return {name: float(np.quantile(values, place)) for name, place in QUANTILES.items()}
