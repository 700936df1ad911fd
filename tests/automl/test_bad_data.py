"""Data that no network can be searched for: one line, exit code 2, nothing written, by the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from azora.cli.main import main

ROWS = "".join(f"{number},{number % 7},{'abc'[number % 3]}\n" for number in range(60))


def csv(text: str, label: str = "kind") -> Callable[[], list[str]]:
    def make() -> list[str]:
        Path("data.csv").write_text(text, encoding="utf-8")
        return ["data.csv", "--label", label]

    return make


def npz(**changes: object) -> Callable[[], list[str]]:
    """Sixty rows of three classes, with `changes`; a value of None leaves an array out."""

    def make() -> list[str]:
        rng = np.random.default_rng(0)
        arrays: dict[str, object] = {"x_train": rng.normal(size=(60, 4)).astype(np.float32)}
        arrays |= {"y_train": np.arange(60) % 3, "x_test": np.ones((6, 4), np.float32), "y_test": np.arange(6) % 3}
        arrays |= changes
        np.savez("data.npz", **{name: np.asarray(value) for name, value in arrays.items() if value is not None})
        return ["data.npz"]

    return make


def pictures(spoilt: str = "", lonely: bool = False) -> Callable[[], list[str]]:
    def make() -> list[str]:
        for number in range(40):
            file = Path("pictures") / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8 + number % 3, 8), number * 5).save(file)
        if spoilt:
            Path("pictures/a", spoilt).write_bytes(b"\x89PNG and no more")
        if lonely:
            Path("pictures/c").mkdir()
            Image.new("L", (8, 8)).save("pictures/c/only.png")
        return ["pictures"]

    return make


HOLE = np.ones((60, 4), np.float32)
HOLE[7, 2] = np.nan
ENDLESS = np.ones((60, 4), np.float32)
ENDLESS[9, 1] = np.inf

CASES: dict[str, tuple[Callable[[], list[str]], tuple[str, ...]]] = {
    "a missing file": (lambda: ["data.csv", "--label", "kind"], ("data.csv",)),
    "an empty CSV": (csv(""), ("data.csv has nothing in it",)),
    "a CSV of a heading alone": (csv("a,b,kind\n"), ("data.csv",)),
    "an absent label": (csv("a,b,kind\n" + ROWS, "kinds"), ("'kinds'", "'kind'")),
    "one class only": (
        csv("a,b,kind\n" + "".join(f"{number},1,x\n" for number in range(60))),
        ("data.csv: y has one class",),
    ),
    "a class with a single row": (csv("a,b,kind\n" + ROWS + "9,9,lonely\n"), ("data.csv: class 'lonely'",)),
    "a line that is short": (csv("a,b,kind\n" + ROWS + "9,9\n"), ("62",)),
    "infinity in a CSV": (csv("a,b,kind\n" + ROWS + "inf,9,a\n"), ("'a'",)),
    "NaN in arrays": (npz(x_train=HOLE), ("data.npz: x has nan in row 7",)),
    "infinity in arrays": (npz(x_train=ENDLESS), ("data.npz: x has inf in row 9",)),
    "x and y of different length": (npz(y_train=np.arange(59) % 3), ("60", "59")),
    "one class in arrays": (npz(y_train=np.zeros(60, int), y_test=np.zeros(6, int)), ("one class",)),
    "objects in an npz": (npz(x_train=np.array([{"a": 1}] * 60)), ("data.npz: x_train holds Python objects",)),
    "an array left out": (npz(y_train=None), ("y_train",)),
    "a picture that does not decode": (pictures(spoilt="torn.png"), ("torn.png", "--skip-bad")),
    "a class with a single picture": (pictures(lonely=True), ("'c'",)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_in_the_data_is_one_line_and_nothing_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, said = CASES[name]
    words = make()
    before = sorted(tmp_path.rglob("*"))
    code = main(["search", *words, "--trials", "2", "--workers", "1", "--out", "out"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.startswith("azora: ")
    assert err.count("\n") == 1
    assert all(part in err for part in said), err
    assert sorted(tmp_path.rglob("*")) == before
