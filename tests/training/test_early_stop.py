"""When a mixture has been trained for long enough."""

from __future__ import annotations

import pytest

from azora.training.early_stop import eigenvalue_grew, ranking_is_stable, too_many_skips


def test_the_eigenvalue_is_looked_at_from_the_tenth_of_fifty_epochs_on() -> None:
    grown = [1.0] * 5 + [2.0] * 5
    assert not eigenvalue_grew(grown[:9], 50)
    assert eigenvalue_grew(grown, 50)
    assert not eigenvalue_grew(grown, 100)  # the twentieth of a hundred
    assert eigenvalue_grew([1.0] * 15 + [2.0] * 5, 100)


def test_of_a_short_training_six_epochs_are_the_least() -> None:
    assert not eigenvalue_grew([1, 9, 9, 9, 9], 10)
    assert eigenvalue_grew([1, 1, 9, 9, 9, 9], 10)


@pytest.mark.parametrize(("last", "stops"), [(1.29, False), (1.31, True)])
def test_means_of_five_epochs_are_compared_four_epochs_apart(last: float, stops: bool) -> None:
    # Epochs 2 to 6 against 6 to 10: the first epoch is in neither mean.
    eigenvalues = [100.0, *[1.0] * 5, *[1.0] * 4]
    eigenvalues[6:] = [1.0 + (last - 1.0) * 5 / 4] * 4
    assert eigenvalue_grew(eigenvalues, 50) == stops


def test_what_falls_or_is_nothing_has_not_grown() -> None:
    assert not eigenvalue_grew([2.0] * 6 + [1.0] * 6, 50)
    assert not eigenvalue_grew([0.0] * 12, 50)
    assert not eigenvalue_grew([], 50)


def test_two_skips_in_a_cell_are_too_many() -> None:
    assert [too_many_skips(count) for count in range(4)] == [False, False, True, True]


def test_a_ranking_is_stable_that_was_the_same_for_ten_of_fifty_epochs() -> None:
    assert not ranking_is_stable(["a"] * 9, 50)
    assert ranking_is_stable(["a"] * 10, 50)
    assert ranking_is_stable(["b", "c", *["a"] * 10], 50)
    assert not ranking_is_stable(["a"] * 20 + ["b"], 50)
    assert not ranking_is_stable([*["a"] * 9, "b", *["a"] * 9], 50)


def test_of_a_short_training_three_epochs_of_one_ranking_are_the_least() -> None:
    assert not ranking_is_stable(["a", "a"], 5)
    assert ranking_is_stable(["b", "a", "a", "a"], 5)
