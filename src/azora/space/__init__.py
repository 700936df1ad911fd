"""Search spaces and architectures: what can be decided, as values. Imports no torch."""

from azora.space.architecture import Architecture
from azora.space.choice import Categorical, Choice, Integer, Option, Real, Subset, When
from azora.space.derived import Derived
from azora.space.graph import Edge, Graph, Node
from azora.space.product import Product
from azora.space.space import Rule, Space
from azora.space.subspace import Subspace

__all__ = [
    "Architecture",
    "Categorical",
    "Choice",
    "Derived",
    "Edge",
    "Graph",
    "Integer",
    "Node",
    "Option",
    "Product",
    "Real",
    "Rule",
    "Space",
    "Subset",
    "Subspace",
    "When",
]
