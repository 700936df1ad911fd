"""When a mixture has been trained for long enough: rules of what each epoch has shown."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

WINDOW, GROWTH, APART = 5, 1.3, 4  # of the mean, by how much it may grow, over how many epochs (Zela et al., 2020)
FIRST = 10  # epochs before the eigenvalue is looked at, of the published 50
SKIPS = 2  # in one cell (Liang et al., 2019)
STABLE = 10  # epochs of one ranking, of the published 50 or more
PUBLISHED = 50


def eigenvalue_grew(eigenvalues: Sequence[float], epochs: int) -> bool:
    """Whether the mean of the last five dominant eigenvalues is more than 1.3 times that of the five that ended four
    epochs before; looked at from the tenth of fifty epochs on."""
    if len(eigenvalues) < max(WINDOW + 1, round(FIRST * epochs / PUBLISHED)):
        return False
    now, before = _mean(eigenvalues[-WINDOW:]), _mean(eigenvalues[:-APART][-WINDOW:])
    return before > 0 and now / before > GROWTH


def too_many_skips(skips: int) -> bool:
    """Whether what the logits favour has two skips or more in one cell."""
    return skips >= SKIPS


def ranking_is_stable(rankings: Sequence[Hashable], epochs: int) -> bool:
    """Whether the options of every choice, of which each item stands for an order, have had the same one for ten of
    fifty epochs."""
    span = max(3, round(STABLE * epochs / PUBLISHED))
    return len(rankings) >= span and len(set(rankings[-span:])) == 1


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
