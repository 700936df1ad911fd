"""Networks for several limits out of one training, by the command line."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import devices
from azora.automl import specialise
from azora.cli.main import main
from azora.errors import TargetError
from azora.model import Model
from azora.networks.complexity import cost, parameters
from azora.study import SqlJournal
from azora.training import Training, TrainingDiverged
from azora.trial import Limit

SETTINGS = [
    "space.widths=[[4,8],[8,12]]", "space.depths=[1,2]", "space.kernels=[3,5]", "space.expansions=[1,2]",
    "judged=12", "size=2", "population=4", "epochs=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task in `stripes.npz`, another in `other.npz`, and in `ofa` a search that keeps its weights."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    x = x.astype(np.uint8)
    np.savez(folder / "stripes.npz", x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])
    np.savez(folder / "other.npz", x_train=x[:110], y_train=y[:110], x_test=x[120:], y_test=y[120:])
    words = ["--strategy", "ofa", "--trials", "2", "--workers", "1", "--precision", "float32", "--quiet"]
    words += [word for text in SETTINGS for word in ("--set", text)]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["search", str(folder / "stripes.npz"), *words, "--out", str(folder / "ofa")]) == 0
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specialise, "PREDICTED", 60)
    monkeypatch.setattr(specialise, "POPULATION", 20)


@pytest.fixture(scope="module")
def made(home: Path) -> list[dict[str, Any]]:
    """Two networks, the second within less."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["specialise", str(home / "ofa"), "--limit", "macs=70k", "--limit", "macs=50k,params=2k", "--json"])
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out.getvalue())["networks"]
    return found


def copy(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home / "ofa", tmp_path / "ofa", ignore=shutil.ignore_patterns("specialised"))
    return tmp_path / "ofa"


def test_what_a_search_keeps_for_it(home: Path) -> None:
    assert sorted(path.name for path in (home / "ofa" / "one_shot").iterdir()) == [
        "rows", "shared.json", "shared.safetensors", "study.db",
    ]  # fmt: skip


def test_each_limit_is_met_and_the_figures_tell_it(made: list[dict[str, Any]]) -> None:
    wide, narrow = made
    assert wide["limits"] == {"macs": 70_000} and narrow["limits"] == {"macs": 50_000, "params": 2_000}
    assert wide["macs"] <= 70_000 and narrow["macs"] <= 50_000 and narrow["parameters"] <= 2_000
    assert all(0.3 <= each["validation_accuracy"] <= 1 and each["tuned_epochs"] == 0 for each in made)
    assert all(each["onnx_difference"] < 1e-5 and each["task"] == "stripes" for each in made)


def test_the_folder_is_a_model_that_gives_the_figure(home: Path, made: list[dict[str, Any]]) -> None:
    data = specialise.Specialiser(home / "ofa").data.validation
    for each in made:
        folder = Path(each["out"])
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md", "model.json", "model.onnx", "weights.safetensors",
        ]  # fmt: skip
        right = np.mean(Model.load(folder).predict(data.x).astype(int) == data.y)
        assert right == pytest.approx(each["validation_accuracy"])
        assert "the test rows were not read" in (folder / "README.md").read_text()
        assert json.loads((folder / "model.json").read_text())["figures"]["seed"] == 0  # by which its rows are split


