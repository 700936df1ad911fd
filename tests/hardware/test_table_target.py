"""Published latencies as a target: found by architecture, refused in words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from azora.errors import ConfigError, TargetError
from azora.hardware import Deployable, Target, find_target
from azora.networks.decide import As
from azora.networks.nb201 import NB201, to_string
from azora.space import Architecture
from azora.tasks import Signature
from azora.testing import TargetContract

SPACE = NB201(Signature("classification", (1, 8, 8), 10), width=2, depth=1)
NAMES = list(SPACE.choices)


def cell(operation: str) -> Architecture:
    return SPACE.architecture(**dict.fromkeys(NAMES, operation))


def of(architecture: Architecture) -> Deployable:
    with torch.random.fork_rng(devices=[]):
        return Deployable.bare(SPACE.build(As(architecture)).eval(), SPACE.signature, architecture)


def write(file: Path, text: str) -> Path:
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{to_string(cell(name))},{ms},{ms / 2}" for name, ms in (("skip_connect", 1.5), ("conv_3x3", 20.0))]
    return write(tmp_path / "times.csv.gz", "\n".join(["arch,raspi4,phone", *rows]) + "\n")


class TestTable(TargetContract):
    @pytest.fixture
    def target(self, table: Path) -> Target:
        return find_target(f"table:{table}:raspi4")

    def narrow(self) -> Deployable:
        return of(cell("skip_connect"))

    def wide(self) -> Deployable:
        return of(cell("conv_3x3"))


def test_latency_is_the_columns(table: Path) -> None:
    for column, wanted in (("raspi4", 20.0), ("phone", 10.0)):
        assert find_target(f"table:{table}:{column}").measure(of(cell("conv_3x3"))).latency.median == wanted


def test_a_mark_that_a_spreadsheet_puts_first_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "times.csv", f"\ufeffarch,ms\n{to_string(cell('conv_1x1'))},3.25\n")
    assert find_target(f"table:{file}:ms").measure(of(cell("conv_1x1"))).latency.median == 3.25


def test_any_space_can_be_written_as_json(tmp_path: Path) -> None:
    quoted = json.dumps(dict(cell("conv_1x1"))).replace('"', '""')
    file = write(tmp_path / "times.csv", f'architecture,ms\n"{quoted}",3.25\n')
    assert find_target(f"table:{file}:ms").measure(of(cell("conv_1x1"))).latency.median == 3.25


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arch,phone\n", "there is no column 'ms', but none at all"),
        ("arch,phone\na,1\n", "there is no column 'ms', but phone"),
        ("name,ms\na,1\n", "there is no column arch or architecture"),
        ("arch,ms\na,quick\n", "line 2 has 'quick' where milliseconds should be"),
        ("arch,ms\na,-1\n", "line 2 has '-1' where milliseconds should be"),
        ("architecture,ms\n{,1\n", "line 2 has '{' where a JSON object"),
        ("arch,ms\na,1\n", "the table has no row for"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    target = find_target(f"table:{write(tmp_path / 'times.csv', text)}:ms")
    with pytest.raises(TargetError, match=says) as raised:
        target.measure(of(cell("conv_1x1")))
    assert "\n" not in str(raised.value)


def test_a_damaged_archive_is_told(table: Path) -> None:
    raw = table.read_bytes()
    table.write_bytes(raw[:10] + b"\xff" * (len(raw) - 18) + raw[-8:])  # a block of a type that there is not
    with pytest.raises(TargetError, match="is no CSV"):
        find_target(f"table:{table}:raspi4").measure(of(cell("conv_3x3")))


def test_without_a_file_a_column_or_an_architecture_there_is_nothing_to_look_up(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="say the file and its column"):
        find_target("table:times.csv")
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        find_target(f"table:{tmp_path / 'none.csv'}:ms").versions()
    bare = Deployable.bare(SPACE.build(As(cell("none"))).eval(), SPACE.signature)
    with pytest.raises(TargetError, match="by its architecture"):
        find_target(f"table:{table}:raspi4").measure(bare)
    with pytest.raises(TargetError, match="is no CSV"):
        find_target(f"table:{write(tmp_path / 'a.csv', 'x').rename(tmp_path / 'a.gz')}:ms").measure(of(cell("none")))
