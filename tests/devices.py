"""Targets for tests, as a user's module has them: what a network costs there follows from what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from azora.errors import TargetError
from azora.hardware import Deployable, Measured, Measurement, Target
from azora.networks.complexity import layers, parameters
from azora.trial import Proposal


class Counted(Target):
    """A tenth of a millisecond, and one for every thousand parameters; a file of four bytes for each."""

    name = "counted"

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        count = parameters(deployable.network)
        return Measured(Measurement(0.1 + count / 1000), 500 + 4 * count)

    def versions(self) -> Mapping[str, str]:
        return {self.name: "1"}

    def fingerprint(self) -> Mapping[str, Any]:
        return {"device": self.name}


class Fileless(Counted):
    """A runtime that takes networks as they are."""

    name = "fileless"

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        return Measured(super().measure(deployable).latency)


class Fickle(Counted):
    """As quick as `Counted` when it first sees a network; later ten times slower, if it has many parameters.

    Args:
        many: so many.
    """

    name = "fickle"
    seen: ClassVar[set[int]] = set()  # by their parameters: a search makes a target for each measurement

    def __init__(self, many: int = 0) -> None:
        self.many = many

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        found, count = super().measure(deployable), parameters(deployable.network)
        if count in self.seen and count >= self.many:
            return Measured(Measurement(10 * found.latency.median), found.bytes)
        self.seen.add(count)
        return found


class Roofline(Target):
    """A layer takes what is longer: its arithmetic, or the values and weights that it moves (Williams et al., 2009).

    Args:
        macs: a microsecond.
        values: a microsecond.
        start: microseconds of a layer, whatever it does.
    """

    name = "roofline"
    dilated = 1.0  # times as long for the arithmetic of convolutions with dilation

    def __init__(self, macs: float = 500.0, values: float = 20.0, start: float = 5.0) -> None:
        self.macs, self.values, self.start = macs, values, start

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        found = layers(deployable.network, deployable.signature.shape)
        moved = [each.read + each.written + each.weights for each in found]
        sums = [each.macs * (self.dilated if each.kind.startswith("dilated") else 1.0) for each in found]
        times = [max(own / self.macs, values / self.values) for own, values in zip(sums, moved, strict=True)]
        return Measured(Measurement((sum(times) + self.start * len(found)) / 1000), 4 * parameters(deployable.network))

    def versions(self) -> Mapping[str, str]:
        return {self.name: "1"}


class Picky(Target):
    """Runs some networks and not others, and remembers what it was given.

    Args:
        every: of how many networks, by their parameters, it runs one, and always the first three (again, too); 0: none.
    """

    name = "picky"

    def __init__(self, every: int = 2) -> None:
        self.every, self.given, self.ran = every, list[int](), set[int]()

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        count = parameters(deployable.network)
        self.given.append(count)
        if not self.every or (len(self.given) > 3 and count not in self.ran and count // 8 % self.every):
            raise TargetError(f"no memory for {count} parameters")
        self.ran.add(count)
        return Counted().measure(deployable)

    def versions(self) -> Mapping[str, str]:
        return {self.name: "1"}


def larger_is_better(proposal: Proposal) -> dict[str, float]:
    """An evaluator: it takes the widest network for the best."""
    width = max(float(value) for name, value in proposal.architecture.items() if "width" in name)
    return {"accuracy": width / 1000, "loss": 1 - width / 1000}
