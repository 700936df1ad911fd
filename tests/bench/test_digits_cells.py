"""The benchmark in the wheel: what is said of it is so."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from azora.bench import Protocol, Table
from azora.bench.registry import BENCHMARKS, find_table
from azora.bench.sheet import Sheet, read_sheet
from azora.cli.main import main
from azora.networks.digits_cells import DigitsCells, to_code
from azora.tasks import Signature
from azora.testing import BenchmarkContract

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make" / "digits_cells.py"
TESTS = ("test_s0", "test_s1", "test_s2")


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return read_sheet(BENCHMARKS["digits-cells"])


@pytest.fixture(scope="module")
def digits_cells() -> Table:
    return find_table("digits-cells")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_digits_cells", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestDigitsCells(BenchmarkContract):
    @pytest.fixture
    def table(self, digits_cells: Table) -> Table:
        return digits_cells


def test_every_point_of_the_space_is_answered_by_its_network(digits_cells: Table) -> None:
    assert (len(digits_cells), digits_cells.networks) == (6_250, 2_251)
    space, test = digits_cells.space, digits_cells.test
    assert isinstance(space, DigitsCells) and test is not None
    # One convolution, whichever the node that it follows.
    first, second = space.from_code("100020"), space.from_code("010002")
    assert first.key == second.key and digits_cells.row(first) != digits_cells.row(second)
    rows: dict[str, set[float]] = {}
    for row in range(len(digits_cells)):
        rows.setdefault(digits_cells.architecture(row).key, set()).add(float(test[row]))
    assert all(len(scores) == 1 for scores in rows.values())


def test_it_is_small_and_its_networks_differ_by_more_than_seeds_do(sheet: Sheet) -> None:
    assert BENCHMARKS["digits-cells"].stat().st_size < 2_000_000
    scores = np.stack([sheet.numbers(column) for column in TESTS], 1)
    noise = np.sqrt(scores.var(1, ddof=1).mean())
    low, high = np.quantile(scores.mean(1), (0.1, 0.9))
    assert high - low > 3 * noise


def test_curves_rise_and_lengths_are_all_there(digits_cells: Table) -> None:
    assert [level.epochs for level in digits_cells.fidelities] == list(range(1, 17))
    means = [float(level.validation.mean()) for level in digits_cells.fidelities]
    assert means[-1] > means[0] + 30 and all(np.diff(means[:12]) > 0)


def test_costs_are_those_of_the_networks(sheet: Sheet) -> None:
    space = DigitsCells(Signature("classification", (1, 8, 8), 10))
    cells, params, macs = sheet.cells("cell"), sheet.numbers("params"), sheet.numbers("macs")
    for row in range(0, len(cells), 97):
        about = space.cost(space.from_code(cells[row]))
        assert (about["params"], about["macs"]) == (params[row], macs[row])
    assert (sheet.numbers("latency_ms") > 0).all()


def test_it_was_trained(sheet: Sheet, script: ModuleType) -> None:
    """Machines round differently, so the same training ends a little elsewhere."""
    cell = sheet.cells("cell")[1_000]
    found = script.train((cell, 0))
    stated = sheet.numbers("test_s0")[1_000] / 100
    assert abs(found["test"] - stated) < 0.03 and len(found["validation"]) == script.EPOCHS


def test_the_script_takes_up_and_packs(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = script.codes()
    assert len(set(codes)) == 2_251
    run = {"validation": [0.5] * 15 + [0.9], "test": 0.8752, "seconds": [0.02] * 16}
    lines = [json.dumps({"code": code, "seed": seed, **run}) for code in codes for seed in range(3)]
    out, latency, table = tmp_path / "out.jsonl", tmp_path / "ms.json", tmp_path / "digits_cells.csv.gz"
    latency.write_text(json.dumps({"ms": dict.fromkeys(codes, 0.01234)}))
    out.write_text("\n".join(lines[:-1]))
    with pytest.raises(SystemExit, match="1 cells have not all of their trainings yet"):
        script.pack(out, latency, table)
    out.write_text("\n".join(lines))
    script.pack(out, latency, table)
    assert json.loads(capsys.readouterr().out)["seed_std"] == 0.0
    written = read_sheet(table)
    assert (written.header, len(written.rows)) == (read_sheet(BENCHMARKS["digits-cells"]).header, 2_251)
    assert (written.cells("val16_s2")[0], written.cells("test_s0")[0], written.cells("seconds")[0]) == (
        "90.00", "87.52", "0.320",
    )  # fmt: skip


def test_the_script_goes_on_after_a_kill(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, out = [("", 0)], tmp_path / "out.jsonl"

    def trained(train: Any, jobs: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
        for job in jobs:
            if job == lost[0]:
                raise BrokenProcessPool("A process was killed.")
            yield {"code": job[0], "seed": job[1], "test": 0.9}

    @contextmanager
    def pool(workers: int, mp_context: Any) -> Iterator[Any]:
        yield SimpleNamespace(map=trained)

    monkeypatch.setattr(script, "ProcessPoolExecutor", pool)
    lost[0] = (script.codes()[1], 1)
    with pytest.raises(SystemExit, match=r"^A process was killed\. What is in .* stays: start it again"):
        script.train_all(out, 2)
    assert len(script.read(out)) == 4
    with out.open("a", encoding="utf-8") as file:
        file.write('{"code": "12')  # a kill cut it short
    lost[0] = ("", 0)
    script.train_all(out, 2)
    done = script.read(out)
    assert len({(each["code"], each["seed"]) for each in done}) == len(done) == 6


def test_latency_is_measured_of_all(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "ROUNDS", 2)
    out, latency = tmp_path / "out.jsonl", tmp_path / "ms.json"
    out.write_text("\n".join(json.dumps({"code": code, "seed": 0}) for code in ("111111", "222122")))
    script.latency_all(out, latency)
    ms = json.loads(latency.read_text())["ms"]
    assert 0 < ms["111111"] < ms["222122"]


@pytest.mark.slow
def test_search_and_bench_know_it_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "digits-cells", "--strategy", "evolution", "--queries", "30", "--runs", "6", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["table"] == "digits_cells" and set(found["strategies"]) == {"random", "evolution"}
    words = ["bench", "digits-cells", "--cost", "latency_ms", "--strategy", "pareto", "--queries", "40", "--runs", "2"]
    assert main([*words, "--json"]) == 0
    shares = json.loads(capsys.readouterr().out)["strategies"]["pareto"]["40"]
    assert 0.5 < shares["mean"] <= 1.0


def test_evolution_finds_better_cells_than_random_search(digits_cells: Table) -> None:
    from azora.bench import Setup, compare

    found = compare(Setup("digits-cells", {"random": {}, "evolution": {}, "local": {}}, queries=100), runs=20)
    best = {name: figures[100].mean for name, figures in found.figures.items()}
    assert best["evolution"] > best["random"] and best["local"] > best["random"]
    assert Protocol(digits_cells, queries=1).best >= best["local"]


def test_codes_are_read_and_written() -> None:
    space = DigitsCells(Signature("classification", (1, 8, 8), 10))
    assert to_code(space.from_code("234140")) == "234140"
    for code, why in (("23414", "not six digits"), ("234145", "not six digits"), ("232240", "operation_0_3")):
        with pytest.raises(Exception, match=why):
            space.from_code(code)
