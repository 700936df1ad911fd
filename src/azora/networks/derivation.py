"""From what a mixture's options weigh to an architecture: the strongest, within what is allowed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import combinations, product
from typing import final

import torch
from torch import Tensor

from azora.errors import SpaceError
from azora.networks.choice_costs import ChoiceCosts
from azora.networks.complexity import cost
from azora.networks.mixture import inputs_of
from azora.space import Architecture, Option, Space, Subset

NONE, SKIP = "none", "skip_connect"
STEPS = 40  # of the bisection over what a unit of cost is worth
FLOOR = 1e-12  # a weight below which options are no longer told apart
LEAST_GAIN = 1e-9  # of a score, for which options are exchanged
MOST_TRIED = 300  # architectures that are refused before a list of them is given up

Strengths = Mapping[str, Tensor]
Decisions = dict[str, Option]


@final
class Derivation:
    """The architectures of a space that a mixture's weights stand for.

    Of every choice the strongest option is taken. Where a subset says which inputs a node has, these are the ones whose
    strongest option that is not `none` weighs most (times what the input weighs, where inputs are weighed: Liu et al.,
    2019; Xu et al., 2020), as many as there may be, and `none` is not taken on them. Fewer are taken where nothing with
    as many is allowed.

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
        # An edge that is decided already is an input too.
        self.inputs = inputs_of(space, [*(name for name in space.choices if name not in options), *options])
        self.held = {
            name: choice.items[: choice.high] if isinstance(choice, Subset) else next(choice.options())
            for name, choice in space.choices.items()
        }
        subsets = [choice for choice in space.choices.values() if isinstance(choice, Subset)]
        fewest, most = (max((getattr(each, end) for each in subsets), default=1) for end in ("low", "high"))
        self._counts = range(most, fewest - 1, -1)  # of inputs that nodes may have
        self.edges = {name: (subset, place) for subset, of in self.inputs.items() for place, name in enumerate(of)}

    def strongest(self, strengths: Strengths) -> Architecture:
        """The strongest architecture of those that are allowed.

        The weight of an architecture is the product of its options' weights. Where the strongest is beyond a limit,
        what a unit of cost takes from the logarithm is raised until one is within, and one or two options at once are
        exchanged for stronger ones as long as that is allowed. Limits count for more than the number of skips.

        Raises:
            SpaceError: no architecture that can be derived is allowed.
        """
        scores = self._scores(strengths)
        for inputs, most in product(self._counts, dict.fromkeys((self.most_skips, 0))):
            first = self._taken(self._with_few_skips(scores, most, inputs), inputs)
            if (found := self._allowed(first)) is not None:
                return found
            within = self._cheapened(scores, most, inputs)
            if within is None:
                within = self._near(first, scores, most)
            if within is not None:
                return self._improved(within, scores, most)
        raise SpaceError(self._nothing(scores))

    def sample(self, strengths: Strengths, rng: random.Random, tries: int = 100) -> Architecture | None:
        """An architecture drawn by the weights, inputs by what their options weigh; None where no draw is allowed."""
        scores = self._scores(strengths)
        for _ in range(tries):
            drawn = {
                name: each + torch.tensor([-math.log(rng.expovariate(1.0) + 1e-300) for _ in each], dtype=each.dtype)
                for name, each in scores.items()
            }
            if (found := self._allowed(self._taken(drawn, self._counts[0]))) is not None:
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

    def _with_few_skips(self, scores: Mapping[str, Tensor], most: int, inputs: int) -> dict[str, Tensor]:
        """Scores of which so many skips in a cell are taken at most (0: any number), where there is something else."""
        left = dict(scores)
        while crowded := self._crowded(self._taken(left, inputs), left, most):
            for names in crowded:
                name = min(names, key=lambda each: float(left[each][self.options[each].index(SKIP)]))
                left[name] = left[name].clone()
                left[name][self.options[name].index(SKIP)] = -math.inf
        return left

    def _crowded(self, decisions: Mapping[str, Option], scores: Mapping[str, Tensor], most: int) -> list[list[str]]:
        """Of every cell with more skips than `most`, the choices that are skips and need not be."""
        cells: dict[str, list[str]] = {}
        for name, value in decisions.items():
            if value == SKIP and name in scores and int(scores[name].isfinite().sum()) > 1:
                cells.setdefault(cell_of(name), []).append(name)
        return [names for names in cells.values() if len(names) > most > 0]

    def _taken(self, scores: Mapping[str, Tensor], inputs: int) -> Decisions:
        """The best option of every choice, and the inputs whose best options are best, so many of a node as far as it
        may have."""
        decisions: Decisions = {name: values[int(scores[name].argmax())] for name, values in self.options.items()}
        for name, choice in self.space.choices.items():
            if name in decisions:
                continue
            if isinstance(choice, Subset):
                of = self.inputs.get(name, [])
                value = [self._worth(each, scores) for each in of] or [0.0] * len(choice.items)
                count = max(choice.low, min(choice.high, inputs))
                best = sorted(range(len(choice.items)), key=lambda place: value[place], reverse=True)[:count]
                decisions[name] = tuple(choice.items[place] for place in sorted(best))
            else:
                decisions[name] = next(choice.options())
        return self._existing(decisions)

    def _worth(self, name: str, scores: Mapping[str, Tensor]) -> float:
        """The best score of an input; of one that is decided, that of a weight of 1."""
        if name in scores:
            return float(scores[name].max())
        return -math.inf if self.held[name] == NONE else 0.0

    def _existing(self, decisions: Decisions) -> Decisions:
        """What exists of these decisions; what they bring into being is as in all networks of the space."""
        kept: Decisions = {}
        for name, choice in self.space.choices.items():
            if self.space.exists(choice, kept):
                kept[name] = decisions[name] if name in decisions else self.held[name]
        return kept

    def _allowed(self, decisions: Decisions) -> Architecture | None:
        return self.space.valid(decisions)

    def _score(self, decisions: Mapping[str, Option], scores: Mapping[str, Tensor]) -> float:
        return sum(
            float(scores[name][self.options[name].index(value)])
            for name, value in decisions.items()
            if name in self.options
        )

    def _cheapened(self, scores: Mapping[str, Tensor], most: int, inputs: int) -> Architecture | None:
        """The strongest that is allowed of those found while what a unit of cost takes is bisected."""
        costs, best = self.costs.options if self.costs is not None else {}, None
        largest = max((float(each.max() - each.min()) for each in costs.values()), default=0.0)
        if largest <= 0:
            return None

        def at(price: float) -> Architecture | None:
            priced = {name: each - price * costs[name].double() for name, each in scores.items()}
            return self._allowed(self._taken(self._with_few_skips(priced, most, inputs), inputs))

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

    def _near(self, decisions: Decisions, scores: Mapping[str, Tensor], most: int) -> Architecture | None:
        """Where no table helps: the first that is allowed of those that lose the least, on the same inputs."""
        names = [name for name in self.options if name in decisions]
        ranked = [scores[name].sort(descending=True) for name in names]
        losses = [(each.values[0] - each.values)[each.values.isfinite()].tolist() for each in ranked]
        heap, seen = [(0.0, (0,) * len(names))], set[tuple[int, ...]]()
        for _ in range(MOST_TRIED):
            if not heap:
                break
            loss, ranks = heappop(heap)
            places = [int(each.indices[rank]) for each, rank in zip(ranked, ranks, strict=True)]
            taken = {name: self.options[name][place] for name, place in zip(names, places, strict=True)}
            tried = self._existing({**decisions, **taken})
            if not self._crowded(tried, scores, most) and (found := self._allowed(tried)) is not None:
                return found
            for place, rank in enumerate(ranks):
                further = (*ranks[:place], rank + 1, *ranks[place + 1 :])
                if rank + 1 < len(losses[place]) and further not in seen:
                    seen.add(further)
                    heappush(heap, (loss + losses[place][rank + 1] - losses[place][rank], further))
        return None

    def _improved(self, architecture: Architecture, scores: Mapping[str, Tensor], most: int) -> Architecture:
        """Exchanges, best gain first, as long as what comes of one is allowed."""
        while (better := self._better(architecture, scores, most)) is not None:
            architecture = better
        return architecture

    def _better(self, architecture: Architecture, scores: Mapping[str, Tensor], most: int) -> Architecture | None:
        now, single = dict(architecture.items()), self._exchanges(architecture, scores)
        pairs = [
            _Exchange(one.gain + other.gain, one.cost + other.cost, {**one.options, **other.options})
            for one, other in combinations(single, 2)
            if one.options.keys() != other.options.keys()
        ]
        better = sorted((each for each in single + pairs if each.gain > LEAST_GAIN), key=lambda each: -each.gain)
        room, refused = math.inf, 0  # what costs more than something that was refused need not be asked for
        for each in better:
            if refused >= MOST_TRIED or each.cost >= room > 0:
                continue
            tried = self._existing({**now, **each.options})
            if not self._crowded(tried, scores, most) and (found := self._allowed(tried)) is not None:
                return found
            refused += 1
            room = min(room, each.cost) if each.cost > 0 else room
        return None

    def _exchanges(self, architecture: Architecture, scores: Mapping[str, Tensor]) -> list[_Exchange]:
        """All of single options."""
        found = []
        for name, values in self.options.items():
            if name in architecture:
                own = values.index(architecture[name])
                gains = (scores[name] - scores[name][own]).tolist()
                costs = [0.0] * len(values) if self.costs is None else self.costs.options[name].tolist()
                found += [
                    _Exchange(gain, cost - costs[own], {name: value})
                    for gain, cost, value in zip(gains, costs, values, strict=True)
                    if value != values[own] and math.isfinite(gain)
                ]
        return found

    def _nothing(self, scores: Mapping[str, Tensor]) -> str:
        said = "; ".join(rule.reason for rule in self.space.rules)
        if self.costs is None or self.costs.quantity not in said:  # of what is not limited, a cost says nothing
            return f"no network that can be derived is allowed: {said}"
        least = {
            name: torch.where(scores[name].isfinite(), -each.double(), -math.inf)
            for name, each in self.costs.options.items()
        }
        cheap = self._taken(least, self._counts[-1])
        has = self.costs.fixed - self._score(cheap, least)
        if self.costs.factors and (smallest := self.space.root.valid(cheap)) is not None:  # for these no sum holds
            has = cost(self.space.root, smallest)[self.costs.quantity]
        return f"no network that can be derived is allowed ({said}): the cheapest has {has:,.0f} {self.costs.quantity}"


@final
@dataclass(frozen=True)
class _Exchange:
    """Other options for some choices: what the score gains, and what is paid for it by the table."""

    gain: float
    cost: float
    options: Mapping[str, Option]


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
