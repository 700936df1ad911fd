"""Two objectives on a table: how much of the true front's hypervolume a search found."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.bench import Setup, compare
from azora.bench.apart import Apart
from azora.bench.cost import Cost
from azora.bench.reading import read_cost, read_table
from azora.cli.main import main
from azora.errors import BenchmarkError
from azora.fronts import dominates, hypervolume
from azora.space import Categorical, Space


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """729 networks: a block is free, cheap or dear, and the dear ones are good."""
    header, rows = [*MACRO_HEADER, "ms"], macro_rows(6)
    costed = [[*row, str(1 + sum((0, 1, 4)[int(each)] for each in row[0]) + int(row[0][0]) / 7)] for row in rows]
    return write(tmp_path_factory.mktemp("cost") / "costed.csv", header, costed)


@pytest.fixture(scope="module")
def cost(file: Path) -> Cost:
    table = read_table(file)
    scores = table.fidelities[0].validation.mean(1)
    held = scores - 0.5 * (np.arange(len(table)) % 2)
    return Cost("ms", read_cost(file, "ms", table), scores, held, 80.0)


def test_the_front_is_what_nothing_beats(cost: Cost) -> None:
    points = [(score, -ms) for score, ms in zip(cost.scores, cost.values, strict=True)]
    alone = {row for row, point in enumerate(points) if not any(dominates(other, point) for other in points)}
    assert {points[row] for row in cost.front} == {points[row] for row in alone}
    assert cost.reference == (80.0, -1.01 * max(cost.values[row] for row in cost.front))


def test_the_whole_front_is_worth_one_and_less_of_it_less(cost: Cost) -> None:
    assert cost.share(cost.front) == pytest.approx(1.0)
    assert 0 < cost.share(cost.front[::2]) < 1
    assert cost.share([]) == 0.0
    row = cost.front[len(cost.front) // 2]
    alone = (cost.scores[row] - 80.0) * (-cost.reference[1] - cost.values[row])
    whole = hypervolume([(cost.scores[each], -cost.values[each]) for each in cost.front], cost.reference)
    assert cost.share([row]) == pytest.approx(alone / whole)


def test_a_search_chooses_by_what_it_saw(cost: Cost) -> None:
    seen = -cost.scores  # a search that was misled
    rows = [cost.front[0], cost.front[-1]]
    assert cost.chosen(rows, seen) == [cost.front[0]]


def test_scores_that_no_search_saw_measure_what_was_chosen_by_those_seen(cost: Cost) -> None:
    assert cost.held_out(cost.front) == pytest.approx(1.0)
    row = cost.front[len(cost.front) // 2]
    whole = hypervolume([(cost.held[each], -cost.values[each]) for each in cost.front], cost.reference)
    alone = (cost.held[row] - 80.0) * (-cost.reference[1] - cost.values[row])
    assert cost.held_out([row]) == pytest.approx(alone / whole)


def test_points_that_cost_differently_are_told_apart() -> None:
    same = Space("same", [Categorical("a", (1, 2)), Categorical("b", (1, 2))])
    same.representative = lambda decisions: decisions["a"]  # type: ignore[method-assign]
    apart = Apart(same)
    assert len({each.key for each in same}) == 2 and len({each.key for each in apart}) == 4
    assert [apart.encode(each) for each in apart] == [same.encode(each) for each in same]
    part = Apart(same.constrain(lambda each: each["a"] == 1, "a must be 1"))
    assert {each["a"] for each in part} == {1} and part.root is same


def test_shares_rise_with_queries_and_pareto_finds_more_than_random_search(file: Path) -> None:
    setup = Setup(str(file), {"random": {}, "pareto": {}}, queries=120, cost="ms")
    found = compare(setup, runs=12)
    assert found.protocol.best == 1.0
    for curves in found.curves.values():
        for curve in curves.values():
            assert 0 <= curve.score[0] <= 1.0
            assert all(after >= before for before, after in pairwise(curve.score))
    means = {name: found.figures[name][120.0].mean for name in found.figures}
    assert means["pareto"] is not None and means["random"] is not None
    assert means["random"] < means["pareto"] <= 1.0
    held = found.held_out["pareto"].mean
    assert held is not None and 0 < held < 1.1
    again = compare(setup, runs=12, workers=2)
    assert again.to_json() == found.to_json()


def test_costs_may_come_from_another_file(file: Path, tmp_path: Path) -> None:
    table = read_table(file)
    rows = [[row[0], str(number + 1)] for number, row in enumerate(macro_rows(6)[::-1])]
    other = write(tmp_path / "latency.csv.gz", ["arch", "ms"], rows)
    costs = read_cost(file, f"{other}:ms", table)
    assert list(costs) == list(np.arange(len(table), 0, -1.0))


def test_a_network_without_a_cost_is_named(file: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "latency.csv", ["arch", "ms"], [[row[0], "1"] for row in macro_rows(6)[1:]])
    with pytest.raises(BenchmarkError, match=r"row 1 \(.*\) has no ms above zero"):
        read_cost(file, f"{other}:ms", read_table(file))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cost", "mz"], "there is no column 'mz'"),
        (["--cost", "nosuch.csv:ms"], "nosuch.csv"),
        (["--floor", "85"], "say the second objective by --cost"),
        (["--cost", "ms", "--strategy", "evolution"], "strategy 'evolution' is for one objective"),
        (["--limit", "3"], "say what is limited by --cost"),
        (["--cost", "ms", "--limit", "soon"], "must be a number above zero, or a share of the rows such as 25%"),
        (["--cost", "ms", "--limit", "101%"], "must be a number above zero, or a share of the rows such as 25%"),
        (["--cost", "ms", "--limit", "0.9"], "the least ms in costed is 1"),
        (["--cost", "ms", "--limit", "9", "--floor", "80"], "a front has no limit; say one"),
        (["--cost", "ms", "--floor", "99"], "no network on the true front has a score above the floor of 99"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(file), "--runs", "2", "--queries", "5", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_front_that_is_worth_nothing_is_told_before_anything_is_played(tmp_path: Path) -> None:
    """More than nine in ten rows share the best score, or held-out scores are no better than the floor."""
    header, names = [*MACRO_HEADER, "ms"], [row[0] for row in macro_rows()]
    alike = [[name, *(["90"] * 4 if place % 12 else ["80"] * 4), "1000", "1"] for place, name in enumerate(names)]
    file = str(write(tmp_path / "alike.csv", header, alike))
    with pytest.raises(BenchmarkError, match=r"has a score above the floor of 90, which .* say a worse one by --floor"):
        Setup(file, {}, cost="ms").protocol()
    Setup(file, {}, cost="ms", floor=80.0).protocol()
    misled = [[name, "90" if place else "95", "90", "60", "80", "1000", "1"] for place, name in enumerate(names)]
    with pytest.raises(BenchmarkError, match="has a held-out score above the floor of 80, which"):
        Setup(str(write(tmp_path / "misled.csv", header, misled)), {}, cost="ms", floor=80.0).protocol()


def test_the_command_says_what_the_score_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(file), "--cost", "ms", "--floor", "80", "--queries", "20", "--runs", "3", "--workers", "1"]
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["score"].startswith("share of the hypervolume of the true front of ")
    assert "(reference 80 and " in figures["score"]
    assert set(figures["strategies"]) == set(figures["held_out"]) == {"random", "bayesian", "pareto"}


def test_a_limit_leaves_the_networks_within_it_and_their_best(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(file), "--cost", "ms", "--limit", "25%", "--queries", "60", "--runs", "3", "--workers", "1"]
    assert main([*words, "--strategy", "evolution", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    whole = read_table(file)
    costs = read_cost(file, "ms", whole)
    most = np.percentile(costs, 25)
    protocol = Setup(str(file), {}, cost="ms", limit="25%").protocol()
    points = {whole.points[row] for row in np.flatnonzero(costs <= most)}
    assert set(protocol.table.points) == points == {tuple(each.values()) for each in protocol.table.space}
    scores = dict(zip(whole.points, Setup(str(file), {}).protocol().scores, strict=True))
    assert figures["best"] == pytest.approx(max(scores[point] for point in points))
    assert figures["best"] < max(scores.values())
    assert {"random", "evolution"} == set(figures["strategies"]) and "held_out" not in figures
