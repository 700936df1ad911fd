"""Larger networks that give what a smaller one gives, and can learn what it could not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.complexity import signature_of
from azora.networks.decide import As
from azora.networks.slicing import Box, Unsliceable, box_of, index
from azora.space import Architecture, Space

SAME = 1e-5  # two answers may differ by so much, and still be of one function: sums in another order
ROWS = 8  # random inputs that a morphism is checked on
MOST_TRIED = 400  # neighbours that are looked at


class NoMorphism(Exception):
    """Why one network cannot be grown into another without changing what it gives."""


def grow(space: Space, old: nn.Module, start: Architecture, to: Architecture) -> nn.Module:
    """The network of `to`, in eval mode, giving what `old` gives, which is that of `start`.

    Where both have a module, the new one's tensors hold the old one's: the first channels, the centre of the kernel, as
    weights are shared (`azora.networks.slicing`). What would bring something new to an old channel is zero; what
    makes new channels is drawn as in any new network, so that it can learn (Chen et al., 2016, who copy channels
    instead; a path that is multiplied by nothing at first is as exact, and needs no noise to break a symmetry). What
    is new as a whole, such as one more block, has its last normalisation or layer set to zero: beside a path past it,
    it adds nothing yet.

    Of more outputs, the first are those that `old` gives.

    Args:
        space: both architectures' root, with a signature.
        old: trained.

    Raises:
        NoMorphism: the networks do not fit into each other so, or the answers differ by more than 1e-5 of their size.
    """
    new = _drawn(space, to)
    inside = dict(old.named_modules())
    fresh = [name for name, _ in new.named_modules() if name not in inside]
    gone = inside.keys() - dict(new.named_modules()).keys()
    if learned := sorted(name for name in gone if any(True for _ in inside[name].parameters())):
        raise NoMorphism(f"it has no {learned[0]}")
    with torch.no_grad():
        for name, module in new.named_modules():
            if name in inside:
                _fill(module, inside[name])
        for name in fresh:
            if name.rpartition(".")[0] not in fresh:  # the root of what is new
                _silence(new.get_submodule(name))
    return _checked(new.eval(), old.eval(), signature_of(space).shape)


def grown(
    space: Space, old: nn.Module, start: Architecture, rng: random.Random,
    wanted: Callable[[Architecture], bool] = lambda to: True,
) -> Iterator[Growth]:  # fmt: skip
    """Networks one decision larger than `start`'s that give what it gives, in random order; what is not `wanted` is not
    built."""
    near = list(space.neighbours(start))
    rng.shuffle(near)
    for to in near[:MOST_TRIED]:
        if not wanted(to):
            continue
        try:
            network = grow(space.root, old, start, to)
        except NoMorphism:
            continue
        if _size(network) > _size(old):
            yield Growth(
                to, network, ", ".join(f"{name} {start.get(name)} → {to.get(name)}" for name in _other(start, to))
            )


def inherit(space: Space, old: nn.Module, to: Architecture) -> nn.Module:
    """The network of `to`, in eval mode, with what fits of `old`'s tensors: of each module that both have, the first
    channels and the centre of the kernel, whichever of the two is larger. The rest is drawn; what it gives is another
    function, and a good place to learn `old`'s answers from.

    Args:
        space: `to`'s root, with a signature.
        old: trained, of any architecture of the space.
    """
    new = _drawn(space, to)
    inside = dict(old.named_modules())
    with torch.no_grad():
        for name, module in new.named_modules():
            if name in inside:
                _take(module, inside[name])
    return new.eval()


@final
class Growth:
    """A grown network, its architecture, and what was changed."""

    def __init__(self, architecture: Architecture, network: nn.Module, change: str) -> None:
        self.architecture, self.network, self.change = architecture, network, change


def _drawn(space: Space, to: Architecture) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        new: nn.Module = space.build(As(to))
    return new


def _own(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}


def _take(new: nn.Module, old: nn.Module) -> None:
    """Put into `new`'s own tensors what fits of `old`'s."""
    mine = _own(new)
    for name, tensor in _own(old).items():
        if name not in mine:
            continue
        for large, small in ((new, old), (old, new)):
            try:
                box = box_of(large, small, name)
            except Unsliceable:
                continue
            if large is new:
                mine[name][index(box)] = tensor
            else:
                mine[name].copy_(tensor[index(box)])
            break


def _fill(new: nn.Module, old: nn.Module) -> None:
    """Put `old`'s own tensors where `new`'s mean the same."""
    mine = _own(new)
    for name, tensor in _own(old).items():
        if name not in mine:
            raise NoMorphism(f"a {type(new).__name__} of it has no {name}")
        try:
            box = box_of(new, old, name)
        except Unsliceable as error:
            raise NoMorphism(str(error)) from error
        _put(mine[name], tensor, box)


def _put(large: Tensor, small: Tensor, box: Box) -> None:
    if large.dim() > 1:
        large[index(box[:1])] = 0.0  # old outputs hear nothing new
    large[index(box)] = small


def _silence(module: nn.Module) -> None:
    """Let what is new give nothing: its last normalisation or layer is zero."""
    last = next((each for each in reversed(list(module.modules())) if list(each.parameters(recurse=False))), None)
    for parameter in () if last is None else last.parameters(recurse=False):
        parameter.zero_()


def _checked(new: nn.Module, old: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    x = torch.randn((ROWS, *shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            was, now = old(x), new(x)
        except RuntimeError as error:
            raise NoMorphism(f"it does not run: {str(error).splitlines()[0]}") from error
    away = float((now[:, : was.shape[1]] - was).abs().max()) / max(1.0, float(was.abs().max()))
    if not away < SAME:
        raise NoMorphism(f"what it gives differs by {away:.2g}")
    return new


def _other(one: Architecture, other: Architecture) -> list[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
