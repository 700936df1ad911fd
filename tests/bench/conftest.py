"""Made tables, each once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.made import MACRO_HEADER, NB201_HEADER, macro_rows, nb201_rows, write

from azora.bench import Table, read_table


@pytest.fixture(scope="session")
def macro_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """81 networks, three validation seeds, no test scores."""
    return write(tmp_path_factory.mktemp("macro") / "small_macro.csv.gz", MACRO_HEADER, macro_rows())


@pytest.fixture(scope="session")
def nb201_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15,625 cells, two or three validation seeds, test scores, two lengths of training."""
    return write(tmp_path_factory.mktemp("nb201") / "made_c10.csv.gz", NB201_HEADER, nb201_rows())


@pytest.fixture(scope="session")
def macro(macro_file: Path) -> Table:
    return read_table(macro_file)


@pytest.fixture(scope="session")
def nb201(nb201_file: Path) -> Table:
    return read_table(nb201_file)
