"""Tables as they are read: what is in them, what is missing, and what is wrong with them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.bench.made import MACRO_HEADER, NB201_HEADER, Rows, macro_rows, nb201_rows, spoilt, write

from azora.bench import Fidelity, Table, find_table, read_table
from azora.bench.reading import read_cost
from azora.errors import BenchmarkError
from azora.testing import BenchmarkContract


class TestMacro(BenchmarkContract):
    @pytest.fixture
    def table(self, macro: Table) -> Table:
        return macro


class TestNB201(BenchmarkContract):
    @pytest.fixture
    def table(self, nb201: Table) -> Table:
        return nb201


def test_cells_are_those_of_the_space_in_the_order_of_its_edges(nb201: Table) -> None:
    from azora.networks.nb201 import NB201, to_string
    from azora.tasks import Signature

    for row, cells in list(enumerate(nb201_rows()))[:50]:
        assert to_string(nb201.architecture(row)) == cells[1]
        assert nb201.row(NB201(Signature("classification", (1, 8, 8), 3)).from_string(cells[1])) == row


def test_rows_that_are_one_network_are_each_answered_by_themselves(nb201: Table) -> None:
    assert nb201.networks == 4930  # what is left of 15,625 cells
    by_key: dict[str, list[int]] = {}
    for row in range(300):
        by_key.setdefault(nb201.architecture(row).key, []).append(row)
    twins = next(rows for rows in by_key.values() if len(rows) > 1)
    assert [nb201.row(nb201.architecture(row)) for row in twins] == twins


def test_a_blank_seed_is_absent_and_not_zero(nb201: Table) -> None:
    top = nb201.fidelities[-1]
    assert top.columns == ("c10_val200_s0", "c10_val200_s1", "c10_val200_s2")
    assert np.isnan(top.validation[0, 2]) and not np.isnan(top.validation[1]).any()
    assert nb201.fidelities[0].columns == ("c10_val12",) and not nb201.fidelities[0].by_seed


def test_a_short_training_takes_its_share_of_the_seconds_of_a_long_one(nb201: Table) -> None:
    short, long = (level.seconds for level in nb201.fidelities)
    assert short is not None and long is not None
    assert np.allclose(short, long * 12 / 200)
    assert long[0] == float(nb201_rows()[0][8])


def test_digits_are_blocks(macro: Table) -> None:
    assert dict(macro.architecture(5)) == {
        "block_0": "identity",
        "block_1": "identity",
        "block_2": "inverted_3x3_t3",
        "block_3": "inverted_5x5_t6",
    }
    assert macro.test is None and macro.unit == 100


def test_a_plain_file_is_read_like_a_compressed_one(tmp_path: Path, macro: Table) -> None:
    plain = read_table(write(tmp_path / "plain.csv", MACRO_HEADER, macro_rows()))
    assert plain.points == macro.points
    assert np.array_equal(plain.fidelities[0].validation, macro.fidelities[0].validation)


# Declared beside the file --------------------------------------------------------------------------------------------

GRID = [[str(width), kind, f"{width / 10 + place:.2f}", f"{width / 9 + place:.2f}", str(10 * width), f"{place:.1f}"]
        for width in (8, 16, 32) for place, kind in enumerate(("conv", "pool"))]  # fmt: skip
GRID_HEADER = ["width", "kind", "s0", "s1", "took", "short"]
DECLARED = """
choices = ["width", "kind"]
percent = true
maximise = false

[[fidelity]]
epochs = 9
validation = ["s0", "s1"]
seconds = "took"

