"""The trees that scikit-learn has grown, as tensors."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from azora.networks.decide import As
from azora.networks.trees import BoostedTrees
from azora.space import Architecture
from azora.tasks.array import Array
from azora.training.boosting import Boosting

INF = np.float32(np.inf)
NEVER = 127  # turns to the left, which no leaf has


def plant(boosting: Boosting) -> tuple[BoostedTrees, Architecture, nn.Module]:
    """Fitted trees as a network of raw rows, in eval mode, with the space that it is of. It gives logits, or numbers in
    units of the target's spread, as every network does.

    What is read of the estimators are scikit-learn's own arrays, which have no public name; a test compares answers.
    """
    planting = _Planting(boosting)
    for iteration in zip(*(each._predictors for each in boosting.estimators), strict=True):
        for tree in (tree for trees in iteration for tree in trees):
            planting.add(tree.nodes, tree.raw_left_cat_bitsets)
    space = BoostedTrees(boosting.signature, **planting.sizes())
    architecture = space.architecture(**boosting.growth.to_json())
    network = space.build(As(architecture))
    bias = np.concatenate([each._baseline_prediction.ravel() for each in boosting.estimators])
    network.load_state_dict({**planting.tensors(), "bias": torch.from_numpy(bias)})
    return space, architecture, network.eval()


@final
class _Planting:
    """Trees, one after another, as `Trees` has them."""

    def __init__(self, boosting: Boosting) -> None:
        words = boosting.words
        if words.any():
            # The estimator sets words before numbers, and numbers the words that it has seen.
            self.order = np.concatenate([np.flatnonzero(words), np.flatnonzero(~words)])
            seen = boosting.estimators[0]._preprocessor.named_transformers_["encoder"].categories_
            table = boosting.scaling.table
            assert table is not None
            self.width = 1 + max(len(each.categories or ()) for each in table.table.columns)
            self.numbers = [{int(place): number for number, place in enumerate(places)} for places in seen]
        else:
            self.order, self.width, self.numbers = np.arange(boosting.signature.raw_shape[0]), 0, []
        self.words: list[list[bool]] = [[False] * self.width]
        self.trees: list[dict[str, Array]] = []

    def add(self, nodes: Array, bits: Array) -> None:
        """A tree: `nodes` is structured, `bits` (splits, 8) uint32 have a bit for each word that goes left."""
        leaf = nodes["is_leaf"].astype(bool)
        splits = nodes[~leaf]
        by_words = splits["is_categorical"].astype(bool)
        row = np.zeros(len(splits), np.int32)
        for at in np.flatnonzero(by_words):
            row[at] = len(self.words)
            self.words.append(self._left(splits[at], bits))
        way = _ways(nodes)
        self.trees.append(
            {
                "column": self.order[splits["feature_idx"]].astype(np.int32),
                "threshold": np.where(by_words, -INF, _below(splits["num_threshold"])),
                "missing": ~by_words & splits["missing_go_to_left"].astype(bool),
                "way": way,
                "lefts": (way > 0).sum(axis=0).astype(np.int8),
                "value": nodes["value"][leaf].astype(np.float32),
                "row": row,
            }
        )

    def sizes(self) -> dict[str, int]:
        """The settings of the space of these trees."""
        leaves = max(2, *(len(tree["value"]) for tree in self.trees))
        rows = len(self.words) if self.width else 0
        return {"trees": len(self.trees), "leaves": leaves, "rows": rows, "words": self.width}

    def tensors(self) -> dict[str, Tensor]:
        """All but the bias; what a tree has less than the largest is filled with what is never reached."""
        sizes = self.sizes()
        leaves = sizes["leaves"]
        shapes = {"way": (leaves - 1, leaves), "lefts": (leaves,), "value": (leaves,)}
        found = {}
        for name in self.trees[0]:
            whole = np.full((len(self.trees), *shapes.get(name, (leaves - 1,))), NEVER if name == "lefts" else 0)
            whole = whole.astype(self.trees[0][name].dtype)
            for place, tree in enumerate(self.trees):
                part = tuple(slice(length) for length in tree[name].shape)
                whole[place][part] = tree[name]
            found[name] = torch.from_numpy(whole)
        if not sizes["rows"]:
            found["row"] = found["row"][:, :0]
        return {**found, "words": torch.tensor(self.words if sizes["rows"] else [], dtype=torch.bool).flatten()}

    def _left(self, node: Any, bits: Array) -> list[bool]:
        """Whether a row goes left, by the place of its word in the column's list, −1 first; unknown ones go where
        missing ones go."""
        known, row = self.numbers[node["feature_idx"]], bits[node["bitset_idx"]].tolist()
        numbers = [known.get(place) for place in range(-1, self.width - 1)]
        unknown = bool(node["missing_go_to_left"])
        return [unknown if number is None else bool(row[number // 32] >> number % 32 & 1) for number in numbers]


def _ways(nodes: Array) -> Array:
    """(splits, leaves) int8, both in the order of `nodes`: 1 where a leaf lies left of a split, -1 where right."""
    leaf = nodes["is_leaf"].astype(bool)
    place = np.where(leaf, np.cumsum(leaf), np.cumsum(~leaf)) - 1
    way = np.zeros(((~leaf).sum(), leaf.sum()), np.int8)
    below: list[tuple[int, dict[int, int]]] = [(0, {})]
    while below:
        node, turns = below.pop()
        if leaf[node]:
            way[list(turns), place[node]] = list(turns.values())
            continue
        for child, turn in (("left", 1), ("right", -1)):
            below.append((int(nodes[child][node]), {**turns, int(place[node]): turn}))
    return way


def _below(thresholds: Array) -> Array:
    """The largest float32 that is not above each: rows are float32, and so are on the same side of both."""
    near = thresholds.astype(np.float32)
    lower: Array = np.where(near > thresholds, np.nextafter(near, -INF), near)
    return lower
