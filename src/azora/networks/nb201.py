"""The space of NAS-Bench-201, with its published notation (Dong & Yang, 2020)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import final

from azora.errors import SpaceError
from azora.networks.four_nodes import EDGES, FourNodes, edge_name, edges_of
from azora.space import Architecture
from azora.tasks import Signature

OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
PUBLISHED = {"conv_1x1": "nor_conv_1x1", "conv_3x3": "nor_conv_3x3"}
OURS = {theirs: ours for ours, theirs in PUBLISHED.items()}


@final
class NB201(FourNodes):
    """Four nodes, six edges, five operations: the 15,625 cells of NAS-Bench-201, in its skeleton.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of the first stage (published: 16).
        depth: cells a stage (published: 5).
    """

    operations = OPERATIONS
    stages = 3

    def __init__(self, signature: Signature, width: int = 16, depth: int = 5) -> None:
        super().__init__("nb201", [OPERATIONS] * len(EDGES), signature, width, depth)

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
        return self.architecture(**{edge_name(edge): OURS.get(name, name) for edge, name in read.items()})


def to_string(architecture: Architecture) -> str:
    """The published notation of an architecture of this space."""
    return _notation({edge: PUBLISHED.get(name, name) for edge, name in edges_of(architecture).items()})


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
    edges, nodes = edges_of(architecture), ["0"]
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
