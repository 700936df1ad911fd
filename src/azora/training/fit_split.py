"""Training the parts of a split supernet, and choosing the decision to split on."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

from torch import Tensor

from azora.errors import SpaceError
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Box, index
from azora.networks.split_weights import SplitWeights
from azora.space import Architecture, Categorical, Option, Space
from azora.tasks import Scaling, Signature, Split
from azora.training.fit_shared import RECALIBRATION_ROWS, SharedTraining
from azora.training.paths import Paths
from azora.training.recipe import RecipeSettings

CONTEXTS = 8  # random networks in which the options of a decision are exchanged
MOST_SPLIT = 10  # options of a decision that is looked at: its two groups are found by trying all

Parts = Mapping[str, tuple[Box, Tensor]]  # a gradient by the parameter's name, and where in it was borrowed
Gradient = Callable[[Architecture, Mapping[str, Option]], Parts | None]
Pairs = Mapping[tuple[Option, Option], float]


@final
class SplitTraining:
    """The parts of a split supernet in training, each on networks of its own space by paths of its own.

    Every part has its own schedule, seed and optimiser; they learn nothing from each other, so each of `parts` may be
    trained in a process of its own too. State is taken and taken up, exactly, as that of `SharedTraining`.

    Args:
        paths: makes those of a part from its space.
        epochs: of each part.
        settings: of every `SharedTraining`: its `mode`, `device`, `ema`.
    """

    def __init__(
        self,
        weights: SplitWeights,
        rows: Split,
        signature: Signature,
        scaling: Scaling,
        recipe: RecipeSettings,
        paths: Callable[[Space], Paths],
        epochs: float,
        *,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self.weights = weights
        self.parts = [
            SharedTraining(part, rows, signature, scaling, recipe, paths(part.space), epochs, seed=number, **settings)
            for number, part in enumerate(_parts(weights), seed)
        ]

    @property
    def epochs(self) -> float:
        """Epochs of the part that has trained least."""
        return min(part.epochs for part in self.parts)

    @property
    def judged(self) -> SplitWeights:
        """The weights to judge networks by: the averaged ones, where they are averaged."""
        weights = self.weights
        judged = [each for part in self.parts if isinstance(each := part.judged, SharedWeights)]
        if all(one is other for one, other in zip(judged, _parts(weights), strict=True)):
            return weights
        return SplitWeights(weights.space, weights.decision, weights.groups, judged)

    def advance(self, epochs: float = math.inf) -> None:
        """Train every part on to `epochs` since the beginning, one after another.

        Raises:
            TrainingDiverged: a loss became NaN or infinite.
        """
        for part in self.parts:
            part.advance(epochs)

    def calibration(self, rows: int = RECALIBRATION_ROWS, size: int = 256) -> list[Tensor]:
        """Batches of training rows, as those of `SharedTraining`."""
        return self.parts[0].calibration(rows, size)

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name."""
        return {
            f"part{place}.{name}": value
            for place, part in enumerate(self.parts)
            for name, value in part.state_tensors().items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another space or another split.
        """
        for place, part in enumerate(self.parts):
            start = f"part{place}."
            part.load_state({name.removeprefix(start): state[name] for name in state if name.startswith(start)})


def _parts(weights: SplitWeights) -> list[SharedWeights]:
    return [part for part in weights.parts if isinstance(part, SharedWeights)]


@final
@dataclass(frozen=True)
class Disagreement:
    """How differently two groups of a decision's options pull the weights that they share; from 0 to 2."""

    decision: str
    groups: tuple[tuple[Option, ...], ...]
    value: float


def disagreements(
    shared: SharedWeights, x: Tensor, loss: Callable[[Tensor], Tensor], *, contexts: int = CONTEXTS, seed: int = 0
) -> list[Disagreement]:
    """Of every decision that weights can be split on, most disagreement first (Hu et al., 2022: GM-NAS).

    In random networks the options of the decision are exchanged, and the gradients of the loss on one batch compared
    where they meet, in what both networks borrow. A decision's two groups are the halves of its options between which
    the mean of 1 - cosine is greatest: a part that holds most networks would be little better than the whole. One pass
    is made for each option of each decision, `contexts` times. Shared weights and their statistics stay as they are.

    Args:
        x: a batch as networks take it, (B, …).
        loss: of the outputs for it.

    Raises:
        SpaceError: there is no decision to split on.
    """
    looked, space, rng = copy.deepcopy(shared), shared.space, random.Random(seed)
    drawn = [space.sample(rng) for _ in range(contexts)]

    def gradient(context: Architecture, exchanged: Mapping[str, Option]) -> Parts | None:
        try:
            architecture = space.architecture(**{**dict(context.items()), **exchanged})
        except SpaceError:  # it breaks a rule, or needs decisions that the other network has not
            return None
        return _gradient(looked, loss(looked.borrow(architecture)(x)))

    found = []
    for name, choice in space.choices.items():
        if isinstance(choice, Categorical) and not choice.when and 1 < len(choice.values) <= MOST_SPLIT:
            found.append(_halved(name, choice.values, _apart(drawn, name, choice.values, gradient)))
    if not found:
        raise SpaceError(
            f"{shared.space.name}: there is no choice that all networks have and weights could be split on"
        )
    return sorted(found, key=lambda each: -each.value)


def _apart(drawn: Sequence[Architecture], name: str, options: Sequence[Option], gradient: Gradient) -> Pairs:
    """The mean over networks of 1 - cosine between the gradients of two options, for pairs that occurred."""
    sums: dict[tuple[Option, Option], list[float]] = {}
    for context in drawn:
        found = {option: each for option in options if (each := gradient(context, {name: option})) is not None}
        for one, other in combinations(found, 2):
            sums.setdefault((one, other), []).append(1 - _cosine(found[one], found[other]))
    return {pair: sum(values) / len(values) for pair, values in sums.items()}


def _halved(name: str, options: Sequence[Option], apart: Pairs) -> Disagreement:
    """The two groups of the options, as many in each, give or take one, between which the mean is greatest."""
    best = Disagreement(name, ((options[0],), tuple(options[1:])), -1.0)
    for size in {len(options) // 2, len(options) - len(options) // 2}:
        for others in combinations(options[1:], size):
            group = tuple(option for option in options if option not in others)
            between = [value for (one, other), value in apart.items() if (one in others) != (other in others)]
            if between and (mean := sum(between) / len(between)) > best.value:
                best = Disagreement(name, (group, others), mean)
    return best


def _gradient(shared: SharedWeights, loss: Tensor) -> Parts:
    shared.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return {
        name: (region[0], parameter.grad.clone())
        for name, parameter in shared.whole.named_parameters()
        if parameter.grad is not None and (region := shared.gradients.region(parameter)) is not None
    }


def _cosine(one: Parts, other: Parts) -> float:
    """Of what both borrowed; 1 where they borrowed nothing together, for then nothing is shared."""
    along, first, second = 0.0, 0.0, 0.0
    for name in one.keys() & other.keys():
        (box, gradient), (other_box, other_gradient) = one[name], other[name]
        both = index(tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, other_box, strict=True)))
        a, b = gradient[both], other_gradient[both]
        along, first, second = (
            along + float((a * b).sum()),
            first + float(a.square().sum()),
            second + float(b.square().sum()),
        )
    length = math.sqrt(first * second)
    return along / length if length > 0 else 1.0
