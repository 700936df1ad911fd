"""What can be decided, and how to move among the decisions. Knows no network."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from azora.errors import SpaceError
from azora.settings import closest
from azora.space.architecture import Architecture, digest
from azora.space.choice import Choice, Option
from azora.space.counting import count
from azora.space.graph import Edge, Graph, Node

PATIENCE = 1_000  # draws before a space is called empty
SOON, WALK = 100, 12  # draws before a walk from a planted point, and its steps
TRIES = 20  # children that broke a rule before the parent is given back
MOST_REMEMBERED = 20_000  # architectures whose keys need not be computed again


@dataclass(frozen=True)
class Rule:
    """What decisions must satisfy together. `reads` names the choices that `holds` looks at (none named: all)."""

    reason: str
    holds: Callable[[Mapping[str, Option]], bool]
    reads: tuple[str, ...] = ()


class Space:
    """Named choices, conditions and rules.

    A subclass with a network defines `build`; one in which different decisions mean the same network defines
    `representative`. `settings` is what else shapes the networks (it goes into the fingerprint; the shape of the
    data does not, so that what is learned on one task can be used on another).

    Raises:
        SpaceError: two choices of one name, or a condition on what is not decided before.
    """

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        rules: Sequence[Rule] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.choices: dict[str, Choice] = {}
        for choice in choices:
            if choice.name in self.choices:
                raise SpaceError(f"{name}: two choices are named {choice.name!r}")
            for when in choice.when:
                if when.choice not in self.choices:
                    raise SpaceError(f"{name}: {choice.name!r} depends on {when.choice!r}, which is not decided before")
            self.choices[choice.name] = choice
        self.rules = tuple(rules)
        self.fingerprint = digest([name, [choice.describe() for choice in choices], dict(settings or {})])
        self._conditional = any(choice.when for choice in choices)
        self._varied = {choice.name for choice in choices if choice.varies}
        # Where everything always exists, what may change is the same of all architectures.
        self._movable = None if self._conditional else [name for name in self.choices if name in self._varied]
        self._repeats = all(choice.distinct for choice in choices)
        self._remembered: dict[tuple[Option, ...], Architecture] = {}
        self._planted: tuple[Architecture, ...] = ()

    @property
    def root(self) -> Space:
        """The space that this one is a part of by constraints; itself, when it is none."""
        return self

    @property
    def unlimited(self) -> Space:
        """The space with the same choices under its root's rules alone: where points can be drawn before they are
        checked. Itself, where it has no others."""
        return self

    # What a subclass may define -------------------------------------------------------------------------------

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        """JSON that is equal for decisions that mean the same network. Here: the decisions themselves."""
        return dict(decisions)

    def build(self, decide: Any) -> Any:
        """The network (`nn.Module`), asking `decide` at every choice (see `azora.networks.decide`)."""
        raise SpaceError(f"the space {self.name!r} has decisions but no network to build")

    def graph(self, architecture: Architecture) -> Graph:
        """The architecture for a drawer. Here: its decisions in a row."""
        nodes = tuple(Node(name, f"{name} = {value}", "setting") for name, value in architecture.items())
        edges = tuple(Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False))
        return Graph(self.name, nodes, edges)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """Decisions that people would try first, because they have served elsewhere. Here: none."""
        return ()

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """What else tells networks apart without training them: groups of numbers, for surrogates to learn from beside
        `encode`. A group has the same length for all decisions; one called `size` grows with what the network costs.
        Here: none."""
        return {}

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        """What the network costs (see `azora.networks.complexity.cost`), where that can be told without building it.
        Here: None."""
        return None

    def kinds(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        """What `azora.networks.complexity.by_kind` counts, where it is known without a network; None: one is made.
        Here: None."""
        return None

    def unread(self, decisions: Mapping[str, Option]) -> Collection[str]:
        """The choices whose results nothing goes on with: some runtimes leave out what they decide, others do not.
        Here: none."""
        return ()

    # Making architectures ---------------------------------------------------------------------------------------

    def architecture(self, /, **decisions: Option) -> Architecture:
        """The one door to an architecture: validates, and drops decisions that do not exist.

        Raises:
            SpaceError: an unknown or missing decision, a value that may not be chosen, or a broken rule.
        """
        for name in decisions:
            if name not in self.choices:
                raise SpaceError(f"{self.name}: there is no choice {name!r}; {closest(name, self.choices)}")
        kept: dict[str, Option] = {}
        for name, choice in self.choices.items():
            if not self.exists(choice, kept):
                continue
            if name not in decisions:
                raise SpaceError(f"{self.name}: nothing is decided for {name!r}")
            kept[name] = choice.accept(decisions[name])
        if broken := self._broken(kept):
            raise SpaceError(f"{self.name}: {broken}")
        return self._seal(kept)

    def parse(self, data: Mapping[str, Any]) -> Architecture:
        """The architecture that `Architecture.to_json` (or a bare mapping of decisions) describes.

        Raises:
            SpaceError: it is of another space, or not valid here.
        """
        if "decisions" in data and data.get("space", self.fingerprint) != self.fingerprint:
            raise SpaceError(f"the architecture is of space {data['space']}, not of {self.name} ({self.fingerprint})")
        decisions = data.get("decisions", data)
        if not isinstance(decisions, Mapping):
            raise SpaceError(f"{self.name}: decisions must be a mapping, got {type(decisions).__name__}")
        return self.architecture(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in decisions.items()}
        )

    def sample(self, rng: random.Random) -> Architecture:
        """A valid architecture, uniform over decisions; where hardly a draw is valid, some steps from a planted one.

        Raises:
            SpaceError: the rules rejected every draw.
        """
        for _ in range(SOON if self._planted else PATIENCE):
            kept = self._complete({}, rng)
            if not self._broken(kept):
                return self._seal(kept)
        if starts := self._starts():
            return self._walk(starts[int(rng.random() * len(starts))], rng)
        reasons = "; ".join(rule.reason for rule in self.rules)
        raise SpaceError(f"{self.name}: none of {PATIENCE} draws was valid: {reasons}")

    def plant(self, points: Sequence[Architecture]) -> None:
        """Points to walk from, here and in what is made of this space by `constrain`, where a hundred draws gave none
        that is valid: a narrow limit leaves few of very many."""
        self._planted = tuple(points)

    @property
    def planted(self) -> tuple[Architecture, ...]:
        """What was planted."""
        return self._planted

    def valid(self, decisions: Mapping[str, Option]) -> Architecture | None:
        """`architecture`, for decisions that are each known to be possible: None when they break a rule together."""
        kept = dict(decisions)
        return None if self._broken(kept) else self._seal(kept)

    def admitted(self, decisions: Mapping[str, Option]) -> Architecture | None:
        """`architecture`, or None where that is refused: beyond a limit, or with an option that was taken out."""
        try:
            return self.architecture(**decisions)
        except SpaceError:
            return None

    def known(self) -> Iterator[Architecture]:
        """The familiar points that are valid here, each once: what a strategy that learns may begin with."""
        seen = set()
        for decisions in self.familiar():
            architecture = self.admitted(decisions)
            if architecture is not None and architecture.key not in seen:
                seen.add(architecture.key)
                yield architecture

    # Moving -----------------------------------------------------------------------------------------------------

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """A different network by one changed decision; what the change brings into being is drawn.

        Raises:
            SpaceError: the space holds no other network within reach.
        """
        names = self._varying(architecture)
        for _ in range(PATIENCE if names else 0):
            name = names[int(rng.random() * len(names))]
            changed = dict(architecture.items())
            changed[name] = self.choices[name].near(changed[name], rng)
            kept = self._complete(changed, rng) if self._conditional else changed
            if not self._broken(kept) and (child := self._seal(kept)).key != architecture.key:
                return child
        raise SpaceError(f"{self.name}: nothing else can be reached from {architecture.key}")

    def vary(
        self, architecture: Architecture, rng: random.Random, rate: Callable[[Choice], float] | None = None
    ) -> Architecture:
        """Each decision changed with the probability that `rate` gives for its choice (none given: one is in the mean).
        What comes of it may be the same network."""
        names = self._varying(architecture)
        for _ in range(TRIES):
            kept = dict(architecture.items())
            for name in names:
                choice = self.choices[name]
                if rng.random() < (1 / len(names) if rate is None else rate(choice)):
                    kept[name] = choice.near(kept[name], rng)
            kept = self._complete(kept, rng) if self._conditional else kept
            if not self._broken(kept):
                return self._seal(kept)
        return architecture

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every different network one changed decision away, each once; new decisions are drawn from a fixed seed."""
        seen = {architecture.key}
        for name in self._varying(architecture):
            for value in self.choices[name].neighbours(architecture[name]):
                kept = {**dict(architecture.items()), name: value}
                if self._conditional:
                    kept = self._complete(kept, random.Random(f"{architecture.key}{name}{value}"))
                if not self._broken(kept) and (near := self._seal(kept)).key not in seen:
                    seen.add(near.key)
                    yield near

    def cross(
        self, first: Architecture, second: Architecture, rng: random.Random, uniform: bool = False
    ) -> Architecture:
        """A valid child of both: the order of choices cut at one point, or (`uniform`) a coin for every choice.

        A decision that exists in the child alone is taken from the other parent, else drawn.
        """
        names = list(self.choices)
        for _ in range(TRIES):
            cut = rng.randrange(1, len(names)) if len(names) > 1 else 0
            left = {name for place, name in enumerate(names) if (rng.random() < 0.5 if uniform else place < cut)}
            mixed = {**dict(first.items()), **dict(second.items())}
            mixed.update({name: value for name, value in first.items() if name in left or name not in second})
            kept = self._complete(mixed, rng)
            if not self._broken(kept):
                return self._seal(kept)
        return first

    # Counting and encoding --------------------------------------------------------------------------------------

    def size(self) -> int | None:
        """The exact number of points; None where there is no end of them or counting would take too long."""
        return count(self)

    @property
    def bound(self) -> float:
        """How many points there are at most: as many as without conditions and rules. Infinite where there is no end
        of them."""
        return math.prod(choice.count() or math.inf for choice in self.choices.values())

    def __iter__(self) -> Iterator[Architecture]:
        """Every point in the order of choices (a real choice gives a grid of nine)."""
        return (self._seal(kept) for kept in self._points(list(self.choices.values()), {}) if not self._broken(kept))

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        """Numbers from 0 to 1, one per name in `columns`; what does not exist is zero."""
        row: list[float] = []
        for name, choice in self.choices.items():
            exists = name in architecture
            row.extend(choice.encode(architecture[name]) if exists else (0.0,) * choice.width)
            if choice.when:
                row.append(float(exists))
        return tuple(row)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the numbers that `encode` gives."""
        names: list[str] = []
        for name, choice in self.choices.items():
            names.extend(choice.columns())
            if choice.when:
                names.append(f"{name} exists")
        return tuple(names)

    def constrain(
        self, holds: Callable[[Architecture], bool] | None = None, reason: str = "a constraint", /, **fixed: Option
    ) -> Space:
        """The part of this space where `holds` is true and the named choices are fixed (or, given several
        options of a categorical choice as a list, narrowed). Architectures keep their keys.

        Raises:
            SpaceError: a name or value that this space does not have.
        """
        from azora.space.subspace import Subspace  # a subspace is a space: the import cannot go both ways

        return Subspace(self, holds, reason, fixed)

    # Inside -----------------------------------------------------------------------------------------------------

    def _starts(self) -> list[Architecture]:
        """The planted points that are valid here. What is fixed here was free where they were planted: it gives way."""
        settled = {name: next(choice.options()) for name, choice in self.choices.items() if not choice.varies}
        found = (self.admitted({**point, **settled}) for point in self._planted)
        return [architecture for architecture in found if architecture is not None]

    def _walk(self, architecture: Architecture, rng: random.Random) -> Architecture:
        for _ in range(WALK):
            architecture = self.vary(architecture, rng)
        return architecture

    def exists(self, choice: Choice, kept: Mapping[str, Option]) -> bool:
        """Whether `choice` is there to decide, once all that comes before it is decided."""
        return all(when.choice in kept and when.holds(kept[when.choice]) for when in choice.when)

    def _complete(self, decisions: Mapping[str, Option], rng: random.Random) -> dict[str, Option]:
        """What exists of `decisions`, in the order of choices, with draws for what is missing."""
        kept: dict[str, Option] = {}
        for name, choice in self.choices.items():
            if not choice.when or self.exists(choice, kept):
                kept[name] = decisions[name] if name in decisions else choice.sample(rng)
        return kept

    def _broken(self, kept: Mapping[str, Option]) -> str | None:
        if not self.rules:  # asked at every move
            return None
        return next((rule.reason for rule in self.rules if not rule.holds(kept)), None)

    def _seal(self, kept: dict[str, Option]) -> Architecture:
        if not self._repeats:
            return self._made(kept)
        values = tuple(kept.items()) if self._conditional else tuple(kept.values())
        if (known := self._remembered.get(values)) is None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[values] = self._made(kept)
        return known

    def _made(self, kept: dict[str, Option]) -> Architecture:
        return Architecture(self.fingerprint, kept, digest([self.fingerprint, self.representative(kept)]))

    def _varying(self, architecture: Architecture) -> Sequence[str]:
        if self._movable is not None:
            return self._movable
        return [name for name in architecture if name in self._varied]

    def _points(self, choices: list[Choice], kept: dict[str, Option]) -> Iterator[dict[str, Option]]:
        if not choices:
            yield dict(kept)
        elif not self.exists(choices[0], kept):
            yield from self._points(choices[1:], kept)
        else:
            for value in choices[0].options():
                yield from self._points(choices[1:], {**kept, choices[0].name: value})

    def __repr__(self) -> str:
        shown = ", ".join(islice(self.choices, 4))
        return f"<space {self.name}: {shown}{', …' if len(self.choices) > 4 else ''}>"
