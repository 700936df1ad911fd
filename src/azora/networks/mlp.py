"""Networks for rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.checks import check_counts, check_shares
from azora.networks.decide import Decide
from azora.space import Architecture, Categorical, Choice, Edge, Graph, Node, Option, Space, When
from azora.tasks import Signature

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


@final
class _Nothing(nn.Module):
    """(B, F) → zeros (B, outputs)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], self.outputs)


@final
class _Perceptron(nn.Module):
    """(B, …) → (B, outputs): hidden layers, and beside them perhaps a linear way straight to the outputs."""

    def __init__(self, hidden: nn.Module, head: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.hidden, self.head, self.skip = hidden, head, skip

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(x, 1)
        out: Tensor = self.head(self.hidden(x)) + self.skip(x)
        return out


@final
class Mlp(Space):
    """Depth, the width of each layer, activation, normalisation, dropout, and a linear way past the layers.

    Args:
        signature: the shape of the task; pictures are flattened.
        depths: numbers of hidden layers to choose among.
        widths: widths of a layer to choose among.
        dropouts: shares of values dropped after each layer to choose among.

    Raises:
        SpaceError: a depth or width is no whole number of at least 1, or a dropout is not in [0, 1).
    """

    def __init__(
        self,
        signature: Signature,
        depths: Sequence[int] = (1, 2, 3, 4),
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropouts: Sequence[float] = (0.0, 0.1, 0.2, 0.4),
    ) -> None:
        check_counts("mlp", depths=depths, widths=widths)
        check_shares("mlp", "dropouts", dropouts, zero=True)
        self.signature = signature
        self.depths, self.widths, self.dropouts = tuple(depths), tuple(widths), tuple(float(each) for each in dropouts)
        choices: list[Choice] = [Categorical("depth", self.depths)]
        for layer in range(max(self.depths)):
            deep = tuple(depth for depth in self.depths if depth > layer)
            when = () if deep == self.depths else (When("depth", deep),)
            choices.append(Categorical(f"width_{layer}", self.widths, when))
        choices += [
            Categorical("activation", tuple(ACTIVATIONS)),
            Categorical("normalisation", tuple(NORMS)),
            Categorical("dropout", self.dropouts),
            Categorical("skip", (False, True)),
        ]
        super().__init__("mlp", choices)

    def build(self, decide: Decide) -> nn.Module:
        """(B, F) or (B, C, H, W) → (B, outputs)."""
        features, outputs = prod(self.signature.shape), self.signature.outputs
        layers, width = nn.Sequential(), features
        for layer in range(decide.number("depth")):
            wide = decide.number(f"width_{layer}")
            # Before the normalisation too: that of a layer is over all its values.
            linear = decide.narrowed(f"width_{layer}", nn.Linear(width, wide))
            layers.append(decide.narrowed(f"width_{layer}", self._layer(decide, linear, wide)))
            width = wide
        skip = decide.module("skip", lambda taken: nn.Linear(features, outputs) if taken else _Nothing(outputs))
        return _Perceptron(layers, nn.Linear(width, outputs), skip)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """What most would try first on a table: one to three layers, with a little dropout."""
        usual = {"activation": "relu", "normalisation": "batch", "dropout": 0.1, "skip": False}
        sizes = ((128, 64), (64,), (256, 128, 64))
        return [
            {"depth": len(widths), **{f"width_{layer}": width for layer, width in enumerate(widths)}, **usual}
            for widths in sizes
        ]

    def graph(self, architecture: Architecture) -> Graph:
        ending = f"{architecture['normalisation']} norm, {architecture['activation']}"
        nodes = [Node("input", f"{prod(self.signature.shape)} columns", "input")]
        for layer in range(architecture["depth"]):
            nodes.append(Node(f"layer {layer}", f"linear {architecture[f'width_{layer}']}, {ending}", "operation"))
        nodes.append(Node("output", f"{self.signature.outputs} outputs", "output"))
        edges = [Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False)]
        if architecture["skip"]:
            edges.append(Edge("input", "output", "linear"))
        return Graph(f"mlp, dropout {architecture['dropout']:g}", tuple(nodes), tuple(edges))

    def _layer(self, decide: Decide, linear: nn.Module, wide: int) -> nn.Module:
        return nn.Sequential(
            linear,
            decide.module("normalisation", lambda name: NORMS[name](wide)),
            decide.module("activation", lambda name: ACTIVATIONS[name]()),
            nn.Dropout(decide.number("dropout")),
        )
