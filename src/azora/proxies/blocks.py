"""The three measures of AZ-NAS (Lee & Ham, 2024), by the blocks that a network consists of; more is better."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from azora.networks.decide import Options
from azora.proxies.probe import Probe


def expressivity(network: nn.Module, probe: Probe) -> float:
    """The sum over blocks of the entropy of the principal components of their channels. It orders networks less well
    than the count of live parameters: τ 0.45 against 0.64."""
    return sum(_entropies(network, probe.x))


def progressivity(network: nn.Module, probe: Probe) -> float:
    """The least that any block adds to the entropy of the one before it. It orders networks less well than the count of
    live parameters: τ 0.36 against 0.64."""
    found = _entropies(network, probe.x)
    return min((after - before for before, after in zip(found, found[1:], strict=False)), default=-math.inf)


def trainability(network: nn.Module, probe: Probe) -> float:
    """How near to one the largest singular value of each block's gradient map is: the mean over blocks of 2 − σ − 1/σ,
    for random signs sent back. Minus infinity where a block is an identity, or lets nothing through. It orders
    networks less well than the count of live parameters: τ 0.18 against 0.64."""
    scores = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for taken, given in _ways(network, probe.x)[1:]:  # what the first takes is the input
            if not given.requires_grad:
                return -math.inf
            signs = torch.randint(0, 2, given.shape).to(given) * 2 - 1
            (back,) = torch.autograd.grad(given, taken, signs, retain_graph=True, allow_unused=True)
            if back is None or (back.shape == signs.shape and torch.allclose(back, signs)):
                return -math.inf
            scores.append(_nearness(back, signs))
    return sum(scores) / len(scores) if scores else -math.inf


def _nearness(back: Tensor, signs: Tensor) -> float:
    incoming, outgoing = _columns(_folded(back, signs)), _columns(signs)
    largest = float(torch.linalg.matrix_norm(incoming.T @ outgoing / len(outgoing), ord=2))
    return 2 - largest - 1 / (largest + 1e-6)


def _folded(back: Tensor, signs: Tensor) -> Tensor:
    """What a strided block sends back, with the pixels that one of its outputs saw as channels."""
    if back.ndim < 4 or back.shape[2:] == signs.shape[2:]:
        return back
    times = -(-back.shape[2] // signs.shape[2])
    missing = [times * small - large for small, large in zip(signs.shape[2:], back.shape[2:], strict=True)]
    return nn.functional.pixel_unshuffle(nn.functional.pad(back, (0, missing[1], 0, missing[0])), times)


def _columns(maps: Tensor) -> Tensor:
    """(B, C, …) → (B × …, C)."""
    return maps.transpose(0, 1).flatten(1).T


def _entropies(network: nn.Module, x: Tensor) -> list[float]:
    found = []
    for _, given in _ways(network, x):
        columns = _columns(given.detach()).double()
        centred = columns - columns.mean(dim=0)
        values = torch.linalg.eigvalsh(centred.T @ centred).clamp(min=0)
        shares = values / values.sum() if values.sum() > 0 else torch.zeros_like(values)
        found.append(-float(torch.special.xlogy(shares, shares).sum()))
    return found


def _ways(network: nn.Module, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """What each block but the last layers takes and gives, as parts of one graph. Of several inputs the last one comes
    from the block before. All give as many axes as the first of them: flattened pictures have fewer."""
    made: list[tuple[Tensor, Tensor]] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not made or output.ndim == made[0][1].ndim:
            made.append((inputs[-1], output))

    handles = [block.register_forward_hook(keep) for block in _blocks(network)]
    try:
        last = network(x.clone().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    return [(taken, given) for taken, given in made if given is not last and given.shape != last.shape]


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The parts of a network one after the other. Lists are taken apart, and so are sequences of nothing but parts that
    have parts: one with a layer in it is a block. A skip that was chosen in place of a block is none."""
    for child in network.children():
        if _has_blocks(child):
            yield from _blocks(child)
        elif isinstance(child, Options):
            if not all(isinstance(option, nn.Identity) for option in child.values()):
                yield child
        elif not isinstance(child, nn.ModuleDict):
            yield child


def _has_blocks(module: nn.Module) -> bool:
    if isinstance(module, nn.Sequential):
        return all(next(part.children(), None) is not None for part in module)
    return isinstance(module, nn.ModuleList)
