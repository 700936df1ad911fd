"""From what shared weights say to what is trained: they shortlist, and never choose."""

from __future__ import annotations

import random
from collections.abc import Sequence

from azora.space import Architecture, Space
from azora.study import Study
from azora.trial import Objective, Trial

FIFTH = 5


def usable(study: Study, objective: Objective) -> bool:
    """Whether the scores tell networks apart at all."""
    scores = {objective.score(trial.report) for trial in study.trials if trial.report.ok}
    return len(scores) > 1


def shortlist(study: Study, objective: Objective, size: int) -> list[Architecture]:
    """`size` architectures to be trained: half of them the best, a quarter of the best fifth that differ most from
    those, and a quarter from everywhere, best to worst in equal steps.

    The last ones are what the correlation between the shared weights' scores and real ones is measured on; and a score
    that is worth nothing costs no more than three quarters of the trainings.
    """
    ranked = study.ranked(objective)
    best = _architectures(ranked[: -(-size // 2)])
    taken = {each.key for each in best}
    fifth = [each for each in _architectures(ranked[: -(-len(ranked) // FIFTH)]) if each.key not in taken]
    different = most_different(study.space, best, fifth, size // 4)
    taken |= {each.key for each in different}
    rest = [each for each in _architectures(ranked) if each.key not in taken]
    wanted = max(0, size - len(best) - len(different))
    return _mixed(best, different, spread(rest, wanted))


def most_different(
    space: Space, chosen: Sequence[Architecture], among: Sequence[Architecture], count: int
) -> list[Architecture]:
    """One after another, the architecture whose nearest one of all that are chosen is farthest, by the squared distance
    of their encodings (Gonzalez, 1985)."""
    codes = [space.encode(each) for each in chosen]
    left = {each: space.encode(each) for each in among}
    found: list[Architecture] = []
    for _ in range(min(count, len(left))):
        farthest = max(left, key=lambda each: min((_distance(left[each], code) for code in codes), default=0.0))
        codes.append(left.pop(farthest))
        found.append(farthest)
    return found


def spread(ranked: Sequence[Architecture], count: int) -> list[Architecture]:
    """`count` of them in equal steps from the first to the last."""
    if count >= len(ranked):
        return list(ranked)
    return [ranked[round((place + 0.5) * len(ranked) / count - 0.5)] for place in range(count)]


def draw(space: Space, count: int, seed: int) -> list[Architecture]:
    """The space's familiar points and random ones, `count` distinct ones together, as far as there are so many."""
    rng, found = random.Random(seed), {each.key: each for each in space.known()}
    for _ in range(10 * count):
        if len(found) >= count:
            break
        architecture = space.sample(rng)
        found.setdefault(architecture.key, architecture)
    return list(found.values())[:count]


def _architectures(trials: Sequence[Trial]) -> list[Architecture]:
    return [trial.proposal.architecture for trial in trials]


def _mixed(*lists: Sequence[Architecture]) -> list[Architecture]:
    """All of them, each list spread over the whole: where time ends early, some of each were trained."""
    placed = [
        ((place + 0.5) / len(each), order, one) for order, each in enumerate(lists) for place, one in enumerate(each)
    ]
    return [one for _, _, one in sorted(placed, key=lambda item: item[:2])]


def _distance(left: Sequence[float], right: Sequence[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))
