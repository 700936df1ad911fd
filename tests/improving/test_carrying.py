"""A model that carries its own search is improved from what it carries alone, and carries it on."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.improving.made import NAMES, accuracy, blobs, deployed

from azora.automl.run import run
from azora.cli.main import main
from azora.errors import BundleError
from azora.export.bundle import ABOUT, CARRIED, read_bundle, sha256
from azora.improving import improve
from azora.improving.challengers import Challengers, recipe_of
from azora.improving.remembering import carried_of, neighbours
from azora.job import Job
from azora.meta import Judgement, Knowledge, describe_task
from azora.meta.carried import MOST_RECORDS, MOST_TRIALS, Carried
from azora.meta.policy import Policy
from azora.networks.registry import make_space
from azora.strategies.learned import digest_of

POLICY = {"challengers": 3, "kinds": "train,memory,grow"}


@pytest.fixture(scope="module")
def found(in_process: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a search that carries it: three networks were judged."""
    out = tmp_path_factory.mktemp("search") / "out"
    words = {"trials": 3, "workers": 1, "space": "mlp", "knowledge": out.with_name("memory.db"), "policy": POLICY}
    run(Job.parse(task=blobs(150, 0), out=out, limits=["params=90k"], **words))
    return out / "model"


@pytest.fixture
def alone(found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same on another machine: an empty home and folder, and nothing but the model."""
    for name in ("HOME", "AZORA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    shutil.copytree(found, "model")
    return Path("model")


def carried(model: Path) -> Carried:
    there = carried_of(read_bundle(model))
    assert there is not None
    return there


def test_it_carries_strategy_recipe_policy_and_memory_as_data(found: Path) -> None:
    assert {file.suffix for file in found.iterdir()} == {".safetensors", ".json", ".onnx", ".md"}
    there = carried(found)
    assert there.strategy == {
        "name": "halving", "settings": {}, "objective": "accuracy", "seed": 0, "budget": None,
    }  # fmt: skip
    assert there.policy == Policy.of({**POLICY, "limits": {"params": 90_000}})
    assert [len(each.trials) for each in there.records] == [3] and there.records[0].task == "blobs"
    assert there.recipe["optimiser"] in ("sgd", "adamw")
    assert Carried.from_text(there.to_text(), "again") == there


def test_a_strategy_from_a_file_is_carried_itself_and_no_path(in_process: None, tmp_path: Path) -> None:
    parts = {"phases": [{"source": "cross", "draws": 3}], "start": 3, "fidelity": "halving"}
    file, out = tmp_path / "learned.json", tmp_path / "out"
    file.write_text(json.dumps({"settings": parts, "provenance": {}}))
    words = {"trials": 2, "workers": 1, "space": "mlp", "policy": POLICY, "strategy": "composed"}
    task = blobs(60, 0)
    run(Job.parse(task=task, out=out, strategy_settings={"file": str(file), "eta": 2}, **words))
    there = carried(out / "model")
    assert there.strategy["settings"] == {**parts, "eta": 2}
    assert str(tmp_path) not in (out / "model" / CARRIED).read_text()
    assert there.records[0].facts["settings"] == {"file": f"SHA-256 {digest_of(parts)}", "eta": 2}


def test_it_is_improved_by_what_it_carries_alone_and_carries_it_on(alone: Path) -> None:
    was, said = carried(alone), list[str]()
    fresh = blobs(1500, 8, turned=1.0)
    before = accuracy(alone, fresh)
    outcome = improve(alone, blobs(3000, 6, turned=1.0), 6.0, say=said.append)  # a busy machine looks for long
    assert outcome.what == "promoted" and accuracy(alone, fresh) > before + 0.1
    assert any("carries its policy, and a memory of 3 networks" in line for line in said)
    assert len(outcome.facts["tried"]) == 3 and any("from memory" in change for change in outcome.facts["tried"])
    now = carried(alone)
    assert now.policy == was.policy and now.strategy == was.strategy
    assert [each.task for each in now.records] == ["blobs", "blobs"]
    look = now.records[-1]
    assert look.facts["strategy"] == "improve" and len(look.trials) == 3 and not look.maximise
    assert sorted(each.score for each in look.trials) == pytest.approx(
        sorted(outcome.facts["tried"].values()), abs=1e-5
    )
    # What the look learned is heard by the next one: what it grew is among what memory knows now.
    features, bundle = describe_task(blobs(3000, 6, turned=1.0).search_data), read_bundle(alone)
    both = neighbours(now.records, bundle, bundle.signature, features)
    own = neighbours(now.records[:1], bundle, bundle.signature, features)
    assert {each.key for each, _ in both} > {each.key for each, _ in own}
    assert not Path("../elsewhere").exists() and sorted(each.name for each in Path().iterdir()) == [
        "model", "model.versions",
    ]  # fmt: skip


def test_the_command_line_needs_nothing_else(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "digits", "--out", "no", "--policy", "levle=1"]) == 2
    assert "did you mean 'level'" in capsys.readouterr().err
    assert main(["improve", "model", "--data", "digits", "--prefer", "small"]) == 2
    assert main(["improve", "model", "--data", "digits", "--knowledge", "nowhere.db"]) == 2
    assert "there is no memory at nowhere.db" in capsys.readouterr().err and not Path("nowhere.db").exists()


@pytest.mark.slow
def test_the_command_line_improves_a_copied_model_in_another_home(alone: Path) -> None:
    rows = blobs(3000, 6, turned=1.0).everything()
    np.savez("new.npz", x_train=rows.x, y_train=NAMES[rows.y])
    fresh = blobs(1500, 8, turned=1.0)
    before = accuracy(alone, fresh)
    command = [sys.executable, "-m", "azora", "improve", str(alone), "--data", "new.npz", "--budget", "60s", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["what"] == "promoted" and accuracy(alone, fresh) > before + 0.1
    assert "carries its policy, and a memory of 3 networks" in done.stderr
    assert not Path("../elsewhere").exists()


def rewrite(model: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Change search.json, and the hash of it as well."""
    data = json.loads((model / CARRIED).read_text(encoding="utf-8"))
    how(data)
    (model / CARRIED).write_text(json.dumps(data), encoding="utf-8")
    about = json.loads((model / ABOUT).read_text(encoding="utf-8"))
    (model / ABOUT).write_text(json.dumps({**about, "carried": sha256(model / CARRIED)}), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda data: data.update(schema=9), "has schema 9, this azora reads up to 1; use a newer azora"),
        (lambda data: data["policy"].update(level=7), "does not hold together: Policy: level=7 must be"),
        (lambda data: data["policy"].update(run="rm"), "Policy has no setting 'run'"),
        (lambda data: data.pop("policy"), "is damaged: it lacks 'policy'"),
        (lambda data: data.update(policy="x"), "search.json is damaged"),
        (lambda data: data.update(memory=[{"id": 1}]), "is no record of a search"),
        (lambda data: data["recipe"].update(learning_rate="fast"), "recipe that the model carries is none"),
        (lambda data: data["recipe"].update(batch_size=0), "recipe that the model carries is none: batch_size=0"),
        (lambda data: data["recipe"].update(optimiser="os:system"), "is none: optimiser='os:system'"),
        (lambda data: data["recipe"].update(other=1), "recipe that the model carries is none: other=1"),
    ],
)
def test_what_is_damaged_is_named(how: Callable[[dict[str, Any]], object], said: str, alone: Path) -> None:
    rewrite(alone, how)
    with pytest.raises(BundleError, match=said) as caught:
        improve(alone, blobs(900, 1), 5.0)
    assert "\n" not in str(caught.value)
    assert read_bundle(alone).network is not None  # it still predicts


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("label_smoothing", 1.5, "; it is from 0 to 1"),
        ("augmentation", 40.0, "; it is from 0 to 1"),
        ("learning_rate", 0, "; it is from 1e-09 to 10"),
        ("learning_rate", True, "; it is from"),
        ("learning_rate", float("nan"), "; it is from"),
        ("weight_decay", 1e30, "; it is from 0 to 1"),
        ("warmup", 10**400, "; it is from 0 to 1000"),
        ("batch_size", 2.5, "; it is a whole number from 1 to 65536"),
        ("flip", 1, ""),
        ("scaling", "nonsense", "; it is standard or quantile"),
        ("encoding", ["one_hot"], "; it is one_hot or frequency"),
    ],
)
def test_a_recipe_that_nothing_can_be_trained_by_is_refused(name: str, value: object, said: str) -> None:
    task = blobs(60, 0)
    usual = recipe_of(None, task.signature, task.scaling)
    assert recipe_of(asdict(usual), task.signature, task.scaling) == usual
    with pytest.raises(BundleError, match=re.escape(f"carries is none: {name}={value!r}{said}")):
        recipe_of({name: value}, task.signature, task.scaling)


