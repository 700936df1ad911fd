"""What a repeated cell tells of its network without a network being made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import final

import torch
from torch import nn

from azora.networks.cell import live
from azora.networks.complexity import macs, parameters
from azora.networks.skeleton import stage_sides, staged
from azora.operations import make_operation
from azora.tasks import Signature

MOST_PATHS = 512  # sequences of operations that are told apart


@final
@dataclass(frozen=True)
class Skeleton:
    """What stands around a cell (see `azora.networks.skeleton.staged`)."""

    signature: Signature
    widths: tuple[int, ...]
    depth: int
    shrink: int = 1


def cell_features(
    edges: Mapping[tuple[int, int], str], nodes: int, loose: bool, operations: Sequence[str], skeleton: Skeleton
) -> dict[str, tuple[float, ...]]:
    """Three groups of numbers about what of a cell is live, that is, lies on a way from its input to its output.

    `paths`: how many ways lead through each sequence of operations (White et al., 2021: BANANAS; counted, and without
    `skip_connect`, which is no step). Sequences too long for 512 of them to be told apart are left out.
    `operations`: how many live edges have each operation.
    `size`: the logarithms of the whole network's parameters and multiply-accumulates, which are exact.
    """
    open_edges = {edge: name for edge, name in edges.items() if name != "none"}
    kept, outputs = live(open_edges, nodes, loose=loose)
    counts = Counter(edges[edge] for edge in kept)
    return {
        "paths": _paths({edge: edges[edge] for edge in kept}, outputs, nodes, operations),
        "operations": tuple(float(counts[name]) for name in operations if name != "none"),
        "size": tuple(math.log(count) for count in staged_cost(skeleton, counts)),
    }


def staged_cost(skeleton: Skeleton, operations: Mapping[str, int]) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one input, of a network whose cells have so many of each operation."""
    params, work = _bare_cost(skeleton.signature, skeleton.widths, skeleton.shrink)
    sides = stage_sides(skeleton.signature, len(skeleton.widths), skeleton.shrink)
    for width, (height, breadth) in zip(skeleton.widths, sides, strict=True):
        for name, count in operations.items():
            about = _operation_cost(name, width, height, breadth)
            params += skeleton.depth * count * about[0]
            work += skeleton.depth * count * about[1]
    return params, work


@cache
def _operation_cost(name: str, channels: int, height: int, width: int) -> tuple[int, int]:
    with torch.device("meta"):
        module = make_operation(name, channels)
    return parameters(module), macs(module, (channels, height, width))


@cache
def _bare_cost(signature: Signature, widths: tuple[int, ...], shrink: int) -> tuple[int, int]:
    with torch.device("meta"):
        network = staged(signature, widths, 0, lambda channels: nn.Identity(), shrink)
    return parameters(network), macs(network, signature.shape)


def _paths(
    edges: Mapping[tuple[int, int], str], outputs: Sequence[int], nodes: int, operations: Sequence[str]
) -> tuple[float, ...]:
    steps = [name for name in operations if name not in ("none", "skip_connect")]
    # A sequence is the number whose digits, from 1 to the number of steps, are its steps: the shorter, the smaller.
    ways: dict[int, Counter[int]] = {0: Counter({0: 1})}
    for (source, target), name in edges.items():  # in the order of sources
        there = ways.setdefault(target, Counter())
        for path, count in ways[source].items():
            there[path if name == "skip_connect" else path * len(steps) + steps.index(name) + 1] += count
    ends = sum((ways[node] for node in outputs), Counter[int]())
    return tuple(float(ends[path]) for path in range(_told_apart(len(steps), nodes)))


@cache
def _told_apart(steps: int, nodes: int) -> int:
    """The number of sequences of up to so many steps that are still no more than 512."""
    sizes = [sum(steps**length for length in range(longest + 1)) for longest in range(nodes + 1)]
    return max(size for size in sizes if size <= MOST_PATHS or size == 1)
