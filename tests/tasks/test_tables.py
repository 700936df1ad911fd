"""CSV files: what is read from them, and what is refused by name."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from azora.errors import TaskError
from azora.tasks import Reading, load_task
from azora.tasks.tables import Column, Sheet, Table, find_columns, read_sheet

TWENTY = "\n".join(
    f"{row},{'red' if row % 3 else ''},{'' if row % 7 == 3 else row / 2},{'yes' if row % 2 else 'no'}"
    for row in range(20)
)
HEAD = "number,colour,half,answer\n"


def written(folder: Path, text: str, name: str = "some.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_numbers_words_and_holes_are_told_apart(tmp_path: Path) -> None:
    task = load_task(written(tmp_path, HEAD + TWENTY), reading=Reading(label="answer"))
    assert task.signature.classes == ("no", "yes")
    assert task.signature.raw_shape == (3,)
    assert task.signature.traits == ("words", "holes")
    table = task.scaling.table
    assert table is not None
    assert table.table.columns == (
        Column("number", None, False),
        Column("colour", ("", "red"), True),
        Column("half", None, True),
    )
    assert task.signature.shape == (1 + 2 + 2,)
    rows = task.everything()
    assert len(rows) + task.test_rows == 20
    assert np.isnan(rows.x[:, 2]).sum() + np.isnan(task.read_test().x[:, 2]).sum() == 3
    assert set(rows.x[:, 1]) == {0.0, 1.0}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_a_mark_of_byte_order_and_quotes_are_read(tmp_path: Path, delimiter: str) -> None:
    text = '\ufeffa,b\n1,"x, y"\n2,z\n'.replace(",", delimiter).replace(f"x{delimiter} y", "x, y")
    sheet = read_sheet(written(tmp_path, text))
    assert sheet.cells == {"a": ["1", "2"], "b": ["x, y", "z"]}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"a;b;c",y\n1,2\n', ["a;b;c", "y"]),
        ('"a ""x;y;z""";y\n1;2\n', ['a "x;y;z"', "y"]),
        ('y;"a,b,c"\n1;2\n', ["y", "a,b,c"]),
        ('"a;b;\nc",y\n1,2\n', ["a;b;\nc", "y"]),
        ('5" pipe;6" pipe\n1;2\n', ['5" pipe', '6" pipe']),
    ],
)
def test_what_stands_in_quotes_is_no_delimiter(tmp_path: Path, text: str, names: list[str]) -> None:
    assert list(read_sheet(written(tmp_path, text)).cells) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has nothing in it"),
        ("a,b\n", "has a line of names and no rows"),
        ("a,b\n1,2\n3\n", "has 1 cells in row 3 and 2 names in the first"),
        ("a,a\n1,2\n", "has two columns named 'a'"),
        ('a,b\n1,"2\n', "cannot be read as CSV in UTF-8: unexpected end of data"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        read_sheet(written(tmp_path, text))


def test_bytes_that_are_no_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(TaskError, match="cannot be read as CSV in UTF-8"):
        read_sheet(tmp_path / "bad.csv")
    with pytest.raises(TaskError, match="there is no file"):
        read_sheet(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["2024-01-31", "2024-02-01", ""], "column 'c' holds dates such as '2024-01-31'"),
        (["31/01/2024 10:15", "1/2/2024 9:00"], "column 'c' holds dates"),
        (["", "NA", "?"], "column 'c' has no value at all; leave it out with --ignore 'c'"),
        (["1", "inf", "2"], "column 'c' holds inf; numbers must be finite"),
        (["1e39", "2"], "column 'c' holds 1e39"),
        (["7", "4,9", ""], "column 'c' holds numbers with a comma such as '4,9'; write them with a point and without"),
        (["1,234", "-12,345.5"], "with a comma such as '1,234'; .* or leave it out with --ignore 'c'"),
        (["1.234,5", ",5"], "with a comma such as '1.234,5'"),
        (["one", "two", "three", "four", "five"], "column 'c' holds text such as 'one', 5 different ones in 5 rows"),
    ],
)
def test_columns_of_no_use_are_refused_by_name(cells: list[str], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        find_columns(Sheet("some.csv", {"c": cells}), ["c"])


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (Reading(), "is to be predicted. say --label with one of number, colour, half, answer"),
        (Reading(label="anser"), "has no column 'anser'; did you mean 'answer'"),
        (Reading(label="answer", ignore=("numbr",)), "has no column 'numbr'; did you mean 'number'"),
        (Reading(label="answer", ignore=("number", "colour", "half")), "has no column left to learn from"),
        (Reading(label="half"), "the label 'half' is empty in 3 rows, the first of them row 5"),
        (Reading(label="answer", kind="sorting"), "kind 'sorting' is not known"),
        (Reading(label="answer", kind="regression"), "y holds names such as"),
        (Reading(label="answer", size=32), "--size says nothing about a CSV file"),
        (Reading(label="answer", skip_bad=True), "--skip-bad says nothing about a CSV file"),
        (Reading(label="answer", flips=False), "--no-flips says nothing about a CSV file"),
    ],
)
def test_wrong_words_for_a_csv(tmp_path: Path, reading: Reading, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        load_task(written(tmp_path, HEAD + TWENTY), reading=reading)
    with pytest.raises(TaskError, match="--label says nothing about the task digits"):
        load_task("digits", reading=Reading(label="answer"))
    with pytest.raises(TaskError, match="there is no way of reading 'lable'; did you mean 'label'"):
        Reading.of({"lable": "answer"})
    with pytest.raises(TaskError, match=r"reading='answer' must be words with their values"):
        load_task("some.csv", reading="answer")  # type: ignore[arg-type]


def test_a_file_is_read_into_the_columns_of_a_model(tmp_path: Path) -> None:
    table = Table((Column("colour", ("blue", "green", "red")), Column("size", None)))
    lines = [f"{row},{'no' if row % 2 else 'yes'},text {row},{('green', 'red', 'new')[row % 3]}" for row in range(30)]
    file = written(tmp_path, "\n".join(["size,y,remark,colour", *lines]))
    task = load_task(file, reading=Reading(label="y", ignore=("of another file",)), table=table)
    assert task.scaling.table is not None and task.scaling.table.table == table
    rows = task.everything() + task.read_test()
    places = (1.0, 2.0, -1.0)  # the last of a word that the model does not know
    assert rows.x[:, 0].tolist() == [places[int(size) % 3] for size in rows.x[:, 1]]
    with pytest.raises(TaskError, match="lacks the column 'weight' that the model reads"):
        load_task(file, reading=Reading(label="y"), table=Table((*table.columns, Column("weight"))))


def test_codes_with_underscores_are_words(tmp_path: Path) -> None:
    text = "code,y\n" + "\n".join(f"{('1_2', '12', '1_3')[row % 3]},{('1_0', '10')[row % 2]}" for row in range(30))
    task = load_task(written(tmp_path, text), reading=Reading(label="y"))
    table = task.scaling.table
    assert table is not None and table.table.columns == (Column("code", ("12", "1_2", "1_3")),)
    assert task.signature.classes == ("10", "1_0")
    with pytest.raises(TaskError, match="column 'n' has '1_2' in row 2; finite numbers are wanted"):
        Table((Column("n"),)).rows(Sheet("s", {"n": ["1_2"]}))


def test_how_a_file_was_read_can_be_said_again(tmp_path: Path) -> None:
    said = Reading(label="answer", ignore=("number",), kind="classification")
    file = written(tmp_path, HEAD + TWENTY)
    task = load_task(file, seed=3, reading=said)
    assert task.about() == {
        "name": "some", "sha256": task.digest,
        "reading": {"label": "answer", "kind": "classification", "ignore": ["number"]},
    }  # fmt: skip
    assert Reading().after(task.reading, file) == said
    assert Reading(label="half").after(task.reading, file).label == "half"
    # What is no CSV has no label, and what is damaged says nothing.
    assert Reading().after(task.reading, tmp_path / "some.npz") == Reading(kind="classification")
    assert Reading().after({"size": 8}, tmp_path / "some.npz") == Reading().after({"size": 8}, file) == Reading()
    assert Reading().after({"size": 8}, tmp_path) == Reading(size=8)
    assert Reading().after({"label": 5}, file) == Reading().after("label", file) == Reading()
    assert "reading" not in load_task("digits").about()


def test_whole_numbers_are_classes_when_they_are_few(tmp_path: Path) -> None:
    few = "x,y\n" + "\n".join(f"{row},{row % 3}" for row in range(30))
    many = "x,y\n" + "\n".join(f"{row},{row}.0" for row in range(30))
    assert load_task(written(tmp_path, few), reading=Reading(label="y")).signature.classes == ("0", "1", "2")
    assert load_task(written(tmp_path, many), reading=Reading(label="y")).signature.kind == "regression"
    forced = load_task(written(tmp_path, few), reading=Reading(label="y", kind="regression"))
    assert (forced.signature.kind, forced.signature.outputs) == ("regression", 1)


def test_a_group_column_keeps_its_rows_together(tmp_path: Path) -> None:
    text = "x,who,y\n" + "\n".join(f"{row},{row // 4},{row % 2}" for row in range(80))
    task = load_task(written(tmp_path, text), reading=Reading(label="y", group="who"))
    sides = [set(split.x[:, 0] // 4) for split in (task.train, task.validation, task.read_test())]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert task.signature.raw_shape == (1,)


def test_a_table_reads_its_columns_from_any_sheet_that_has_them() -> None:
    table = Table((Column("n", None, True), Column("w", ("a", "b"))))
    assert Table.from_json(table.to_json()) == table
    rows = table.rows(Sheet("s", {"w": ["b", "new", "NA"], "other": ["1"] * 3, "n": ["1.5", "", "2"]}))
    assert rows[:, 1].tolist() == [1.0, -1.0, -1.0]
    assert rows[0, 0] == 1.5 and math.isnan(rows[1, 0])
    with pytest.raises(TaskError, match="lacks the column 'n' that the model reads; there is m, w"):
        table.rows(Sheet("s", {"w": ["b"], "m": ["1"]}))
    with pytest.raises(TaskError, match="column 'n' has 'much' in row 3; finite numbers are wanted"):
        table.rows(Sheet("s", {"w": ["b", "b"], "n": ["1", "much"]}))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["01", "02", "1"], ("01", "02", "1")),
        (["9007199254740992", "9007199254740993", "9007199254740995"],) * 2,
        (["-07", "7", "8"], ("-07", "7", "8")),
        (["1", "2.0", "3"], ("1", "2", "3")),
        (["0", "10", "2"], ("0", "2", "10")),
    ],
)
def test_labels_that_are_codes_are_names(tmp_path: Path, labels: list[str], classes: tuple[str, ...]) -> None:
    text = "n,code\n" + "\n".join(f"{row},{labels[row % 3]}" for row in range(30))
    task = load_task(written(tmp_path, text), reading=Reading(label="code"))
    assert task.signature.classes == tuple(classes)


