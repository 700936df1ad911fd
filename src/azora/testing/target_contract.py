"""What every target holds to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import torch
from torch import nn

from azora.hardware import Deployable, Measured, Target, find_target
from azora.tasks import Signature

SIGNATURE = Signature("classification", (1, 32, 32), 10)
BRIEFLY = 0.02  # seconds of one network's answers
NARROW, WIDE = 2, 64  # channels: the wide network has some thousand times the multiply-accumulates


class TargetContract:
    """Subclass, and return yours from the `target` fixture. It must be able to run here. Where it knows networks by
    their architectures, `narrow` and `wide` are yours to give as well."""

    def narrow(self) -> Deployable:
        """A small network."""
        return _network(NARROW)

    def wide(self) -> Deployable:
        """One with far more multiply-accumulates."""
        return _network(WIDE)

    def test_measures_a_network(self, target: Target) -> None:
        found = target.measure(self.narrow(), BRIEFLY)
        assert 0 < found.latency.median < math.inf
        assert found.latency.spread >= 0
        assert found.latency.runs >= 1
        assert found.bytes >= 0
        assert Measured.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found

    def test_a_far_larger_network_takes_longer(self, target: Target) -> None:
        small, large = (target.measure(each, BRIEFLY) for each in (self.narrow(), self.wide()))
        assert small.latency.median < large.latency.median
        assert small.bytes < large.bytes or small.bytes == large.bytes == 0

    def test_what_is_measured_stays_as_it_was(self, target: Target) -> None:
        deployable, threads, state = self.narrow(), torch.get_num_threads(), torch.get_rng_state()
        before = {name: each.clone() for name, each in deployable.network.state_dict().items()}
        target.measure(deployable, BRIEFLY)
        after = deployable.network.state_dict()
        assert all(each.device == after[name].device and each.equal(after[name]) for name, each in before.items())
        assert torch.get_num_threads() == threads
        assert torch.get_rng_state().equal(state), "a search draws other networks when something is measured"

    def test_its_spec_makes_the_same_target(self, target: Target) -> None:
        again = find_target(target.spec)
        assert type(again) is type(target)
        assert again.spec == target.spec
        assert again.versions() == target.versions()
        assert again.fingerprint() == target.fingerprint()

    def test_versions_and_device_are_told_as_json(self, target: Target) -> None:
        for told in (target.versions(), target.fingerprint()):
            assert told
            assert json.loads(json.dumps(dict(told), allow_nan=False)) == _plain(told)
        assert all(isinstance(version, str) and version for version in target.versions().values())


def _network(width: int) -> Deployable:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, SIGNATURE.outputs),
        )
    return Deployable.bare(network.eval(), SIGNATURE)


def _plain(told: Mapping[str, object]) -> dict[str, object]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in told.items()}
