"""Torch itself as a runtime, on a processor or a CUDA device."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor

from azora.cores import cuda_devices, torch_threads
from azora.errors import ConfigError, TargetError
from azora.export.deployed import Deployed
from azora.hardware.target import Deployable, Loaded, TimedTarget, check_threads, here


@final
class TorchCpu(TimedTarget):
    """Eager torch in float32 on this processor.

    Args:
        threads: for the operators.

    Raises:
        ConfigError: fewer than one thread, or more than there are cores.
    """

    name = "torch-cpu"

    def __init__(self, threads: int = 1) -> None:
        check_threads(self.name, threads)
        self.threads = threads

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        deployed = _deployed(deployable)
        x = _made_up(self.batch, deployable)
        with torch_threads(self.threads), torch.inference_mode():
            yield Loaded(lambda: deployed(x))

    def versions(self) -> Mapping[str, str]:
        return {"torch": torch.__version__}


@final
class Cuda(TimedTarget):
    """Eager torch in float32 on a CUDA device; an answer is waited for before its time is taken.

    Args:
        device: its number.

    Raises:
        ConfigError: that is no number from 0 up.
    """

    name = "cuda"
    meter = None

    def __init__(self, device: int = 0) -> None:
        if isinstance(device, bool) or not isinstance(device, int) or device < 0:
            raise ConfigError(f"cuda: device={device!r} must be a number from 0 up")
        self.device = device

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        self._check()
        place = torch.device("cuda", self.device)
        deployed = copy.deepcopy(_deployed(deployable)).to(place)  # whoever gave the network has it here
        x = _made_up(self.batch, deployable).to(place)

        def call() -> None:
            deployed(x)
            torch.cuda.synchronize(place)

        with torch.inference_mode():
            yield Loaded(call)

    def versions(self) -> Mapping[str, str]:
        self._check()
        return {"torch": torch.__version__, "cuda": str(torch.version.cuda)}

    def fingerprint(self) -> Mapping[str, Any]:
        self._check()
        return {**here(), "gpu": torch.cuda.get_device_name(self.device)}

    def _check(self) -> None:
        if self.device >= (found := cuda_devices()):
            raise TargetError(f"cuda:device={self.device} is not there: torch finds {found} CUDA devices")


def _made_up(batch: int, deployable: Deployable) -> Tensor:
    """An input; torch's own generator is a search's."""
    return torch.rand(batch, *deployable.signature.raw_shape, generator=torch.Generator().manual_seed(0))


def _deployed(deployable: Deployable) -> Deployed:
    return Deployed(deployable.network, deployable.signature, deployable.scaling).eval()
