"""Whatever is in a file or on the command line, the answer is a task, a model, or one line that says what is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.test_model import ROWS, make

from azora.cli.main import main
from azora.errors import AzoraError
from azora.export import read_bundle
from azora.model import Model
from azora.tasks import Reading, Task, load_task

FUZZ = settings(
    max_examples=200,
    deadline=None,
    derandomize=not os.environ.get("FUZZ_ANEW"),  # the same inputs every time; set FUZZ_ANEW to look for new ones
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CELL = st.one_of(
    st.sampled_from(
        ["", "NA", "nan", "inf", "-1e400", "1", "2.5", "yes", "no", "2020-01-02", '"', "a,b", "\0", "é", "1_0"]
    ),
    st.integers(-5, 5).map(str),
    st.floats(allow_nan=True).map(str),
    st.text(max_size=6),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 10**12), st.floats(), st.text(max_size=8))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def read_or_refuse(path: Path, reading: Reading | None = None) -> Task | None:
    try:
        return load_task(path, reading=reading)
    except AzoraError as error:
        assert "\n" not in str(error)
        return None


@FUZZ
@given(
    st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=24),
    st.sampled_from([",", ";", "\t", "\r\n,"]),
    st.sampled_from(["a", "b", "no", ""]),
)
def test_tables_of_anything(tmp_path: Path, rows: list[list[str]], delimiter: str, label: str) -> None:
    lines = [delimiter.join(["a", "b", "c", "d"][: len(rows[0]) if rows else 2]), *map(delimiter.join, rows)]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    task = read_or_refuse(file, Reading(label=label))
    if task is not None:
        assert task.train.x.shape[1:] == task.signature.raw_shape
        assert np.isfinite(task.train.y).all()


@FUZZ
@given(st.binary(max_size=300))
def test_bytes_that_are_said_to_be_a_table(tmp_path: Path, content: bytes) -> None:
    for name in ("t.csv", "t.tsv", "t.npz"):
        (tmp_path / name).write_bytes(content)
        read_or_refuse(tmp_path / name, Reading(label="a") if name != "t.npz" else None)


NUMBERS = st.sampled_from(["u1", "i8", "f4", "f8", "?", "U3", "c8", "M8[s]", "f2"])


@FUZZ
@given(
    st.lists(st.integers(0, 6), max_size=4), NUMBERS, st.lists(st.integers(0, 6), max_size=2), NUMBERS,
    st.sampled_from(["x_train", "y_train", "x_test", "classes"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_archives_of_anything(
    tmp_path: Path, shape: list[int], kind: str, targets: list[int], sort: str, twice: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        x = rng.integers(-3, 300, shape).astype("f8").astype(kind)
        y = rng.integers(0, 4, targets).astype("f8").astype(sort)
    np.savez(tmp_path / "a.npz", **{"x_train": x, "y_train": y, twice: y if twice != "y_train" else x})
    read_or_refuse(tmp_path / "a.npz")


@FUZZ
@given(st.binary(max_size=80), st.sampled_from(["x_train.npy", "y_train.npy", "../x.npy", "x_train"]))
def test_archives_whose_members_are_no_arrays(tmp_path: Path, content: bytes, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr(name, b"\x93NUMPY\x01\x00" + content)
    read_or_refuse(tmp_path / "z.npz")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("fuzzed"), ROWS) / "model"


@FUZZ
@given(st.data())
def test_descriptions_of_models_in_which_anything_was_changed(model: Path, tmp_path: Path, data: st.DataObject) -> None:
    about: dict[str, Any] = json.loads((model / "model.json").read_text())
    held: dict[str, Any] = about
    name = data.draw(st.sampled_from(sorted(held)))
    while isinstance(held[name], dict) and held[name] and data.draw(st.booleans()):
        held = held[name]
        name = data.draw(st.sampled_from(sorted(held)))
    if data.draw(st.booleans()):
        held[name] = data.draw(JSON)
    else:
        del held[name]
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.json").write_text(json.dumps(about))
    with contextlib.suppress(AzoraError):
        assert Model.load(tmp_path).predict(np.zeros((2, 4))).shape == (2,)
    (tmp_path / "model.json").write_bytes(data.draw(st.binary(max_size=60)))
    with pytest.raises(AzoraError):
        read_bundle(tmp_path)


WORDS = st.one_of(
    st.sampled_from(["--budget", "--trials", "--limit", "--set", "--seed", "--workers", "--out", "--json", "--resume",
                     "--strategy", "--space", "--stop-at", "--label", "--size", "--kind", "--objective", "-q", "--"]),
    st.sampled_from(["0s", "-1", "1e9h", "params=0", "macs=-5k", "a=b", "space.x=1", "nan", "inf", "é", ""]),
    st.text(max_size=5),
)  # fmt: skip


@FUZZ
@given(st.lists(WORDS, max_size=6))
def test_words_on_the_command_line(tmp_path: Path, words: list[str]) -> None:
    # The task does not exist, so that nothing that is understood begins to train.
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(tmp_path):
        code = main(["search", *words, "nosuch.csv"])
    assert code in (0, 2), err.getvalue()
    assert code == 2 or "--help" in words or "Usage" in out.getvalue()
    assert "Traceback" not in err.getvalue()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
