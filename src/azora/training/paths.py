"""Which networks train a step of shared weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, final

from azora.errors import ConfigError, SpaceError
from azora.networks.complexity import cost
from azora.networks.coverage import is_number
from azora.settings import closest, construct
from azora.space import Architecture, Option, Space

TRIES = 1_000  # sets of fair paths drawn until all of one are valid
MOST_OPTIONS = 64  # of a choice that is treated fairly
PROBES = 64  # networks by which a range of costs is found
ALSO = {"width": ("expansion",)}  # the elastic width of Once-for-All is that inside of a block


class Paths(Protocol):
    """Draws the networks of a step. With `distils`, the first one's outputs teach the others."""

    distils: bool

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        """The networks whose gradients make one step, `share` (0 to 1) of all steps behind it; all that is drawn comes
        from `rng`."""
        ...


@final
class Uniform:
    """One network, uniform over decisions (Guo et al., 2020: single-path one-shot)."""

    distils = False

    def __init__(self, space: Space) -> None:
        self.space = space

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        return [self.space.sample(rng)]


@final
class StrictlyFair:
    """As many networks as the choice with most options has, in which every option occurs once (Chu et al., 2021).

    Of a choice with fewer options none occurs more than once oftener than another. A choice that exists under a
    condition is fair among the options that are drawn for it, as far as it exists; one of more than 64 options is drawn
    at random.

    Raises:
        SpaceError: (when drawing) the rules left no such set among 1,000.
    """

    distils = False

    def __init__(self, space: Space) -> None:
        self.space = space
        listed = [(name, choice) for name, choice in space.choices.items() if 1 < (choice.count() or 0) <= MOST_OPTIONS]
        self.listed = {name: list(choice.options()) for name, choice in listed}
        self.most = max(map(len, self.listed.values()), default=1)

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        for _ in range(TRIES):
            columns = {name: self._column(options, rng) for name, options in self.listed.items()}
            drawn = [self._path(columns, place, rng) for place in range(self.most)]
            kept = [architecture for architecture in drawn if architecture is not None]
            if len(kept) == self.most:
                return kept
        raise SpaceError(f"{self.space.name}: no strictly fair set of paths keeps the rules; train uniform ones")

    def _column(self, options: Sequence[Option], rng: random.Random) -> list[Option]:
        """Every option as often as the others, give or take once, mixed."""
        rounds = -(-self.most // len(options))
        column = [option for _ in range(rounds) for option in rng.sample(options, len(options))][: self.most]
        rng.shuffle(column)
        return column

    def _path(self, columns: dict[str, list[Option]], place: int, rng: random.Random) -> Architecture | None:
        kept: dict[str, Option] = {}
        for name, choice in self.space.choices.items():
            if self.space.exists(choice, kept):
                kept[name] = columns[name][place] if name in columns else choice.sample(rng)
        return self.space.valid(kept)


@final
class Binned:
    """One network from a range of costs drawn uniformly, so that small and large ones train alike (Guo et al., 2020).

    Args:
        quantity: "macs" or "params".
        bins: equal ranges between the least and the greatest cost of 64 random networks.
        tries: networks drawn for one in the range; then the nearest to it is taken.
    """

    distils = False

    def __init__(self, space: Space, quantity: str = "macs", bins: int = 7, tries: int = 50, seed: int = 0) -> None:
        if quantity not in ("macs", "params"):
            raise ConfigError(f"quantity={quantity!r} is neither macs nor params")
        self.space, self.quantity, self.bins, self.tries, self.seed = space, quantity, bins, tries, seed
        rng = random.Random(seed)
        found = [self._cost(space.sample(rng)) for _ in range(PROBES)]
        self.low, self.high = min(found), max(found)

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        width = (self.high - self.low) / self.bins
        begin = self.low + rng.randrange(self.bins) * width
        best, least = None, float("inf")
        for _ in range(self.tries):
            architecture = self.space.sample(rng)
            away = abs(self._cost(architecture) - begin - width / 2)
            if away < least:
                best, least = architecture, away
            if away <= width / 2:
                break
        assert best is not None
        return [best]

    def _cost(self, architecture: Architecture) -> int:
        return cost(self.space, architecture)[self.quantity]


@final
class Sandwich:
    """The largest network, the smallest and some random ones; the largest teaches the others (Yu et al., 2020: BigNAS).

    Largest and smallest by multiply-accumulates, found by climbing from the largest and the smallest numbers.
    """

    distils = True

    def __init__(self, space: Space, random_networks: int = 2) -> None:
        if random_networks < 0:
            raise ConfigError(f"random_networks={random_networks} must be at least 0")
        self.space, self.random_networks = space, random_networks
        self.largest, self.smallest = (extreme(space, sign) for sign in (1, -1))

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        return [self.largest, self.smallest, *(self.space.sample(rng) for _ in range(self.random_networks))]


@final
class Shrinking:
    """First the largest numbers alone, then smaller kernels too, then depths, then widths (Cai et al., 2020).

    Numbers whose names hold no word of `order` and options of modules are free from the start. The largest network of
    all teaches the one that is drawn.

    Args:
        order: words in the names of the choices that are opened, one after another in equal parts of the training; the
            first part trains the largest. With "width" expansions are opened too, where they are not named.

    Raises:
        ConfigError: a word is in the name of no number of the space.
    """

    distils = True

    def __init__(self, space: Space, order: Sequence[str] = ("kernel", "depth", "width")) -> None:
        self.space, self.order = space, tuple(order)
        numbers = {name: choice for name, choice in space.choices.items() if is_number(choice)}
        if unknown := [word for word in order if not any(word in name for name in numbers)]:
            raise ConfigError(f"{space.name} has no number named like {unknown[0]!r}; it has {', '.join(numbers)}")
        self.largest = extreme(space, 1)
        self.stages = []
        for opened in range(len(self.order) + 1):
            words = self._meant(self.order[opened:])
            closed = [name for name in numbers if any(word in name for word in words)]
            largest = {name: max(space.choices[name].options()) for name in closed}
            self.stages.append(space.constrain(None, "", **largest))

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        stage = self.stages[min(len(self.stages) - 1, int(share * len(self.stages)))]
        return [self.largest, stage.sample(rng)]

    def _meant(self, words: Sequence[str]) -> list[str]:
        """These words, and what goes with them where it has no place of its own in the order."""
        beside = [each for word in words for each in ALSO.get(word, ()) if each not in self.order]
        return [*words, *beside]


def extreme(space: Space, sign: int) -> Architecture:
    """A network of the most multiply-accumulates (sign 1) or the fewest (-1) that single decisions lead to."""
    rng = random.Random(0)

    def value(architecture: Architecture) -> tuple[int, int]:
        about = cost(space, architecture)
        return sign * about["macs"], sign * about["params"]

    best = max((space.sample(rng) for _ in range(PROBES)), key=lambda each: _sum_of_numbers(each, sign))
    reached = value(best)
    while True:
        near = max(space.neighbours(best), key=value, default=best)
        if value(near) <= reached:
            return best
        best, reached = near, value(near)


def _sum_of_numbers(architecture: Architecture, sign: int) -> float:
    numbers = [each for each in architecture.values() if isinstance(each, int | float)]
    return sign * float(sum(numbers))


PATHS: dict[str, Callable[..., Paths]] = {
    "uniform": Uniform,
    "fair": StrictlyFair,
    "binned": Binned,
    "sandwich": Sandwich,
    "shrinking": Shrinking,
}


def check_paths(name: str) -> None:
    """Raises ConfigError where there are no paths of this name."""
    if name not in PATHS:
        raise ConfigError(f"there are no paths {name!r}; {closest(name, PATHS)}")


def make_paths(name: str, space: Space, **settings: object) -> Paths:
    """The paths called `name`.

    Raises:
        ConfigError: an unknown name or setting.
    """
    check_paths(name)
    return construct(PATHS[name], settings, space=space)