def test_codes_are_numbers_to_predict_where_that_is_said(tmp_path: Path) -> None:
    text = "n,code\n" + "\n".join(f"{row},0{row % 5}" for row in range(30))
    task = load_task(written(tmp_path, text), reading=Reading(label="code", kind="regression"))
    assert task.signature.kind == "regression"


def test_numbers_that_fall_together_in_32_bits_are_told_of_and_refused_as_targets(tmp_path: Path) -> None:
    rows = [f"{1_700_000_000 + 10 * row},{row % 2},{row / 7}" for row in range(100)]
    file = written(tmp_path, "time,answer,part\n" + "\n".join(rows))
    task = load_task(file, reading=Reading(label="answer"))
    said = "100 different values, of which 32 bits tell 9 apart; subtract what they have in common"
    assert task.notes == (f"column 'time' has {said}",)
    with pytest.raises(TaskError, match=f"y has {said}"):
        load_task(file, reading=Reading(label="time"))


def test_what_only_looks_like_a_number_with_a_comma_is_a_word() -> None:
    (column,) = find_columns(Sheet("some.csv", {"c": ["1,5", "x", "1,2,3", "x"] * 3}), ["c"]).columns
    assert column.categories == ("1,2,3", "1,5", "x")


def test_a_label_of_numbers_with_commas_is_refused_unless_they_are_names(tmp_path: Path) -> None:
    file = written(tmp_path, "n,price\n" + "\n".join(f'{row},"{row % 3},5"' for row in range(30)))
    for kind in (None, "regression"):
        with pytest.raises(TaskError, match=r"some.csv: the label 'price' holds numbers with a comma such as '0,5';"):
            load_task(file, reading=Reading(label="price", kind=kind))
    named = load_task(file, reading=Reading(label="price", kind="classification"))
    assert named.signature.classes == ("0,5", "1,5", "2,5")
    assert load_task(file, reading=Reading(label="price"), whole="classification").digest == named.digest


