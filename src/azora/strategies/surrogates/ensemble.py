"""An ensemble of small neural networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import final

import numpy as np

from azora.errors import ConfigError
from azora.strategies.surrogates.surrogate import Array, Independent, Posterior, Surrogate

RATE, BETAS, TINY = 0.01, (0.9, 0.99), 1e-8  # of Adam
BATCH = 32

Layers = list[Array]  # weights and biases in turn; the first axis is the member


@final
class NetworkEnsemble(Surrogate):
    """Perceptrons that differ in their first weights and the order of their batches (BANANAS, White et al., 2021).

    Trained by Adam on the absolute error as there, but with two wide layers in place of ten narrow ones and for fewer
    steps, because one ask has half a second. All members are trained at once, in numpy.

    Args:
        members: how many networks.
        width: units of each of the two hidden layers.
        steps: batches of 32 observations that each network sees.

    Raises:
        ConfigError: fewer than 2 members, or no unit or step.
    """

    def __init__(self, members: int = 5, width: int = 32, steps: int = 200) -> None:
        if members < 2 or width < 1 or steps < 1:
            raise ConfigError(f"members={members} must be at least 2, width={width} and steps={steps} at least 1")
        self.members, self.width, self.steps = members, width, steps

    def fit(self, points: Array, targets: Array, groups: Sequence[slice]) -> Posterior:
        varying = np.flatnonzero(points.std(0) > 1e-9)
        mean, deviation = points[:, varying].mean(0), points[:, varying].std(0)
        rows = (points[:, varying] - mean) / deviation
        layers = self._train(rows, targets)

        def predict(member: int, asked: Array) -> Array:
            own = [each[member : member + 1] for each in layers]
            found: Array = _forward(own, (asked[None, :, varying] - mean) / deviation)[-1][0, :, 0]
            return found

        return Independent([partial(predict, member) for member in range(self.members)])

    def _train(self, rows: Array, targets: Array) -> Layers:
        rng = np.random.default_rng(0)
        layers = self._start(rows.shape[1], rng)
        first = [np.zeros_like(layer) for layer in layers]
        second = [np.zeros_like(layer) for layer in layers]
        for step in range(1, self.steps + 1):
            batch = rng.integers(len(rows), size=(self.members, min(BATCH, len(rows))))
            slopes = _slopes(layers, rows[batch], targets[batch])
            rate = RATE * (1 - step / (self.steps + 1))  # down to nothing: otherwise the last batches decide
            for layer, slope, one, two in zip(layers, slopes, first, second, strict=True):
                one += (1 - BETAS[0]) * (slope - one)
                two += (1 - BETAS[1]) * (slope * slope - two)
                spread = np.sqrt(two / (1 - BETAS[1] ** step)) + TINY
                layer -= rate / (1 - BETAS[0] ** step) * one / spread
        return layers

    def _start(self, columns: int, rng: np.random.Generator) -> Layers:
        sizes, layers = (columns, self.width, self.width, 1), list[Array]()
        for fan, out in zip(sizes, sizes[1:], strict=False):
            layers.append(rng.normal(size=(self.members, fan, out)) * np.sqrt(2 / max(1, fan)))
            layers.append(np.zeros((self.members, 1, out)))
        return layers


def _forward(layers: Layers, x: Array) -> list[Array]:
    """The input, what each hidden layer gives after its rectifier, and the output; (members, rows, units)."""
    values = [x]
    for place in range(0, len(layers), 2):
        x = x @ layers[place] + layers[place + 1]
        x = np.maximum(x, 0.0) if place + 2 < len(layers) else x
        values.append(x)
    return values


def _slopes(layers: Layers, x: Array, targets: Array) -> Layers:
    """The slope of the mean absolute error by each layer."""
    values = _forward(layers, x)
    back = np.sign(values[-1] - targets[..., None]) / targets.shape[1]
    slopes = list[Array]()
    for place in range(len(layers) // 2 - 1, -1, -1):
        slopes = [values[place].swapaxes(1, 2) @ back, back.sum(1, keepdims=True), *slopes]
        if place:
            back = (back @ layers[2 * place].swapaxes(1, 2)) * (values[place] > 0)
    return slopes
