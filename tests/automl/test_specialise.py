"""Networks for several limits out of one training, by the command line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import devices
from azora.automl import specialise
from azora.automl.shipping import ship
from azora.cli.main import main
from azora.errors import ConfigError, StudyError, TargetError
from azora.hardware import Measured, Measurement, Predictor, Target, TargetFile
from azora.hardware.choosing import draw_distinct
from azora.hardware.onnx_target import OnnxRuntime
from azora.model import Model
from azora.networks.complexity import cost, parameters
from azora.networks.registry import make_space
from azora.space import Product
from azora.study import SqlJournal
from azora.tasks import Reading, load_task
from azora.training import Training, TrainingDiverged
from azora.trial import Limit
from shortcuts import refuse

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
    with contextlib.redirect_stdout(io.StringIO()), pytest.MonkeyPatch.context() as patch:
        patch.setattr("azora.automl.delivery.export_onnx", refuse)
        assert main(["search", str(folder / "stripes.npz"), *words, "--out", str(folder / "ofa")]) == 0
    return folder


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specialise, "PREDICTED", 60)
        patch.setattr(specialise, "POPULATION", 20)
        yield


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written has no ONNX file, which takes longer than all else."""
    monkeypatch.setattr(specialise, "export_onnx", refuse)


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


def test_a_later_limit_that_cannot_be_met_leaves_nothing_of_the_others(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = specialise.Specialiser.specialise

    def takes(self: specialise.Specialiser, limits: list[Limit]) -> specialise.Specialised:
        if limits[0].most < 60_000:
            raise TargetError("no network that was judged holds it where it runs")
        return taken(self, limits)

    monkeypatch.setattr(specialise.Specialiser, "specialise", takes)
    words = ["--limit", "macs=70k", "--limit", "macs=50k", "--to", str(tmp_path / "to")]
    assert main(["specialise", str(home / "ofa"), *words]) == 2
    assert not capsys.readouterr().out and not (tmp_path / "to").exists()


def test_tuned_it_has_learned_on(
    without_onnx: None, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_the_task_is_read_as_it_was_for_the_search(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for place, name in enumerate(("cat", "dog")):
        (tmp_path / "album" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (16, 16)).astype(np.uint8) // (1 + place)
            Image.fromarray(pixels).save(tmp_path / "album" / name / f"{number}.png")
    out = copy(home, tmp_path)
    about = json.loads((out / "model" / "model.json").read_text(encoding="utf-8"))
    about["task"]["reading"] = {"size": 8}
    (out / "model" / "model.json").write_text(json.dumps(about), encoding="utf-8")
    specialiser = specialise.Specialiser(out)
    specialiser.about["data"] = load_task(tmp_path / "album", reading=Reading(size=8)).digest
    assert specialiser.find(str(tmp_path / "album")).signature.shape == (1, 8, 8)
    shutil.rmtree(out / "model")
    with pytest.raises(StudyError, match="is a study of other data than album"):
        specialiser.find(str(tmp_path / "album"))


def test_how_its_networks_were_measured_is_told(
    without_onnx: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    measure = devices.Counted.measure

    def varied(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        found = measure(self, deployable, seconds)
        return replace(found, latency=replace(found.latency, repeated=True))

    monkeypatch.setattr(devices.Counted, "measure", varied)
    specialiser = specialise.Specialiser(home / "ofa", "devices:Counted")
    figures = specialiser.write(specialiser.specialise([Limit("latency", 10.0)]), tmp_path / "made")
    assert "networks varied too much in their first runs" in figures["notes"][0]


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
    without_onnx: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    specialiser, limits = specialise.Specialiser(home / "ofa", "devices:Counted"), [Limit("latency", 10.0)]
    first, measure, refused = specialiser.specialise(limits), devices.Counted.measure, list[int]()
    assert first.measured is not None and first.figures()["notes"] == []

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
    assert away.figures()["notes"][0].startswith(told)
    specialiser.write(away, tmp_path / "away")
    assert told in (tmp_path / "away" / "README.md").read_text(encoding="utf-8")


def test_a_limit_of_size_is_refused_where_the_target_has_no_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    specialiser = specialise.Specialiser(home / "ofa", "devices:Fileless")
    with pytest.raises(ConfigError, match="limit size ≤ 1,000: devices:Fileless has no files whose size could be"):
        specialiser.within([Limit("size", 1000.0)])


def test_a_table_of_latencies_is_asked_for_the_network_without_its_recipe(home: Path, tmp_path: Path) -> None:
    specialiser, table = specialise.Specialiser(home / "ofa"), tmp_path / "table.csv"
    networks = specialiser.space.root
    assert isinstance(networks, Product)
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["architecture", "phone"])
        for each in networks.parts["network"]:
            rows.writerow([json.dumps(dict(each)), each["width_1"]])
    specialiser = specialise.Specialiser(home / "ofa", f"table:{table}:phone")
    made = specialiser.specialise([Limit("latency", 9.0)])
    assert made.architecture["network.width_1"] == 8
    assert made.measured is not None and made.measured.latency.median == 8.0


def test_what_a_search_has_left_is_enough_though_its_last_training_was_killed(
    without_onnx: None, home: Path, tmp_path: Path
) -> None:
    out = copy(home, tmp_path)
    shutil.rmtree(out / "model")
    specialiser = specialise.Specialiser(out)
    specialiser.write(specialiser.specialise([Limit("macs", 70_000.0)]), tmp_path / "made")
    about = json.loads((tmp_path / "made" / "model.json").read_text(encoding="utf-8"))
    assert about["task"]["name"] == "stripes" and about["values"] == list(specialiser.data.train.values)


def test_where_it_will_run_is_kept_and_told_with_what_is_not_as_it_was_measured(home: Path, tmp_path: Path) -> None:
    bare = specialise.Specialiser(home / "ofa")
    file = elsewhere(bare, OnnxRuntime(), tmp_path / "fp32.target.json")
    small = specialise.Specialiser(home / "ofa", str(file))
    written = small.write(small.specialise([Limit("size", 1000.0)]), tmp_path / "small")
    assert written["target"] == {"spec": "onnxruntime:threads=1,precision=fp32", "device": {"processor": "another"}}
    assert written["onnx_bytes"] == (tmp_path / "small" / "model.onnx").stat().st_size > 1000
    assert "beyond the limit size ≤ 1,000" in written["beyond_size"] == written["notes"][-1]
    shipped = ship(tmp_path / "small", "onnx", tmp_path / "small.onnx")
    assert "beyond the limit size ≤ 1,000" in shipped.figures["beyond_size"]

    eight = specialise.Specialiser(home / "ofa", str(elsewhere(bare, OnnxRuntime(precision="int8"), file)))
    written = eight.write(eight.specialise([Limit("latency", 10.0)]), tmp_path / "eight")
    assert "model.onnx and the validation figures are of the network in float32" in written["notes"][-1]
    assert f"azora export {tmp_path / 'eight'} --format onnx-int8" in written["notes"][-1]
    assert written["notes"][-1] in (tmp_path / "eight" / "README.md").read_text(encoding="utf-8")


def elsewhere(specialiser: specialise.Specialiser, target: Target, file: Path) -> Path:
    """A predictor of another device of this kind, where all files are small and all networks quick."""
    about, signature = specialiser.about["space"], specialiser.data.signature
    networks = make_space(about["name"], signature, **about["settings"])
    rows = [(each, Measured(Measurement(1.0), 500)) for each in draw_distinct(networks, 12, random.Random(0))]
    made = TargetFile.of(target, about, Predictor(networks, rows, "layers"))
    return replace(made, fingerprint={"processor": "another"}).save(file)