def test_a_file_that_is_not_the_described_one_is_refused(alone: Path) -> None:
    text = (alone / CARRIED).read_text(encoding="utf-8")
    (alone / CARRIED).write_text(text.replace("0.05", "0.5"), encoding="utf-8")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        improve(alone, blobs(900, 1), 5.0, dry=True)
    (alone / CARRIED).unlink()
    with pytest.raises(BundleError, match=r"has lost its search\.json"):
        improve(alone, blobs(900, 1), 5.0)


def test_a_model_without_a_policy_says_so(tmp_path: Path) -> None:
    said = list[str]()
    improve(deployed(tmp_path, blobs(300, 0), epochs=1), blobs(900, 1), 5.0, dry=True, say=said.append)
    assert said == ["the model carries no policy and no memory: the usual policy holds"]


def test_what_is_carried_is_bounded_and_begins_with_the_search_itself(found: Path) -> None:
    there = carried(found)
    own = there.records[0]
    many = [Judgement({**own.trials[0].decisions}, place / 1000) for place in range(500, 0, -1)]
    for place in range(20):  # a record that was imported may be in any order
        there = there.learned(replace(own, id=str(place), trials=many[:: 1 if place % 2 else -1]))
    kept = Carried.from_text(there.to_text(), "again").records
    assert [each.id for each in kept] == [own.id, *map(str, range(20 - MOST_RECORDS + 1, 20))]
    for record in kept[1:]:
        assert len(record.trials) <= MOST_TRIALS
        assert [each.score for each in record.trials[:12]] == [(500 - place) / 1000 for place in range(12)]


