"""What may be better than the deployed network: it trained on, grown, taught to another network, or made smaller."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, final

import numpy as np
from torch import nn

from azora.errors import BundleError
from azora.export.bundle import Bundle
from azora.export.latency import median_ms
from azora.meta.policy import Policy
from azora.networks.complexity import cost
from azora.networks.morphism import NoMorphism, grow, grown, inherit
from azora.networks.registry import SHIPPED, make_read_space
from azora.space import Architecture, Space
from azora.tasks import Scaling, Signature, Split
from azora.tasks.preparation import ENCODINGS, IMPUTATIONS, SCALINGS
from azora.training import RecipeSettings, Training, outputs
from azora.trial import COUNTED

TIMES = (1 / 3, 3.0)  # other rates, as multiples of the gentle one
AUGMENTATIONS = (0.25, 0.5, 0.75, 1.0)
OFTEN = 3  # times that rows of classes which the model is weak at are learned for each time of the others
LOOKED, TIMED = 16, 10  # smaller networks that are timed before some of them are trained, and answers of each
PREPARATION = ("scaling", "encoding", "imputation")  # of a table: it is in the network's inputs
WORDS = {"optimiser": ("sgd", "adamw"), **dict(zip(PREPARATION, (SCALINGS, ENCODINGS, IMPUTATIONS), strict=True))}
RANGES = {
    "learning_rate": (1e-9, 10.0),
    "weight_decay": (0.0, 1.0),
    "batch_size": (1, 65_536),
    "label_smoothing": (0.0, 1.0),
    "augmentation": (0.0, 1.0),
    "warmup": (0.0, 1_000.0),
}  # of a recipe's numbers, far beyond those in which recipes are searched


@final
@dataclass(frozen=True)
class Challenger:
    """A network to train, and how it came about.

    Args:
        change: for the reader: "trained on", or what was changed.
        network: as it begins.
        signature: of what it gives; with more classes than the model's where the data have new ones.
        recipe, rate: how it is trained, and at what share of the recipe's rate.
        teacher: whose answers it learns beside the targets; None where it begins with them.
        often: the numbers of classes whose rows it learns `OFTEN` times as often as others.
    """

    change: str
    space: Space
    architecture: Architecture
    network: nn.Module
    signature: Signature
    recipe: RecipeSettings
    rate: float = 1.0
    teacher: nn.Module | None = None
    often: tuple[int, ...] = ()

    def train(self, bundle: Bundle, rows: Split, seconds: float, seed: int) -> nn.Module:
        """The network after so many seconds on `rows`, in eval mode.

        Raises:
            TrainingDiverged: the loss became no number.
        """
        recipe = replace(self.recipe, learning_rate=self.rate * self.recipe.learning_rate)
        if self.often:
            times = np.where(np.isin(rows.y, self.often), OFTEN, 1)
            rows = Split(np.repeat(rows.x, times, axis=0), np.repeat(rows.y, times, axis=0))
        training = Training(self.network, rows, self.signature, bundle.scaling, recipe, seed=seed, teacher=self.teacher)
        training.finish(seconds=seconds)
        return training.judging_network()


Neighbour = tuple[Architecture, RecipeSettings | None]
"""What memory found best: a network, and how it was trained there."""


@final
class Challengers:
    """Makes challengers of a deployed model, one at a time.

    Args:
        fresh: classes of the data that the model does not know: there are answers for these too, drawn at random.
        recipe: what the model was trained by last; the task's usual one, where it does not say.
        remembered: what memory says is good, the best first. Called when it is the first time of use.
        missing: whether the data lack classes that the model knows.
        weak: classes of which much more is wrong than of all.
        looking: seconds for timing smaller networks, of which one is timed at least.

    Where classes are new or missing, every challenger learns the deployed network's answers for those that it knows
    beside the targets, so that they are not forgotten (learning without forgetting, Li & Hoiem, 2016).

    Raises:
        BundleError: the model is no network that could be trained on, or cannot be given more outputs.
    """

    def __init__(
        self, bundle: Bundle, fresh: tuple[str, ...], policy: Policy, seed: int,
        recipe: Mapping[str, Any] | None = None, remembered: Callable[[], Iterable[Neighbour]] = tuple,
        missing: bool = False, weak: Sequence[str] = (), looking: float = math.inf,
    ) -> None:  # fmt: skip
        if (name := bundle.about["space"]["name"]) in SHIPPED:
            raise BundleError(
                f"{bundle.folder} holds no network but {name}; azora discover on the new rows finds another"
            )
        signature = bundle.signature
        if fresh:
            classes = (*signature.classes, *fresh)
            signature = replace(signature, classes=classes, outputs=len(classes))
        about = bundle.about["space"]
        self.space = make_read_space(about["name"], signature, **about["settings"])
        self.start = self.space.parse(bundle.about["architecture"])
        self.signature, self.policy, self.seed, self.remembered = signature, policy, seed, remembered
        try:  # a copy, or of more classes the same with more answers
            self.network = grow(self.space, bundle.network, self.start, self.start)
        except NoMorphism as error:
            raise BundleError(
                f"the network of {bundle.folder} cannot be given {signature.outputs} outputs ({error});"
                " azora search on the new rows finds another"
            ) from error
        self.teacher, self.reminds = bundle.network, bool(fresh) or missing
        self.trained = "trained on" if not fresh else "with new classes"
        self.weak = {name: signature.classes.index(name) for name in weak}
        self.scaling, self.looking = bundle.scaling, looking
        self.usual = recipe_of(recipe, signature, bundle.scaling)
        own = make_read_space(about["name"], bundle.signature, **about["settings"])
        self.deployed: Mapping[str, float] = cost(own, own.parse(bundle.about["architecture"]))
        self.over = beyond(self.space, self.start, policy.limits)

    def some(self, count: int, *, smaller: bool = False, first: str | None = None) -> list[Challenger]:
        """`count` of them at most, of each kind in turn: by the policy, but of the kind `first` before the others; or
        `smaller` ones alone.

        Of a model whose limits cannot be counted (latency, size of a file), only the network itself is trained on.
        What costs more than counted limits allow is left out; where the deployed network does (with its new classes)
        and all smaller ones too, those that come nearer to the limits are made.
        """
        makers = {"train": self._itself, "grow": self._grown, "memory": self._neighbours, "recipe": self._recipes}
        kinds = self.policy.kinds
        if any(quantity not in COUNTED for quantity in self.policy.limits):
            kinds = tuple(each for each in kinds if each not in ("grow", "memory"))
        kinds = tuple(sorted(kinds, key=lambda kind: kind != first))
        sources = [self._smaller()] if smaller else [makers[kind]() for kind in kinds]
        return list(islice(_in_turn(sources), count))

    def _gentle(
        self, change: str, to: Architecture, network: nn.Module, recipe: RecipeSettings | None = None
    ) -> Challenger:
        """What has learned already: it must not forget."""
        teacher, rate = self.teacher if self.reminds else None, self.policy.rate
        return Challenger(change, self.space, to, network, self.signature, recipe or self.usual, rate, teacher)

    def _taught(self, change: str, to: Architecture, recipe: RecipeSettings | None = None) -> Challenger:
        """Another network, with what fits of the deployed one, which teaches it."""
        network = inherit(self.space, self.network, to)
        known = {name: getattr(self.usual, name) for name in PREPARATION}
        recipe = replace(recipe or self.usual, **known)
        return Challenger(change, self.space, to, network, self.signature, recipe, teacher=self.teacher)

    def _copy(self) -> nn.Module:
        return grow(self.space, self.network, self.start, self.start)

    def _itself(self) -> Iterator[Challenger]:
        if not self.over:
            yield self._gentle(self.trained, self.start, self._copy())

    def _grown(self) -> Iterator[Challenger]:
        """One decision larger, giving the same answers at first."""
        for growth in grown(self.space, self.network, self.start, random.Random(self.seed), self._within):
            yield self._gentle(growth.change, growth.architecture, growth.network)

    def _neighbours(self) -> Iterator[Challenger]:
        """What memory found best: with the same answers at first where it can be grown so, else taught them."""
        for place, (to, recipe) in enumerate(self.remembered()):
            if to.key == self.start.key or not self._within(to):
                continue
            change = f"from memory, its number {place + 1}"
            try:
                yield self._gentle(change, to, grow(self.space, self.network, self.start, to))
            except NoMorphism:
                yield self._taught(change, to, recipe)

    def _recipes(self) -> Iterator[Challenger]:
        """The deployed network trained on otherwise: with more of what it is weak at, then with one setting changed."""
        usual = self.usual
        if self.weak and not self.over:
            change = f"{self.trained}, more of {', '.join(self.weak)}"
            yield replace(self._gentle(change, self.start, self._copy()), often=tuple(self.weak.values()))
        told = [
            (f"learning rate × {times:.3g}", replace(usual, learning_rate=times * usual.learning_rate))
            for times in TIMES
            if _fits("learning_rate", times * usual.learning_rate)  # it is carried on, and so may grow again
        ]
        if self.signature.pictures:
            other = [each for each in AUGMENTATIONS if each != usual.augmentation]
            told += [(f"augmentation {each:g}", replace(usual, augmentation=each)) for each in other]
        random.Random(self.seed).shuffle(told)
        for change, recipe in () if self.over else told:
            yield self._gentle(f"{self.trained}, {change}", self.start, self._copy(), recipe)

    def _smaller(self) -> Iterator[Challenger]:
        """One decision smaller, holding what fits of the deployed one and taught its answers. Where no counted limit
        asks for them, those first that save most time for the multiply-accumulates which they give up."""
        some = self._fitting()
        if self.over:
            yield from some
            return
        end, now = time.monotonic() + self.looking, self._ms(self.network)
        looked, saved = list[Challenger](), list[float]()
        for each in some:
            looked.append(each)
            saved.append((now - self._ms(each.network)) / self._given_up(each))
            if len(looked) == LOOKED or time.monotonic() > end:
                break
        for place in sorted(range(len(looked)), key=lambda place: -saved[place]):
            yield looked[place]
        yield from some

    def _fitting(self) -> Iterator[Challenger]:
        """In any order: what is within the limits, or else what comes nearer to them."""
        near = list(self.space.neighbours(self.start))
        random.Random(self.seed).shuffle(near)
        none = True
        for wanted in (self._within, self._nearer):
            for to in near if none else ():
                if self._cheaper(to) and wanted(to):
                    none = False
                    changed = [name for name in {**self.start, **to} if self.start.get(name) != to.get(name)]
                    change = ", ".join(f"{name} {self.start.get(name)} → {to.get(name)}" for name in changed)
                    yield self._taught(change, to)

    def _ms(self, network: nn.Module) -> float:
        """Milliseconds of an answer, here."""
        one = np.zeros((1, *self.signature.raw_shape), dtype=np.float32)
        return median_ms(partial(outputs, network.eval(), one, self.signature, self.scaling), runs=TIMED)

    def _given_up(self, challenger: Challenger) -> float:
        return max(1.0, self.deployed["macs"] - cost(self.space, challenger.architecture)["macs"])

    def _cheaper(self, to: Architecture) -> bool:
        """By multiply-accumulates, unless it is limits that ask for a smaller network."""
        return bool(self.over) or cost(self.space, to)["macs"] <= self._saved("macs")

    def _within(self, to: Architecture) -> bool:
        return not beyond(self.space, to, self.policy.limits)

    def _nearer(self, to: Architecture) -> bool:
        """Whether it is beyond no other limit than the deployed network, and costs less of what that has too much."""
        costs: Mapping[str, Any] = cost(self.space, to)
        still = beyond(self.space, to, self.policy.limits)
        most = self.policy.limits
        return all(self.deployed[each] > most[each] and costs[each] <= self._saved(each) for each in still)

    def _saved(self, quantity: str) -> float:
        return (1 - self.policy.cheaper) * self.deployed[quantity]


def beyond(space: Space, architecture: Architecture, limits: Mapping[str, float]) -> list[str]:
    """The counted limits that an architecture does not hold."""
    counted = {quantity: most for quantity, most in limits.items() if quantity in COUNTED}
    costs: Mapping[str, Any] = cost(space, architecture) if counted else {}
    return [quantity for quantity, most in counted.items() if costs[quantity] > most]


def recipe_of(carried: Mapping[str, Any] | None, signature: Signature, scaling: Scaling) -> RecipeSettings:
    """The recipe that a model carries, or the task's usual one. A table is prepared as the model has it, whatever else
    is said.

    Raises:
        BundleError: what is carried is none.
    """
    usual = RecipeSettings.default(signature)
    if carried:
        if wrong := [name for name, value in carried.items() if not _fits(name, value)]:
            name = wrong[0]
            raise BundleError(f"the recipe that the model carries is none: {name}={carried[name]!r}{_range(name)}")
        usual = replace(usual, **carried)
    if scaling.table is not None:
        usual = replace(usual, **{name: getattr(scaling.table, name) for name in PREPARATION})
    return usual


def _fits(name: str, value: Any) -> bool:
    """Whether a setting of a recipe can have such a value."""
    if name in RANGES:
        low, high = RANGES[name]
        kind = int if name == "batch_size" else int | float
        return isinstance(value, kind) and not isinstance(value, bool) and bool(low <= value <= high)
    return value in WORDS[name] if name in WORDS else name == "flip" and isinstance(value, bool)


def _range(name: str) -> str:
    """What a setting can be, for the reader."""
    if name in RANGES:
        low, high = RANGES[name]
        return f"; it is {'a whole number ' if name == 'batch_size' else ''}from {low:g} to {high:g}"
    return f"; it is {' or '.join(WORDS[name])}" if name in WORDS else ""


def _in_turn(sources: Sequence[Iterator[Challenger]]) -> Iterator[Challenger]:
    """The first of each, then the second of each."""
    left = list(sources)
    while left:
        for source in list(left):
            found = next(source, None)
            if found is None:
                left.remove(source)
            else:
                yield found
