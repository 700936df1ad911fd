"""Searches for networks that hold their limits on a device."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import azora
import azora.automl.last_training
import devices
from azora.automl.forms import form_of
from azora.automl.nearest import Nearest
from azora.automl.pricing import FILE, Pricing, beyond, holding
from azora.automl.reading import read_events
from azora.automl.result import Result
from azora.automl.reward import Reward
from azora.automl.setting import Setting
from azora.cli.main import main
from azora.errors import AzoraError, ConfigError, SpaceError, StudyError, TargetError, UnsteadyError
from azora.executors.workplace import joint_space
from azora.hardware import Deployable, Measured, Measurement, Predictor, Target, TargetFile, find_target
from azora.hardware.choosing import draw_distinct
from azora.job import Job
from azora.networks.complexity import cost, parameters
from azora.networks.decide import As
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.space import Architecture
from azora.study import StudyFolder
from azora.tasks import Task
from azora.trial import Limit, Proposal, Report, Trial

WIDTHS = {"depths": [1], "widths": [4, 8, 16, 32, 64], "dropouts": [0.0]}
WORDS: Mapping[str, Any] = {
    "trials": 10, "workers": 1, "space": "mlp", "space_settings": WIDTHS, "recipe": False, "strategy": "random",
    "evaluator": "devices:larger_is_better", "precision": "float32", "target": "devices:Counted",
}  # fmt: skip
# A network of width w has some 69 parameters for each unit, so on `devices.Counted` 16 takes 1.2 ms and 32 2.3 ms.
LIMIT = "latency=2ms"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(devices.Fickle, "seen", set())


def search(task: Task, out: Path, **words: Any) -> Result:
    return azora.search(task, out=out, **{**WORDS, **words})


def false_file(task: Task, file: Path, target: Target, factor: float = 0.01) -> Path:
    """A predictor for `target` that takes every network for a hundred times as quick as `devices.Counted` is."""
    about = {"name": "mlp", "settings": WIDTHS}
    space = make_space("mlp", task.signature, **WIDTHS)
    rows = []
    for architecture in draw_distinct(space, 12, random.Random(0)):
        count = cost(space, architecture)["params"]
        rows.append((architecture, Measured(Measurement(factor * (0.1 + count / 1000)), 500 + 4 * count)))
    return TargetFile.of(target, about, Predictor(space, rows, "layers")).save(file)


def widths(out: Path) -> list[int]:
    """Of the networks that were judged."""
    asked = [event for event in read_events(out) if event["kind"] == "asked"]
    return [event["proposal"]["architecture"]["decisions"]["width_0"] for event in asked]


def test_the_winner_holds_its_limit_and_the_search_goes_on_with_its_predictor(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    result = search(stripes, out, limits=[LIMIT, "size=5kB", "memory=8kB"])
    measured = 0.1 + result.parameters / 1000
    assert measured <= 2.0
    target = result.target
    assert (target["spec"], target["device"]) == ("devices:Counted", {"device": "counted"})
    assert target["latency_ms"] == pytest.approx(measured, abs=1e-3)
    assert target["predicted_latency_ms"] == pytest.approx(measured, rel=0.05)
    assert target["bytes"] == 500 + 4 * result.parameters <= 5000
    assert result.limits == {"latency": 2.0, "size": 5000.0, "memory": 8000.0}
    assert set(widths(out)) <= {4, 8, 16}, "what is beyond is not even trained"
    assert "ms on devices:Counted" in result.summary()
    assert "On the target" in (out / "report.html").read_text(encoding="utf-8")

    def again(*words: Any, **more: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("azora.automl.pricing.build_predictor", again)
    resumed = Setting.of(Job.parse(task=stripes, out=out, limits=[LIMIT], resume=True, **WORDS))
    kept = TargetFile.load(out / FILE)
    assert resumed.pricing is not None
    assert resumed.pricing.predictor.rows == kept.predictor.rows
    assert len(kept.predictor.rows) == 30
    with pytest.raises(StudyError, match="out holds a study"):
        search(stripes, out, limits=[LIMIT], resume=True, seed=4)


def test_a_best_that_does_not_hold_where_it_runs_gives_place_to_the_next(
    brief: None, stripes: Task, tmp_path: Path
) -> None:
    file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
    out = tmp_path / "out"
    result = search(stripes, out, target=str(file), limits=[LIMIT])
    assert 0.1 + result.parameters / 1000 <= 2.0
    assert max(widths(out)) > 16
    assert result.architecture["width_0"] == max(width for width in widths(out) if width <= 16)
    assert result.target["predicted_latency_ms"] < 0.1 < result.target["latency_ms"]


def test_where_nothing_holds_the_least_is_named(brief: None, stripes: Task, tmp_path: Path) -> None:
    file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
    with pytest.raises(TargetError) as told:
        search(stripes, tmp_path / "out", target=str(file), limits=["latency=300us", "size=1MB"], trials=4)
    least = 0.1 + 69 * min(widths(tmp_path / "out")) / 1000
    assert "no network that was judged holds latency ≤ 0.3 ms and size ≤ 1,000,000 on devices:Counted;" in str(
        told.value
    )
    named = float(str(told.value).partition("the nearest measured there has latency ")[2].split(" ms")[0])
    assert named == pytest.approx(least, rel=0.4)
    assert ", size " in str(told.value)


def test_what_is_beyond_only_when_it_is_trained_gives_place_too(brief: None, stripes: Task, tmp_path: Path) -> None:
    file = false_file(stripes, tmp_path / "f.target.json", devices.Fickle(many=800), factor=1.0)
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=5)
    assert result.architecture["width_0"] == 8
    assert 16 in widths(tmp_path / "out")


def test_when_all_are_beyond_once_they_are_trained_the_least_is_named(
    brief: None, stripes: Task, tmp_path: Path
) -> None:
    file = false_file(stripes, tmp_path / "f.target.json", devices.Fickle(), factor=1.0)
    with pytest.raises(TargetError) as told:
        search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=2)
    said = r"no network that was judged holds latency ≤ 2 ms on .*; the smallest measured there has latency [\d.]+ ms"
    assert re.fullmatch(said, str(told.value))


def test_where_no_network_is_predicted_to_hold_nothing_is_trained(brief: None, stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"no network within latency ≤ 0.2 ms was found in mlp; .* has latency 0\.\d+ ms"
    ):
        search(stripes, tmp_path / "out", limits=["latency=0.2ms"])
    assert not (tmp_path / "out").exists()


def test_latency_beside_accuracy_makes_a_front(brief: None, stripes: Task, tmp_path: Path) -> None:
    result = search(stripes, tmp_path / "out", strategy="pareto", objective=["accuracy", "latency:min"], trials=16)
    assert result.objectives == ["accuracy", "latency"]
    assert len(result.front) >= 2
    latencies = [each["latency"] for each in result.front]
    assert latencies == sorted(latencies, reverse=True), "the better is the slower"
    assert all(0.2 < each < 6 for each in latencies)
    assert "latency_ms" in result.target


@pytest.mark.parametrize("form", ["soft", "hard", "absolute"])
def test_a_reward_aims_at_a_limit_and_does_not_keep_it(form: str, brief: None, stripes: Task, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = search(stripes, out, reward=form, limits=["latency=1.2ms"], trials=14)
    assert max(widths(out)) == 64, "networks beyond the aim are judged too"
    told = [event["report"]["metrics"] for event in read_events(out) if event["kind"] == "told"]
    assert {"accuracy", "latency", "reward"} <= told[0].keys()
    reward = Reward(form, Limit("latency", 1.2))
    assert all(each["reward"] == pytest.approx(reward(each["accuracy"], each)) for each in told)
    best = max(told, key=lambda each: each["reward"])
    assert result.validation_reward == pytest.approx(best["reward"])
    assert result.target["predicted_latency_ms"] == pytest.approx(best["latency"], abs=1e-3)


@pytest.mark.parametrize(
    ("form", "quality", "latency", "wanted"),
    [
        ("soft", 0.8, 10.0, 0.8),
        ("soft", 0.8, 20.0, 0.762115),  # 0.8 · 2^-0.07
        ("soft", 0.8, 5.0, 0.839768),  # 0.8 · 2^0.07
        ("hard", 0.8, 10.0, 0.8),
        ("hard", 0.8, 5.0, 0.8),
        ("hard", 0.8, 20.0, 0.4),
        ("absolute", 0.8, 10.0, 0.8),
        ("absolute", 0.8, 20.0, 0.73),  # 0.8 − 0.07 · 1
        ("absolute", 0.8, 5.0, 0.765),  # 0.8 − 0.07 · 0.5
        ("soft", -0.8, 20.0, -0.839768),  # below zero cost makes it worse, too
        ("hard", -0.8, 20.0, -1.6),
    ],
)
def test_rewards_are_what_their_papers_say(form: str, quality: float, latency: float, wanted: float) -> None:
    reward = Reward(form, Limit.parse("latency=10ms"))
    assert reward(quality, {"latency": latency, "macs": 3.0}) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("form", ["soft", "hard", "absolute"])
def test_what_costs_nothing_is_rewarded_by_a_finite_number(form: str) -> None:
    """A runtime without a file has files of no bytes."""
    assert 0 < Reward(form, Limit("size", 1000.0))(0.8, {"size": 0.0}) < 10


def test_rewards_may_be_of_what_is_counted(stripes: Task, tmp_path: Path) -> None:
    job = Job.parse(task=stripes, out=tmp_path / "out", limits=["macs=1k"], reward="hard", trials=2, space="mlp")
    setting = Setting.of(job)
    proposal = Proposal(setting.space.sample(random.Random(0)))
    found = setting.complete(proposal, Report({"accuracy": 0.6})).metrics
    assert found["macs"] == cost(setting.space, proposal.architecture)["macs"] > 1000
    assert found["reward"] == pytest.approx(0.6 * 1000 / found["macs"])
    failed = Report(error="no memory")
    assert setting.complete(proposal, failed) == failed
    lacking = setting.complete(proposal, Report({"speed": 1.0}))
    assert lacking.error == "the evaluator gave no 'accuracy', which is rewarded; it gave speed"
    assert setting.within_limits() is setting.space


def trial(width: int, file: TargetFile) -> Trial:
    space = file.predictor.space
    of_width = space.constrain(None, "", width_0=width, skip=False)
    return Trial(0, Proposal(of_width.sample(random.Random(0))), Report({"accuracy": width / 100}), 0.0)


def test_the_first_that_holds_is_taken(stripes: Task, tmp_path: Path) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "f.target.json", devices.Counted()))
    pricing = Pricing(file.predictor.space, file)
    assert pricing.here
    ranked = [trial(width, file) for width in (64, 32, 16, 8)]
    limit = Limit("latency", 2.0)
    assert holding(pricing, Nearest([limit]), ranked, stripes.scaling) is ranked[2]
    with pytest.raises(TargetError, match=r"holds latency ≤ 0.5 ms on .*; the smallest measured there has latency 0.6"):
        holding(pricing, Nearest([Limit("latency", 0.5)]), ranked, stripes.scaling)
    with pytest.raises(TargetError, match=r"holds latency ≤ 2 ms .* once it is trained"):
        holding(pricing, Nearest([limit]), [], stripes.scaling)


def test_networks_of_one_key_are_measured_each(stripes: Task) -> None:
    """A node that is used twice computes what a copy of it does, and costs half of both."""
    about: dict[str, Any] = {"name": "nb201", "settings": {"width": 4, "depth": 1}}
    space = NB201(stripes.signature, **about["settings"])
    twice, shared = (
        space.from_string(f"|nor_conv_3x3~0|+|{second}|+|none~0|skip_connect~1|skip_connect~2|")
        for second in ("nor_conv_3x3~0|none~1", "none~0|skip_connect~1")
    )
    assert twice.key == shared.key
    rows = [(each, devices.Counted().measure(deployable)) for each, deployable in made(space, [twice, shared] * 4)]
    pricing = Pricing(space, TargetFile.of(devices.Counted(), about, Predictor(space, rows, "layers")))
    limit = Limit("latency", rows[1][1].latency.median)
    trials = [
        Trial(place, Proposal(each), Report({"accuracy": 0.5}), 0.0) for place, each in enumerate([twice, shared])
    ]
    assert holding(pricing, Nearest([limit]), trials, stripes.scaling) is trials[1]


def made(space: NB201, architectures: list[Architecture]) -> list[tuple[Architecture, Deployable]]:
    return [(each, Deployable.bare(space.build(As(each)).eval(), space.signature)) for each in architectures]


def test_what_cannot_be_measured_gives_place(stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "f.target.json", devices.Counted()))
    pricing = Pricing(file.predictor.space, file)
    ranked, measure, most = [trial(width, file) for width in (16, 8)], devices.Counted.measure, [1000]

    def measures(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        if parameters(deployable.network) > most[0]:
            raise TargetError("it has no operator for that")
        return measure(self, deployable)

    monkeypatch.setattr(devices.Counted, "measure", measures)
    assert holding(pricing, Nearest([Limit("latency", 2.0)]), ranked, stripes.scaling) is ranked[1]
    with pytest.raises(TargetError, match=r"0\.\d+ ms; others could not be measured: it has no operator for"):
        holding(pricing, Nearest([Limit("latency", 0.5)]), ranked, stripes.scaling)
    most[0] = 0
    with pytest.raises(TargetError, match="it has no operator for that"):
        holding(pricing, Nearest([Limit("latency", 2.0)]), ranked, stripes.scaling)


def test_limits_are_kept_to_a_tolerance() -> None:
    measured, limits = Measured(Measurement(2.05), 1000), [Limit("params", 1.0), Limit("latency", 2.0)]
    assert beyond(limits, measured) == limits[1]
    assert beyond(limits, measured, 0.05) is None
    assert beyond([Limit("size", 999.0)], measured) == Limit("size", 999.0)


def test_a_device_that_is_elsewhere_is_believed_by_its_predictor(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0))
    away = replace(file, fingerprint={"device": "in another town"}).save(tmp_path / "away.target.json")
    monkeypatch.setattr(devices.Counted, "measure", lambda *words: pytest.fail("nothing can be measured here"))
    result = search(stripes, tmp_path / "out", target=str(away), limits=[LIMIT], trials=4)
    assert "latency_ms" not in result.target
    assert result.target["predicted_latency_ms"] <= 2.0
    assert "predicted" in result.summary()


def test_a_predictor_that_was_built_before_is_found(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azora.automl.pricing import find_pricing
    from azora.hardware.files import default_file

    about = {"name": "mlp", "settings": WIDTHS}
    space = make_space("mlp", stripes.signature, **WIDTHS)
    place = default_file(devices.Counted(), space, about, stripes.signature)
    false_file(stripes, place, devices.Counted())
    found = find_pricing("devices:Counted", space, about, stripes.search_data)
    assert len(found.predictor.rows) == 12
    monkeypatch.setattr(devices.Counted, "versions", lambda self: {"counted": "2"})
    other = find_pricing("devices:Counted", space, about, stripes.search_data)
    assert len(other.predictor.rows) == 30, "what another version measured is not believed"
    assert set(found(space.sample(random.Random(0)))) == {"latency", "size"}
    assert find_target(other.file.spec).versions() == {"counted": "2"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"target": None, "limits": [LIMIT]}, "limit latency ≤ 2 ms is of a device: say which, such as --target"),
        ({"target": None, "limits": ["size=2kB"]}, "limit size ≤ 2,000 is of a device"),
        ({"target": None, "objective": ["accuracy", "latency:min"]}, "objective latency is of a device"),
        ({"target": None, "limits": [LIMIT], "reward": "soft"}, "is of a device"),
        ({"target": "onnxruntme"}, "did you mean 'onnxruntime'"),
        ({"target": "nosuch.target.json"}, "there is no predictor nosuch.target.json"),
        ({"target": "devices:Picky:every=0"}, "no memory for"),
        ({"limits": [LIMIT], "reward": "sofft"}, "there is no reward 'sofft'; did you mean 'soft'"),
        ({"reward": "soft"}, "--reward soft aims at one limit, and there are 0"),
        ({"limits": [LIMIT, "macs=3k"], "reward": "soft"}, "and there are 2"),
        (
            {"limits": [LIMIT], "reward": "soft", "objective": "loss:min"},
            "is made of accuracy or the like and one cost",
        ),
        ({"limits": [LIMIT], "reward": "hard", "strategy": "spos", "evaluator": "trained"}, "takes no reward"),
        ({"target": "FALSE", "space_settings": {**WIDTHS, "widths": [4]}}, r"is for the space mlp \("),
        ({"target": "FALSE", "space": "cells", "space_settings": {}}, "this search is in cells"),
    ],
)
def test_what_cannot_be_searched_for_is_said_before_anything_is_written(
    words: dict[str, Any], said: str, brief: None, stripes: Task, tmp_path: Path
) -> None:
    if words.get("target") == "FALSE":
        file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
        words = {**words, "target": str(file)}
    with pytest.raises(AzoraError, match=said) as told:
        search(stripes, tmp_path / "out", **words)
    assert isinstance(told.value, ConfigError | TargetError)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_ships_beyond_its_limit_is_told(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(network: Any, signature: Any, scaling: Any, file: Path, sample: Any) -> float:
        file.write_bytes(bytes(9000))
        return 0.0

    monkeypatch.setattr("azora.automl.delivery.export_onnx", write)
    monkeypatch.setattr("azora.automl.delivery.OnnxSession", lambda file: SimpleNamespace(run=lambda x: None))
    monkeypatch.setattr("azora.automl.delivery._layers", lambda out: [])
    monkeypatch.setattr("azora.automl.forms.form_of_spec", lambda spec: "onnx")
    result = search(stripes, tmp_path / "out", limits=["size=8kB"])
    said = "the file that ships has 9,000 bytes, 12.5% beyond the limit size ≤ 8,000"
    assert result.beyond_size == said and result.notes[-1] == said and said in result.summary()
    assert "12.5% beyond the limit" in (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")


def test_studies_without_a_target_say_nothing_of_one(stripes: Task, tmp_path: Path) -> None:
    job = Job.parse(task=stripes, out=tmp_path / "out", trials=2, space="mlp")
    assert not {"target", "reward"} & Setting.of(job).about().keys()
    with_target = Setting.of(replace(job, target="devices:Counted"))
    assert json.loads(json.dumps(with_target.about()))["target"] == "devices:Counted"


def test_a_network_with_a_recipe_costs_what_the_network_costs(stripes: Task, tmp_path: Path) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0))
    joint = joint_space({"name": "mlp", "settings": WIDTHS, "recipe": True}, stripes.signature)
    pricing, architecture = Pricing(joint, file), joint.sample(random.Random(0))
    network = pricing.network_of(architecture)
    assert {f"network.{name}" for name in network} == {name for name in architecture if name.startswith("network.")}
    assert pricing(architecture) == {
        "latency": file.predictor.latency(network),
        "size": file.predictor.size(network),
    }
    measured = pricing.measure(pricing.untrained(architecture, stripes.scaling))
    assert pricing(architecture)["latency"] == pytest.approx(measured.latency.median, rel=0.05)
    assert pricing(architecture)["size"] == pytest.approx(measured.bytes, rel=0.05)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "latency=5ms"], "limit latency ≤ 5 ms is of a device: say which, such as --target onnxruntime"),
        (["--limit", "latency=5MB"], "'5MB' is not an amount of latency such as 5ms or 800us"),
        (["--limit", "memory=5ms"], "'5ms' is not an amount of memory such as 500kB or 2MB"),
        (["--target", "torchcpu"], "did you mean 'torch-cpu'?"),
        (["--target", "cuda:device=99"], "cuda:device=99 is not there"),
        (["--target", "devices:Counted", "--reward", "soft"], "--reward soft aims at one limit, and there are 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["search", "digits", *words, "--trials", "2", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (err.count("\n"), out) == (1, "")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


@pytest.mark.parametrize("busy", [True, False], ids=["in use", "holds a study"])
def test_a_folder_that_is_taken_is_told_before_anything_is_measured(
    busy: bool, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    folder = StudyFolder(out, resume=False)
    if not busy:
        folder.study(NB201(stripes.signature), {"task": "stripes"}, 0.0).close()
        folder.release()
    monkeypatch.setattr(devices.Counted, "measure", lambda *_: pytest.fail("a network was measured"))
    with pytest.raises(StudyError, match="another search is running" if busy else "go on with --resume"):
        search(stripes, out, limits=[LIMIT])


def test_a_mistake_leaves_no_folder_nor_those_above_it(stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        search(stripes, tmp_path / "runs" / "first", strategy="randm")
    assert not (tmp_path / "runs").exists()


def test_a_size_cannot_be_limited_where_there_are_no_files(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, measured = devices.Fileless.measure, list[int]()

    def counts(self: devices.Fileless, deployable: Any, seconds: float = 0.1) -> Measured:
        measured.append(1)
        return measure(self, deployable, seconds)

    monkeypatch.setattr(devices.Fileless, "measure", counts)
    words: dict[str, Any]
    for words, said in (
        ({"limits": ["size=5kB"]}, "limit size ≤ 5,000"),
        ({"objective": ["accuracy", "size:min"], "strategy": "pareto"}, "objective size"),
    ):
        with pytest.raises(ConfigError, match=f"{said}: devices:Fileless has no files whose size could be"):
            search(stripes, tmp_path / "out", target="devices:Fileless", **words)
    assert not (tmp_path / "out").exists()
    assert len(measured) == 2, "the first of each tells"


def test_out_of_time_the_quickest_are_measured_next(stripes: Task, tmp_path: Path) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "false.target.json", devices.Counted(), factor=1.0))
    pricing = Pricing(file.predictor.space, file)
    measured: list[int] = []

    class Noted(devices.Counted):
        def measure(self, deployable: Any, seconds: float = 0.1) -> Measured:
            found = super().measure(deployable, seconds)
            measured.append(found.bytes)
            return found

    pricing.measure = Noted().measure  # type: ignore[method-assign]
    drawn = draw_distinct(file.predictor.space, 12, random.Random(1))
    slow_first = sorted(drawn, key=pricing.predictor.latency, reverse=True)
    trials = [
        Trial(number, Proposal(architecture), Report({"accuracy": 1.0}), 0.0)
        for number, architecture in enumerate(slow_first)
    ]
    limit = Limit("latency", 1.01 * pricing.predictor.latency(slow_first[-1]))
    found = holding(pricing, Nearest([limit]), trials, stripes.scaling, seconds=-1.0)
    assert found.proposal.architecture == slow_first[-1]
    assert len(measured) == 1


def test_a_device_that_goes_away_after_the_last_training_costs_no_network(
    stripes: Task, tmp_path: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = azora.automl.last_training.train_winner
    gone = list[bool]()

    def and_then_it_goes(*words: Any, **more: Any) -> Any:
        gone.append(True)
        return train(*words, **more)

    measure = devices.Counted.measure

    def lost(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        if gone:
            raise TargetError("no device is connected")
        return measure(self, deployable, seconds)

    monkeypatch.setattr("azora.automl.last_training.train_winner", and_then_it_goes)
    monkeypatch.setattr(devices.Counted, "measure", lost)
    result = search(stripes, tmp_path / "out", limits=[LIMIT])
    assert "latency_ms" not in result.target
    assert (tmp_path / "out" / "model").is_dir()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Architecture]]:
    """What `devices.Counted` says of the first network that is trained, one look after another: milliseconds, or an
    error. Of others, and when all of it is said, it says what it always does. And what is trained."""
    said, trained = list[Any](), list[Architecture]()
    train, measure = azora.automl.last_training.train_winner, devices.Counted.measure

    def trains(setting: Any, architecture: Architecture, *words: Any, **more: Any) -> Any:
        trained.append(architecture)
        return train(setting, architecture, *words, **more)

    def measures(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        found = measure(self, deployable, seconds)
        if len(trained) != 1 or not said:
            return found
        look = said.pop(0)
        if isinstance(look, TargetError):
            raise look
        return replace(found, latency=Measurement(look))

    monkeypatch.setattr("azora.automl.last_training.train_winner", trains)
    monkeypatch.setattr(devices.Counted, "measure", measures)
    return said, trained


UNSTEADY, GONE = UnsteadyError("it varies by 40%"), TargetError("no device is connected")


@pytest.mark.parametrize(
    "found", [[3.0, UNSTEADY, UNSTEADY], [UNSTEADY, 3.0, UNSTEADY], [UNSTEADY, UNSTEADY, UNSTEADY], [3.0, GONE]]
)
def test_what_is_known_to_be_beyond_or_has_no_steady_time_does_not_ship(
    found: list[Any], looks: tuple[list[Any], list[Architecture]], brief: None, stripes: Task, tmp_path: Path
) -> None:
    file, (said, trained) = false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0), looks
    said.extend(found)
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=4)
    assert not said, "it was looked at as often as that"
    assert result.target["latency_ms"] <= 2.0
    assert result.key == trained[1].key != trained[0].key


def test_a_look_that_was_not_steady_is_no_look(
    looks: tuple[list[Any], list[Architecture]], brief: None, stripes: Task, tmp_path: Path
) -> None:
    file, (said, trained) = false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0), looks
    said.extend([UNSTEADY, 1.9])
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=4)
    assert (result.target["latency_ms"], [each.key for each in trained]) == (1.9, [result.key])


def test_a_search_goes_on_with_the_runtime_and_device_that_it_began_with(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    search(stripes, out, limits=[LIMIT], trials=2)
    job = Job.parse(task=stripes, out=out, limits=[LIMIT], resume=True, **WORDS)
    with monkeypatch.context() as patched:
        patched.setattr(devices.Counted, "versions", lambda self: {"counted": "2"})
        with pytest.raises(TargetError, match="with counted 1, here is counted 2; go on with that version, or begin"):
            Setting.of(job)
    monkeypatch.setattr(devices.Counted, "fingerprint", lambda self: {"device": "another"})
    with pytest.raises(TargetError, match=r"has measured devices:Counted on another device.*; go on there, or begin"):
        Setting.of(job)
    # Who began with a file from elsewhere goes on with predictions.
    away = TargetFile.load(out / FILE).save(tmp_path / "away.target.json")
    pricing = Setting.of(replace(job, target=str(away))).pricing
    assert pricing is not None and not pricing.here


def test_networks_that_are_measured_anew_or_again_are_told_of(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azora.automl.pricing import find_pricing
    from azora.hardware.files import default_file

    about, space = {"name": "mlp", "settings": WIDTHS}, make_space("mlp", stripes.signature, **WIDTHS)
    place = default_file(devices.Counted(), space, about, stripes.signature)
    false_file(stripes, place, devices.Counted())
    measure = devices.Counted.measure

    def varied(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        found = measure(self, deployable, seconds)
        return replace(found, latency=replace(found.latency, repeated=True))

    monkeypatch.setattr(devices.Counted, "measure", varied)
    monkeypatch.setattr(devices.Counted, "versions", lambda self: {"counted": "2"})
    found = find_pricing("devices:Counted", space, about, stripes.search_data)
    anew, again = found.notes
    assert anew == f"{place} is of another device or version of devices:Counted: networks were measured here anew"
    assert again == "devices:Counted: 30 networks varied too much in their first runs, and were run again"
    assert found.file.facts["repeated"] == 30


def test_what_was_measured_before_the_device_went_away_will_do(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    from azora.automl.pricing import find_pricing

    measure, calls = devices.Counted.measure, list[int]()

    def leaves(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        calls.append(1)
        if len(calls) > 10:
            raise TargetError("no device is connected")
        return measure(self, deployable, seconds)

    monkeypatch.setattr(devices.Counted, "measure", leaves)
    about, space = {"name": "mlp", "settings": WIDTHS}, make_space("mlp", stripes.signature, **WIDTHS)
    found = find_pricing("devices:Counted", space, about, stripes.search_data)
    assert len(found.predictor.rows) == 10 and found.file.facts["ended"] == "no device is connected"
    assert found.notes == [
        "devices:Counted ended the measuring after 10 networks, which will do: no device is connected"
    ]


@pytest.mark.parametrize("spec", ["command:python m.py {model} cfg.json", "command:timeout=3:a {pte} b.json"])
def test_a_program_whose_last_word_is_a_json_file_is_no_predictor(
    spec: str, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(TargetError, match="there is no program"):
        search(stripes, tmp_path / "out", target=spec, limits=[LIMIT])
    assert form_of(spec) == ("executorch" if "pte" in spec else "onnx")
