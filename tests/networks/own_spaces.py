"""A space of one's own, of whatever is to be built."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from azora.networks.decide import Decide
from azora.space import Choice, Space
from azora.tasks import Signature


class Made(Space):
    """A space of one's own: two numbers, and what is made of them."""

    def __init__(self, make: Callable[[Decide], nn.Module], choices: Sequence[Choice], shape: Sequence[int]) -> None:
        self.signature = Signature("classification", tuple(shape), 2)
        self.make = make
        super().__init__("made", choices)

    def build(self, decide: Decide) -> nn.Module:
        return self.make(decide)
