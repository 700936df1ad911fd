"""Decision trees as tensors, so that what is shipped of them is arrays, and runs wherever networks run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.networks.checks import check_counts
from azora.networks.decide import Decide
from azora.space import Architecture, Edge, Graph, Integer, Node, Option, Real, Space
from azora.tasks import Signature


@final
class Trees(nn.Module):
    """The sum over many trees: raw rows (B, columns), NaN where a number is missing → (B, outputs) float32.

    All splits of all trees are asked at once, and a product of matrices says which leaf the answers lead to, as
    Hummingbird does it (Nakandala et al., 2020, "GEMM"): a leaf is reached where as many of its splits say left as its
    way goes left, less those that say left where it goes right. It is more than a walk down would compute, and a tenth
    of the operators, which is what exporters and runtimes take their time for.

    A classifier of two classes has one sum, which is the logit of the second.

    Args:
        trees: how many there are, of all iterations and outputs.
        leaves: of a tree, at most; it has one split fewer. What a tree has less is never reached.
        each: trees of an iteration, one for each sum.
        outputs: what is given; twice `each` where two classes have one sum.
        rows, words: of the table that says which words go left; row 0 is of splits by numbers, where none do, and
            column 0 of words that are not known.
        columns: of the input, to be checked against.
    """

    column: Tensor
    threshold: Tensor
    missing: Tensor
    way: Tensor
    lefts: Tensor
    value: Tensor
    row: Tensor
    words: Tensor
    bias: Tensor

    def __init__(
        self, trees: int, leaves: int, *, each: int, outputs: int, rows: int, words: int, columns: int
    ) -> None:
        super().__init__()
        self.each, self.outputs, self.rows, self.width, self.columns = each, outputs, rows, words, columns
        splits = leaves - 1
        for name, shape, kind in (
            ("column", (trees, splits), torch.int32),
            ("threshold", (trees, splits), torch.float32),
            ("missing", (trees, splits), torch.bool),  # whether no number goes left
            ("way", (trees, splits, leaves), torch.int8),  # 1 where a leaf lies left of a split, -1 right, 0 elsewhere
            ("lefts", (trees, leaves), torch.int8),  # how often the way to a leaf goes left
            ("value", (trees, leaves), torch.float32),
            ("row", (trees, splits if rows else 0), torch.int32),
            ("words", (rows * words,), torch.bool),
            ("bias", (each,), torch.float32),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=kind))
        self.register_load_state_dict_post_hook(_check)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        value = torch.index_select(x, 1, self.column.flatten()).reshape(-1, *self.column.shape)  # (B, trees, splits)
        # In truths alone: onnxruntime chooses between numbers, but not between truths.
        left = (value <= self.threshold) | (torch.isnan(value) & self.missing)
        if self.rows:
            place = torch.nan_to_num(value, nan=-1.0).clamp(-1, self.width - 2).int() + 1 + self.row * self.width
            left = left | torch.index_select(self.words, 0, place.flatten()).reshape(-1, *self.row.shape)
        agreed = left.float().transpose(0, 1) @ self.way.float()  # (trees, B, leaves)
        reached = (agreed == self.lefts.float().unsqueeze(1)).float()
        told = (reached @ self.value.unsqueeze(2)).squeeze(2).transpose(0, 1)  # (B, trees)
        sums = told.reshape(told.shape[0], -1, self.each).sum(dim=1) + self.bias
        return sums if self.each == self.outputs else torch.cat([torch.zeros_like(sums), sums], dim=1)


def _check(trees: nn.Module, keys: Any) -> None:
    """Raises ValueError where what was loaded asks for columns or words that there are not."""
    assert isinstance(trees, Trees)
    for name, most in (("column", trees.columns), ("row", trees.rows)):
        tensor: Tensor = getattr(trees, name)
        if tensor.numel() and not 0 <= int(tensor.min()) <= int(tensor.max()) < most:
            raise ValueError(f"{name} of the trees goes up to {int(tensor.max())}, of {most}")


@final
class BoostedTrees(Space):
    """Gradient-boosted trees: how they were grown is decided, how many nodes came of it is a setting.

    It is for reading back what was fitted: nobody searches it, and `build` gives empty trees, to be filled from a file.

    Args:
        signature: the shape of the task, one of rows.
        trees, leaves, rows, words: of `Trees`.

    Raises:
        SpaceError: a number that is no whole one of at least 1 (of leaves 2, of rows and words 0).
    """

    def __init__(self, signature: Signature, trees: int, leaves: int, rows: int = 0, words: int = 0) -> None:
        check_counts("trees", trees=trees, leaves=leaves - 1, rows=rows + 1, words=words + 1)
        self.signature = signature
        self.sizes = {"trees": trees, "leaves": leaves, "rows": rows, "words": words}
        choices = [
            Real("learning_rate", 1e-4, 1.0, log=True),
            Integer("leaves", 2, 100_000, log=True),
            Integer("least_rows", 1, 1_000_000, log=True),
            Integer("iterations", 1, 100_000, log=True),
        ]
        super().__init__("trees", choices, settings=self.sizes)

    def build(self, decide: Decide) -> nn.Module:
        """(B, raw columns) → (B, outputs)."""
        outputs, columns = self.signature.outputs, self.signature.raw_shape[0]
        two = self.signature.kind == "classification" and outputs == 2
        return Trees(**self.sizes, each=1 if two else outputs, outputs=outputs, columns=columns)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        """What stands for the trees: a threshold for each split, and a value for each leaf. What is computed of them is
        mostly compared and counted, so no limit may rest on it."""
        trees, leaves = self.sizes["trees"], self.sizes["leaves"]
        splits = leaves - 1
        held = trees * (splits * (leaves + 13) + 5 * leaves)
        return {
            "params": trees * (splits + leaves),
            "macs": trees * leaves * (splits + 1),
            "memory": held + 4 * trees * (splits + leaves),
            "values": trees * (splits + leaves),
            "layers": 1,
        }

    def graph(self, architecture: Architecture) -> Graph:
        trees, leaves = self.sizes["trees"], architecture["leaves"]
        nodes = (
            Node("input", f"{self.signature.raw_shape[0]} columns", "input"),
            Node("trees", f"{trees:,} trees of up to {leaves:,} leaves", "operation"),
            Node("sum", f"their sum, learning rate {architecture['learning_rate']:g}", "sum"),
            Node("output", f"{self.signature.outputs} outputs", "output"),
        )
        edges = tuple(Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False))
        return Graph("gradient-boosted trees", nodes, edges)