[[fidelity]]
epochs = 3
mean = "short"
seconds = "took"
share = 0.25
"""


def declare(tmp_path: Path, text: str = DECLARED, rows: Rows = GRID) -> Path:
    (tmp_path / "grid.toml").write_text(text, encoding="utf-8")
    return write(tmp_path / "grid.csv", GRID_HEADER, rows)


def test_a_table_may_be_declared_beside_the_file(tmp_path: Path) -> None:
    table = read_table(declare(tmp_path))
    assert table.space.choices["width"].count() == 3
    assert dict(table.architecture(2)) == {"width": 16, "kind": "conv"}
    assert [level.epochs for level in table.fidelities] == [3, 9]
    assert table.fidelities[0].seconds is not None and table.fidelities[0].seconds[0] == 20
    assert not table.maximise


def test_what_is_missing_of_a_space_is_outside_it_where_that_is_declared(tmp_path: Path) -> None:
    table = read_table(declare(tmp_path, "partial = true\n" + DECLARED, GRID[:-1]))
    assert len(table) == 5 and table.networks == 5
    assert all(table.row(architecture) is not None for architecture in table.space)
    with pytest.raises(
        BenchmarkError, match=r"has 5 rows, and its space 6 points \(the first that is missing: 32, pool"
    ):
        read_table(declare(tmp_path, DECLARED, GRID[:-1]))


def test_one_row_a_network_answers_for_all_that_are_it(nb201: Table, tmp_path: Path) -> None:
    firsts: dict[str, list[str]] = {}
    for row, cells in enumerate(nb201_rows()):
        firsts.setdefault(nb201.architecture(row).key, cells)
    text = """architecture = "arch"
notation = "nb201"
distinct = true
test = "c10_test200"
[[fidelity]]
mean = "c10_val200"
"""
    (tmp_path / "firsts.toml").write_text(text, encoding="utf-8")
    file = write(tmp_path / "firsts.csv", NB201_HEADER, list(firsts.values()))
    table = read_table(file)
    assert (len(table), table.networks) == (15_625, 4_930)
    costs, test = read_cost(file, "c10_val12", table), table.test
    assert test is not None
    for row in range(0, len(table), 1_001):
        stated = firsts[table.architecture(row).key]
        assert (test[row], costs[row]) == (float(stated[9]), float(stated[10]))
    with pytest.raises(BenchmarkError, match=r"has 4,929 networks, and not that of"):
        read_table(write(tmp_path / "firsts.csv", NB201_HEADER, list(firsts.values())[:-1]))


@pytest.mark.parametrize("partial", ["true", "false"])
def test_two_rows_of_one_network_are_named_where_there_is_to_be_one(tmp_path: Path, partial: str) -> None:
    text = f'architecture = "cell"\nnotation = "digits-cells"\ndistinct = true\npartial = {partial}\n'
    (tmp_path / "twice.toml").write_text(text + '[[fidelity]]\nmean = "val"\n', encoding="utf-8")
    rows = [["222122", "1"], ["100020", "2"], ["010002", "3"]]  # the last two are one convolution
    with pytest.raises(BenchmarkError, match=r"row 2 \(.*\) and row 3 \(.*\) are one network, and distinct = true"):
        read_table(write(tmp_path / "twice.csv", ["cell", "val"], rows))


def test_some_networks_of_a_space_answer_for_all_points_that_are_them(tmp_path: Path) -> None:
    text = """architecture = "cell"
