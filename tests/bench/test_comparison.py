"""Strategies side by side: the same figures whoever plays, what is printed, and what is left in a folder."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.bench.made import MACRO_HEADER, NB201_HEADER, macro_rows, write

from azora.bench import Comparison, Protocol, Setup, Table, compare, registry
from azora.bench.comparison import contestants
from azora.bench.curves import checkpoints
from azora.bench.plot import COLOURS, ticks, to_svg
from azora.bench.published import published
from azora.bench.setup import share_settings
from azora.bench.writing import HEADER
from azora.bench.writing import write as write_out
from azora.cli.main import main
from azora.errors import ConfigError
from azora.strategies.registry import STRATEGIES

BOTH = {"random": {}, "evolution": {"population": 8}}


@pytest.fixture(scope="module")
def found(macro_file: Path) -> Comparison:
    return compare(Setup(str(macro_file), BOTH, queries=30), runs=6, seed=2)


def test_the_object_is_as_it_is_described(found: Comparison) -> None:
    figures = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert figures["table"] == "small_macro" and figures["runs"] == 6 and figures["at"] == "queries"
    assert list(figures["strategies"]) == ["random", "evolution"]
    assert list(figures["strategies"]["random"]) == ["5", "10", "25", "30"]
    last = figures["strategies"]["evolution"]["30"]
    assert set(last) == {"mean", "std", "low", "high", "regret", "seen_regret"}
    assert last["low"] <= last["mean"] <= last["high"]
    assert last["regret"] == pytest.approx(figures["best"] - last["mean"], abs=1e-3)
    assert figures["against_random"]["random"]["p"] is None
    assert 0 <= figures["against_random"]["evolution"]["p"] <= 1


def test_a_run_is_a_function_of_its_seed(found: Comparison, macro_file: Path) -> None:
    later = compare(Setup(str(macro_file), BOTH, queries=30), runs=3, seed=5)
    for name in BOTH:
        assert list(found.runs[name]) == [2, 3, 4, 5, 6, 7]
        assert later.runs[name][5] == found.runs[name][5]
        assert found.runs[name][2] != found.runs[name][3]


def test_processes_give_what_this_one_gives(found: Comparison, macro_file: Path) -> None:
    seen: list[tuple[int, int]] = []
    setup = Setup(str(macro_file), BOTH, queries=30)
    spread = compare(setup, runs=6, seed=2, workers=2, seen=lambda done, of: seen.append((done, of)))
    assert spread.to_json() == found.to_json()
    assert spread.runs == found.runs
    assert seen == [(done, 12) for done in range(1, 13)]


def test_some_may_make_fewer_runs(macro_file: Path) -> None:
    some = compare(Setup(str(macro_file), BOTH, queries=12), runs=4, most={"evolution": 2})
    assert {name: list(runs) for name, runs in some.runs.items()} == {"random": [0, 1, 2, 3], "evolution": [0, 1]}
    assert some.to_json()["against_random"]["evolution"]["runs"] == 2


def test_random_search_is_played_where_nobody_names_it(macro_file: Path) -> None:
    figures = compare(Setup(str(macro_file), {"local": {}}, queries=5), runs=2).to_json()
    assert list(figures["strategies"]) == list(figures["against_random"]) == ["random", "local"]


def test_random_search_is_always_there_and_first() -> None:
    assert contestants(["evolution", "random", "evolution"]) == ["random", "evolution"]
    assert contestants([])[:2] == ["random", "evolution"]


def test_settings_go_to_all_that_know_them_or_to_one_that_is_named() -> None:
    names = ["random", "evolution", "halving"]
    shared = share_settings(names, {"population": 9, "halving.population": 5, "eta": 4})
    assert shared == {"random": {}, "evolution": {"population": 9}, "halving": {"population": 5, "eta": 4}}
    with pytest.raises(ConfigError, match=r"know no setting 'populatoin'; did you mean 'population'"):
        share_settings(names, {"populatoin": 9})
    with pytest.raises(ConfigError, match="evolution know no setting 'eta'"):
        share_settings(names, {"evolution.eta": 9})


def test_a_benchmark_may_be_registered_by_name(macro_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BENCHMARKS, "small", macro_file)
    assert len(registry.find_table("small")) == 81


# Published rows -------------------------------------------------------------------------------------------------------

PAPERS = """benchmark,method,protocol_budget,c10_test,n_runs,source
NB201,REA,"search on CIFAR-10 (12-epoch val), 12000 s",93.92±0.30,500,a paper
NB201,RS,12000 s,93.70±0.36,500,a paper
NB201,TE,"1,558 GPU s",93.9±0.47,4,a paper
NB201,EA,<=100 evaluations,94.23±0.25,,another
NB201,Optimal,,94.37,,a paper
NATS-SSS,RS,12000 s,93.03±0.25,500,a paper
"""


def test_papers_stand_beside_the_same_protocol_alone(nb201: Table, tmp_path: Path) -> None:
    file = tmp_path / "made.csv"
    file.touch()
    (tmp_path / "published_results.csv").write_text(PAPERS, encoding="utf-8")
    nb201.dataset = "c10"
    short, queries = Protocol(nb201, fidelity=12, seconds=12000.0), Protocol(nb201, queries=150)
    rows = published(str(file), short, checkpoints(short))
    assert [(row.method, row.mean, row.std, row.runs) for row in rows] == [
        ("REA", 93.92, 0.3, 500),
        ("RS", 93.7, 0.36, 500),
    ]
    assert [(row.method, row.budget) for row in published(str(file), queries, checkpoints(queries))] == [("EA", 100)]
    for other in (
        Protocol(nb201, seconds=12000.0),
        Protocol(nb201, fidelity=12, queries=100),
        Protocol(nb201, queries=50),
        Protocol(nb201, queries=150, costs=np.ones(len(nb201))),
    ):
        assert published(str(file), other, checkpoints(other)) == []
    assert published(str(tmp_path / "elsewhere" / "made.csv"), short, checkpoints(short)) == []


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_folder_holds_curves_plots_and_how_they_came_about(found: Comparison, tmp_path: Path) -> None:
    write_out(found, tmp_path / "out", 1.5)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "curves.csv").read_text(encoding="utf-8"))))
    assert list(rows[0]) == list(HEADER) and len(rows) == 2 * 6 * 30
    last = [float(row["score"]) for row in rows if row["strategy"] == "evolution" and row["query"] == "30"]
    assert sum(last) / 6 == pytest.approx(found.to_json()["strategies"]["evolution"]["30"]["mean"], abs=1e-3)
    about = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert about["seeds"]["evolution"] == {"first": 2, "last": 7} and about["settings"]["evolution"] == {
        "population": 8
    }
    unsaid = dict.fromkeys(("fidelity", "seconds", "cost", "floor", "limit", "memory", "recall"))
    assert about["protocol"] == {"noise": "seed", "queries": 30, **unsaid} and about["memory_sha256"] is None
    assert about["libraries"]["numpy"] and about["machine"] and len(about["table_sha256"]) == 64
    page = (tmp_path / "out" / "plot.html").read_text(encoding="utf-8")
    assert "evolution" in page and "<script src" not in page


def test_the_picture_has_a_band_and_a_line_for_each_strategy(found: Comparison) -> None:
    root = ElementTree.fromstring(to_svg(found))
    names = {"svg": "http://www.w3.org/2000/svg"}
    assert len(root.findall("svg:polyline", names)) == len(root.findall("svg:polygon", names)) == 2
    said = [text.text for text in root.findall("svg:text", names)]
    assert {"random", "evolution", "queries"} <= set(said)
    points = [
        point.split(",") for line in root.findall("svg:polyline", names) for point in line.attrib["points"].split()
    ]
    across = [float(x) for x, _ in points]
    assert across == sorted(across[: len(across) // 2]) * 2


def test_more_lines_than_colours_are_told_apart_by_dashes_in_the_key_too(macro_file: Path) -> None:
    names = [name for name, entry in STRATEGIES.items() if entry.single and entry.extra is None]
    strategies = {name: {} for name in names}
    assert len(strategies) > len(COLOURS)
    root = ElementTree.fromstring(to_svg(compare(Setup(str(macro_file), strategies, queries=3), runs=1)))
    keys = root.findall("{http://www.w3.org/2000/svg}path[@stroke-width='2']")
    drawn = {(key.get("stroke"), key.get("stroke-dasharray")) for key in keys}
    assert len(keys) == len(drawn) == len(strategies)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 150, [0, 50, 100, 150]), (93.51, 94.4, [93.6, 93.8, 94.0, 94.2, 94.4]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


# The command line -----------------------------------------------------------------------------------------------------


def test_the_command_line_prints_one_object_or_tables(
    macro_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", str(macro_file), "--strategy", "evolution", "--queries", "12", "--runs", "3", "--workers", "1"]
    assert main([*words, "--json"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert list(figures["strategies"]) == ["random", "evolution"]
    assert list(figures["strategies"]["random"]) == ["5", "10", "12"]
    assert main([*words, "--set", "population=4", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "random" in text and "95 % interval" in text and "regret at" in text
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "bench.json", "curves.csv", "plot.html", "plot.svg",
    ]  # fmt: skip


def own_strategy(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(
        "from azora.strategies import Strategy\nfrom azora.trial import Proposal\n\n"
        "class Mine(Strategy):\n"
        "    def __init__(self, space, seed=0, objective=None, step=1):\n"
        "        super().__init__(space, seed, objective)\n"
        "        self.step = step\n\n"
        "    def propose(self, rng):\n"
        "        return Proposal(list(self.space)[(self.asked * self.step + self.seed) % 81])\n",
        encoding="utf-8",
    )
    return "mine:Mine"


def test_a_strategy_of_ones_own_is_played_by_name(
    macro_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = own_strategy(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["bench", str(macro_file), "--strategy", name, "--queries", "10", "--runs", "2", "--workers", "2", "--json"]
    assert main([*words, "--set", "step=7"]) == 0
    assert "mine:Mine" in json.loads(capsys.readouterr().out)["strategies"]


def test_the_console_script_finds_modules_where_it_is_called(macro_file: Path, tmp_path: Path) -> None:
    name = own_strategy(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "azora").write_text("from azora.cli.main import run\nrun()\n", encoding="utf-8")
    words = ["bench", str(macro_file), "--strategy", name, "--queries", "5", "--runs", "2", "--workers", "1", "--json"]
    command = [sys.executable, str(tmp_path / "bin" / "azora"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mine:Mine" in json.loads(done.stdout)["strategies"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--queries", "82"], "82 queries: small_macro has 81 distinct networks (in 81 rows)"),
        (["--queries", "5", "--seconds", "5"], "say one of the two"),
        (["--seconds", "100"], "does not say how long trainings took"),
        (["--queries", "5", "--fidelity", "12"], "has no fidelity of 12 epochs; there is one of no stated length"),
        (["--queries", "5", "--strategy", "evolutoin"], "there is no strategy 'evolutoin'; did you mean 'evolution'"),
        (["--queries", "5", "--strategy", "nowhere:Mine"], "importing nowhere failed"),
        (["--queries", "5", "--strategy", "json:dumps"], "dumps"),
        (["--queries", "5", "--set", "populaton=3"], "did you mean 'population'"),
        (["--queries", "5", "--set", "population"], "is not of the form name=value"),
        (["--queries", "5", "--set", "tournament=0"], "tournament=0"),
        (["--queries", "5", "--noise", "sed"], "did you mean 'seed'"),
        (["--queries", "5", "--runs", "0"], "0 runs"),
        (["--queries", "5", "--workers", "0"], "--workers 0"),
        (["--queries", "five"], "--queries"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    macro_file: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(macro_file), *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_table_of_fewer_networks_than_the_usual_queries_is_searched_whole(macro_file: Path) -> None:
    found = compare(Setup(str(macro_file), {"random": {}}), runs=2)
    assert found.protocol.queries == found.setup.queries == 81
    assert {len(run.rows) for run in found.runs["random"].values()} == {81}


def test_a_bad_table_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = macro_rows()
    rows[3][0] = "000x"
    assert main(["bench", str(write(tmp_path / "bad.csv", MACRO_HEADER, rows)), "--json"]) == 2
    assert (
        capsys.readouterr().err == "azora: bad.csv: arch in row 4 cannot be read: '000x' is not 4 digits from 0 to 2\n"
    )
    assert main(["bench", str(tmp_path / "none.csv")]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(
    macro_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    words = ["--queries", "5", "--runs", "2", "--strategy", "random", "--out", str(tmp_path / "out")]
    assert main(["bench", str(macro_file), *words]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_seconds_are_counted_where_the_table_tells_them(nb201_file: Path) -> None:
    setup = Setup(str(nb201_file), BOTH, fidelity=12, seconds=3000.0)
    found = compare(setup, runs=2)
    figures = found.to_json()
    assert figures["at"] == "seconds" and figures["search"] == "c10_val12" and figures["score"] == "c10_test200"
    assert list(figures["strategies"]["random"]) == ["300", "600", "900", "1500", "2250", "3000"]
    for run in found.runs["evolution"].values():
        assert sum(run.seconds) <= 3000 < sum(run.seconds) + 2200 * 0.06
    assert NB201_HEADER[1] == "arch"
