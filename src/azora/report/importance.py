"""Which choices the score hung on, by permutation on a surrogate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from azora.space import Architecture, Space
from azora.tasks.array import Array
from azora.trial import Objective, Trial

FEWEST = 24  # trials at one budget, below which a surrogate sees only noise
MOST = 1_000  # trials that are looked at: more take long and tell the same
LEAST_FIT = 0.1  # R² on held-out trials, below which it has learned nothing worth telling
FOLDS, REPEATS, TREES = 4, 8, 64
SHOWN = 12


@final
@dataclass(frozen=True)
class Importance:
    """Of the choices, most important first: the share of the surrogate's R² on held-out trials that is lost when the
    choice's values are shuffled among them. Or, when nothing can be said, why not.

    Args:
        fit: R² of the surrogate on held-out trials.
        trials, budget: how many trials, at which budget, it learned from.
    """

    choices: tuple[tuple[str, float], ...] = ()
    fit: float = math.nan
    trials: int = 0
    budget: float | None = None
    why_not: str = ""


def importance(space: Space, trials: Sequence[Trial], objective: Objective) -> Importance:
    """Permutation importance (Breiman, 2001) of a random forest's held-out predictions, cross-validated over the trials
    of the budget that has most of them."""
    judged = [trial for trial in trials if math.isfinite(objective.score(trial.report))]
    counts = Counter(trial.proposal.budget for trial in judged)
    budget, count = counts.most_common(1)[0] if counts else (None, 0)
    if count < FEWEST:
        return Importance(why_not=f"{count} trials of equal length are too few to tell; {FEWEST} or more are wanted.")
    kept = [trial for trial in judged if trial.proposal.budget == budget]
    kept = kept[:: -(-count // MOST)]
    count = len(kept)
    x = _told(space, [trial.proposal.architecture for trial in kept])
    scores = np.array([objective.score(trial.report) for trial in kept])
    # Ranks: a few networks that learned nothing would be all that a surrogate of the scores sees.
    y = np.argsort(np.argsort(scores, kind="stable"), kind="stable") / (count - 1)
    fit, lost = _shuffled(x, y, list(_columns(space)))
    if fit < LEAST_FIT:
        return Importance(why_not=f"What {count} trials show of the choices does not carry over from some to others.")
    named = zip((name for name, _ in _columns(space)), lost, strict=True)
    ranked = sorted(((name, float(loss)) for name, loss in named if loss > 0), key=lambda item: -item[1])
    return Importance(tuple(ranked[:SHOWN]), fit, count, budget)


def _told(space: Space, architectures: Sequence[Architecture]) -> Array:
    """Every choice's value. Where a choice does not exist, a value is drawn from the others: that it does not would
    tell what the choice that it depends on was, and take its importance."""
    rng, parts = np.random.default_rng(0), []
    for name, choice in space.root.choices.items():
        rows = np.zeros((len(architectures), choice.width), np.float32)
        exists = np.array([name in each for each in architectures])
        for place, each in enumerate(architectures):
            if name in each:
                rows[place] = choice.encode(each[name])
        if exists.any() and not exists.all():
            rows[~exists] = rows[rng.choice(np.flatnonzero(exists), (~exists).sum())]
        parts.append(rows)
    return np.concatenate(parts, axis=1)


def _columns(space: Space) -> Iterator[tuple[str, slice]]:
    """Each choice and its columns in what `_told` gives."""
    start = 0
    for name, choice in space.root.choices.items():
        yield name, slice(start, start + choice.width)
        start += choice.width


def _shuffled(x: Array, y: Array, columns: Sequence[tuple[str, slice]]) -> tuple[float, Array]:
    """R² on held-out rows, and what of it is lost for each choice."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    rng, whole, lost = np.random.default_rng(0), np.zeros(len(y)), np.zeros((len(columns), len(y)))
    for learned, held in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=0)
        forest.fit(x[learned], y[learned])
        whole[held] = forest.predict(x[held])
        # All choices and repeats at once: a forest is slow to start and quick to go on.
        changed = np.repeat(x[held][None], len(columns) * REPEATS, axis=0)
        for place, (_, part) in enumerate(columns):
            for repeat in range(REPEATS):
                order = rng.permutation(len(held))
                changed[place * REPEATS + repeat, :, part] = x[held][order, part]
        answers = forest.predict(changed.reshape(-1, x.shape[1])).reshape(len(columns), REPEATS, len(held))
        lost[:, held] = ((answers - y[held]) ** 2).mean(axis=1)
    spread = ((y - y.mean()) ** 2).sum()
    error = ((whole - y) ** 2).sum()
    return float(1 - error / spread), (lost.sum(axis=1) - error) / spread
