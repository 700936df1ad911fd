"""Surrogates scored by how they rank networks that they have not seen."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.bench import Table
from azora.bench.once_for_all import OnceForAll
from azora.bench.predictors import Ranking, _agree, _ranking, _truth, find_ranking, for_ranking_only, predict
from azora.cli.main import main
from azora.errors import BenchmarkError

HEADER = ["ks", "e", "d", "r", "params", "macs", "top1_imagenet"]


def rows(count: int) -> list[list[str]]:
    """Sub-networks drawn at random: wide, deep and large kernels are good."""
    rng, made = random.Random(0), []
    for _ in range(count):
        kernels, expansions = [rng.choice((3, 5, 7)) for _ in range(20)], [rng.choice((3, 4, 6)) for _ in range(20)]
        depths = [rng.choice((2, 3, 4)) for _ in range(5)]
        live = [block for block in range(20) if block % 4 < depths[block // 4]]
        size = sum(expansions[block] for block in live)
        top = 60 + 0.1 * size + 0.05 * sum(kernels[block] for block in live) + rng.gauss(0, 0.05)
        words = [" ".join(map(str, each)) for each in (kernels, expansions, depths)]
        made.append([*words, "224", str(1000 * size), str(10_000 * size), f"{top:.3f}"])
    return made


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("ofa") / "ofa_made.csv.gz", HEADER, rows(300))


def test_what_lies_beyond_a_stages_depth_does_not_exist(tmp_path: Path) -> None:
    row = rows(1)[0]
    shallow = [*row[:2], "2 3 4 2 2", *row[3:]]
    kernels = row[0].split()
    kernels[3] = "7" if kernels[3] != "7" else "3"  # of a block that the first stage has not
    same, file = [" ".join(kernels), *shallow[1:]], tmp_path / "some.csv"
    ranking = find_ranking(str(write(file, HEADER, [shallow, same, *rows(30)[1:]])))
    assert len(ranking) == 30
    assert ranking.rows.shape[1] == len(OnceForAll().columns) + 2  # and what it costs
    assert set(ranking.counts) == {"params", "macs"}


def test_surrogates_rank_what_they_have_not_seen(measured: Path) -> None:
    assert for_ranking_only(str(measured))
    found = predict(find_ranking(str(measured)), runs=2)
    assert list(found.predictors) == ["gp", "ensemble", "trees"]
    assert list(found.predictors["gp"]) == [50, 100, 200]  # of 400 there would be none to judge by
    assert found.judged == 100
    for by_size in found.predictors.values():
        assert by_size[200].kendall > 0.6
        assert by_size[200].kendall_std is not None
    assert found.predictors["gp"][200].kendall > found.predictors["gp"][50].kendall - 0.02
    assert found.free["macs"].spearman > 0.6


def test_what_was_learned_from_is_not_judged_on() -> None:
    rng = np.random.default_rng(0)
    noise = Ranking("noise", rng.normal(size=(400, 5)), [slice(0, 5)], rng.normal(size=400), {}, "nothing")
    found = predict(noise, runs=1)
    for by_size in found.predictors.values():
        assert abs(by_size[200].kendall) < 0.2


def test_draws_are_a_function_of_the_seed(measured: Path) -> None:
    ranking = find_ranking(str(measured))
    one, two, other = (predict(ranking, 1, seed).to_json()["predictors"] for seed in (0, 0, 1))
    assert one == two != other


def test_correlations_are_of_ranks() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert _agree(np.exp(truth), truth) == pytest.approx((1.0, 1.0))
    assert _agree(np.array([1.0, 2.0, 4.0, 3.0]), truth)[0] == pytest.approx(4 / 6)
    assert _agree(np.ones(4), truth) == (0.0, 0.0)


def test_any_table_will_do_by_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "some_macro.csv", MACRO_HEADER, macro_rows(5))
    assert not for_ranking_only(str(file))
    assert main(["bench", str(file), "--predictors", "--runs", "1", "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["table"] == "some_macro"
    assert told["networks"] == 243
    assert told["predictors"]["gp"]["100"]["kendall"] > 0.8
    assert told["predictors"]["gp"]["100"]["kendall_std"] is None
    assert told["free"]["params"] == {"kendall": 0.0, "spearman": 0.0, "kendall_std": None, "spearman_std": None}
    assert json.loads((tmp_path / "out" / "predictors.json").read_text()) == told


def test_cells_are_counted_and_each_network_stands_once(nb201: Table) -> None:
    truth, score = _truth(nb201)
    some = [nb201.architecture(row) for row in range(400)]
    ranking = _ranking(nb201.name, nb201.space, some, truth[:400], {}, score)
    assert len(ranking) == len({each.key for each in some}) < 400
    assert set(ranking.counts) == {"params", "macs"}
    assert ranking.score == "c10_test200"


@pytest.mark.slow
def test_all_cells_are_counted_and_each_network_stands_once(nb201_file: Path) -> None:
    ranking = find_ranking(str(nb201_file))
    assert len(ranking) == 4930  # isomorphic cells are one
    assert set(ranking.counts) == {"params", "macs"}
    assert ranking.score == "c10_test200"


def test_a_measured_table_needs_no_option_and_shows_two_tables(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(measured), "--runs", "2"]) == 0
    out = capsys.readouterr().out
    assert "ofa_made: 300 networks. 2 draws" in out
    assert "kendall, learned from" in out
    assert "spearman, learned from" in out
    assert "macs, nothing learned" in out
    assert " ± " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "evolution"], "--strategy is for searches; on "),
        (["--queries", "10"], "--queries is for searches"),
        (["--runs", "0"], "0 runs: one at least"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(measured), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("ks", "3 5", "ks in row 2 is '3 5', which is not 20 numbers"),
        ("d", "2 3 4 2 deep", "d in row 2 is '2 3 4 2 deep', which is not 5 numbers"),
        ("d", "2 3 4 2 5", "row 2 cannot be read: "),
        ("top1_imagenet", "high", "top1_imagenet in row 2 is 'high', which is no finite number"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(column: str, cell: str, said: str, tmp_path: Path) -> None:
    bad = rows(100)
    bad[1][HEADER.index(column)] = cell
    with pytest.raises(BenchmarkError, match=said):
        find_ranking(str(write(tmp_path / "bad.csv", HEADER, bad)))


def test_too_few_networks_are_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="few: has 60 networks; to rank them takes 100"):
        predict(find_ranking(str(write(tmp_path / "few.csv", HEADER, rows(60)))), 1)
