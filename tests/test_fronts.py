"""Fronts, crowding and hypervolume against counting by hand."""

from __future__ import annotations

import math
import random

import pytest

from azora.fronts import crowding, dominates, front_ranks, hypervolume, knee


def test_domination_needs_nothing_worse_and_something_better() -> None:
    assert dominates((2, 2), (1, 2))
    assert not dominates((2, 2), (2, 2))
    assert not dominates((3, 1), (1, 3))


@pytest.mark.parametrize("highest", [(8,), (8, 8), (8, 8, 3)])
def test_fronts_are_peeled_off_one_by_one(highest: tuple[int, ...]) -> None:
    rng = random.Random(0)
    points = [tuple(rng.randrange(most) for most in highest) for _ in range(60)]
    left, rank = set(range(len(points))), 0
    expected = [0] * len(points)
    while left:
        front = {one for one in left if not any(dominates(points[other], points[one]) for other in left)}
        for one in front:
            expected[one] = rank
        left, rank = left - front, rank + 1
    assert front_ranks(points) == expected


def test_ranks_belong_to_their_points_and_not_to_an_order() -> None:
    assert front_ranks([(3.0,), (1.0,), (2.0,)]) == [0, 2, 1]


def test_room_is_the_distance_of_the_neighbours() -> None:
    room = crowding([(0.0, 4.0), (1.0, 2.0), (3.0, 1.0), (4.0, 0.0)])
    assert room[0] == room[3] == math.inf
    assert room[1] == pytest.approx(3 / 4 + 3 / 4)
    assert room[2] == pytest.approx(3 / 4 + 2 / 4)
    assert crowding([]) == []


def test_what_failed_has_no_room() -> None:
    assert crowding([(-math.inf,), (1.0,), (2.0,)])[1] == 0.0


def test_ranks_of_what_failed_are_the_last() -> None:
    assert front_ranks([(-math.inf, -math.inf), (1.0, 2.0), (2.0, 1.0), (0.0, 0.0)]) == [2, 0, 0, 1]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_hypervolume_by_counting_cells(axes: int) -> None:
    rng = random.Random(axes)
    points = [tuple(rng.randrange(-1, 6) for _ in range(axes)) for _ in range(9)]
    cells = sum(
        any(all(point[axis] > place // 6**axis % 6 for axis in range(axes)) for point in points)
        for place in range(6**axes)
    )
    assert hypervolume(points, (0,) * axes) == cells
    assert hypervolume([], (0,) * axes) == 0.0


@pytest.mark.parametrize(
    ("points", "place"),
    [
        ([(0, 10), (8, 9), (10, 0)], 1),
        ([(0, 1e9), (5, 7e8), (9, 8e8), (10, 0)], 2),  # whatever the units are
        ([(0, -1), (1, -1.5), (2, -3)], 1),
        ([(0, 10), (5, 5), (10, 0)], None),  # a line
        ([(0, 10), (2, 2), (10, 0)], None),  # it bends the other way
        ([(0, 10), (10, 0)], None),
        ([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, 0.6, 0.1)], 3),
        ([(0, 1, 5), (0.9, 0.9, 5), (1, 0, 5)], 1),  # all alike in one
        ([], None),
    ],
)
def test_a_front_has_its_knee_where_it_lies_farthest_beyond_its_ends(
    points: list[tuple[float, ...]], place: int | None
) -> None:
    assert knee(points) == place
