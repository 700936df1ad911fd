"""What is known of a network of one repeated cell without making it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import prod
from typing import final

from torch import nn

from azora.networks.cell import live
from azora.networks.cell_memory import cell_memory
from azora.networks.complexity import BYTES, by_kind, measure, memory, parameters, with_weights
from azora.networks.shapes_only import ShapesOnly
from azora.networks.skeleton import stage_sides, staged
from azora.operations import make_operation
from azora.tasks import Signature

MOST_PATHS = 512  # sequences of operations that are told apart

Cost = Mapping[str, int]  # as `azora.networks.complexity.cost` has it


@final
@dataclass(frozen=True)
class Skeleton:
    """What stands around the cells (see `azora.networks.skeleton.staged`)."""

    signature: Signature
    widths: tuple[int, ...]
    shrink: int = 1
    plain: bool = False


@final
class CellNetwork:
    """A cell of `edges` (see `azora.networks.cell.Cell`), `depth` times in each stage of a skeleton."""

    def __init__(
        self, edges: Mapping[tuple[int, int], str], nodes: int, loose: bool, skeleton: Skeleton, depth: int
    ) -> None:
        self.nodes, self.skeleton, self.depth = nodes, skeleton, depth
        open_edges = {edge: name for edge, name in edges.items() if name != "none"}
        kept, self.outputs = live(open_edges, nodes, loose=loose)
        self.edges = {edge: edges[edge] for edge in kept}
        self.counts = Counter(self.edges.values())

    def features(self, operations: Sequence[str]) -> dict[str, tuple[float, ...]]:
        """Three groups of numbers about what of the cell is live, that is, lies on a way from its input to its output.

        `paths`: how many ways lead through each sequence of operations (White et al., 2021: BANANAS; here counted, and
        without `skip_connect`, which is no step). Sequences too long for 512 of them to be told apart are left out.
        `operations`: how many live edges have each operation.
        `size`: the logarithms of the whole network's parameters and multiply-accumulates.
        """
        about = self.cost()
        return {
            "paths": self._paths(operations),
            "operations": tuple(float(self.counts[name]) for name in operations if name != "none"),
            "size": (math.log(about["params"]), math.log(about["macs"])),
        }

    def cost(self) -> dict[str, int]:
        """What `azora.networks.complexity.cost` counts, added up from what is counted once for every operation."""
        total = dict(_bare_cost(self.skeleton))
        sides = stage_sides(self.skeleton.signature, len(self.skeleton.widths), self.skeleton.shrink)
        for width, side in zip(self.skeleton.widths, sides, strict=True):
            for name, count in self.counts.items():
                for quantity, value in _operation_cost(name, width, *side).items():
                    total[quantity] += self.depth * count * value
        held = frozenset(self._held().items())
        total["memory"] = max(total["memory"], _most_held(self.skeleton.widths, tuple(sides), held))
        return with_weights(total)

    def _held(self) -> dict[tuple[str, bool], int]:
        """The most maps that are held in a cell beside those of an operation at work, by its name and whether its input
        is needed afterwards; of no name while none is."""
        skips = frozenset(edge for edge, name in self.edges.items() if name == "skip_connect")
        wired = cell_memory(tuple(self.edges), skips, tuple(self.outputs))
        found = {("", False): wired.maps}
        for each in wired.during:
            key = self.edges[each.edge], each.held
            found[key] = max(each.others, found.get(key, 0))
        return found

    def kinds(self) -> dict[str, int]:
        """What `azora.networks.complexity.by_kind` counts, added up alike."""
        total = Counter(_bare_kinds(self.skeleton))
        sides = stage_sides(self.skeleton.signature, len(self.skeleton.widths), self.skeleton.shrink)
        for width, side in zip(self.skeleton.widths, sides, strict=True):
            for name, count in self.counts.items():
                for quantity, value in _operation_kinds(name, width, *side).items():
                    total[quantity] += self.depth * count * value
        return dict(total)

    def _paths(self, operations: Sequence[str]) -> tuple[float, ...]:
        steps = [name for name in operations if name not in ("none", "skip_connect")]
        # A sequence is the number whose digits, from 1 to the number of steps, are its steps: the shorter, the smaller.
        ways: dict[int, Counter[int]] = {0: Counter({0: 1})}
        for (source, target), name in self.edges.items():  # in the order of sources
            there = ways.setdefault(target, Counter())
            for path, count in ways[source].items():
                there[path if name == "skip_connect" else path * len(steps) + steps.index(name) + 1] += count
        ends = sum((ways[node] for node in self.outputs), Counter[int]())
        counts = [0.0] * _told_apart(len(steps), self.nodes)
        for path, count in ends.items():
            if path < len(counts):
                counts[path] = float(count)
        return tuple(counts)


@cache
def _operation_cost(name: str, channels: int, height: int, width: int) -> Cost:
    with ShapesOnly():
        module = make_operation(name, channels)
    counted = measure(module, (channels, height, width))
    del counted["memory"]
    return {"params": parameters(module)} | counted


@lru_cache(maxsize=4096)
def _most_held(
    widths: tuple[int, ...], sides: tuple[tuple[int, int], ...], held: frozenset[tuple[tuple[str, bool], int]]
) -> int:
    """Bytes of what is held at once, in any stage."""
    found = list[int]()
    for width, side in zip(widths, sides, strict=True):
        one = BYTES * width * prod(side)
        found += [
            others * one + (_operation_memory(name, waits, width, *side) if name else 0)
            for (name, waits), others in held
        ]
    return max(found)


@cache
def _operation_memory(name: str, held: bool, channels: int, height: int, width: int) -> int:
    with ShapesOnly():
        module = make_operation(name, channels)
    return memory(module, (channels, height, width), held=held)


@cache
def _operation_kinds(name: str, channels: int, height: int, width: int) -> Mapping[str, int]:
    with ShapesOnly():
        module = make_operation(name, channels)
    return by_kind(module, (channels, height, width))


@cache
def _bare_kinds(skeleton: Skeleton) -> Mapping[str, int]:
    return by_kind(_bare(skeleton), skeleton.signature.shape)


def _bare(skeleton: Skeleton) -> nn.Module:
    with ShapesOnly():
        return staged(
            skeleton.signature, skeleton.widths, 0, lambda channels: nn.Identity(), skeleton.shrink, skeleton.plain
        )


@cache
def _bare_cost(skeleton: Skeleton) -> Cost:
    network = _bare(skeleton)
    total = {"params": parameters(network)} | measure(network, skeleton.signature.shape)
    # An empty stage is counted as a layer that copies its map.
    sides = stage_sides(skeleton.signature, len(skeleton.widths), skeleton.shrink)
    total["layers"] -= len(sides)
    total["values"] -= sum(width * prod(side) for width, side in zip(skeleton.widths, sides, strict=True))
    return total


@cache
def _told_apart(steps: int, nodes: int) -> int:
    """The number of sequences of up to so many steps that are still no more than 512."""
    told = longer = 1
    for _ in range(nodes):
        longer *= steps
        if told + longer > MOST_PATHS:
            break
        told += longer
    return told
