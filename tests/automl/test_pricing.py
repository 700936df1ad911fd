"""What networks cost on a device: who holds the limits there, and where that is known from."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.automl.made import WIDTHS, false_file

import devices
from azora.automl.nearest import Nearest
from azora.automl.pricing import Pricing, beyond, holding
from azora.errors import TargetError
from azora.executors.workplace import joint_space
from azora.hardware import Deployable, Measured, Measurement, Predictor, TargetFile, find_target
from azora.hardware.choosing import draw_distinct
from azora.networks.complexity import parameters
from azora.networks.decide import As
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.space import Architecture
from azora.tasks import Task
from azora.trial import Limit, Proposal, Report, Trial


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
