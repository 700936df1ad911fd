"""Numbers of channels, mixed: one module for the most of them, and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import Undecided
from azora.networks.relaxation import Gate
from azora.networks.shapes_only import ShapesOnly
from azora.space import Categorical, Choice, Integer, Option, Real, Space

MOST_NUMBERS = 16  # of a choice that is mixed


@final
class Masked(nn.Module):
    """A module that gives the most channels there may be; those beyond a number weigh what larger numbers weigh.

    (B, …) → (B, C, …). Of the numbers' weights w the output is multiplied by the sum of w_i m_i, in which m_i is 1 for
    the first channels, as many as the i-th number says, and 0 for the others (Wan et al., 2020: FBNetV2). So all
    numbers cost one pass, and what a number is worth has a gradient.

    Args:
        choice: of the number.
        numbers: of channels, in the order of the weights.
        gates: what the numbers weigh until the next draw, by choice.

    Raises:
        SpaceError: in a pass, the module gives another number of channels than the largest of the numbers.
    """

    def __init__(self, choice: str, numbers: Sequence[int], gates: Mapping[str, Gate], module: nn.Module) -> None:
        super().__init__()
        self.choice, self.gates, self.module = choice, gates, module
        masks = torch.arange(max(numbers)) < torch.tensor(numbers)[:, None]
        self.masks: Tensor
        self.register_buffer("masks", masks.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x)
        if out.dim() == 0:
            return out  # nothing was run
        if out.shape[1] != self.masks.shape[1]:
            raise SpaceError(
                f"{self.choice!r} is at most {self.masks.shape[1]}, and what is narrowed by it has {out.shape[1]}"
                " channels: narrow what has as many"
            )
        weights = self.gates[self.choice].weights
        mask = weights @ self.masks.to(weights.dtype)
        return out * mask.to(out.dtype).reshape(-1, *[1] * (out.dim() - 2))


class _Listening(Undecided):
    """Builds a network to hear which numbers it asks for, and by which it narrows."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.heard: dict[str, Option] = {}
        self.narrows = set[str]()

    def number(self, name: str) -> Any:
        self.heard[name] = max(self._numbers(name))
        return self.heard[name]

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        if name not in self.heard:
            raise SpaceError(f"{name!r} narrows a module before its number was asked for: ask decide.number first")
        self.narrows.add(name)
        return module


def open_numbers(space: Space) -> list[str]:
    """The choices of numbers that have several values left and shape the largest network.

    Raises:
        SpaceError: a choice of words changes more than one module, so nothing can be mixed (with its name).
    """
    return [name for name in _listened(space).heard if _several(space.choices[name])]


def maskable(space: Space) -> tuple[str, ...]:
    """Those of `open_numbers` that can be mixed: by which the space says it narrows modules, and of which there are not
    more than sixteen values."""
    listening = _listened(space)
    return tuple(
        name
        for name in listening.heard
        if name in listening.narrows
        and _several(choice := space.choices[name])
        and not isinstance(choice, Real)
        and (choice.count() or 0) <= MOST_NUMBERS
    )


def _listened(space: Space) -> _Listening:
    listening = _Listening(space)
    with ShapesOnly():
        space.build(listening)
    return listening


def _several(choice: Choice) -> bool:
    number = isinstance(choice, Integer | Real) or (isinstance(choice, Categorical) and choice.ordered)
    return number and choice.varies
