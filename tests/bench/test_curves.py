"""Statistics of runs, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from azora.bench import Fidelity, Protocol, Run, Table
from azora.bench.curves import Curve, Figure, beside_random, checkpoints, student, wilcoxon
from azora.space import Categorical, Space

NAN = math.nan


def table(maximise: bool = True) -> Table:
    """Five networks. Validation misleads about the best; two of them look the same to it."""
    space = Space("five", [Categorical("kind", tuple("abcde"))])
    validation = np.array([[1.0], [5.0], [3.0], [5.0], [9.0]])
    short = np.array([[9.0], [1.0], [1.0], [1.0], [1.0]])
    test = np.array([10.0, 20.0, 50.0, 30.0, 40.0])
    levels = [
        Fidelity(1.0, short, ("short",), False, np.full(5, 1.0)),
        Fidelity(4.0, validation, ("v",), False, np.full(5, 4.0)),
    ]
    return Table("five", space, [(letter,) for letter in "abcde"], levels, test, maximise=maximise)


def test_a_score_is_of_what_validation_chose_the_earlier_of_two_equals() -> None:
    protocol = Protocol(table(), queries=5)
    curve = Curve.of(Run([0, 2, 1, 3, 4], [0] * 5, [0.0] * 5), protocol)
    assert curve.score.tolist() == [10, 50, 20, 20, 40]
    assert curve.validation.tolist() == [1, 3, 5, 5, 9]


def test_less_is_better_where_the_table_says_so() -> None:
    protocol = Protocol(table(maximise=False), queries=5)
    assert Curve.of(Run([1, 2, 0], [0] * 3, [0.0] * 3), protocol).score.tolist() == [20, 50, 10]


def test_the_longest_training_decides_and_short_ones_do_not_compete_with_it() -> None:
    protocol = Protocol(table(), seconds=20.0)
    curve = Curve.of(Run([0, 1, 0], [0, 1, 1], [1.0, 4.0, 3.0]), protocol)
    assert curve.score.tolist() == [10, 20, 20]  # a's nine of a short training is nothing against b's five
    assert curve.seen.tolist() == [protocol.seen[0][0], protocol.seen[1][1], protocol.seen[1][1]]
    assert curve.at([4.9, 5.0], False, seen=True).tolist() == curve.seen[:2].tolist()


def test_failures_leave_the_score_where_it_was() -> None:
    curve = Curve.of(Run([-1, 2, -1], [0] * 3, [0.0] * 3), Protocol(table(), queries=5))
    assert np.isnan(curve.score[0]) and curve.score.tolist()[1:] == [50, 50]


def test_scores_hold_until_the_next_query() -> None:
    curve = Curve(np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 8.0]), np.zeros(3))
    assert curve.at([1, 2, 3, 9], True).tolist() == [1, 2, 3, 3]
    assert curve.at([2.0, 3.9, 4.0, 100.0], False).tolist() == [1, 1, 2, 3]
    assert np.isnan(curve.at([1.9], False)[0])


def test_figures_are_those_of_the_book() -> None:
    figure = Figure.of([1.0, 2.0, 3.0, 4.0], best=10.0)
    assert figure.mean == 2.5 and figure.regret == 7.5
    assert figure.std == pytest.approx(math.sqrt(5 / 3))
    half = 3.182446 * math.sqrt(5 / 3) / 2  # Student's t of three degrees, two-sided 95 %
    assert (figure.low, figure.high) == (pytest.approx(2.5 - half), pytest.approx(2.5 + half))
    assert student(3) == pytest.approx(3.182446, abs=1e-5)


def test_what_cannot_be_known_is_not_a_number_of_any_kind() -> None:
    assert Figure.of([1.0], 3.0) == Figure(1.0, None, None, None, 2.0)
    assert Figure.of([1.0, NAN], 3.0) == Figure(None, None, None, None, None)


def test_wilcoxon_agrees_with_counting_all_signs() -> None:
    differences = np.array([1.5, -0.4, 2.5, 3.1, 0.9, -0.2, 4.4])
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    observed = ranks[differences > 0].sum()
    signs = np.array(np.meshgrid(*[[0, 1]] * 7)).reshape(7, -1)
    sums = ranks @ signs
    expected = ranks.sum() / 2
    exact = np.mean(np.abs(sums - expected) >= abs(observed - expected))
    assert wilcoxon(differences) == pytest.approx(exact)


def test_wilcoxon_where_nothing_differs_and_where_there_is_nothing() -> None:
    assert wilcoxon(np.zeros(30)) == 1.0
    assert wilcoxon(np.array([])) is None
    few = wilcoxon(np.array([0.0] * 20 + [1.0, 2.0, 3.0]))
    many = wilcoxon(np.arange(1.0, 24.0))
    assert few is not None and many is not None and many < 1e-4 < few


def made(scores: list[float]) -> Curve:
    return Curve(np.zeros(len(scores)), np.array(scores), np.arange(1.0, len(scores) + 1), np.array(scores) + 1)


def test_beside_random_search() -> None:
    protocol = Protocol(table(), queries=4)
    random = {0: made([1, 2, 3, 4]), 1: made([1, 2, 3, 6]), 2: made([0, 0, 0, 5])}
    found = beside_random({0: made([1, 6, 6, 6]), 1: made([1, 4, 4, 6])}, random, protocol, 1, itself=False)
    assert (found.runs, found.reached, found.better, found.ended) == (2, 2.0, 0.75, 1)
    slow = beside_random({0: made([1, 1, 1, 1])}, random, protocol, 0, itself=False)
    assert slow.reached is None and slow.better == 0.0
    itself = beside_random(random, random, protocol, 0, itself=True)
    assert (itself.reached, itself.p) == (4.0, None)


def test_beside_random_search_in_seconds() -> None:
    protocol = Protocol(table(), seconds=4.0)
    random = {0: made([1, 2, 3, 4]), 1: made([1, 2, 3, 4])}
    quick = {0: made([2, 4, 4, 4]), 1: made([2, 2, 6, 6])}
    assert beside_random(quick, random, protocol, 0, itself=False).reached == 3.0


def test_checkpoints_end_with_the_budget() -> None:
    assert checkpoints(Protocol(table(), queries=5)) == [5]
    big = Table("big", Space("big", [Categorical("kind", tuple(range(400)))]), [(each,) for each in range(400)],
                [Fidelity(None, np.arange(400.0)[:, None], ("v",), False)], np.arange(400.0))  # fmt: skip
    assert checkpoints(Protocol(big, queries=120)) == [5, 10, 25, 50, 100, 120]
    assert checkpoints(Protocol(big, queries=300)) == [5, 10, 25, 50, 100, 150, 300]
    assert checkpoints(Protocol(table(), seconds=12000.0)) == [1200, 2400, 3600, 6000, 9000, 12000]
