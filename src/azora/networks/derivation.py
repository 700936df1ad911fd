"""From what a mixture's options weigh to an architecture: the strongest, within what is allowed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from azora.errors import SpaceError
from azora.networks.choice_costs import ChoiceCosts
from azora.networks.mixture import inputs_of
from azora.space import Architecture, Option, Space, Subset

NONE, SKIP = "none", "skip_connect"
STEPS = 40  # of the bisection over what a unit of cost is worth
FLOOR = 1e-12  # a weight below which options are no longer told apart

Strengths = Mapping[str, Tensor]
Decisions = dict[str, Option]


@final
class Derivation:
    """The architectures of a space that a mixture's weights stand for.

    Of every choice the strongest option is taken. Where a subset says which inputs a node has, these are the ones whose
    strongest option that is not `none` weighs most (times what the input weighs, where inputs are weighed: Liu et al.,
    2019; Xu et al., 2020), as many as there may be, and `none` is not taken on them.

    Args:
        space: what may be derived, limits included; its numbers have one value each.
        options: of every choice that is mixed, those that are left.
        costs: by which a limit is approached; without them the options' order of strength alone is.
        most_skips: in a cell; the weakest of more give way to the next options (Chen et al., 2019; 0: any number).
    """

    def __init__(
        self,
        space: Space,
        options: Mapping[str, tuple[Option, ...]],
        costs: ChoiceCosts | None = None,
        most_skips: int = 0,
    ) -> None:
        self.space, self.options, self.costs, self.most_skips = space, options, costs, most_skips
        self.inputs = inputs_of(space, options)
        self.edges = {name: (subset, place) for subset, of in self.inputs.items() for place, name in enumerate(of)}

    def strongest(self, strengths: Strengths) -> Architecture:
        """The strongest architecture of those that are allowed.

        The weight of an architecture is the product of its options' weights. Where the strongest is beyond a limit,
        what a unit of cost takes from the logarithm is raised until one is within, and single options are made
        stronger again as far as they still are.

        Raises:
            SpaceError: no architecture that can be derived is allowed.
        """
        scores = self._with_few_skips(self._scores(strengths))
        first = self._taken(scores)
        if (found := self._allowed(first)) is not None:
            return found
        within = self._cheapened(scores) if self.costs is not None else None
        if within is None and (within := self._near(first, scores)) is None:
            raise SpaceError(self._nothing(scores))
        return self._improved(within, scores)

    def sample(self, strengths: Strengths, rng: random.Random, tries: int = 100) -> Architecture | None:
        """An architecture drawn by the weights, inputs by what their options weigh; None where no draw is allowed."""
        scores = self._scores(strengths)
        for _ in range(tries):
            drawn = {
                name: each + torch.tensor([-math.log(rng.expovariate(1.0) + 1e-300) for _ in each], dtype=each.dtype)
                for name, each in scores.items()
            }
            if (found := self._allowed(self._taken(drawn))) is not None:
                return found
        return None

    # Inside -----------------------------------------------------------------------------------------------------

    def _scores(self, strengths: Strengths) -> dict[str, Tensor]:
        """Logarithms; of what hangs on an input, its weight included, and without `none`."""
        found: dict[str, Tensor] = {}
        for name, values in self.options.items():
            score = strengths[name].double().clamp_min(FLOOR).log()
            if name in self.edges:
                subset, place = self.edges[name]
                if subset in strengths:
                    score = score + strengths[subset][place].double().clamp_min(FLOOR).log()
                if NONE in values and len(values) > 1:
                    score = score.clone()
                    score[values.index(NONE)] = -math.inf
            found[name] = score
        return found

    def _with_few_skips(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        while self.most_skips:
            cells: dict[str, list[tuple[float, str]]] = {}
            for name, value in self._taken(scores).items():
                if value == SKIP and len(self.options.get(name, ())) > 1:
                    place = self.options[name].index(SKIP)
                    cells.setdefault(cell_of(name), []).append((float(scores[name][place]), name))
            crowded = [skips for skips in cells.values() if len(skips) > self.most_skips]
            if not crowded:
                break
            for skips in crowded:
                name = min(skips)[1]
                scores[name] = scores[name].clone()
                scores[name][self.options[name].index(SKIP)] = -math.inf
        return scores

    def _taken(self, scores: Mapping[str, Tensor]) -> Decisions:
        """The best option of every choice, and the inputs whose best options are best."""
        decisions: Decisions = {name: values[int(scores[name].argmax())] for name, values in self.options.items()}
        for name, choice in self.space.choices.items():
            if name in decisions:
                continue
            if isinstance(choice, Subset):
                of = self.inputs.get(name, [])
                value = [float(scores[each].max()) if each in scores else 0.0 for each in of] or [0.0] * len(
                    choice.items
                )
                best = sorted(range(len(choice.items)), key=lambda place: value[place], reverse=True)[: choice.high]
                decisions[name] = tuple(choice.items[place] for place in sorted(best))
            else:
                decisions[name] = next(choice.options())
        return self._existing(decisions)

    def _existing(self, decisions: Decisions) -> Decisions:
        kept: Decisions = {}
        for name, choice in self.space.choices.items():
            if self.space.exists(choice, kept):
                kept[name] = decisions[name]
        return kept

    def _allowed(self, decisions: Decisions) -> Architecture | None:
        return self.space.valid(decisions)

    def _score(self, decisions: Mapping[str, Option], scores: Mapping[str, Tensor]) -> float:
        return sum(
            float(scores[name][self.options[name].index(value)])
            for name, value in decisions.items()
            if name in self.options
        )

    def _cheapened(self, scores: Mapping[str, Tensor]) -> Architecture | None:
        """The strongest that is allowed of those found while what a unit of cost takes is bisected."""
        assert self.costs is not None
        costs, best = self.costs.options, None
        largest = max(float(each.max() - each.min()) for each in costs.values())
        if largest <= 0:
            return None

        def at(price: float) -> Architecture | None:
            priced = {name: each - price * costs[name].double() for name, each in scores.items()}
            return self._allowed(self._taken(priced))

        low, high = -8.0, 8.0  # powers of ten, of what the dearest option costs
        for _ in range(STEPS):
            middle = (low + high) / 2
            found = at(10**middle / largest)
            if found is None:
                low = middle
                continue
            high = middle
            if best is None or self._score(found, scores) > self._score(best, scores):
                best = found
        return best

    def _near(self, decisions: Decisions, scores: Mapping[str, Tensor]) -> Architecture | None:
        """Where there is no table: options are given up one after another, those first that lose the least."""
        losses = []
        for name, values in self.options.items():
            if name in decisions:
                best = scores[name].max()
                losses += [
                    (float(best - scores[name][place]), name, value)
                    for place, value in enumerate(values)
                    if value != decisions[name]
                ]
        for _, name, value in sorted(losses, key=lambda loss: loss[0]):
            if (found := self._allowed(self._existing({**decisions, name: value}))) is not None:
                return found
        return None

    def _improved(self, architecture: Architecture, scores: Mapping[str, Tensor]) -> Architecture:
        """Single options made stronger, best gain first, as long as what comes of it is allowed."""
        while True:
            now = dict(architecture.items())
            gains = []
            for name, values in self.options.items():
                if name in now:
                    own = float(scores[name][values.index(now[name])])
                    gains += [
                        (float(each) - own, name, value) for each, value in zip(scores[name], values, strict=True)
                    ]
            better = sorted((gain for gain in gains if gain[0] > 0), key=lambda gain: -gain[0])
            found = next((each for _, name, value in better if (each := self._allowed({**now, name: value}))), None)
            if found is None:
                return architecture
            architecture = found

    def _nothing(self, scores: Mapping[str, Tensor]) -> str:
        said = "; ".join(rule.reason for rule in self.space.rules)
        if self.costs is None:
            return f"no network that can be derived is allowed: {said}"
        least = {name: -each.double() for name, each in self.costs.options.items()}
        cheap = self._taken(least)
        cost = self.costs.fixed - self._score(cheap, least)
        return f"no network that can be derived is allowed ({said}): the cheapest has {cost:,.0f} {self.costs.quantity}"


def cell_of(choice: str) -> str:
    """Which cell a choice belongs to: what its name begins with, up to the word "operation"."""
    return choice.partition("operation")[0]


def skips(decisions: Mapping[str, Option]) -> int:
    """How many choices are skips, in the cell that has the most of them."""
    counts: dict[str, int] = {}
    for name, value in decisions.items():
        if value == SKIP:
            counts[cell_of(name)] = counts.get(cell_of(name), 0) + 1
    return max(counts.values(), default=0)
