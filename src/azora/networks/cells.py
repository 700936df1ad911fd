"""The default space for pictures: a cell of operations and connections, repeated in a skeleton of stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

from torch import nn

from azora.networks.cell import Cell, expression, live
from azora.networks.cell_network import CellNetwork, Skeleton
from azora.networks.checks import check_counts, check_operations, check_pictures
from azora.networks.decide import Decide, OfChannels
from azora.networks.skeleton import staged, stem_stride
from azora.operations import DEFAULT_OPERATIONS, make_operation
from azora.space import Architecture, Categorical, Choice, Edge, Graph, Node, Option, Rule, Space, Subset, When
from azora.tasks import Signature


@final
class Cells(Space):
    """A cell of operations and connections, repeated; its width and repeats too.

    Node 0 is the cell's input. Each further node chooses its inputs among the earlier ones and an operation for each
    of them, and is their sum; the sum of the nodes that no other takes in is the output. The cell is repeated `depth`
    times in each of `stages` stages; from stage to stage the size halves and the channels double. The stem may shrink
    the picture before all this: maps of a quarter of the pixels pay for twice the channels.

    Args:
        signature: the shape of the task; pictures only.
        nodes: nodes beside the input.
        operations: names from the catalogue.
        inputs: the most inputs of a node.
        stages: number of stages.
        widths: channels of the first stage to choose among.
        depths: cells a stage to choose among.
        shrinks: how much further than it must the stem may shrink the picture; only where 8 × 8 is left.

    Raises:
        SpaceError: the task is not of pictures, an operation is unknown, or a number is no whole one of at least 1.
    """

    def __init__(
        self,
        signature: Signature,
        nodes: int = 3,
        operations: Sequence[str] = DEFAULT_OPERATIONS,
        inputs: int = 2,
        stages: int = 3,
        widths: Sequence[int] = (8, 16, 24, 32, 48),
        depths: Sequence[int] = (1, 2, 3),
        shrinks: Sequence[int] = (1, 2),
    ) -> None:
        check_pictures("cells", signature)
        check_counts("cells", nodes=nodes, inputs=inputs, stages=stages, widths=widths, depths=depths, shrinks=shrinks)
        check_operations("cells", operations)
        self.signature, self.nodes, self.operations, self.inputs = signature, nodes, tuple(operations), inputs
        self.stages, self.widths, self.depths, self.shrinks = stages, tuple(widths), tuple(depths), tuple(shrinks)
        choices: list[Choice] = [
            Categorical("shrink", self.shrinks),
            Categorical("width", self.widths),
            Categorical("depth", self.depths),
        ]
        sizes = len(choices)
        for node in range(1, nodes + 1):
            choices.append(Subset(f"inputs_{node}", tuple(range(node)), 1, min(inputs, node)))
            choices.extend(
                Categorical(f"operation_{source}_{node}", self.operations, (When(f"inputs_{node}", (source,)),))
                for source in range(node)
            )
        reads = tuple(choice.name for choice in choices[sizes:])
        rule = Rule("something must get from the cell's input to its output", self._passes, reads)
        super().__init__("cells", choices, [rule], {"stages": stages})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        shrink, width, depth = decide.number("shrink"), decide.number("width"), decide.repeats(decide.number("depth"))
        widths = [width * 2**stage for stage in range(self.stages)]
        return staged(self.signature, widths, depth, partial(self._cell, decide), shrink)

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        # Small pictures are not shrunk whatever is decided.
        shrink = stem_stride(self.signature, decisions["shrink"]) // stem_stride(self.signature)
        cell = expression(self._edges(decisions), self.nodes, loose=True)
        return [shrink, decisions["width"], decisions["depth"], cell]

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """A residual block of two convolutions (He et al., 2016) as the cell, at both ends of the resolutions."""
        conv, skip = "conv_3x3", "skip_connect"
        block = {
            "inputs_1": (0,), "operation_0_1": conv, "inputs_2": (1,), "operation_1_2": conv,
            "inputs_3": (0, 2), "operation_0_3": skip, "operation_2_3": skip,
        }  # fmt: skip
        sizes = ((max(self.shrinks), 24), (min(self.shrinks), 16), (max(self.shrinks), 32))
        return [{"shrink": shrink, "width": width, "depth": 1, **block} for shrink, width in sizes]

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """Those of `CellNetwork`."""
        return self._described(decisions).features(self.operations)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).cost()

    def kinds(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).kinds()

    def graph(self, architecture: Architecture) -> Graph:
        stride = stem_stride(self.signature, architecture["shrink"])
        title = f"cell, {architecture['depth']} a stage, {self.stages} stages from {architecture['width']} channels"
        title += f" after a stride of {stride}" if stride > 1 else ""
        return cell_graph(title, self._edges(architecture), self.nodes, loose=True)

    def _cell(self, decide: Decide, channels: int) -> Cell:
        edges = {
            (source, node): decide.module(f"operation_{source}_{node}", OfChannels(make_operation, channels))
            for node in range(1, self.nodes + 1)
            for source in decide.subset(f"inputs_{node}")
        }
        return Cell(edges, self.nodes, loose=True)

    def _described(self, decisions: Mapping[str, Option]) -> CellNetwork:
        widths = tuple(decisions["width"] * 2**stage for stage in range(self.stages))
        skeleton = Skeleton(self.signature, widths, decisions["shrink"])
        return CellNetwork(self._edges(decisions), self.nodes, True, skeleton, decisions["depth"])

    def _edges(self, decisions: Mapping[str, Option]) -> dict[tuple[int, int], str]:
        return {
            (source, node): decisions[f"operation_{source}_{node}"]
            for node in range(1, self.nodes + 1)
            for source in decisions[f"inputs_{node}"]
        }

    def _passes(self, decisions: Mapping[str, Option]) -> bool:
        edges = {edge: name for edge, name in self._edges(decisions).items() if name != "none"}
        return bool(live(edges, self.nodes, loose=True)[1])


def cell_graph(title: str, edges: Mapping[tuple[int, int], str], nodes: int, *, loose: bool) -> Graph:
    """The live part of a cell for a drawer."""
    open_edges = {edge: name for edge, name in edges.items() if name != "none"}
    kept, outputs = live(open_edges, nodes, loose=loose)
    shown = [node for node in range(1, nodes + 1) if any(target == node for _, target in kept)]
    boxes = [Node("0", "input", "input"), *(Node(str(node), f"node {node}", "sum") for node in shown)]
    arrows = [Edge(str(source), str(target), edges[source, target]) for source, target in kept]
    arrows.extend(Edge(str(node), "output") for node in outputs)
    return Graph(title, (*boxes, Node("output", "output", "output")), tuple(arrows))