def test_predict_takes_it(home: Path, made: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", made[1]["out"], str(home / "stripes.npz")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 41


def test_a_limit_that_nobody_meets_is_told_before_anything_is_written(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["specialise", str(home / "ofa"), "--limit", "macs=60k", "--limit", "macs=5", "--to", str(tmp_path / "to")]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert "no network within macs ≤ 5 was found" in err and "the smallest found has macs" in err
    assert err.count("\n") == 1 and not out and not (tmp_path / "to").exists()


def test_tuned_it_has_learned_on(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--limit", "macs=70k", "--tune", "1s", "--task", str(home / "stripes.npz"), "--to", str(tmp_path)]
    assert main(["specialise", str(home / "ofa"), *words, "--json"]) == 0
    [figures] = json.loads(capsys.readouterr().out)["networks"]
    assert figures["tuned_epochs"] >= 1 and figures["seconds"] > 1
    assert "fine-tuned for" in (tmp_path / "macs-70k" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tune", "1s"], "--tune and --task go together"),
        (["--task", "stripes.npz"], "--tune and --task go together"),
        (["--tune", "1s", "--task", "other.npz"], "is a study of other data than other"),
    ],
)
def test_tuning_needs_the_task_of_the_search(
    home: Path, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(home)
    monkeypatch.setattr(specialise.Specialiser, "specialise", lambda *_: pytest.fail("before it was told"))
    assert main(["specialise", "ofa", "--limit", "macs=70k", *words, "--to", str(tmp_path / "to")]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not (tmp_path / "to").exists()


def test_a_tuning_that_diverges_is_told_in_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(self: Training, **_: float) -> None:
        raise TrainingDiverged("loss became nan at step 3")

    monkeypatch.setattr(Training, "finish", diverges)
    words = ["--limit", "macs=70k", "--tune", "1s", "--task", str(home / "stripes.npz"), "--to", str(tmp_path / "to")]
    assert main(["specialise", str(home / "ofa"), *words]) == 2
    err = capsys.readouterr().err
    assert "cannot be tuned: loss became nan at step 3; leave --tune out" in err and err.count("\n") == 1


def test_without_weights_it_says_what_leaves_some(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy(home, tmp_path) / "one_shot" / "shared.safetensors").unlink()
    assert main(["specialise", str(tmp_path / "ofa"), "--limit", "macs=70k"]) == 2
    assert "keeps no shared weights; `azora search … --strategy ofa` leaves some" in capsys.readouterr().err
    assert main(["specialise", str(tmp_path), "--limit", "macs=70k"]) == 2
    assert "holds no study" in capsys.readouterr().err


def test_too_few_judged_networks_predict_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = copy(home, tmp_path) / "one_shot" / "study.db"
    journal = SqlJournal(database)
    events = list(journal.read())
    journal.close()
    database.unlink()
    journal, judged = SqlJournal(database), 0
    for event in events:
        judged += event["kind"] == "told"
        if judged <= 7:
            journal.append(event)
    journal.close()
    assert main(["specialise", str(tmp_path / "ofa"), "--limit", "macs=70k"]) == 2
    assert "has judged 7 networks by shared weights, too few to predict others" in capsys.readouterr().err


def test_a_limit_that_random_networks_miss_is_met_by_what_is_near_the_smallest(home: Path) -> None:
    specialiser = specialise.Specialiser(home / "ofa")
    least = cost(specialiser.space, specialiser.smallest)["macs"]
    made = specialiser.specialise([Limit("macs", 1.2 * least)])
    assert made.cost["macs"] <= 1.2 * least


def test_what_cannot_be_measured_gives_place_and_what_was_not_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    specialiser, limits = specialise.Specialiser(home / "ofa", "devices:Counted"), [Limit("latency", 10.0)]
    first, measure, refused = specialiser.specialise(limits), devices.Counted.measure, list[int]()
    assert first.measured is not None and "note" not in first.figures()

    def measures(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Any:
        if parameters(deployable.network) in refused:
            raise TargetError("it has no operator for that")
        return measure(self, deployable, seconds)

    monkeypatch.setattr(devices.Counted, "measure", measures)
    refused.append(first.cost["params"])
    assert specialiser.specialise(limits).cost["params"] != first.cost["params"]
    refused.extend(range(100_000))
    with pytest.raises(TargetError, match="it has no operator for that"):
        specialiser.specialise(limits)
    monkeypatch.setattr(devices.Counted, "fingerprint", lambda self: {"device": "another"})
    away = specialiser.specialise(limits)
    assert away.measured is None
    told = "not measured: devices:Counted was measured on another device, where latency "
    assert away.figures()["note"].startswith(told)
    specialiser.write(away, tmp_path / "away")
    assert told in (tmp_path / "away" / "README.md").read_text(encoding="utf-8")
