"""How many maps of a cell are held at once, from its edges alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, final

Edge = tuple[int, int]  # (source, target)


class During(NamedTuple):
    """The operation of an edge at work: how many maps are held beside what it takes and gives, and whether what it
    takes is needed afterwards as well."""

    edge: Edge
    others: int
    held: bool


class _Step(NamedTuple):
    """An operation, or without an edge a sum."""

    edge: Edge | None
    reads: tuple[int, ...]


@final
class CellMemory:
    """What `azora.networks.lifetimes.Lifetimes` would be told of a cell (see `azora.networks.cell.Cell`).

    Args:
        edges: that are live, in the order of their sources.
        skips: those of them that give the very map that they take.
        outputs: the nodes whose sum is the output; without any it is zeros.

    Attributes:
        maps: the most that are held at once while no operation is at work.
        during: the operations at work.
    """

    def __init__(self, edges: Sequence[Edge], skips: frozenset[Edge], outputs: Sequence[int]) -> None:
        self._steps: list[_Step] = []
        result = self._run(edges, skips, outputs)
        last = {value: place for place, step in enumerate(self._steps) for value in (*step.reads, place + 1)}
        last[result] = len(self._steps)
        self.maps, self.during = 1 if outputs else 2, list[During]()
        for place, (edge, reads) in enumerate(self._steps):
            # There is a value of each step before it, and the cell's input.
            others = sum(last[value] >= place for value in range(place + 1) if value not in reads)
            held = any(last[value] > place for value in reads)
            if edge is not None:
                self.during.append(During(edge, others, held))
            else:
                used = len(set(reads))
                over = used == 1 and not held  # a map and itself: the sum is written over it
                self.maps = max(self.maps, others + used + (0 if over else 1))

    def _run(self, edges: Sequence[Edge], skips: frozenset[Edge], outputs: Sequence[int]) -> int:
        """The steps of a cell; gives the number of its output."""
        nodes = {0: 0}
        for target in sorted({target for _, target in edges}):
            terms = [
                nodes[edge[0]] if edge in skips else self._step(edge, nodes[edge[0]])
                for edge in edges
                if edge[1] == target
            ]
            nodes[target] = self._sum(terms)
        return self._sum([nodes[node] for node in outputs]) if outputs else 0

    def _sum(self, terms: Sequence[int]) -> int:
        total, *others = terms
        for each in others:
            total = self._step(None, total, each)
        return total

    def _step(self, edge: Edge | None, *reads: int) -> int:
        """Gives the number of what is made; the cell's input is 0."""
        self._steps.append(_Step(edge, reads))
        return len(self._steps)


# Cells of thousands of networks are wired in few ways.
cell_memory = lru_cache(maxsize=4096)(CellMemory)
