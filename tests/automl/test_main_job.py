"""The main job, as a user runs it: one search by the command line, and everything that it leaves."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.automl.reading import read_out
from azora.automl.result import Result
from azora.cli.main import main
from azora.model import Model
from azora.strategies import Strategy
from azora.tasks import Task
from azora.trial import Proposal

WORDS = ["--trials", "10", "--workers", "2", "--seed", "3", "--limit", "params=60k", "--set", "rungs=2"]
WANTED = {
    "test_accuracy", "validation_accuracy", "judged", "failed", "seconds", "parameters", "macs", "key",
    "architecture", "strategy", "space", "seed", "out",
}  # fmt: skip


def azora(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azora", *words], cwd=cwd, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task in `stripes.npz`."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    np.savez(
        folder / "stripes.npz",
        x_train=x[:120].astype(np.uint8),
        y_train=y[:120],
        x_test=x[120:].astype(np.uint8),
        y_test=y[120:],
        classes=np.array(["across", "down"]),
    )
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> subprocess.CompletedProcess[str]:
    return azora("search", "stripes.npz", *WORDS, "--out", "out", "--json", cwd=home)


@pytest.fixture(scope="module")
def figures(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_prints_one_json_object_and_progress_elsewhere(
    done: subprocess.CompletedProcess[str], figures: dict[str, Any]
) -> None:
    assert done.stdout.count("\n") == 1
    assert figures.keys() >= WANTED
    assert figures["test_accuracy"] > 0.8
    assert 5 <= figures["judged"] <= 10
    assert figures["parameters"] <= 60_000
    assert "networks judged" in done.stderr


def test_leaves_what_it_promises_and_nothing_else(home: Path, figures: dict[str, Any]) -> None:
    assert sorted(path.name for path in (home / "out").iterdir()) == [
        "model", "report.html", "result.json", "study.db", "study.lock", "workers.log",
    ]  # fmt: skip
    model = sorted(path.name for path in (home / "out" / "model").iterdir())
    assert model == ["README.md", "model.json", "model.onnx", "weights.safetensors"]
    assert json.loads((home / "out" / "result.json").read_text()) == figures


def test_the_test_figure_is_that_of_the_model_that_ships(home: Path, figures: dict[str, Any]) -> None:
    with np.load(home / "stripes.npz") as data:
        answers = Model.load(home / "out").predict(data["x_test"])
        right = np.array(["across", "down"])[data["y_test"]]
    assert (answers == right).mean() == pytest.approx(figures["test_accuracy"])


@pytest.fixture
def said(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints that is given in `home`, in this process."""
    monkeypatch.chdir(home)

    def say(*words: str) -> str:
        code = main([*words])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    return say


def test_torch_and_onnxruntime_agree_from_the_command_line(figures: dict[str, Any], said: Callable[..., str]) -> None:
    told = [
        said("predict", "out", "stripes.npz", "--proba", "--runtime", name).splitlines()
        for name in ("torch", "onnxruntime")
    ]
    rows = [np.array([line.split(",")[1:] for line in each[1:]], float) for each in told]
    assert told[0][0] == "input,across,down"
    assert rows[0].shape == (40, 2)
    assert np.abs(rows[0] - rows[1]).max() < 1e-5
    assert figures["onnx_difference"] < 1e-5


def test_pictures_are_predicted_at_any_size_and_mode(home: Path, figures: dict[str, Any]) -> None:
    from PIL import Image

    with np.load(home / "stripes.npz") as data:
        picture = Image.fromarray(data["x_test"][0])
        answer = ["across", "down"][data["y_test"][0]]
    picture.resize((16, 16), Image.Resampling.NEAREST).convert("RGB").save(home / "large.png")
    told = azora("predict", "out", "large.png", cwd=home)
    assert told.stdout.splitlines() == ["input,prediction", f"large.png,{answer}"]