notation = "digits-cells"
distinct = true
partial = true
[[fidelity]]
mean = "val"
"""
    (tmp_path / "sample.toml").write_text(text, encoding="utf-8")
    rows = [["100020", "1"], ["222122", "2"], ["333133", "3"]]
    table = read_table(write(tmp_path / "sample.csv", ["cell", "val"], rows))
    assert table.networks == 3 and len(table) > 3  # one convolution is one network, whichever the node it follows
    inside = list(table.space)
    assert len(inside) == len(table) and all(table.row(architecture) is not None for architecture in inside)
    assert len({each.key for each in inside}) == 3


def test_digits_may_be_declared(tmp_path: Path) -> None:
    text = 'architecture = "arch"\nnotation = "digits"\noptions = ["a", "b"]\ntest = "t"\n[[fidelity]]\nmean = "v"\n'
    (tmp_path / "two.toml").write_text(text, encoding="utf-8")
    rows = [["00", "1", "2"], ["01", "3", "4"], ["11", "5", "6"], ["10", "7", "8"]]
    table = read_table(write(tmp_path / "two.csv", ["arch", "v", "t"], rows))
    assert list(table.architecture(1).values()) == ["a", "b"]
    assert table.test is not None and table.test.tolist() == [2, 4, 6, 8]


def test_values_may_stand_between_separators(tmp_path: Path) -> None:
    text = 'architecture = "arch"\nnotation = "separated"\ntest = "t"\n[[fidelity]]\nmean = "v"\n'
    (tmp_path / "sizes.toml").write_text(text, encoding="utf-8")
    rows = [[f"{one}:{other}", str(one), str(other)] for one in (8, 64) for other in ("a", "b", "c")]
    table = read_table(write(tmp_path / "sizes.csv", ["arch", "v", "t"], [[row[0], row[1], "1"] for row in rows]))
    assert dict(table.architecture(3)) == {"choice_0": 64, "choice_1": "a"}
    with pytest.raises(BenchmarkError, match="arch in row 2 cannot be read: '8' is not 2 values"):
        read_table(write(tmp_path / "sizes.csv", ["arch", "v", "t"], [["8:a", "1", "1"], ["8", "1", "1"]]))


def test_choices_that_do_not_exist_are_none() -> None:
    from azora.space import Categorical, Space, When

    space = Space(
        "conditional", [Categorical("depth", (1, 2)), Categorical("second", ("a", "b"), (When("depth", (2,)),))]
    )
    scores = np.arange(6.0).reshape(3, 2)
    table = Table("conditional", space, [(1, None), (2, "a"), (2, "b")], [Fidelity(None, scores, ("s0", "s1"))])
    assert dict(table.architecture(0)) == {"depth": 1}
    assert [table.row(architecture) for architecture in space] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("choices = [", "cannot be read"),
        ("choices = ['width']", r"needs a \[\[fidelity\]\]"),
        (DECLARED + "shar = 2\n", "nothing answers to 'shar'; did you mean 'share'"),
        ("choises = ['width']\n[[fidelity]]\nmean = 's0'", "nothing answers to 'choises'; did you mean 'choices'"),
        (DECLARED.replace("9", "'nine'", 1), "epochs: "),
        (DECLARED.replace('["s0", "s1"]', "3"), "validation: "),
        (DECLARED.replace("epochs = 3", ""), "each needs its epochs"),
        ("choices = ['width']\narchitecture = 'kind'\n[[fidelity]]\nmean = 's0'", "needs either architecture"),
        ("architecture = 'kind'\nnotation = 'nb101'\n[[fidelity]]\nmean = 's0'", "notation 'nb101'"),
        ("architecture = 'kind'\nnotation = 'digits'\n[[fidelity]]\nmean = 's0'", "needs options"),
        ("choices = ['width']\n[[fidelity]]\nepochs = 3", "neither validation"),
        (DECLARED.replace("percent", "test = 's1'\npercent"), "s1 cannot be seen by a search and be its test"),
        (DECLARED.replace('"took"', '"time"'), "there is no column 'time'"),
        (DECLARED.replace('"kind"]', '"kinds"]'), "there is no column 'kinds'; did you mean 'kind'"),
        (DECLARED.replace(', "kind"', ""), "are the same architecture"),
    ],
)
def test_declarations_that_cannot_be_followed(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BenchmarkError, match=said) as caught:
        read_table(declare(tmp_path, text))
    assert "\n" not in str(caught.value)


# Bad files ------------------------------------------------------------------------------------------------------------

Change = Callable[[list[dict[str, str]]], object]


def without(column: str) -> Change:
    return lambda rows: [row.pop(column) for row in rows]


def cell(number: int, column: str, value: str) -> Change:
    return lambda rows: rows[number].__setitem__(column, value)


NB201_CASES: dict[str, tuple[Change, str]] = {
    "no architectures": (without("arch"), "there is no column 'arch', which NAS-Bench-201 needs"),
    "no test scores of the long training": (without("c10_test200"), "there is no column 'c10_test200'"),
    "a seed's column gone": (without("c10_val200_s1"), "there is no column 'c10_val200_s1'"),
    "the last seed's column gone": (without("c10_val200_s2"), "c10_nseeds in row 2 is 3, and 2 of"),
    "no validation of the long training": (
        lambda rows: [row.pop(each) for row in rows for each in list(row) if "val200" in each],
        "there is no column 'c10_val200', though others are of 200 epochs",
    ),
    "an unknown operation": (cell(6, "arch", "|conv_7x7~0|+|none~0|none~1|+|none~0|none~1|none~2|"), "arch in row 7"),
    "half an architecture": (cell(6, "arch", "|none~0|+|none~0|none~1|"), "arch in row 7 cannot be read"),
    "a wrong count of seeds": (cell(8, "c10_nseeds", "3"), "c10_nseeds in row 9 is 3, and 2 of"),
    "a word for a number": (cell(2, "c10_val12", "n/a"), "c10_val12 in row 3 is 'n/a', which is no finite number"),
    "not a number": (cell(2, "c10_test200", "nan"), "c10_test200 in row 3 is 'nan'"),
    "a row gone": (lambda rows: rows.pop(4), "has 15,624 rows, and its space 15,625 points"),
    "a row twice": (lambda rows: rows.append(dict(rows[4])), "rows 5 and 15626 are the same architecture"),
    "few rows": (lambda rows: rows.__delitem__(slice(50, None)), "has 50 rows"),
    "two data sets": (lambda rows: [row.update(c100_val200="1") for row in rows], "holds c10, c100"),
    "no score by any seed": (
        lambda rows: [rows[3].update({f"c10_val200_s{each}": "" for each in range(3)}), rows[3].update(c10_nseeds="0")],
        "row 4 has no value in c10_val200_s0",
    ),
}


@pytest.mark.parametrize("name", NB201_CASES)
def test_bad_cells_are_named(tmp_path: Path, name: str) -> None:
    change, said = NB201_CASES[name]
    header = [*NB201_HEADER, "c100_val200"] if name == "two data sets" else NB201_HEADER
    kept, rows = spoilt(NB201_HEADER, nb201_rows(), change)
    if header is not NB201_HEADER:
        kept, rows = header, [[*row, "1"] for row in rows]
    with pytest.raises(BenchmarkError) as caught:
        read_table(write(tmp_path / "made_c10.csv", kept, rows))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def broken(tmp_path: Path, raw: bytes) -> Path:
    (tmp_path / "table.csv").write_bytes(raw)
    return tmp_path / "table.csv"


MACRO = gzip.compress("\n".join(map(",".join, [MACRO_HEADER, *macro_rows()])).encode(), mtime=0)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "has nothing in it"),
        (b"arch,acc_s0\n", "a header and no rows"),
        (b"arch,acc_s0,acc_s0\n00,1,2\n", "two columns are called 'acc_s0'"),
        (b"arch,acc_s0,acc_s1\n00,1,2\n01,1\n", "row 2 has 2 cells where the header has 3"),
        (b"archs,acc_s0,acc_s1\n00,1,2\n", "no column 'arch', which NAS-Bench-Macro needs; did you mean 'archs'"),
        (b"arch,acc_s0,acc_s1\n0,1,2\n1,1,2\n3,1,2\n", "arch in row 3 cannot be read: '3' is not 1 digits"),
        (b"arch,acc_s1,acc_s2\n00,1,2\n", "there is no column 'acc_s0', though there is 'acc_s1'"),
        (b"ks,e,d,r,top1\n1,2,3,4,5\n", "is of no known schema"),
        (b"\xff\xfe\x00", "not a text in UTF-8"),
        (MACRO[:-200], "cannot be read"),
        (MACRO[:60] + b"\x00\x01\x02" + MACRO[63:], "cannot be read"),
        (b'arch,acc_s0\n"00,1\n', "is no CSV"),
    ],
)
def test_broken_files(tmp_path: Path, raw: bytes, said: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        read_table(broken(tmp_path, raw))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tables_are_found_by_path_and_by_module(tmp_path: Path, macro_file: Path) -> None:
    assert find_table(str(macro_file)).name == "small_macro"
    with pytest.raises(BenchmarkError, match="gives a PosixPath, which is not"):
        find_table("pathlib:Path")
    for word, said in [
        (str(tmp_path / "none.csv.gz"), "there is no file"),
        ("digits-cel", "there is no benchmark 'digits-cel'"),
        (str(tmp_path), "is a folder"),
    ]:
        with pytest.raises(BenchmarkError, match=said):
            find_table(word)
