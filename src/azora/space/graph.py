"""A drawing of an architecture before anyone draws it: named nodes and labelled edges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A box. `kind` is a hint for the drawer: input, output, operation, sum, stage, setting."""

    name: str
    label: str
    kind: str = "operation"


@dataclass(frozen=True)
class Edge:
    """An arrow from the node named `source` to the node named `target`."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which edges point forward, and the edges."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