def test_the_report_opens_without_a_network_and_tells_what_happened(home: Path, figures: dict[str, Any]) -> None:
    text = (home / "out" / "report.html").read_text()
    page = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:)[^#"]', page)
    assert figures["key"] in page
    assert page.count("<tr") >= figures["trials"]
    assert f"{figures['test_accuracy']:.4f}" in page
    assert len(text) < 6_000_000


def test_the_card_says_what_the_reader_must_know(home: Path, figures: dict[str, Any]) -> None:
    card = (home / "out" / "model" / "README.md").read_text()
    for said in (
        figures["key"],
        f"{figures['test_accuracy']:.4f}",
        "95 % interval",
        "SHA-256",
        "Limits of use",
        "across, down",
    ):
        assert said in card


def test_show_and_export(figures: dict[str, Any], said: Callable[..., str]) -> None:
    shown = json.loads(said("show", "out", "--json"))
    assert (shown["state"], shown["trials"]) == ("finished", figures["trials"])
    assert figures["key"] in said("show", "out")
    assert "largest difference from torch" in said("export", "out", "--to", "again.onnx")


def test_results_are_read_back(home: Path, figures: dict[str, Any]) -> None:
    result = Result.read(home / "out")
    assert result.test_accuracy == figures["test_accuracy"]
    assert figures["key"] in result._repr_html_()
    assert str(figures["judged"]) in result.summary()
    with pytest.raises(AttributeError, match="a result has no 'nothing'"):
        _ = result.nothing
    assert read_out(home / "out").result == result


@pytest.mark.slow
def test_a_finished_study_is_refused_unless_resumed_and_then_goes_on(home: Path, figures: dict[str, Any]) -> None:
    again = azora("search", "stripes.npz", *WORDS, "--out", "out", cwd=home)
    assert again.returncode == 2
    held = "out holds a study (task stripes, strategy halving, seed 3)"
    assert again.stderr == f"azora: {held}; go on with --resume or choose another --out\n"
    other = azora("search", "stripes.npz", *WORDS, "--seed", "4", "--out", "out", "--resume", cwd=home)
    assert other.returncode == 2
    assert "seed 3" in other.stderr


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network_twice(home: Path) -> None:
    words = ["--trials", "5", "--workers", "1", "--seed", "1", "--precision", "float32", "--json", "--quiet"]
    words += ["--limit", "macs=300k"]
    told = [azora("search", "stripes.npz", *words, "--out", f"same{turn}", cwd=home) for turn in range(2)]
    first, second = (json.loads(each.stdout) for each in told)
    differ = {name for name in first if first[name] != second[name]}
    assert differ <= {
        "seconds", "search_seconds", "final_seconds", "out", "when", "latency_ms_torch", "latency_ms_onnxruntime",
    }  # fmt: skip
    assert first["key"] == second["key"]
    weights = [(home / f"same{turn}" / "model" / "weights.safetensors").read_bytes() for turn in range(2)]
    assert weights[0] == weights[1]


def test_rows_and_real_numbers_from_python(slopes: Task, tmp_path: Path) -> None:
    import azora as library

    result = library.search(slopes, trials=3, workers=1, out=tmp_path / "out")
    assert result.space == "mlp × recipe"
    assert result.test_r2 > 0.3
    assert result.predict(slopes.train.x[:4]).shape == (4,)


def test_rows_are_searched_with_residual_networks_too(slopes: Task, tmp_path: Path) -> None:
    import azora as library

    result = library.search(slopes, space="residual", trials=2, workers=1, out=tmp_path / "out")
    assert result.space == "residual × recipe" and result.onnx_difference < 1e-4
    assert {"width", "expansion"} <= {name.removeprefix("network.") for name in result.architecture}
    assert result.predict(slopes.train.x[:4]).shape == (4,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "there is no task, file or folder 'nosuch'"),
        (["nosuch.npz"], "there is no file nosuch.npz"),
        (["digits", "--strategy", "evolutoin"], "there is no strategy 'evolutoin'; did you mean 'evolution'?"),
        (["digits", "--space", "cels"], "there is no space 'cels'; did you mean 'cells'?"),
        (["digits", "--evaluator", "traind"], "there is no evaluator 'traind'; did you mean 'trained'?"),
        (["digits", "--space", "mlpp:Mine"], "importing mlpp failed"),
        (["digits", "--set", "populatoin=3"], "has no setting 'populatoin'; did you mean 'population'?"),
        (["digits", "--set", "space.nodez=3"], "has no setting 'nodez'; did you mean 'nodes'?"),
        (["digits", "--set", "population"], "not of the form name=value"),
        (["digits", "--budget", "abc"], "budget 'abc' is not a duration such as 60s, 10m or 2h"),
        (["digits", "--budget", "0s"], "budget '0s' must be above zero"),
        (["digits", "--budget", "-5m"], "budget '-5m' is not a duration"),
        (["digits", "--trials", "0"], "trials=0 must be at least 1"),
        (["digits", "--workers", "0"], "workers=0 must be at least 1"),
        (["digits", "--limit", "parms=3"], "did you mean 'params'?"),
        (["digits", "--limit", "params=lots"], "is not an amount of params such as 200k"),
        (["digits", "--objective", "acuracy"], "did you mean 'accuracy'?"),
        (["digits", "--objective", "rmse"], "objective 'rmse' is none of classification"),
        (["digits", "--device", "tpu"], "device 'tpu' is not known"),
        (["digits", "--precision", "fp16"], "precision 'fp16' is not known"),
        (["digits", "--worker-memory", "much"], "memory 'much' is not an amount"),
        (["digits", "--trial-timeout", "soon"], "time limit 'soon' is not a duration"),
        (["digits", "--nonsense"], "No such option: --nonsense"),
        (["digits", "--budget", "60s", "--limit", "params=10"], "no network within params ≤ 10 was found"),
        (
            ["digits", "--budget", "2s"],
            "a budget of 2s is too short for one training of digits here; the least is about",
        ),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_nothing_written(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(["search", *words, "--quiet"])
    out, err = capsys.readouterr()
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not out
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["search", "digits", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_limits_name_the_smallest_that_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["search", "digits", "--limit", "macs=5", "--out", str(tmp_path / "out"), "--quiet"])
    assert re.search(r"the smallest found has macs [\d,]+", capsys.readouterr().err)


class Silent(Strategy):
    def propose(self, rng: random.Random) -> Proposal | None:
        return None


def test_a_strategy_that_proposes_nothing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "digits", "--trials", "2", "--workers", "1", "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--strategy", f"{__name__}:Silent", "--no-memory"]) == 2
    assert f"no network was judged: the strategy '{__name__}:Silent' proposed none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_when_every_network_fails_the_first_reason_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    words = ["--trials", "3", "--evaluator", "evaluators:raises", "--out", "fails", "--workers", "1"]
    assert main(["search", "stripes.npz", *words]) == 2
    told = capsys.readouterr().err
    assert "all 3 networks that were tried failed; the first: ValueError: no such luck" in told
