"""The options of a choice, mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from azora.networks import fast_mixture
from azora.networks.relaxation import Gate
from azora.networks.statistics import BatchNorm
from azora.operations import FactorizedReduction, Zero
from azora.operations.once import channels_last

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)
SKIPS = (nn.Identity, FactorizedReduction)


@final
class Mixed(nn.ModuleDict):
    """The options of one choice of a module, all run and weighed as the choice's gate says. (B, C, H, W) → as they do.

    Poolings are normalised here, and normalisations inside of options have no scale and shift (Liu et al., 2019):
    weights would otherwise say nothing of what an option is worth. `none` is never run where another option is. The
    skip beside all options is there where one of them is a skip: it is what that one would win for otherwise. While
    training on pictures on a processor, options are run as `azora.networks.fast_mixture` says, where that pays.

    Args:
        gates: what to do until the next draw, by choice.
        parts: options are made for one in so many channels; the others go by, and all are shuffled (Xu et al., 2020).
    """

    def __init__(self, choice: str, options: dict[str, nn.Module], gates: Mapping[str, Gate], parts: int = 1) -> None:
        super().__init__(options)
        self.choice, self.gates, self.parts = choice, gates, parts
        self.nothing = frozenset(place for place, each in enumerate(options.values()) if isinstance(each, Zero))
        self.skips = any(isinstance(each, SKIPS) for each in options.values())
        for module in self.modules():
            if isinstance(module, BatchNorm) and module.affine:
                module.weight.requires_grad_(False)
                module.bias.requires_grad_(False)
        self._norms: dict[int, BatchNorm] = {}

    def normalise(self, channels: int) -> None:
        """Put a normalisation behind poolings, whose results have so many channels."""
        for place, each in enumerate(self.values()):
            if isinstance(each, POOLINGS):
                self._norms[place] = nn.BatchNorm2d(channels, affine=False)

    @property
    def idle(self) -> bool:
        """Whether the next pass gives nothing: no option is run, or `none`."""
        return self.nothing.issuperset(self.gates[self.choice].runs)

    def norms(self) -> Iterable[BatchNorm]:
        """Those behind poolings: they hold no parameters, and are no part of any option."""
        return self._norms.values()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gates[self.choice]
        if self.parts == 1:
            return self._weighed(x, gate)
        count = x.shape[1] // self.parts
        part = channels_last(x, count) if self._is_fast(x) else x[:, :count]
        others = x[:, count:]
        done = self._weighed(part, replace(gate, edge=None))
        if done.dim() == 0:
            return done
        if done.shape[-2:] != others.shape[-2:]:
            others = nn.functional.max_pool2d(others, 2, 2, ceil_mode=True)
        shuffled = _shuffled(torch.cat([done, others], dim=1), self.parts)
        return shuffled if gate.edge is None else gate.edge * shuffled

    def _weighed(self, x: Tensor, gate: Gate) -> Tensor:
        modules = list(self.values())
        runs = [place for place in gate.runs if place not in self.nothing] or list(gate.runs)[:1]
        run = [modules[place] for place in runs]
        if runs and self._is_fast(x) and fast_mixture.pays(x, run):
            norms = [self._norms.get(place) for place in runs]
            out = fast_mixture.mixed(x, gate.weights[runs], run, norms, gate.drop)
        else:
            out = self._one_by_one(x, gate, runs)
        if gate.rest:
            others = [place for place in range(len(modules)) if place not in runs]
            out = out + gate.weights[others].sum()
        # Where channels change, nothing can be skipped.
        if gate.skip > 0 and self.skips and runs and out.shape[1] == x.shape[1]:
            out = out + gate.skip * _resized(x, out)
        return out if gate.edge is None else gate.edge * out

    def _is_fast(self, x: Tensor) -> bool:
        return self.training and fast_mixture.serves(x)

    def _one_by_one(self, x: Tensor, gate: Gate, runs: list[int]) -> Tensor:
        modules, out = list(self.values()), x.new_zeros(())
        for place in runs:
            said = modules[place](x)
            if gate.drop > 0 and isinstance(modules[place], nn.Identity):
                said = nn.functional.dropout(said, gate.drop, self.training)
            if (norm := self._norms.get(place)) is not None:
                said = norm(said)
            out = said if gate.whole else said * gate.weights[place] + out
        return out


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """Channels of all groups in turn, so that the next cell's first part is of all (Zhang et al., 2018: ShuffleNet)."""
    if x.shape[1] % groups:
        return x
    if x.is_contiguous(memory_format=torch.channels_last):  # and stays so
        pixels = x.permute(0, 2, 3, 1)
        grouped = pixels.reshape(*pixels.shape[:3], groups, -1).transpose(3, 4)
        return grouped.reshape(pixels.shape).permute(0, 3, 1, 2)
    count, channels, height, width = x.shape
    return x.reshape(count, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """`x`, or where the size was halved, its means."""
    return x if x.shape[-2:] == like.shape[-2:] else nn.functional.avg_pool2d(x, 2, 2, ceil_mode=True)
