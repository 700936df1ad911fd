"""Whether one model is better, or luckier."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binom

from azora.improving import level_of, paired_test
from azora.improving.paired import least_p, losses


def test_mcnemar_counts_the_rows_that_one_alone_has_right() -> None:
    old, new = np.array([1, 1, 1, 1, 1, 0, 0, 1]), np.array([0, 0, 0, 0, 0, 0, 0, 1])
    assert paired_test("classification", old, new) == pytest.approx(0.5**5)
    assert paired_test("classification", new, old) == pytest.approx(1.0)
    assert paired_test("classification", old, old) == 1.0


def test_numbers_are_compared_by_a_bootstrap() -> None:
    rng = np.random.default_rng(0)
    old = rng.normal(size=300) ** 2
    assert paired_test("regression", old, old - 0.2) < 0.001
    assert paired_test("regression", old, old + 0.2) > 0.999
    assert 0.01 < paired_test("regression", old, rng.normal(size=300) ** 2) < 0.99


def test_losses_of_rows() -> None:
    answers = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert losses("classification", answers, np.array([0, 0])).tolist() == [0.0, 1.0]
    assert losses("regression", answers, np.array([[0.9, 0.1], [0.2, 1.8]])).tolist() == pytest.approx([0.0, 1.0])
    # In units of what they are spread by, so that grammes do not drown metres.
    y = np.zeros((1, 2))
    assert losses("regression", np.array([[300.0, 2.0]]), y, (100.0, 1.0)).tolist() == pytest.approx([13.0])


def test_all_levels_together_come_to_the_level() -> None:
    assert sum(level_of(tries) for tries in range(10_000)) == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("looks", [1, 10])
def test_equals_are_not_promoted_by_luck(looks: int) -> None:
    """Challengers as good by construction: right with the same probability, row by row. Of 400 models looked at once,
    or ten times in a row, no more than 5 % may ever be replaced; the upper end of the share's 95 % interval is told."""
    rng, trials, promoted = np.random.default_rng(looks), 400, 0
    for _ in range(trials):
        hard = rng.beta(0.5, 3.0, size=200)  # how likely each row is to be got wrong, by either
        old = (rng.random(200) < hard).astype(float)
        for look in range(looks):
            new = (rng.random(200) < hard).astype(float)
            if paired_test("classification", old, new) < level_of(look):
                promoted += 1
                break
    upper = float(beta.ppf(0.95, promoted + 1, trials - promoted))
    assert promoted / trials <= 0.05, f"{promoted} of {trials}"
    assert upper < 0.07, f"{promoted} of {trials}: up to {upper:.3f}"


@pytest.mark.parametrize("rows", [6, 12])
@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_few_rows_of_numbers_promote_no_oftener_than_the_level(rows: int, tails: str) -> None:
    """Two models of equal errors: what rows cost them differs to either side alike."""
    rng, draws, level = np.random.default_rng(rows), 2_000, level_of(0)
    costs = rng.normal(size=(2, draws, rows)) ** (1 if tails == "normal" else 2)
    passed = sum(paired_test("regression", old, new, level=level) < level for old, new in zip(*costs, strict=True))
    assert passed <= binom.ppf(0.999, draws, level), f"{passed} of {draws}"


@pytest.mark.parametrize(("rows", "tries"), [(200, 19), (20_000, 19), (200, 400)])
def test_numbers_that_are_clearly_better_are_promoted_after_many_tests(rows: int, tries: int) -> None:
    """By the bootstrap, and, where rows are many or levels minute, by Student's t."""
    rng, level = np.random.default_rng(0), level_of(tries)
    old = rng.normal(size=rows) ** 2
    assert least_p("regression", rows, level=level) < level
    assert paired_test("regression", old, old - 0.5 + 0.1 * rng.normal(size=rows), level=level) < level
    assert paired_test("regression", old, rng.normal(size=rows) ** 2, level=level) > level


def test_the_smallest_p_is_of_the_kind_of_test() -> None:
    assert least_p("classification", 5) == 0.5**5
    assert least_p("classification", 1_000, 0.02) < 1e-4 < least_p("classification", 20, 0.02)
    assert least_p("regression", 1) == paired_test("regression", np.ones(1), np.zeros(1)) == 1.0
    same = paired_test("regression", np.ones(30), np.zeros(30), level=0.001)
    assert same == least_p("regression", 30, level=0.001) == 1 / 20_001
    assert paired_test("regression", np.ones(200_000), np.zeros(200_000), level=1e-3) == 0.0
