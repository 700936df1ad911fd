"""Ensembles: chosen greedily, shipped as one model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import azora
from azora.automl import answering, ensemble
from azora.automl.delivery import network_part
from azora.automl.mix import Mix, mixed
from azora.automl.winner import Winner
from azora.errors import ConfigError
from azora.export.bundle import read_bundle, write_bundle
from azora.job import Job
from azora.model import Model
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import METRICS, Signature, Task
from azora.tasks.array import Array
from azora.testing.strategy_contract import tiny_space
from azora.training import outputs
from azora.trial import Objective, Report

TWO = Signature("classification", (3,), 2, ("a", "b"))
ONE = Signature("regression", (3,), 1)


def leaning(y: Array, right: Array, sure: float) -> Array:
    """Probabilities of someone who is right where `right` says."""
    one = np.where(right == (y == 1), sure, 1 - sure)
    return np.stack([1 - one, one], axis=1)


def test_members_that_err_elsewhere_are_taken_and_the_useless_is_not() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    first, second, useless = (leaning(y, rng.random(600) < share, 0.9) for share in (0.85, 0.85, 0.4))
    mix = mixed([first, useless, second], y, TWO, most=3)
    assert mix.shares.keys() == {0, 2} and sum(mix.shares.values()) == pytest.approx(1)
    measure = METRICS["loss"].measure
    assert measure(y, mix.answers) < min(measure(y, first), measure(y, second))
    # Who is right 85 times in a hundred and says 90 is made less sure, and who is right always is made surer.
    assert mixed([first], y, TWO, most=3).temperature > 1
    assert mixed([leaning(y, np.ones(600, bool), 0.8)], y, TWO, most=3).temperature < 1


def test_no_more_are_taken_than_are_wanted_and_numbers_have_no_temperature() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(400, 1))
    answers = [y + rng.normal(size=y.shape) for _ in range(8)]
    few, many = (mixed(answers, y, ONE, most=most) for most in (2, 8))
    assert len(few.shares) == 2 < len(many.shares)
    assert few.temperature == many.temperature == 1.0
    losses = [float(((each - y) ** 2).mean()) for each in (many.answers, few.answers, *answers)]
    assert losses[0] < losses[1] < min(losses[2:])
    whole = sum(share * answers[place] for place, share in many.shares.items())
    np.testing.assert_allclose(many.answers, whole)


def test_the_output_with_the_largest_numbers_does_not_choose_alone() -> None:
    y = np.zeros((50, 2))
    answers = [y + np.array([1010.0, 0.0]), y + np.array([1000.0, 1.0])]
    spread, two = (1000.0, 1.0), Signature("regression", (3,), 2)
    assert mixed(answers, y, two, most=1, spread=spread).shares == {0: 1.0}
    scaling = SimpleNamespace(target_spread=spread)
    data = SimpleNamespace(validation=SimpleNamespace(y=y), signature=two, scaling=scaling)
    setting: Any = SimpleNamespace(data=data, job=SimpleNamespace(ensemble=1), objective=Objective("r2"))
    candidates = [ensemble._Candidate(None, each) for each in answers]
    assert ensemble._mean(setting, candidates).members == [candidates[0]]


def test_where_members_fail_what_is_said_is_of_those_that_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    answers = [leaning(y, rng.random(600) < share, 0.9) for share in (0.85, 0.8, 0.85)]
    data = SimpleNamespace(validation=SimpleNamespace(y=y), signature=TWO, scaling=SimpleNamespace(target_spread=()))
    setting: Any = SimpleNamespace(data=data, job=SimpleNamespace(ensemble=3), objective=Objective("loss"))
    study: Any = SimpleNamespace(elapsed=1.0)
    trials: list[Any] = ["trial 0", "trial 1", "trial 2"]
    candidates = [ensemble._Candidate(trial, each) for trial, each in zip(trials, answers, strict=True)]
    chosen = ensemble._mean(setting, candidates)
    assert len(chosen.members) == 3
    made: dict[Any, Any] = {each: (each.trial, f"winner of {each.trial}") for each in candidates}
    # One that is left ships as what it is, under its own name and scores.
    assert ensemble._shipped(setting, study, chosen, {candidates[1]: made[candidates[1]]}) == made[candidates[1]]

    together = SimpleNamespace(architecture=tiny_space().sample(random.Random(0)))
    mixes = list[Any]()
    monkeypatch.setattr(ensemble, "_together", lambda setting, mix, members: mixes.append((mix, members)) or together)
    assert ensemble._shipped(setting, study, chosen, made)[0].report is chosen.report
    left = {each: made[each] for each in candidates[:2]}
    trial, _ = ensemble._shipped(setting, study, chosen, left)
    wanted = mixed(answers[:2], y, TWO, most=3)
    mix, members = mixes[-1]
    assert (mix.temperature, dict(members)) == (
        wanted.temperature, {f"winner of trial {place}": share for place, share in wanted.shares.items()},
    )  # fmt: skip
    assert trial.report.metrics["loss"] == pytest.approx(METRICS["loss"].measure(y, wanted.answers))
    assert trial.report != chosen.report


@pytest.mark.parametrize("wrong", [1, -2, 21])
def test_a_number_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(ConfigError, match=f"ensemble={wrong} must be 2 to 20, or 0 for none"):
        Job.parse(task="digits", ensemble=wrong)


@pytest.mark.parametrize("regression", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["classes", "numbers"])
def test_an_ensemble_is_one_model(regression: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 12)).astype(np.float32)
    value = x.sum(axis=1)  # what trees do badly, and networks badly in an epoch, but otherwise
    y = 100 + 10 * value if regression else value > 0
    out, metric = tmp_path / "out", "mse" if regression else "loss"
    words: dict[str, Any] = {"trials": 4, "workers": 1, "strategy": "random", "objective": f"{metric}:min"}
    result = azora.search((x, y), out=out, ensemble=3, **words)
    together = json.loads((out / "result.json").read_text())["ensemble"]
    shares = [each["share"] for each in together["members"]]
    assert 2 <= len(shares) <= 3 and sum(shares) == pytest.approx(1)
    assert {each["of"] for each in together["members"]} <= {"trees", "mlp × recipe"}
    assert result.figures[f"validation_{metric}"] == together["metrics"][metric]
    boosting = result.figures["boosting"]
    assert together["metrics"][metric] < min(boosting["metrics"][metric], boosting["network"][metric])
    assert boosting["says"].endswith("the ensemble ships") and not boosting["shipped"]
    assert f"{result.figures['onnx_bytes']:,} bytes as ONNX" in result.summary()
    assert "An ensemble, chosen by azora" in (out / "report.html").read_text(encoding="utf-8")
    assert f"{shares[0]:.2f} of {together['members'][0]['of']}" in (out / "model" / "README.md").read_text("utf-8")
    # One folder, one ONNX file, and both answer the same.
    files = {path.name for path in (out / "model").iterdir()}
    assert files == {"README.md", "model.json", "model.onnx", "weights.safetensors"}
    torch, onnx = (Model.load(out, runtime=runtime) for runtime in ("torch", "onnxruntime"))
    answers = [each.predict(x) if regression else each.predict_proba(x) for each in (torch, onnx)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4, atol=1e-5)
    if regression:
        assert np.corrcoef(answers[0], y)[0, 1] > 0.8
    else:
        assert ((answers[0][:, 1] > 0.5) == y).mean() > 0.75


SMALL = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}


def test_networks_of_pictures_are_one_model_that_answers_with_their_mean(stripes: Task, tmp_path: Path) -> None:
    signature, x, rng = stripes.signature, stripes.validation.x, random.Random(0)
    space, about = make_space("cells", signature, **SMALL), {"name": "cells", "settings": SMALL}
    architectures = list({each.key: each for each in (space.sample(rng) for _ in range(9))}.values())[:2]
    winners = [
        Winner(space.build(As(each)).eval(), stripes.scaling, each, 1.0, 1.0, "float32", space, about)
        for each in architectures
    ]
    setting: Any = SimpleNamespace(task=stripes)
    chosen = ensemble._Chosen([], [], 1.5, Report({"accuracy": 0.5}))
    made = ensemble._together(setting, chosen, list(zip(winners, (0.25, 0.75), strict=True)))
    first, second = (outputs(each.network, x, signature, each.scaling) for each in winners)
    softened = (0.25 * first + 0.75 * second) ** (1 / 1.5)
    answers = outputs(made.network, x, signature, made.scaling)
    np.testing.assert_allclose(answers, softened / softened.sum(1, keepdims=True), rtol=1e-4)
    assert not np.allclose(first, second)
    total = cost(made.space, made.architecture)["params"]
    assert total == sum(cost(space, each)["params"] for each in architectures)
    assert made.space.graph(made.architecture).nodes[0].label == "1 × 8 × 8"
    part = network_part(made.space, made.architecture)
    facts = {"task": stripes.about(), "values": stripes.train.values, "figures": {}}
    write_bundle(
        tmp_path / "model", made.network, signature, made.scaling, space=made.space_about, architecture=part,
        facts=facts, onnx=None, card="",
    )  # fmt: skip
    read = read_bundle(tmp_path / "model")
    np.testing.assert_allclose(outputs(read.network, x, signature, read.scaling), answers, rtol=1e-5)


@pytest.mark.slow
def test_an_ensemble_of_pictures_ships(stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {0: 0.25, 1: 0.75}

    def both(answers: Any, *words: Any) -> Mix:  # which is always better than one would take more pictures
        return Mix(shares, 1.5, np.eye(2)[stripes.validation.y] * 0.998 + 0.001)

    monkeypatch.setattr(ensemble, "mixed", both)
    words: dict[str, Any] = {"trials": 3, "workers": 1, "strategy": "random", "objective": "loss:min"}
    result = azora.search(stripes, out=tmp_path / "out", ensemble=2, **words)
    members = result.figures["ensemble"]["members"]
    assert [(each["of"], each["share"]) for each in members] == [("cells × recipe", share) for share in shares.values()]
    torch, onnx = (Model.load(tmp_path / "out", runtime=runtime) for runtime in ("torch", "onnxruntime"))
    answers = [each.predict_proba(stripes.validation.x) for each in (torch, onnx)]
    np.testing.assert_allclose(*answers, rtol=1e-3, atol=1e-4)
    assert "1 × 8 × 8" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_no_more_networks_are_asked_than_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    trials = [SimpleNamespace(proposal=SimpleNamespace(architecture=place, budget=1.0)) for place in range(8)]
    study: Any = SimpleNamespace(boosted=None, ranked=lambda objective: trials)
    kept = SimpleNamespace(load=lambda architecture: None if architecture == 0 else {"step": 1})
    training = SimpleNamespace(judging_network=lambda: None, scaling=None, epochs=1.0)
    job = SimpleNamespace(seed=0, device="cpu")
    data = SimpleNamespace(signature=TWO, validation=SimpleNamespace(x=None))
    setting: Any = SimpleNamespace(data=data, job=job, space=None, objective=None)
    monkeypatch.setattr(ensemble, "Checkpoints", lambda folder: kept)
    monkeypatch.setattr(answering, "start_training", lambda *words: training)
    monkeypatch.setattr(answering, "resume", lambda *words: None)
    monkeypatch.setattr(answering, "outputs", lambda *words, **more: np.zeros((1, 2)))
    monkeypatch.setattr(ensemble, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # a second for each
    asked = ensemble._candidates(setting, study, Path(), 30.0)
    assert [each.trial for each in asked] == trials[1:5]
    assert len(ensemble._candidates(setting, study, Path(), None)) == 7
    assert len(ensemble._candidates(setting, study, Path(), 0.0)) == 1
    monkeypatch.setattr(ensemble, "CANDIDATES", 3)  # networks; trees, where there are any, stand beside them
    assert [each.trial for each in ensemble._candidates(setting, study, Path(), None)] == trials[1:4]
