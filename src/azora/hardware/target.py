"""What a target is: a device with a runtime, on which a network will run."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, final

from torch import nn

from azora.cores import usable_cores
from azora.errors import ConfigError
from azora.hardware.energy import Rapl
from azora.hardware.measurement import SECONDS, Measurement, measure_calls
from azora.settings import settings_of
from azora.space import Architecture
from azora.tasks import Scaling, Signature

OWN = "azora.hardware."  # the modules whose targets are known by their names alone


@final
@dataclass(frozen=True)
class Deployable:
    """A network with what it takes and gives: all that a runtime's file is made of.

    Args:
        architecture: the network's, for targets that know networks by nothing else; None where nobody knows it.
    """

    network: nn.Module
    signature: Signature
    scaling: Scaling
    architecture: Architecture | None = None

    @classmethod
    def bare(cls, network: nn.Module, signature: Signature, architecture: Architecture | None = None) -> Deployable:
        """Of a network whose data nobody has looked at: with a scaling that changes nothing, but takes its time. Rows
        of a table come prepared, since how they would be prepared is in the data."""
        signature, columns = replace(signature, raw=0, traits=()), signature.shape[0]
        outputs = signature.outputs if signature.kind == "regression" else 0
        scaling = Scaling((0.0,) * columns, (1.0,) * columns, (0.0,) * outputs, (1.0,) * outputs)
        return cls(network, signature, scaling, architecture)


@final
@dataclass(frozen=True)
class Loaded:
    """A network in a runtime, ready to answer: one call is one answer. `bytes` are of its file, 0 without one."""

    call: Callable[[], object]
    bytes: int = 0


@final
@dataclass(frozen=True)
class Measured:
    """What a network costs on a target: its latency, the bytes of its file (0: the runtime has none), and millijoules
    of one answer, where the target can read them."""

    latency: Measurement
    bytes: int = 0
    energy: float | None = None

    def to_json(self) -> dict[str, Any]:
        told = {} if self.energy is None else {"energy": self.energy}
        return {**self.latency.to_json(), "bytes": self.bytes, **told}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        energy = data.get("energy")
        return cls(Measurement.from_json(data), int(data.get("bytes", 0)), None if energy is None else float(energy))


class Target(ABC):
    """A device and runtime. Settings are the constructor's; `spec` names both, as the command line does.

    Latencies are milliseconds of one input.
    """

    name: str
    batch = 1

    @property
    def spec(self) -> str:
        """`onnxruntime:threads=1,precision=fp32`, from which `find_target` makes the same; of a class of one's own
        `module:Name:setting=1`."""
        kind = type(self)
        name = self.name if kind.__module__.startswith(OWN) else f"{kind.__module__}:{kind.__qualname__}"
        settings = ",".join(f"{name}={value}" for name, value in settings_of(self).items())
        return f"{name}:{settings}" if settings else name

    @abstractmethod
    def measure(self, deployable: Deployable, seconds: float = SECONDS) -> Measured:
        """Measure a network.

        Args:
            seconds: of repeated answers, as far as the target repeats them itself.

        Raises:
            TargetError: it cannot be run there, or what comes back is no measurement.
        """

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Of the runtime: a predictor is for these alone.

        Raises:
            TargetError: the runtime is not installed, and what to install.
        """

    def fingerprint(self) -> Mapping[str, Any]:
        """What tells this device from another. Here: the machine that this runs on."""
        return here()


class TimedTarget(Target):
    """A target whose runtime is in this process: a network is loaded, and its answers are timed.

    `meter` reads the energy of answers; None where the processor is not what answers.
    """

    meter: Rapl | None = Rapl()

    @abstractmethod
    def load(self, deployable: Deployable) -> AbstractContextManager[Loaded]:
        """The network in the runtime, until the context ends.

        Raises:
            TargetError: the runtime cannot take it.
        """

    def ready(self, deployables: Sequence[Deployable]) -> None:
        """Told of networks that are loaded next: what takes long can be made of all at once, with nothing being timed.
        Here: nothing does."""
        return

    def measure(self, deployable: Deployable, seconds: float = SECONDS) -> Measured:
        with self.load(deployable) as loaded:
            latency = measure_calls(loaded.call, seconds=seconds)
            energy = None if self.meter is None else self.meter.millijoules(loaded.call, seconds)
            return Measured(latency, loaded.bytes, energy)


def check_threads(name: str, threads: int) -> None:
    """Raises ConfigError unless there are so many threads to run on."""
    most = usable_cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= most:
        raise ConfigError(f"{name}: threads={threads!r} must be from 1 to {most}, the cores that may be used here")


@cache
def here() -> Mapping[str, Any]:
    """This machine: architecture, processor, cores and system."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith(("model name", "hardware"))]
    return names[0] if names else platform.processor()
