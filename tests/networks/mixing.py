"""Small mixtures, and what runs in them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.networks.relaxation import Gate, Relaxation
from azora.operations import make_operation
from azora.space import Space
from azora.tasks import Signature

PICTURES = Signature("classification", (3, 8, 8), 4)


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def nb201(depth: int = 1) -> NB201:
    return NB201(PICTURES, width=4, depth=depth)


def doubled(space: Space, relaxation: Relaxation) -> Relaxed:
    made = Relaxed(space, relaxation, seed=1).double()
    made.logits.values.data = made.logits.values.data.double()
    return made


def loss(network: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = network(x)
    return (out * random_of(*out.shape, seed=9)).sum() + out.square().mean()


def some_options() -> tuple[Mixed, dict[str, Gate], Callable[[Tensor, Tensor], Tensor]]:
    """A choice of five, with its gates, and what the loss's gradient says to the weight of each option that is run."""
    gates: dict[str, Gate] = {}
    names = ("conv_3x3", "skip_connect", "none", "conv_1x1", "sep_conv_3x3")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {name: make_operation(name, 4) for name in names}
    mixed = Mixed("choice", options, gates).double().eval()

    @torch.no_grad()
    def upstream(x: Tensor, weigher: Tensor) -> Tensor:
        return torch.stack([(option(x) * weigher).sum() for option in mixed.values()])

    return mixed, gates, upstream
