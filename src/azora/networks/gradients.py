"""Gradients of tensors of which only parts were used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.slicing import Box, holds, index, region


@final
class Gradients:
    """Adds gradients of parts into the `grad` of whole parameters, and knows which parts they are.

    Outside of them `grad` is exactly zero. The tensors that stand behind are kept and only what was written is cleaned,
    since a small network writes little of a large one.
    """

    def __init__(self) -> None:
        self._boxes: dict[nn.Parameter, list[Box]] = {}
        self._kept: dict[nn.Parameter, _Kept] = {}

    @torch.no_grad()
    def give(self, given: Iterable[tuple[nn.Parameter, Box, Tensor]]) -> None:
        """Add gradients to parts of the parameters' `grad`; what is given may be kept."""
        fresh: tuple[list[Tensor], list[Tensor]] = [], []  # where to, and what
        more: tuple[list[Tensor], list[Tensor]] = [], []
        for parameter, box, gradient in given:
            if (whole := parameter.grad) is not None:
                boxes = self._boxes.setdefault(parameter, [])
                if box not in boxes:
                    boxes.append(box)
                more[0].append(whole[index(box)])
                more[1].append(gradient)
                continue
            self._boxes[parameter] = [box]
            if gradient.shape == parameter.shape:
                parameter.grad = gradient
            else:
                kept = self._clean(parameter, box)
                parameter.grad = kept.buffer
                fresh[0].append(kept.part(box))
                fresh[1].append(gradient)
        if fresh[0]:
            torch._foreach_copy_(*fresh)
        if more[0]:
            torch._foreach_add_(*more)

    def region(self, parameter: nn.Parameter) -> tuple[Box, Tensor | None] | None:
        """The smallest box around all that was given, and which of its entries were (None: all); None for nothing."""
        if parameter.grad is None or not self._boxes.get(parameter):
            return None
        box, mask = region(self._boxes[parameter])
        return box, mask if mask is None else mask.to(parameter.device)

    def _clean(self, parameter: nn.Parameter, box: Box) -> _Kept:
        """A tensor of the parameter's shape that is zero outside of `box`."""
        kept = self._kept.get(parameter)
        if kept is None or kept.buffer.device != parameter.device:
            kept = self._kept[parameter] = _Kept(torch.zeros_like(parameter))
        for stale in kept.written:
            if stale != box and not holds(box, stale):
                kept.part(stale).zero_()
        kept.written = self._boxes[parameter]
        return kept


@final
class _Kept:
    """A tensor that stands behind a `grad`, the parts of it that are not zero, and views of parts."""

    def __init__(self, buffer: Tensor) -> None:
        self.buffer, self.written = buffer, list[Box]()
        self._parts: dict[Box, Tensor] = {}

    def part(self, box: Box) -> Tensor:
        if (part := self._parts.get(box)) is None:
            part = self._parts[box] = self.buffer[index(box)]
        return part
