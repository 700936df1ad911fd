"""What of a memory is of use to a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from azora.meta.evidence import TRAINED
from azora.meta.features import likeness
from azora.meta.record import Record
from azora.space import Space
from azora.strategies.memory import Remembered
from azora.trial import REWARD

MOST = 8  # tasks that a search hears of
UNLIKE = 0.1  # less alike than that, and a task has nothing to say


def recall(
    records: Sequence[Record],
    features: Mapping[str, float],
    space: Space,
    evaluator: str = TRAINED,
    most: int = MOST,
) -> list[Remembered]:
    """What searches in the same space found on tasks that are like this one, the most alike first.

    Several searches for one task in one space are one memory of it: its longest. Networks of another space, or of
    another version of it, are of no use here and are left out; so are those that another `evaluator` scored, and those
    of a reward (`scores_alike`).
    """
    found: dict[str, Remembered] = {}
    for record in records:
        if not scores_alike(record, evaluator):
            continue
        alike = likeness(record.features, features)
        if alike < UNLIKE or (one := record.remembered(space, alike)) is None:
            continue
        other = found.get(record.task)
        if other is None or (one.likeness, len(one.scores)) > (other.likeness, len(other.scores)):
            found[record.task] = one
    return sorted(found.values(), key=lambda each: -each.likeness)[:most]


def scores_alike(record: Record, evaluator: str = TRAINED) -> bool:
    """Whether its scores are of what `evaluator` judges: of trained networks where it does not say otherwise, as of
    tables and looks. A reward is of one aim, and says nothing of networks with another."""
    return record.facts.get("evaluator", TRAINED) == evaluator and record.metric != REWARD
