"""What may be better than the deployed network: it trained on, or grown and trained on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, final

from torch import nn

from azora.errors import BundleError
from azora.export.bundle import Bundle
from azora.networks.complexity import cost
from azora.networks.morphism import grow, grown
from azora.networks.registry import SHIPPED, make_space
from azora.space import Architecture, Space
from azora.tasks import Signature, Split
from azora.training import RecipeSettings, Training
from azora.trial import COUNTED

GENTLE = 0.3  # of the usual rate: what is there must not be forgotten


@final
@dataclass(frozen=True)
class Challenger:
    """A network to train, and how it came about.

    Args:
        change: for the reader: "trained on", or what was grown.
        signature: of what it gives; with more classes than the model's where the data have new ones.
    """

    change: str
    space: Space
    architecture: Architecture
    network: nn.Module
    signature: Signature

    def train(self, bundle: Bundle, rows: Split, seconds: float, seed: int) -> nn.Module:
        """The network after so many seconds on `rows`, in eval mode; it starts from what it gives now.

        Raises:
            TrainingDiverged: the loss became no number.
        """
        usual = RecipeSettings.default(self.signature)
        recipe = replace(usual, learning_rate=GENTLE * usual.learning_rate)
        training = Training(self.network, rows, self.signature, bundle.scaling, recipe, seed=seed)
        training.finish(seconds=seconds)
        return training.judging_network()


def challengers(bundle: Bundle, fresh: tuple[str, ...], count: int, seed: int) -> list[Challenger]:
    """`count` of them at most: the deployed network first, then grown ones, one change each. Nothing changes what they
    give at first; where the data have `fresh` classes, they have answers for these too, drawn at random.

    Of a model whose limits cannot be counted (latency, size of a file), only the network itself is trained on; what is
    grown beyond counted limits is left out.

    Raises:
        BundleError: the model is no network that could be trained on.
    """
    if (name := bundle.about["space"]["name"]) in SHIPPED:
        raise BundleError(f"{bundle.folder} holds no network but {name}; azora discover on the new rows finds another")
    signature = bundle.signature
    if fresh:
        classes = (*signature.classes, *fresh)
        signature = replace(signature, classes=classes, outputs=len(classes))
    about = bundle.about["space"]
    space = make_space(about["name"], signature, **about["settings"])
    start = space.parse(bundle.about["architecture"])
    # A copy, or of more classes the same with more answers.
    first = grow(space, bundle.network, start, start)
    found = [Challenger("trained on" if not fresh else "with new classes", space, start, first, signature)]
    limits: Mapping[str, float] = bundle.about.get("figures", {}).get("limits", {})
    if any(quantity not in COUNTED for quantity in limits):
        return found
    near = grown(space, first, start, random.Random(seed))
    held = (each for each in near if _within(space, each.architecture, limits))
    for growth in islice(held, max(0, count - 1)):
        found.append(Challenger(growth.change, space, growth.architecture, growth.network, signature))
    return found


def _within(space: Space, architecture: Architecture, limits: Mapping[str, float]) -> bool:
    costs: Mapping[str, Any] = cost(space, architecture)
    return all(costs[quantity] <= most for quantity, most in limits.items())
