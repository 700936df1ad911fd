"""Facts about the published tables, where somebody has them: in the folder that AZORA_TABLES names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from azora.bench import Protocol, Setup, compare, read_table
from azora.networks.nb201 import NB201

FOLDER = Path(os.environ.get("AZORA_TABLES", ""))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("AZORA_TABLES" not in os.environ, reason="AZORA_TABLES names no folder"),
    pytest.mark.timeout(900),
]


def test_cells_on_cifar_10() -> None:
    table = read_table(FOLDER / "nb201_c10.csv.gz")
    assert len(table) == 15625 and table.networks == 4930
    protocol = Protocol(table, queries=150)
    assert round(protocol.best, 2) == 94.37 and int(protocol.scores.argmax()) == 6111
    assert round(float(protocol.seen[0].max()), 2) == 91.61
    assert isinstance(table.space, NB201)
    skips = table.row(table.space.architecture(**dict.fromkeys(table.space.choices, "skip_connect")))
    assert skips is not None
    assert (round(float(protocol.seen[0][skips]), 2), round(float(protocol.scores[skips]), 2)) == (39.77, 54.30)
    assert int(np.isnan(table.fidelities[-1].validation).sum()) == 7456
    short = Protocol(table, fidelity=12, seconds=12000.0)
    ranks = [np.argsort(np.argsort(each)) for each in (short.seen[0], short.scores)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(0.77, abs=0.01)
    assert short.cost[0][0] == pytest.approx(1444.22 * 12 / 200)


def test_the_other_tables_are_read() -> None:
    hundred, macro = read_table(FOLDER / "nb201_c100.csv.gz"), read_table(FOLDER / "nb_macro_c10.csv.gz")
    assert (len(hundred), hundred.test) == (15625, None)
    assert (len(macro), macro.networks) == (6561, 6561)
    assert Protocol(hundred, queries=150).kind == Protocol(macro, queries=150).kind == "seed"


def test_random_search_and_evolution_are_where_they_have_been_seen() -> None:
    table, both = str(FOLDER / "nb201_c10.csv.gz"), {"random": {}, "evolution": {}}
    found = compare(Setup(table, both, queries=150), runs=100, workers=os.cpu_count() or 1).to_json()
    assert 93.80 <= found["strategies"]["random"]["150"]["mean"] <= 94.00
    assert found["against_random"]["evolution"]["p"] < 0.05


def test_random_search_and_evolution_are_where_papers_have_them() -> None:
    table, both = str(FOLDER / "nb201_c10.csv.gz"), {"random": {}, "evolution": {}}
    found = compare(Setup(table, both, fidelity=12, seconds=12000.0), runs=100, workers=os.cpu_count() or 1)
    papers = {row.method: row.mean for row in found.published}
    figures = found.to_json()["strategies"]
    assert figures["random"]["12000"]["mean"] == pytest.approx(papers["RS"], abs=0.25)
    assert figures["evolution"]["12000"]["mean"] == pytest.approx(papers["REA"], abs=0.25)
