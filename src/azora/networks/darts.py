"""The space of DARTS, with its published notation (Liu et al., 2019)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.checks import check_operations, check_pictures
from azora.networks.decide import Decide, OfChannels
from azora.operations import FactorizedReduction, conv, make_operation
from azora.space import Architecture, Categorical, Choice, Edge, Graph, Node, Option, Space, Subset, When
from azora.tasks import Signature

NODES = (2, 3, 4, 5)  # 0 and 1 are the outputs of the two cells before
OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def _point(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), conv(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out))


@final
class _Cell(nn.Module):
    """Two inputs, four nodes of two edges each, concatenated. (B, C, H, W) twice → (B, 4·channels, H/s, W/s)."""

    def __init__(self, before: nn.Module, last: nn.Module, edges: Mapping[tuple[int, int], nn.Module]) -> None:
        super().__init__()
        self.before, self.last = before, last
        self.edges = nn.ModuleDict({f"{source}_{target}": module for (source, target), module in edges.items()})
        self.inputs = {node: [source for source, target in edges if target == node] for node in NODES}

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        values = [self.before(before), self.last(last)]
        for node in NODES:
            values.append(sum(self.edges[f"{source}_{node}"](values[source]) for source in self.inputs[node]))
        return torch.cat(values[2:], dim=1)


@final
class _Network(nn.Module):
    """(B, C, H, W) → (B, outputs)."""

    def __init__(self, stem: nn.Module, cells: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.cells, self.head = stem, nn.ModuleList(cells), head

    def forward(self, x: Tensor) -> Tensor:
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        out: Tensor = self.head(last)
        return out


@final
class Darts(Space):
    """A normal and a reduction cell of four nodes, each with two inputs, in a stack of cells.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of a node in the first cells (published: 16 to search, 36 to train).
        layers: number of cells (published: 8 to search, 20 to train); those at a third and two thirds halve the size.
        none: whether the operation `none` may be chosen too, as while DARTS searches.
        operations: to choose among. With `("skip_connect", "sep_conv_3x3")` it is the space S2 of Zela et al. (2020),
            with `none` beside them S3, with `("noise", "sep_conv_3x3")` S4.

    Raises:
        SpaceError: the task is not of pictures, an operation is unknown, or a number is too small.
    """

    def __init__(
        self,
        signature: Signature,
        width: int = 16,
        layers: int = 8,
        none: bool = False,
        operations: Sequence[str] = OPERATIONS,
    ) -> None:
        check_pictures("darts", signature)
        check_operations("darts", operations)
        if width < 1 or layers < 3:
            raise SpaceError(f"darts: width={width} must be at least 1 and layers={layers} at least 3")
        self.signature, self.width, self.layers, self.none = signature, width, layers, none
        operations = (*(("none",) if none else ()), *operations)
        choices: list[Choice] = []
        for kind in ("normal", "reduce"):
            for node in NODES:
                choices.append(Subset(f"{kind}_inputs_{node}", tuple(range(node)), 2, 2))
                choices += [
                    Categorical(
                        f"{kind}_operation_{source}_{node}", operations, (When(f"{kind}_inputs_{node}", (source,)),)
                    )
                    for source in range(node)
                ]
        super().__init__("darts", choices, settings={"width": width, "layers": layers})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        stem_width = 3 * self.width
        stem = nn.Sequential(conv(self.signature.shape[0], stem_width, 3), nn.BatchNorm2d(stem_width))
        before = last = stem_width
        width, halved, cells = self.width, False, list[nn.Module]()
        layers = decide.repeats(self.layers)
        for layer in range(layers):
            reduces = layer in (layers // 3, 2 * layers // 3)
            width *= 2 if reduces else 1
            first = FactorizedReduction(before, width) if halved else _point(before, width)
            edges = self._cell_edges(decide, "reduce" if reduces else "normal", width)
            cells.append(_Cell(first, _point(last, width), edges))
            before, last, halved = last, 4 * width, reduces
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, self.signature.outputs))
        return _Network(stem, cells, head)

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return [_expression(_edges(decisions, kind), kind == "reduce") for kind in ("normal", "reduce")]

    def graph(self, architecture: Architecture) -> Graph:
        nodes, edges = list[Node](), list[Edge]()
        for kind in ("normal", "reduce"):
            nodes += [Node(f"{kind} 0", f"{kind}: cell before last", "input"), Node(f"{kind} 1", "last cell", "input")]
            nodes += [Node(f"{kind} {node}", f"node {node}", "sum") for node in NODES]
            nodes.append(Node(f"{kind} output", "concatenation", "output"))
            for (source, target), name in _edges(architecture, kind).items():
                edges.append(Edge(f"{kind} {source}", f"{kind} {target}", name))
            edges += [Edge(f"{kind} {node}", f"{kind} output") for node in NODES]
        return Graph(f"darts, {self.layers} cells from {self.width} channels", tuple(nodes), tuple(edges))

    def from_genotype(self, text: str) -> Architecture:
        """The architecture that `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=…, reduce=[…], …)` says.

        Raises:
            SpaceError: it is not of that form, or not of this space.
        """
        decisions: dict[str, Option] = {}
        for kind in ("normal", "reduce"):
            found = re.search(rf"\b{kind}\s*=\s*\[([^\]]*)\]", text)
            pairs = re.findall(r"\(\s*['\"](\w+)['\"]\s*,\s*(\d+)\s*\)", found[1] if found else "")
            concat = re.search(rf"\b{kind}_concat\s*=\s*(range\([^)]*\)|\[[^\]]*\])", text)
            if concat and re.sub(r"\s", "", concat[1]) not in ("range(2,6)", "[2,3,4,5]"):
                raise SpaceError(
                    f"darts: {kind}_concat={concat[1]} is not of this space, whose cells join nodes 2 to 5"
                )
            if len(pairs) != 2 * len(NODES):
                raise SpaceError(f"darts: {text[:60]!r} has no {kind}=[…] of {2 * len(NODES)} (operation, input) pairs")
            for place, node in enumerate(NODES):
                both = [(name, int(source)) for name, source in pairs[2 * place : 2 * place + 2]]
                decisions[f"{kind}_inputs_{node}"] = tuple(source for _, source in both)
                decisions.update({f"{kind}_operation_{source}_{node}": name for name, source in both})
        return self.architecture(**decisions)

    def _cell_edges(self, decide: Decide, kind: str, width: int) -> dict[tuple[int, int], nn.Module]:
        edges: dict[tuple[int, int], nn.Module] = {}
        for node in NODES:
            for source in decide.subset(f"{kind}_inputs_{node}"):
                stride = 2 if kind == "reduce" and source < 2 else 1
                name = f"{kind}_operation_{source}_{node}"
                edges[source, node] = decide.module(name, OfChannels(partial(make_operation, stride=stride), width))
        return edges


def to_genotype(architecture: Architecture) -> str:
    """The published notation of an architecture of this space."""
    parts = []
    for kind in ("normal", "reduce"):
        pairs = [(name, source) for (source, _), name in _edges(architecture, kind).items()]
        parts.append(f"{kind}={pairs}, {kind}_concat=range(2, 6)")
    return f"Genotype({', '.join(parts)})"


def _edges(decisions: Mapping[str, Option], kind: str) -> dict[tuple[int, int], str]:
    return {
        (source, node): decisions[f"{kind}_operation_{source}_{node}"]
        for node in NODES
        for source in decisions[f"{kind}_inputs_{node}"]
    }


def _expression(edges: Mapping[tuple[int, int], str], reduces: bool) -> Any:
    """What the nodes compute, in sorted order: a concatenation's order only permutes what the next cell's first 1 × 1
    learns. A skip that halves is no identity."""
    values: list[list[Any]] = [["before"], ["last"]]
    for node in NODES:
        terms: list[Any] = []
        for (source, target), name in edges.items():
            if target == node and name != "none":
                same = name == "skip_connect" and not (reduces and source < 2)
                terms.extend(values[source] if same else [[name, values[source]]])
        values.append(sorted(terms, key=repr))
    return sorted(values[2:], key=repr)