@pytest.mark.parametrize(
    ("strays", "said"),
    [
        (1, "since 1 of its cells, such as '-', is no number; empty it to have numbers"),
        (4, "since 4 of its cells, such as '-', are no numbers; empty them to have numbers"),
        (5, None),
    ],
)
def test_few_cells_that_are_no_numbers_are_told_of(strays: int, said: str | None, tmp_path: Path) -> None:
    ages = ["-"] * strays + [str(row % 9) for row in range(40 - strays)] + ["", "NA"]
    lines = [f"{age},{row},{row % 2}" for row, age in enumerate(ages)]
    file = written(tmp_path, "\n".join(["age,n,y", *lines]))
    task = load_task(file, reading=Reading(label="y"))
    assert task.notes == (() if said is None else (f"column 'age' is read as words, {said}",))
    assert task.scaling.table is not None
    again = load_task(file, reading=Reading(label="y"), table=task.scaling.table.table)
    assert (again.digest, again.notes) == (task.digest, ())  # a model's columns are what they are


def test_a_column_without_a_name_is_not_learned_from(tmp_path: Path) -> None:
    lines = [f"{row},{row % 5},{row % 2}" for row in range(30)]
    file = written(tmp_path, "\n".join([",a,y", *lines]))
    said = "some.csv: column 1 has no name, as the row numbers that pandas and R write; give it one, or leave it out"
    with pytest.raises(TaskError, match=f"{said} with --ignore ''"):
        load_task(file, reading=Reading(label="y"))
    assert load_task(file, reading=Reading.of({"label": "y", "ignore": [""]})).signature.raw_shape == (1,)
    with pytest.raises(TaskError, match="column 3 has no name; give it one"):
        load_task(written(tmp_path, "\n".join(["a,y,", *lines])), reading=Reading(label="y"))


def test_whole_numbers_that_may_be_meant_as_numbers_are_told_how_to_be(tmp_path: Path) -> None:
    file = written(tmp_path, "x,y\n" + "\n".join(f"{row},{row % 3}" for row in range(30)) + "\n30,7")
    with pytest.raises(TaskError, match="for validation; if these are numbers to predict, say --kind regression"):
        load_task(file, reading=Reading(label="y"))
    with pytest.raises(TaskError, match=r"one of them for validation$"):
        load_task(file, reading=Reading(label="y", kind="classification"))


def test_a_class_that_is_called_as_what_is_missing_is_told_of(tmp_path: Path) -> None:
    rows = [f"{row},{('low', 'None', 'high', 'low', '')[row % 5]}" for row in range(30)]
    file = written(tmp_path, "\n".join(["x,y", *rows]))
    said = "the label 'y' is 'None', which is read as missing, in 6 rows, the first of them row 3; write the class"
    with pytest.raises(TaskError, match=said):
        load_task(file, reading=Reading(label="y"))
