"""CSV files and folders of pictures through the whole job, by the command line."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import azora
from azora.automl.result import Result
from azora.automl.setting import find_task
from azora.cli.main import main
from azora.errors import StudyError, TaskError
from azora.job import Job
from azora.model import Model
from azora.tasks import Reading, Task

QUICK = ["--workers", "1", "--json", "--quiet", "--seed", "0"]


def table(file: Path, regression: bool) -> None:
    """What is to be told is the sum of two columns and what a word is worth; a cell in ten is empty."""
    rng = random.Random(0)
    worth = {"low": -1.0, "middle": 0.0, "high": 1.0}
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["first", "word", "second", "id", "target"])
        for row in range(240):
            first, second, word = rng.gauss(0, 1), rng.gauss(100, 20), rng.choice(list(worth))
            value = first + (second - 100) / 20 + worth[word]
            target = f"{value:.4f}" if regression else "above" if value > 0 else "below"
            cells = [f"{first:.4f}", word, f"{second:.3f}"]
            writer.writerow([*("" if rng.random() < 0.1 else cell for cell in cells), f"row {row}", target])


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("regression", "metric", "least"),
    [(False, "test_accuracy", 0.7), pytest.param(True, "test_r2", 0.4, marks=pytest.mark.slow)],
)
def test_a_csv_goes_through_search_show_predict_and_export(
    regression: bool,
    metric: str,
    least: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    table(Path("some.csv"), regression)
    words = ["search", "some.csv", "--label", "target", "--ignore", "id", "--trials", "6", "--out", "out", *QUICK]
    words.append("--no-boosting")  # how a network's rows are prepared is what is looked at
    figures: dict[str, Any] = json.loads(run(words, capsys))
    assert figures[metric] > least
    assert {"recipe.scaling", "recipe.encoding", "recipe.imputation"} <= figures["architecture"].keys()
    assert figures["onnx_difference"] < 1e-4
    told = [run(["predict", "out", "some.csv", "--runtime", name], capsys) for name in ("torch", "onnxruntime")]
    answers = [[line.split(",")[1] for line in each.splitlines()[1:]] for each in told]
    with Path("some.csv").open(encoding="utf-8") as opened:
        right = [row["target"] for row in csv.DictReader(opened)]
    assert len(answers[0]) == len(right) == 240
    if regression:
        numbers = [np.array(each, float) for each in (*answers, right)]
        np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-3)
        assert np.corrcoef(numbers[0], numbers[2])[0, 1] > 0.7
    else:
        assert answers[0] == answers[1]
        assert np.mean([one == other for one, other in zip(answers[0], right, strict=True)]) > 0.75
    assert "finished" in run(["show", "out"], capsys)
    assert "largest difference from torch" in run(["export", "out", "--to", "again.onnx"], capsys)
    # A hole is no number, and none may get into what readers of strict JSON must read.
    for file in ("out/model/model.json", "out/result.json"):
        json.loads(Path(file).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    card = Path("out/model/README.md").read_text(encoding="utf-8")
    assert "| word | 0 = (empty), 1 = high, 2 = low, 3 = middle |" in card
    assert "| second | numbers, some missing |" in card


def test_what_a_csv_lacks_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(Path("some.csv"), False)
    for words, said in (
        (["some.csv"], "is to be predicted? say --label with one of first, word, second, id, target"),
        (["some.csv", "--label", "tarket"], "has no column 'tarket'; did you mean 'target'?"),
        (["some.csv", "--label", "target"], "column 'id' holds text such as 'row 0'"),
        (["none.csv", "--label", "target"], "there is no file none.csv"),
    ):
        assert main(["search", *words, *QUICK]) == 2
        out, err = capsys.readouterr()
        assert said in err and err.count("\n") == 1 and not out
    assert [path.name for path in tmp_path.iterdir()] == ["some.csv"]


def test_words_for_files_are_refused_for_arrays(tmp_path: Path) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    with pytest.raises(TaskError, match="--label says nothing about data in memory"):
        azora.search((x, y), trials=1, out=tmp_path / "out", reading={"label": "y"})


def test_arrays_say_whether_they_are_mirrored() -> None:
    x, y = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2
    assert find_task((x, y), 0).signature.flips
    task = find_task((x, y, x, y), 0, Reading(flips=False))
    assert not task.signature.flips and task.about()["reading"] == {"flips": False}
    with pytest.raises(TaskError, match="--no-flips says nothing about a Task, which is read already"):
        find_task(task, 0, Reading(flips=False))


@pytest.mark.parametrize(("words", "said"), [([], None), (["--flips"], True), (["--no-flips"], False)])
def test_the_command_line_says_whether_pictures_are_mirrored(
    words: list[str], said: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = list[Job]()

    def hear(job: Job, *rest: object, **more: object) -> Any:
        heard.append(job)
        return Result(job.out, {"deployed": {"holds": True}}) if more else 0

    monkeypatch.setattr("azora.cli.searching._run", hear)
    monkeypatch.setattr("azora.automl.discover.discover", hear)
    assert main(["search", "pets", *words, "--no-memory"]) == 0
    assert main(["discover", "pets", *words, "--no-memory", "--json"]) == 0
    assert [job.reading["flips"] for job in heard] == [said, said]


def test_a_search_does_not_go_on_with_pictures_that_are_mirrored_where_they_were_not(
    stripes: Task, tmp_path: Path, brief: None
) -> None:
    rows = stripes.everything()
    words: dict[str, Any] = {"trials": 1, "workers": 1, "out": tmp_path / "out"}
    azora.search((rows.x[:, 0], rows.y), **words, reading={"flips": False})
    with pytest.raises(StudyError, match="holds a study with flips False, not flips None"):
        azora.search((rows.x[:, 0], rows.y), **words, resume=True)


def test_whole_numbers_in_arrays_are_predicted_where_that_is_said() -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4
    assert find_task((x, y), 0).signature.kind == "classification"
    task = find_task((x, y, x[:4], y[:4]), 0, Reading.of({"kind": "regression"}))
    assert (task.signature.kind, task.reading) == ("regression", {"kind": "regression"})
    with pytest.raises(TaskError, match="--kind says nothing about a Task, which is read already"):
        find_task(task, 0, Reading(kind="regression"))


def test_a_column_without_a_name_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Job] = []
    monkeypatch.setattr("azora.cli.searching._run", lambda job, *_: heard.append(job) or 0)
    assert main(["search", "some.csv", "--label", "y", "--ignore", "", *QUICK]) == 0
    assert Reading.of(heard[0].reading).ignore == ("",)


def test_a_folder_of_pictures_goes_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(120):
        pixels = rng.integers(0, 120, (9, 9)).astype(np.uint8)
        pixels[::2, :] += 100 * (number % 2)
        pixels[:, ::2] += 100 * (1 - number % 2)
        file = Path("stripes") / ("across" if number % 2 else "down") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels // 2).save(file)  # dark: nothing above 109
    Path("stripes/down/torn.png").write_bytes(b"torn")
    words = ["search", "stripes", "--trials", "3", "--out", "out", "--limit", "macs=500k", *QUICK]
    assert main(words) == 2
    assert "torn.png cannot be read as a picture" in capsys.readouterr().err
    figures: dict[str, Any] = json.loads(run([*words, "--skip-bad"], capsys))
    assert figures["test_accuracy"] > 0.8
    assert figures["notes"] == ["1 file that cannot be read as pictures left out: stripes/down/torn.png"]
    told = run(["predict", "out", "stripes/down/0.png", "stripes/across/1.png"], capsys)
    assert [line.split(",")[1] for line in told.splitlines()[1:]] == ["down", "across"]
    model = Model.load(Path("out"))
    with Image.open("stripes/down/0.png") as picture:
        assert np.array_equal(model.read(Path("stripes/down/0.png"))[1][0, 0], np.asarray(picture))
