"""Several objectives at once: who dominates whom, how crowded it is, how much is dominated. Higher is better."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = Sequence[float]
LEAST_BEND = 1e-9  # of a front's line between its ends: less is rounding


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def front_ranks(points: Sequence[Point]) -> list[int]:
    """0 for what nothing dominates, 1 for what only those dominate, and so on (Deb et al., 2002)."""
    if points and len(points[0]) == 2:
        return _ranks_of_pairs(points)
    beaten_by = [0] * len(points)
    beats: list[list[int]] = [[] for _ in points]
    for first in range(len(points)):
        for second in range(first):
            if dominates(points[first], points[second]):
                beats[first].append(second)
                beaten_by[second] += 1
            elif dominates(points[second], points[first]):
                beats[second].append(first)
                beaten_by[first] += 1
    ranks, rank = [0] * len(points), 0
    front = [place for place, count in enumerate(beaten_by) if not count]
    while front:
        behind = []
        for place in front:
            ranks[place] = rank
            for beaten in beats[place]:
                beaten_by[beaten] -= 1
                if not beaten_by[beaten]:
                    behind.append(beaten)
        front, rank = behind, rank + 1
    return ranks


def _ranks_of_pairs(points: Sequence[Point]) -> list[int]:
    """`front_ranks` of two objectives: taken in falling order, a point is dominated by a front exactly where it is by
    the front's last (Jensen, 2003)."""
    ranks, last = [0] * len(points), list[Point]()
    for place in sorted(range(len(points)), key=lambda place: tuple(points[place]), reverse=True):
        low, high = 0, len(last)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if dominates(last[middle], points[place]) else (low, middle)
        ranks[place] = low
        last[low : low + 1] = [points[place]]
    return ranks


def crowding(points: Sequence[Point]) -> list[float]:
    """How far each point's neighbours are apart, as shares of each objective's range, summed; infinite at the ends
    (Deb et al., 2002). Equal points have no room between them."""
    room = [0.0] * len(points)
    for axis in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda place: points[place][axis])
        low, high = points[order[0]][axis], points[order[-1]][axis]
        room[order[0]] = room[order[-1]] = math.inf
        if high > low and math.isfinite(high - low):
            for before, place, after in zip(order, order[1:], order[2:], strict=False):
                room[place] += (points[after][axis] - points[before][axis]) / (high - low)
    return room


def knee(points: Sequence[Point]) -> int | None:
    """The place of the point of a front where giving up a little of any objective begins to cost much of another: with
    every objective brought to 0–1, the one that lies farthest beyond the line between the front's ends (Das, 1999); of
    three and more objectives, beyond the plane on which the shares sum to 1. None where no point lies beyond.
    """
    if len(points) < 3:
        return None
    spans = [(min(column), max(column)) for column in zip(*points, strict=True)]
    shares = [
        sum((value - low) / (high - low) for value, (low, high) in zip(point, spans, strict=True) if high > low)
        for point in points
    ]
    farthest = max(range(len(points)), key=shares.__getitem__)
    return farthest if shares[farthest] > 1.0 + LEAST_BEND else None


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume that is dominated by `points` and dominates `reference` (Zitzler & Thiele, 1999), by slices along the
    last objective: exact; two objectives are swept through once, three are quick for some hundred points."""
    above = sorted({tuple(point) for point in points if all(a > b for a, b in zip(point, reference, strict=True))})
    if not above:
        return 0.0
    if len(reference) == 1:
        return above[-1][0] - reference[0]
    if len(reference) == 2:
        return _area(above, reference)
    levels = sorted({point[-1] for point in above}, reverse=True)
    volume = 0.0
    for level, below in zip(levels, [*levels[1:], reference[-1]], strict=True):
        slice_ = [point[:-1] for point in above if point[-1] >= level]
        volume += (level - below) * hypervolume(slice_, reference[:-1])
    return volume


def _area(rising: Sequence[Point], reference: Point) -> float:
    """`hypervolume` of two objectives; the points rise in the first, and all are above the reference."""
    area, height = 0.0, reference[1]
    for first, second in reversed(rising):
        if second > height:
            area += (first - reference[0]) * (second - height)
            height = second
    return area
