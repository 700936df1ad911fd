"""`azora adapt`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from azora.cli.main import main
from azora.model import Model

NAMES = np.array(["ash", "beech", "cedar"])


def pictures(classes: list[int], each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """8 × 8 pixels: a pattern for each class, and noise."""
    patterns = np.random.default_rng(0).integers(0, 200, (40, 8, 8))
    y = np.tile(np.arange(len(classes)), each)
    x = patterns[np.array(classes)[y]] + np.random.default_rng(seed).integers(0, 40, (len(y), 8, 8))
    return x.astype(np.uint8), y


@pytest.fixture
def data(tmp_path: Path) -> Path:
    x, y = pictures(list(range(12)), 8, 1)
    np.savez(tmp_path / "many.npz", x_train=x, y_train=y)
    return tmp_path / "many.npz"


def test_learn_and_adapt_to_a_task(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azora.cli.adapting.JUDGED", 5)
    learned, task, model = tmp_path / "learned", tmp_path / "task.npz", tmp_path / "model"
    words = ["--ways", "3", "--shots", "2", "--budget", "1s", "--width", "6", "--json"]
    assert main(["adapt", "learn", str(data), "--out", str(learned), *words]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ways"] == 3
    assert said["tasks"] == 5
    assert 0 <= said["accuracy"] <= 1
    assert said["steps"] > 0

    x, y = pictures([20, 21, 22], 2, 2)  # classes that were never seen
    x_test, y_test = pictures([20, 21, 22], 10, 3)
    np.savez(task, x=x, y=NAMES[y], x_test=x_test, y_test=NAMES[y_test])
    assert main(["adapt", "to", str(learned), "--data", str(task), "--out", str(model), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"] == 6
    told = Model.load(model).predict(x_test)  # what was written, read back
    assert set(told) <= set(NAMES)
    assert float((told == NAMES[y_test]).mean()) == pytest.approx(figures["test_accuracy"])


def test_mistakes_are_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def line(*words: str) -> str:
        assert main(["adapt", *words]) == 2
        captured = capsys.readouterr().err
        assert captured.count("\n") == 1
        return captured

    out = ["--out", str(tmp_path / "out")]
    assert "12 classes; 14 or more are wanted" in line("learn", str(data), *out, "--ways", "7")
    assert "has 8 rows: ask for fewer" in line("learn", str(data), *out, "--ways", "2", "--shots", "9")
    assert "no style 'metanass'; did you mean 'metanas'?" in line(
        "learn", str(data), *out, "--style", "metanass", "--ways", "2"
    )
    assert "no architecture to learn" in line("learn", str(data), *out, "--style", "fixed")
    assert "there is no adapting.json" in line("to", str(tmp_path), "--data", str(data), *out)
    assert "is there and is no model" in line("to", str(tmp_path), "--data", str(data), "--out", str(tmp_path))
    assert data.is_file()


def test_labels_of_the_tests_are_one_a_row(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from azora.adapting import Adapting, AdaptingSettings, Layers, save_adapting
    from azora.tasks import Scaling, Signature

    signature = Signature("classification", (1, 8, 8), 3, tuple(NAMES))
    save_adapting(Adapting(Layers(signature, 4, 1), Scaling((0.0,), (1.0,)), AdaptingSettings()), tmp_path / "learned")
    x, y = pictures([20, 21, 22], 2, 2)
    np.savez(tmp_path / "task.npz", x=x, y=y, x_test=x, y_test=y[:, None])
    words = ["--data", str(tmp_path / "task.npz"), "--out", str(tmp_path / "model")]
    assert main(["adapt", "to", str(tmp_path / "learned"), *words]) == 2
    assert "y_test must name one of the classes of y for every row" in capsys.readouterr().err


def test_a_task_of_another_shape_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from azora.adapting import Adapting, AdaptingSettings, Layers, save_adapting
    from azora.tasks import Scaling, Signature

    signature = Signature("classification", (1, 8, 8), 3, tuple(NAMES))
    save_adapting(Adapting(Layers(signature, 4, 1), Scaling((0.0,), (1.0,)), AdaptingSettings()), tmp_path / "learned")
    for shape, classes, said in (((6, 9, 9), 3, "inputs have shape"), ((6, 8, 8), 2, "has 2 classes")):
        np.savez(tmp_path / "task.npz", x=np.zeros(shape, np.uint8), y=np.arange(6) % classes)
        words = ["--data", str(tmp_path / "task.npz"), "--out", str(tmp_path / "model")]
        assert main(["adapt", "to", str(tmp_path / "learned"), *words]) == 2
        assert said in capsys.readouterr().err