def test_memory_of_the_machine_is_heard_where_it_is_named(found: Path, tmp_path: Path) -> None:
    """A model that carries nothing, and a memory whose networks have other shapes: they are taught its answers."""
    model, task = deployed(tmp_path, blobs(300, 0), epochs=1), blobs(900, 1)
    with Knowledge(found.parents[1] / "memory.db") as memory:
        records = memory.records()
    bundle = read_bundle(model)
    features = describe_task(task.search_data)
    near = neighbours(records, bundle, bundle.signature, features)
    assert near and all(recipe is not None for _, recipe in near)
    made = Challengers(bundle, (), Policy.of({"kinds": "memory"}), 0, None, lambda: near)
    taught = [each for each in made.some(8) if each.teacher is not None]
    assert taught and all(each.rate == 1.0 for each in taught)
    within = Challengers(bundle, (), Policy.of({"kinds": "memory", "limits": {"params": 1}}), 0, None, lambda: near)
    assert within.some(8) == []
    # Scores of networks that nobody trained are of something else; a search for networks alone counts like any other.
    untrained = [replace(each, facts={**each.facts, "evaluator": "zero-cost"}) for each in records]
    assert neighbours(untrained, bundle, bundle.signature, features) == []
    counted = [replace(each, facts={**each.facts, "evaluator": "mine:Count"}) for each in records]
    rewarded = [replace(each, metric="reward") for each in records]
    assert neighbours([*counted, *rewarded], bundle, bundle.signature, features) == []
    space = make_space("mlp", bundle.signature)
    trials = [Judgement(dict(space.sample(random.Random(seed))), seed / 4) for seed in range(4)]
    alone = replace(records[0], space={"name": "mlp", "fingerprint": space.fingerprint}, trials=trials)
    found = neighbours([alone], bundle, bundle.signature, features)
    assert found and {recipe for _, recipe in found} == {None}
    assert found[0][0].key in {space.parse(each.decisions).key for each in trials}


def test_a_memory_that_is_named_is_heard_or_it_is_said_why_not(found: Path, tmp_path: Path) -> None:
    model, said = deployed(tmp_path, blobs(300, 0), epochs=1), list[str]()
    with Knowledge(found.parents[1] / "memory.db") as memory:
        records = memory.records()
    improve(model, blobs(900, 1), 5.0, records=records, say=said.append)
    assert any(line.startswith("from memory, its number 1") for line in said)
    elsewhere = [replace(each, space={"name": "cells", "fingerprint": "0"}) for each in records]
    for kinds, told in (
        ("memory,train", "memory: none of 1 searches is in this space"),
        ("train", "has no say in this"),
    ):
        kept = Carried({}, True, {}, Policy.of({"kinds": kinds})).to_text()
        other = deployed(tmp_path / kinds, blobs(300, 0), epochs=1, carried=kept)
        said.clear()
        improve(other, blobs(900, 1), 2.5, records=elsewhere, say=said.append)
        assert any(told in line for line in said)


def test_kinds_take_turns_and_recipes_change_one_setting(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1))
    made = Challengers(bundle, (), Policy.of({"kinds": "recipe,train,grow"}), 0).some(5)
    assert [each.change for each in made][1] == "trained on"
    first = made[0].change
    assert first.startswith("trained on, learning rate ×") and made[3].change.startswith("trained on, learning rate ×")
    assert made[3].change != first and made[0].recipe.learning_rate != made[1].recipe.learning_rate
    rates = Challengers(bundle, (), Policy.of({"kinds": "recipe"}), 0, {"learning_rate": 6.0}).some(5)
    assert [each.recipe.learning_rate for each in rates] == [2.0]  # three times as much is no recipe
    hidden = Challengers(bundle, (), Policy.of({"limits": {"latency": 5.0}}), 0).some(8)
    assert {each.architecture for each in hidden} == {made[1].architecture}
