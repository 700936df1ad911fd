"""Targets that take a clock's time, and go away."""

from __future__ import annotations

import random

import devices
from azora.errors import TargetError
from azora.hardware import Deployable, Measured, Measurement
from azora.space import Architecture


class Clock:
    """Time that passes when a network is measured."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Slow(devices.Counted):
    """Every network takes a second of a clock, and is never the same twice."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.rng = clock, random.Random(0)

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.clock.now += 1.0
        found = super().measure(deployable)
        return Measured(Measurement(found.latency.median * self.rng.uniform(0.9, 1.1)), found.bytes)


class Leaving(Slow):
    """Runs so many networks, and then each takes a second to fail: without `stays` those that were run as well."""

    def __init__(self, clock: Clock, networks: int, *, stays: bool) -> None:
        super().__init__(clock)
        self.networks, self.stays, self.given, self.ran = networks, stays, 0, set[Architecture | None]()

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.given += 1
        found = super().measure(deployable)
        if self.given > self.networks and not (self.stays and deployable.architecture in self.ran):
            raise TargetError("no device is connected")
        self.ran.add(deployable.architecture)
        return found
