"""Channels in the order of their importance, so that the first ones are those to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Use = tuple[str, int]  # a tensor's path in a module, and the dimension that counts the channels


@runtime_checkable
class Hides(Protocol):
    """A module with channels that nothing outside of it sees."""

    def hidden(self) -> tuple[str, Sequence[Use]]:
        """The weight (outputs, hidden channels, …) that reads the channels, and every tensor that counts them."""
        ...


@torch.no_grad()
def sort_by_importance(network: nn.Module, *followers: Mapping[str, Tensor]) -> int:
    """Put the hidden channels of every module that has some into the order of their importance, the greatest first.

    A channel is as important as the weights by which it is read are large: the sum of their absolute values (Cai et
    al., 2020). All that makes and reads it is permuted alike, so the network computes what it did before, and elastic
    widths then keep the channels that matter. Channels that several modules share stay where they are.

    Args:
        followers: tensors by their paths in the network, such as moments and averages of its weights; what is there of
            a tensor that is permuted is permuted with it.

    Returns:
        How many modules were sorted. After this, networks must be borrowed anew (`SharedWeights.changed`).
    """
    count = 0
    modules: dict[str, nn.Module] = dict(network.named_modules())
    for place, module in modules.items():
        # A submodule of that name (the MLP's) passes for the protocol too.
        if isinstance(module, Hides) and callable(getattr(type(module), "hidden", None)):
            reader, uses = module.hidden()
            weight = _tensor(module, reader)
            order = weight.abs().transpose(0, 1).flatten(1).sum(1).argsort(descending=True, stable=True)
            for path, dimension in uses:
                whole = f"{place}.{path}" if place else path
                for tensor in (_tensor(module, path), *(each[whole] for each in followers if whole in each)):
                    tensor.copy_(tensor.index_select(dimension, order))
            count += 1
    return count


def norm_of(path: str) -> list[Use]:
    """All that a batch normalisation at `path` keeps for each channel."""
    return [(f"{path}.{name}", 0) for name in ("weight", "bias", "running_mean", "running_var")]


def _tensor(module: nn.Module, path: str) -> Tensor:
    owner, _, name = path.rpartition(".")
    found: Tensor = getattr(module.get_submodule(owner), name)
    return found
