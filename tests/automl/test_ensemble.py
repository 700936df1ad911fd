"""Ensembles: chosen greedily, shipped as one model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azora
from azora.automl.mix import mixed
from azora.errors import ConfigError
from azora.job import Job
from azora.model import Model
from azora.tasks import METRICS, Signature
from azora.tasks.array import Array

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
    ensemble = json.loads((out / "result.json").read_text())["ensemble"]
    shares = [each["share"] for each in ensemble["members"]]
    assert 2 <= len(shares) <= 3 and sum(shares) == pytest.approx(1)
    assert {each["of"] for each in ensemble["members"]} <= {"trees", "mlp × recipe"}
    assert result.figures[f"validation_{metric}"] == ensemble["metrics"][metric]
    boosting = result.figures["boosting"]
    assert ensemble["metrics"][metric] < min(boosting["metrics"][metric], boosting["network"][metric])
    assert boosting["says"].endswith("the ensemble ships") and not boosting["shipped"]
    assert f"{result.figures['onnx_bytes']:,} bytes as ONNX" in result.summary()
    assert "An ensemble, chosen by azora" in (out / "report.html").read_text(encoding="utf-8")
    assert f"{shares[0]:.2f} of {ensemble['members'][0]['of']}" in (out / "model" / "README.md").read_text("utf-8")
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
