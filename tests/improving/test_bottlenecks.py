"""Where time and weights go, whether rows are wanting, and limits that are measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.improving.made import blobs, deployed
from torch import nn

from azora.errors import BudgetError
from azora.export.bundle import Bundle, read_bundle
from azora.hardware.target import here
from azora.improving import Versions, analyse, improve
from azora.improving.bottlenecks import answering, heaviest, latency_here, learning_curve, rises, slowest
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Split, Task, from_arrays

TARGET = {"spec": "torch-cpu:threads=1", "device": dict(here()), "latency_ms": 1.0}


def test_layers_are_told_by_their_time_and_weights(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, wide=True))
    slow, heavy = slowest(bundle), heaviest(bundle)
    assert 0 < sum(each["share"] for each in slow) <= 1 and slow[0]["ms"] >= slow[-1]["ms"] > 0
    sizes = {name: 4 * each.numel() for name, each in bundle.network.named_parameters()}
    assert heavy[0]["bytes"] >= max(sizes.values()) and heavy[0]["kind"] == "Linear"
    assert heavy[0]["share"] == pytest.approx(heavy[0]["bytes"] / sum(sizes.values()), abs=1e-3)
    lines = analyse(bundle, blobs(900, 1)).lines()
    assert any(line.startswith("time goes to ") for line in lines)
    assert any(line.startswith(f"weights are in {heavy[0]['layer']} (Linear)") for line in lines)
    brief = analyse(bundle, blobs(900, 1), 0.0)  # no time for either
    assert brief.curve is None and not brief.slow and brief.heavy


def test_a_learning_curve_rises_where_rows_are_wanting(tmp_path: Path, slopes: Task) -> None:
    task = blobs(3000, 0)
    bundle = read_bundle(deployed(tmp_path, task))
    many = learning_curve(bundle, task.train, task.validation)
    few = learning_curve(bundle, Split(task.train.x[:24], task.train.y[:24]), task.validation)
    assert many is not None and few is not None
    assert [each["rows"] for each in many] == [250.0, 500.0, 1000.0] and not rises(many)
    assert few[-1]["score"] > few[0]["score"] + 0.02 and few[-1]["score"] < many[-1]["score"]
    assert rises([{"rows": 10.0, "score": 0.5}, {"rows": 20.0, "score": 0.6}])
    numbers = read_bundle(deployed(tmp_path / "numbers", slopes))
    told = learning_curve(numbers, slopes.train, slopes.validation)
    assert told is not None and told[-1]["score"] > 0.5
    alone = Split(task.train.x[:9], np.zeros(9, np.int64))  # of one class nothing can be learned
    assert learning_curve(bundle, alone, task.validation) is None


def test_layers_within_that_are_as_wide_as_the_answers_give_none(tmp_path: Path) -> None:
    """Sixteen classes, and a first layer of sixteen."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(320, 8)).astype(np.float32), np.array([f"c{row % 16:02d}" for row in range(320)])
    task = from_arrays(x, y, name="sixteen")
    space = make_space("mlp", task.signature)
    plain = {"depth": 2, "width_0": 16, "width_1": 64, "activation": "relu", "normalisation": "none", "dropout": 0.0}
    network = space.build(As(space.architecture(**plain, skip=False))).eval()
    bundle = Bundle(network, task.signature, task.scaling, (0.0, 255.0), {}, tmp_path)
    assert [each.in_features for each in answering(bundle, task.train.x[:2])] == [64]
    assert learning_curve(bundle, task.train, task.validation) is not None

    class Twice(nn.Module):
        """A layer that is asked twice a pass."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.layer(x) + self.layer(-x)) / 2

    assert learning_curve(replace(bundle, network=Twice().eval()), task.train, task.validation) is None


def test_a_measured_limit_that_is_not_held_asks_for_a_smaller_network(tmp_path: Path) -> None:
    figures = {"limits": {"latency": 1e-6}, "target": TARGET}
    model = deployed(tmp_path, blobs(300, 0), epochs=1, wide=True, figures=figures)
    said = list[str]()
    with pytest.raises(BudgetError, match="not worse by"):
        improve(model, blobs(900, 1), 4.0, say=said.append)
    assert any(line.startswith("a smaller network is looked for, within latency (it has") for line in said)
    held = deployed(tmp_path, blobs(300, 0), epochs=1, figures={**figures, "limits": {"latency": 1e6}})
    said.clear()
    assert improve(held, blobs(900, 1), 2.5, say=said.append).facts["tried"]
    assert not any("a smaller network" in line for line in said)


def test_what_is_promoted_for_a_measured_limit_is_sooner_on_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Policy.of({"margin": 0.06, "challengers": 1, "limits": {"latency": 1e-6}})
    carried, said = Carried({}, False, {}, policy).to_text(), list[str]()
    model = deployed(tmp_path, blobs(2000, 0), wide=True, carried=carried, figures={"target": TARGET})
    monkeypatch.setattr("azora.improving.cycle.SOONER", 1e9)  # a clock has no place in a test
    outcome = improve(model, blobs(6000, 2), 5.0, say=said.append)
    assert outcome.what == "promoted" and outcome.facts["macs"] < outcome.facts["deployed_macs"]
    assert outcome.facts["target_latency_ms"] > 0 and outcome.facts["deployed_target_latency_ms"] > 0
    assert any("is beyond the limit too, with" in line for line in said)
    assert latency_here(read_bundle(model)) is not None  # the next look can ask as well
    monkeypatch.setattr("azora.improving.cycle.SOONER", 0.0)
    kept = improve(model, blobs(6000, 3), 5.0)
    assert kept.what == "kept" and "and sooner" in Versions(model).history()[-1]["why"]


def test_a_latency_is_told_on_the_very_target_alone(tmp_path: Path) -> None:
    for target, there in ((TARGET, True), ({**TARGET, "device": {"machine": "other"}}, False), (None, False)):
        bundle = read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, figures={"target": target}))
        assert (latency_here(bundle) is not None) == there
    assert latency_here(read_bundle(deployed(tmp_path, blobs(300, 0), epochs=1, target=TARGET))) is not None
