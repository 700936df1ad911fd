"""The space of NAS-Bench-201, with its published notation (Dong & Yang, 2020)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

from torch import nn

from azora.errors import SpaceError
from azora.networks.cell import Cell, expression
from azora.networks.cell_network import CellNetwork, Skeleton
from azora.networks.cells import cell_graph
from azora.networks.checks import check_counts, check_pictures
from azora.networks.decide import Decide
from azora.networks.skeleton import staged
from azora.operations import make_operation
from azora.space import Architecture, Categorical, Graph, Option, Space
from azora.tasks import Signature

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
PUBLISHED = {"conv_1x1": "nor_conv_1x1", "conv_3x3": "nor_conv_3x3"}
OURS = {theirs: ours for ours, theirs in PUBLISHED.items()}


@final
class NB201(Space):
    """Four nodes, six edges, five operations: the 15,625 cells of NAS-Bench-201, in its skeleton.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of the first stage (published: 16).
        depth: cells a stage (published: 5).
    """

    def __init__(self, signature: Signature, width: int = 16, depth: int = 5) -> None:
        check_pictures("nb201", signature)
        check_counts("nb201", width=width, depth=depth)
        self.signature, self.width, self.depth = signature, width, depth
        choices = [Categorical(_name(edge), OPERATIONS) for edge in EDGES]
        super().__init__("nb201", choices, settings={"width": width, "depth": depth})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        widths = [self.width * 2**stage for stage in range(3)]
        return staged(self.signature, widths, self.depth, partial(self._cell, decide))

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return expression(_edges(decisions), 3, loose=False)

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """Those of `CellNetwork`."""
        return self._described(decisions).features(OPERATIONS)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).cost()

    def graph(self, architecture: Architecture) -> Graph:
        return cell_graph(f"cell, {self.depth} a stage", _edges(architecture), 3, loose=False)

    def _cell(self, decide: Decide, channels: int) -> Cell:
        edges = {edge: decide.module(_name(edge), lambda name: make_operation(name, channels)) for edge in EDGES}
        return Cell(edges, 3, loose=False)

    def _described(self, decisions: Mapping[str, Option]) -> CellNetwork:
        widths = tuple(self.width * 2**stage for stage in range(3))
        return CellNetwork(_edges(decisions), 3, False, Skeleton(self.signature, widths), self.depth)

    def from_string(self, text: str) -> Architecture:
        """The architecture that `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|` says.

        Raises:
            SpaceError: it is not of that form, or names another operation.
        """
        groups = [re.findall(r"([^|~]+)~(\d+)\|", group) for group in text.strip().split("+|")]
        read = {(int(source), node): name for node, group in enumerate(groups, 1) for name, source in group}
        # Written again it must be what was read: nothing before, after or twice.
        if set(read) != set(EDGES) or _notation(read) != text.strip():
            raise SpaceError(f"nb201: {text!r} is not of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return self.architecture(**{_name(edge): OURS.get(name, name) for edge, name in read.items()})


def to_string(architecture: Architecture) -> str:
    """The published notation of an architecture of this space."""
    return _notation({edge: PUBLISHED.get(name, name) for edge, name in _edges(architecture).items()})


def _notation(edges: Mapping[tuple[int, int], str]) -> str:
    return "+".join(
        "|" + "|".join(f"{edges[source, node]}~{source}" for source in range(node)) + "|" for node in (1, 2, 3)
    )


def published_string_rule(architecture: Architecture) -> str:
    """The string by which the benchmark's authors call two cells one; it has 6,466 values.

    A node is the sum of its operations' strings in sorted order, skip is its input's string, and `none`, or anything
    applied to a node that is `none` alone, is "#". Unlike the key of an architecture, sums keep their "#" and are not
    flattened into the sums that contain them.
    """
    edges, nodes = _edges(architecture), ["0"]
    for node in (1, 2, 3):
        terms = []
        for source in range(node):
            name = edges[source, node]
            if name == "none" or nodes[source] == "#":
                terms.append("#")
            elif name == "skip_connect":
                terms.append(nodes[source])
            else:
                terms.append(f"({nodes[source]})@{PUBLISHED.get(name, name)}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def _name(edge: tuple[int, int]) -> str:
    return f"operation_{edge[0]}_{edge[1]}"


_NAMED = tuple((edge, _name(edge)) for edge in EDGES)  # asked for with every architecture


def _edges(decisions: Mapping[str, Option]) -> dict[tuple[int, int], str]:
    return {edge: decisions[name] for edge, name in _NAMED}
