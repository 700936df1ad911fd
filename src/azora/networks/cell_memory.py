"""How many maps of a cell are held at once, from its edges alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

SKIP, SUM, ZEROS = "skip_connect", "sum", "zeros"  # a skip gives the very map that it takes


class During(NamedTuple):
    """An operation at work: how many maps are held beside what it takes and gives, and whether what it takes is needed
    afterwards as well."""

    operation: str
    others: int
    held: bool


class _Step(NamedTuple):
    name: str
    reads: tuple[int, ...]


@final
class CellMemory:
    """What `azora.networks.lifetimes.Lifetimes` would be told of a cell (see `azora.networks.cell.Cell`).

    Args:
        edges: that are live, in the order of their sources.
        outputs: the nodes whose sum is the output.

    Attributes:
        maps: the most that are held at once while no operation is at work.
        during: the operations at work.
    """

    def __init__(self, edges: Mapping[tuple[int, int], str], outputs: Sequence[int]) -> None:
        self._steps: list[_Step] = []
        result = self._run(edges, outputs)
        last = {value: place for place, step in enumerate(self._steps) for value in (*step.reads, place + 1)}
        last[result] = len(self._steps)
        self.maps, during = 1, set[During]()
        for place, step in enumerate(self._steps):
            # There is a value of each step before it, and the cell's input.
            others = sum(last[value] >= place for value in range(place + 1) if value not in step.reads)
            used = len(set(step.reads))
            held = any(last[value] > place for value in step.reads)
            if step.name not in (SUM, ZEROS):
                during.add(During(step.name, others, held))
            elif step.name == SUM and used == 1 and not held:  # a map and itself: it is written over
                self.maps = max(self.maps, others + 1)
            else:
                self.maps = max(self.maps, others + used + 1)
        self.during = tuple(during)

    def _run(self, edges: Mapping[tuple[int, int], str], outputs: Sequence[int]) -> int:
        """The steps of a cell; gives the number of its output."""
        nodes = {0: 0}
        for target in sorted({target for _, target in edges}):
            terms = [
                nodes[source] if name == SKIP else self._step(name, nodes[source])
                for (source, node), name in edges.items()
                if node == target
            ]
            nodes[target] = self._sum(terms)
        return self._sum([nodes[node] for node in outputs]) if outputs else self._step(ZEROS, 0)

    def _sum(self, terms: Sequence[int]) -> int:
        total, *others = terms
        for each in others:
            total = self._step(SUM, total, each)
        return total

    def _step(self, name: str, *reads: int) -> int:
        """Gives the number of what is made; the cell's input is 0."""
        self._steps.append(_Step(name, reads))
        return len(self._steps)
