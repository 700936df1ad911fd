"""Gradients of tensors of which only parts were used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.slicing import Box, holds, index, region, whole


@final
class Gradients:
    """Adds gradients of parts into the `grad` of whole parameters, and knows which parts they are.

    Outside of them `grad` is exactly zero. The tensors that stand behind are kept and only what was written is cleaned,
    since a small network writes little of a large one.
    """

    def __init__(self) -> None:
        self._boxes: dict[nn.Parameter, list[Box]] = {}
        self._kept: dict[nn.Parameter, tuple[Tensor, list[Box]]] = {}

    @torch.no_grad()
    def give(self, given: Iterable[tuple[nn.Parameter, Box, Tensor]]) -> None:
        """Add gradients to parts of the parameters' `grad`; what is given may be kept."""
        fresh, more = list[tuple[Tensor, Tensor]](), list[tuple[Tensor, Tensor]]()
        for parameter, box, gradient in given:
            if parameter.grad is not None:
                boxes = self._boxes.setdefault(parameter, [])
                if box not in boxes:
                    boxes.append(box)
                more.append((parameter.grad[index(box)], gradient))
                continue
            self._boxes[parameter] = [box]
            if box == whole(tuple(parameter.shape)):
                parameter.grad = gradient
            else:
                parameter.grad = self._zeros(parameter, box)
                fresh.append((parameter.grad[index(box)], gradient))
        if fresh:
            torch._foreach_copy_([part for part, _ in fresh], [gradient for _, gradient in fresh])
        if more:
            torch._foreach_add_([part for part, _ in more], [gradient for _, gradient in more])

    def region(self, parameter: nn.Parameter) -> tuple[Box, Tensor | None] | None:
        """The smallest box around all that was given, and which of its entries were (None: all); None for nothing."""
        if parameter.grad is None or not self._boxes.get(parameter):
            return None
        box, mask = region(self._boxes[parameter])
        return box, mask if mask is None else mask.to(parameter.device)

    def _zeros(self, parameter: nn.Parameter, box: Box) -> Tensor:
        """A tensor of the parameter's shape that is zero outside of `box`."""
        buffer, written = self._kept.get(parameter, (None, []))
        if buffer is None or buffer.device != parameter.device:
            buffer, written = torch.zeros_like(parameter), []
        for stale in written:
            if not holds(box, stale):
                buffer[index(stale)].zero_()
        self._kept[parameter] = buffer, self._boxes[parameter]
        return buffer
