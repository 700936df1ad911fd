"""A cell: a small graph of operations, and what is left of it when everything that does nothing is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.networks.decide import Options
from azora.networks.mixed import Mixed
from azora.operations import Zero

Edges = Mapping[tuple[int, int], Any]  # (source, target) → operation; node 0 is the cell's input


@final
class Cell(nn.Module):
    """Each node is the sum of operations on earlier nodes. (B, C, H, W) → (B, C, H, W).

    Edges that are decided to be `none`, and whatever hangs on them alone, are left out: they would cost parameters and
    time and give nothing. With `loose`, the output is the sum of the nodes that no other takes in; else the last node.
    """

    def __init__(self, edges: Mapping[tuple[int, int], nn.Module], nodes: int, *, loose: bool) -> None:
        super().__init__()
        self.nodes, self.loose = nodes, loose
        open_edges = {edge: module for edge, module in edges.items() if not _is_zero(module)}
        kept, self.outputs = live(open_edges, nodes, loose=loose)
        self.edges = nn.ModuleDict({f"{source}_{target}": edges[source, target] for source, target in kept})
        self.inputs = _inputs(kept)
        self.mixed = any(isinstance(module, Mixed) for module in self.edges.values())

    def forward(self, x: Tensor) -> Tensor:
        inputs, outputs = self._now() if self.mixed else (self.inputs, self.outputs)
        values = {0: x}
        for node in sorted(inputs):
            values[node] = _sum(self.edges[f"{source}_{node}"](values[source]) for source in inputs[node])
        return _sum(values[node] for node in outputs) if outputs else torch.zeros_like(x)

    def _now(self) -> tuple[Mapping[int, list[int]], list[int]]:
        """Inputs and outputs of a mixture, by what its edges are doing: what is nothing now is no edge."""
        edges: dict[tuple[int, int], nn.Module] = {}
        for name, module in self.edges.items():
            if not (isinstance(module, Mixed) and module.idle):
                source, _, target = name.partition("_")
                edges[int(source), int(target)] = module
        kept, outputs = live(edges, self.nodes, loose=self.loose)
        return _inputs(kept), outputs


def _inputs(edges: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Of each node the nodes that it takes in."""
    found: dict[int, list[int]] = {}
    for source, target in edges:
        found.setdefault(target, []).append(source)
    return found


def _sum(terms: Iterable[Tensor]) -> Tensor:
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def _is_zero(module: nn.Module) -> bool:
    """Whether `module` is decided, and decided to be nothing."""
    if isinstance(module, Options):
        return len(module) == 1 and _is_zero(next(iter(module.values())))
    return isinstance(module, Zero)


def live(edges: Edges, nodes: int, *, loose: bool) -> tuple[list[tuple[int, int]], list[int]]:
    """The edges that lie on a way from the input to the output, and the nodes whose sum is the output."""
    fed = {0}
    for node in range(1, nodes + 1):
        if any(target == node and source in fed for source, target in edges):
            fed.add(node)
    carried = [(source, target) for source, target in edges if source in fed]
    taken = {source for source, _ in carried}
    outputs = [node for node in sorted(fed - {0}) if node not in taken] if loose else [nodes] * (nodes in fed)
    needed = set(outputs)
    for node in range(nodes, 0, -1):
        if node in needed:
            needed.update(source for source, target in carried if target == node)
    return sorted(edge for edge in carried if edge[1] in needed), outputs


def expression(edges: Mapping[tuple[int, int], str], nodes: int, *, loose: bool) -> Any:
    """What the cell computes, as nested sorted lists: sums are multisets, `skip_connect` is what it is applied to,
    `none` and what hangs on it is gone. Two cells of one expression are one."""
    values: list[list[Any]] = [["x"]]  # a node that nothing reaches is an empty sum
    taken = set()
    for target in range(1, nodes + 1):
        terms: list[Any] = []
        for source, value in enumerate(values):
            name = edges.get((source, target), "none")
            if name == "none" or not value:
                continue
            taken.add(source)
            if name == "skip_connect":
                terms += value
            else:
                terms.append([name, value])
        values.append(_sorted(terms))
    if not loose:
        return values[nodes]
    return _sorted([term for node in range(1, nodes + 1) if node not in taken for term in values[node]])


def _sorted(terms: list[Any]) -> list[Any]:
    return sorted(terms, key=repr) if len(terms) > 1 else terms
