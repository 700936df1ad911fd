"""What a search may see, what that costs, and what it is scored by."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.bench.made import nb201_rows

from azora.bench import Fidelity, Protocol, Table
from azora.errors import BenchmarkError
from azora.space import Categorical, Space

NAN = math.nan
SEEDS = [[1.0, 2.0, 3.0], [4.0, 6.0, NAN], [7.0, 8.0, 12.0]]


def table(test: bool = False, by_seed: bool = True, seconds: bool = True, maximise: bool = True) -> Table:
    """Three networks, judged after 3 epochs (a mean) and after 9 (by seed)."""
    space = Space("three", [Categorical("kind", ("a", "b", "c"))])
    took = np.array([3.0, 6.0, 9.0])
    long = np.array(SEEDS) if by_seed else np.array([[2.0], [5.0], [9.0]])
    levels = [
        Fidelity(3.0, np.array([[0.5], [0.7], [0.2]]), ("short",), False, took / 3 if seconds else None),
        Fidelity(9.0, long, ("v_s0", "v_s1", "v_s2")[: long.shape[1]], by_seed, took if seconds else None),
    ]
    scores = np.array([10.0, 30.0, 20.0]) if test else None
    return Table("three", space, [("a",), ("b",), ("c",)], levels, scores, "t", 1.0, maximise)


def test_the_mean_is_of_the_seeds_that_a_row_has() -> None:
    protocol = Protocol(table(test=True), queries=1)
    assert protocol.seen[0].tolist() == [2, 5, 9]
    assert protocol.scores.tolist() == [10, 30, 20]
    assert protocol.best == 30
    assert protocol.describe_search() == "mean of the seeds of v" and protocol.describe_score() == "t"


def test_one_seed_is_the_first() -> None:
    protocol = Protocol(table(test=True), "seed", queries=1)
    assert protocol.seen[0].tolist() == [1, 4, 7]
    assert protocol.describe_search() == "v_s0"


def test_without_test_scores_a_search_sees_one_seed_and_is_scored_by_the_others() -> None:
    protocol = Protocol(table(), queries=1)
    assert protocol.kind == "seed"
    assert protocol.seen[0].tolist() == [1, 4, 7]
    assert protocol.scores.tolist() == [2.5, 6, 10]


def test_the_mean_leaves_a_seed_of_each_row_to_score_with() -> None:
    protocol = Protocol(table(), "mean", queries=1)
    assert protocol.seen[0].tolist() == [1.5, 4, 7.5]
    assert protocol.scores.tolist() == [3, 6, 12]


def test_the_seed_to_score_with_is_not_seen_in_short_trainings() -> None:
    made = table()
    short = Fidelity(3.0, np.array([[0.1, 0.2, 0.9], [0.4, 0.8, NAN], [0.7, 0.8, 0.9]]), ("w_s0", "w_s1", "w_s2"))
    both = Table("three", made.space, made.points, [short, made.fidelities[-1]], None, "t", 1.0)
    protocol = Protocol(both, "mean", queries=1, fidelity=3.0)
    np.testing.assert_allclose(protocol.seen[0], [0.15, 0.4, 0.75])
    assert protocol.describe_search() == "mean of the seeds of w but each row's last"
    assert protocol.scores.tolist() == [3, 6, 12]
    assert Protocol(both, "seed", queries=1, fidelity=3.0).scores.tolist() == [2.5, 6, 10]
    # A row whose only long training is of the seed that was seen: what is left is not the same for all, and all count.
    alone = Fidelity(9.0, np.array([[1.0, 2.0], [4.0, NAN], [7.0, 9.0]]), ("v_s0", "v_s1"))
    some = Table("three", made.space, made.points, [short, alone], None, "t", 1.0)
    assert Protocol(some, "seed", queries=1, fidelity=3.0).scores.tolist() == [1.5, 4, 8]


def test_a_search_by_short_trainings_is_scored_by_long_ones() -> None:
    protocol = Protocol(table(), fidelity=3, queries=1)
    assert protocol.seen[0].tolist() == [0.5, 0.7, 0.2]
    assert protocol.scores.tolist() == [2, 5, pytest.approx(9)]
    assert Protocol(table(test=True), fidelity=3, queries=1).scores.tolist() == [10, 30, 20]


def test_queries_are_of_the_longest_training_and_seconds_pay_for_any() -> None:
    assert [level.epochs for level in Protocol(table(), queries=1).levels] == [9]
    protocol = Protocol(table(), seconds=10.0)
    assert [level.epochs for level in protocol.levels] == [3, 9]
    assert [protocol.level(budget) for budget in (1.0, 3.0, 3.5, 9.0, 27.0, None)] == [0, 0, 1, 1, 1, 1]
    assert protocol.cost[0].tolist() == [1, 2, 3]


def test_a_report_has_one_number_in_the_units_of_azora(nb201: Table) -> None:
    report = Protocol(nb201, queries=5).report(0, 0, 12.0)
    assert list(report.metrics) == ["accuracy"]
    assert report.metrics["accuracy"] == pytest.approx(float(nb201_rows()[0][7]) / 100, abs=1e-5)
    assert report.seconds == 12.0 and not report.detail
    assert Protocol(table(test=True, maximise=False), queries=1).objective.maximise is False


def test_less_may_be_better() -> None:
    protocol = Protocol(table(test=True, maximise=False), queries=1)
    assert protocol.best == 10 and protocol.objective.metric == "error"


@pytest.mark.parametrize(
    ("words", "made", "said"),
    [
        ({"queries": 4}, {"test": True}, r"4 queries: three has 3 distinct networks \(in 3 rows\)"),
        ({"queries": 0}, {"test": True}, "0 queries"),
        ({"seconds": -1.0}, {"test": True}, "-1 seconds"),
        ({"seconds": NAN}, {"test": True}, "nan seconds"),
        ({"seconds": 5.0}, {"test": True, "seconds": False}, "does not say how long trainings took"),
        ({}, {"test": True}, "say one of the two"),
        ({"queries": 1, "seconds": 1.0}, {"test": True}, "say one of the two"),
        ({"queries": 1, "noise": "means"}, {"test": True}, "did you mean 'mean'"),
        ({"queries": 1, "fidelity": 4.0}, {"test": True}, "no fidelity of 4 epochs; there is 3, 9"),
        ({"queries": 1, "fidelity": 3.0, "noise": "seed"}, {"test": True}, "short is a mean"),
        ({"queries": 1}, {"by_seed": False}, "nothing is left to score"),
    ],
)
def test_rules_that_a_table_cannot_keep(words: dict[str, object], made: dict[str, bool], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        Protocol(table(**made), **words).check_queries()  # type: ignore[arg-type]


def test_a_row_that_cannot_be_scored_is_named() -> None:
    space = Space("two", [Categorical("kind", ("a", "b"))])
    level = Fidelity(None, np.array([[1.0, 2.0], [3.0, NAN]]), ("s0", "s1"))
    with pytest.raises(BenchmarkError, match=r"two: row 2 \(b\) has no score to be judged by"):
        Protocol(Table("two", space, [("a",), ("b",)], [level]), queries=1)
    free = Fidelity(None, np.array([[1.0, 2.0], [3.0, 4.0]]), ("s0", "s1"), seconds=np.array([1.0, 0.0]))
    with pytest.raises(BenchmarkError, match=r"row 2 \(b\) has no time of training above zero"):
        Protocol(Table("two", space, [("a",), ("b",)], [free]), seconds=1.0)


def test_a_table_is_not_made_of_columns_of_different_length() -> None:
    space = Space("two", [Categorical("kind", ("a", "b"))])
    with pytest.raises(BenchmarkError, match="2 architectures and 1 scores"):
        Table("two", space, [("a",), ("b",)], [Fidelity(None, np.ones((1, 2)), ("s0", "s1"))])
    with pytest.raises(BenchmarkError, match="nothing to ask for"):
        Table("two", space, [("a",), ("b",)], [])


def test_folders_with_dots_do_not_confuse_names(tmp_path: Path) -> None:
    from tests.bench.made import MACRO_HEADER, macro_rows, write

    from azora.bench import read_table

    folder = tmp_path / "v1.2"
    folder.mkdir()
    assert read_table(write(folder / "small.csv.gz", MACRO_HEADER, macro_rows(2))).name == "small"
