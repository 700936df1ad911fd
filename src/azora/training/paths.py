"""Which networks train a step of shared weights."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Protocol, final

from azora.errors import ConfigError, SpaceError
from azora.networks.complexity import cost
from azora.networks.coverage import is_number
from azora.settings import check_whole, closest, construct
from azora.space import Architecture, Choice, Option, Space

EXCHANGES = 100  # of options between the paths of a fair set that breaks rules
MOST_OPTIONS = 64  # of a choice that is treated fairly
PROBES = 64  # networks by which a range of costs is found
ALSO = {"width": ("expansion",)}  # the elastic width of Once-for-All is that inside of a block
WIDTHS = {*ALSO, *ALSO["width"]}


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
    at random. What rules leave is treated fairly: an option that no network was found to have is left out, and networks
    of a set that break a rule exchange options with others until they keep it. Those that still break it after 100
    exchanges give way to random ones.
    """

    distils = False

    def __init__(self, space: Space) -> None:
        self.space = space

    @cached_property
    def listed(self) -> Mapping[str, Sequence[Option]]:
        """The options of each choice that is treated fairly."""
        choices = {name: list(choice.options()) for name, choice in self.space.choices.items() if _listable(choice)}
        rng = random.Random(0)
        points = [self.space.sample(rng) for _ in range(PROBES)]
        seen = {name: {point[name] for point in points if name in point} for name in choices}
        return {
            name: [option for option in options if option in seen[name] or _occurs(self.space, name, option, points)]
            for name, options in choices.items()
        }

    @property
    def left_out(self) -> Sequence[str]:
        """The options that are left out, as `name=option`."""
        every = ((name, option) for name in self.listed for option in self.space.choices[name].options())
        return [f"{name}={option}" for name, option in every if option not in self.listed[name]]

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        most = max(map(len, self.listed.values()), default=1)
        columns = {name: _column(options, most, rng) for name, options in self.listed.items()}
        drawn = [self._path(columns, place, rng) for place in range(most)]
        names = [name for name, options in self.listed.items() if len(options) > 1]
        for _ in range(EXCHANGES if names else 0):
            broken = [place for place, path in enumerate(drawn) if path is None]
            if not broken:
                break
            self._exchange(columns, rng.choice(names), drawn, (rng.choice(broken), rng.randrange(most)), rng)
        return [self.space.sample(rng) if path is None else path for path in drawn]

    def _exchange(
        self,
        columns: Mapping[str, list[Option]],
        name: str,
        drawn: list[Architecture | None],
        places: tuple[int, int],
        rng: random.Random,
    ) -> None:
        """Swap two paths' options of one choice, unless more paths break a rule then."""
        column, (here, there) = columns[name], places
        column[here], column[there] = column[there], column[here]
        made = [self._path(columns, place, rng) for place in places]
        if made.count(None) > [drawn[place] for place in places].count(None):
            column[here], column[there] = column[there], column[here]
        else:
            drawn[here], drawn[there] = made

    def _path(self, columns: Mapping[str, list[Option]], place: int, rng: random.Random) -> Architecture | None:
        kept: dict[str, Option] = {}
        for name, choice in self.space.choices.items():
            if self.space.exists(choice, kept):
                kept[name] = columns[name][place] if name in columns else choice.sample(rng)
        return self.space.valid(kept)


def _listable(choice: Choice) -> bool:
    return 1 < (choice.count() or 0) <= MOST_OPTIONS


def _occurs(space: Space, name: str, option: Option, points: Sequence[Architecture]) -> bool:
    """Whether a network with the option was found: one of `points` with it, or a random one."""
    part = space.constrain(lambda each: name in each, f"has {name}", **{name: option})
    part.plant(points)
    try:
        part.sample(random.Random(0))
    except SpaceError:
        return False
    return True


def _column(options: Sequence[Option], most: int, rng: random.Random) -> list[Option]:
    """`most` options, every one as often as the others, give or take once, mixed."""
    rounds = -(-most // len(options))
    column = [option for _ in range(rounds) for option in rng.sample(options, len(options))][:most]
    rng.shuffle(column)
    return column


@final
class Binned:
    """One network from a range of costs drawn uniformly, so that small and large ones train alike (Guo et al., 2020).

    Args:
        quantity: "macs" or "params".
        bins: equal ranges between the least and the greatest cost of 64 random networks.
        tries: networks drawn for one in the range; then the nearest to it is taken.

    Raises:
        ConfigError: another quantity, or no bin or try.
    """

    distils = False

    def __init__(self, space: Space, quantity: str = "macs", bins: int = 7, tries: int = 50, seed: int = 0) -> None:
        if quantity not in ("macs", "params"):
            raise ConfigError(f"quantity={quantity!r} is neither macs nor params")
        check_whole(1, bins=bins, tries=tries)
        self.space, self.quantity, self.bins, self.tries, self.seed = space, quantity, bins, tries, seed

    @cached_property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest cost."""
        rng = random.Random(self.seed)
        found = [self._cost(self.space.sample(rng)) for _ in range(PROBES)]
        return min(found), max(found)

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        low, high = self.ends
        width = (high - low) / self.bins
        begin = low + rng.randrange(self.bins) * width
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

    Raises:
        ConfigError: `random_networks` is no whole number, or below 0.
    """

    distils = True

    def __init__(self, space: Space, random_networks: int = 2) -> None:
        check_whole(0, random_networks=random_networks)
        self.space, self.random_networks = space, random_networks

    @cached_property
    def ends(self) -> tuple[Architecture, Architecture]:
        """The largest network and the smallest."""
        return extreme(self.space, 1), extreme(self.space, -1)

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        return [*self.ends, *(self.space.sample(rng) for _ in range(self.random_networks))]


@final
class Shrinking:
    """First the largest numbers alone, then smaller kernels too, then depths, then widths (Cai et al., 2020).

    Numbers whose names hold no word of `order` and options of modules are free from the start. Those that are closed
    are as in the largest network within the limits, which teaches the one that is drawn. When widths are opened, the
    channels inside of blocks are sorted by importance (`azora.training.SharedTraining` does that, from `widens` on).

    Args:
        order: words in the names of the choices that are opened, one after another in equal parts of the training; the
            first part trains the largest. With "width" expansions are opened too, where they are not named.

    Raises:
        ConfigError: `order` is no list of words, or a word is in the name of no number of the space.
    """

    distils = True

    def __init__(self, space: Space, order: Sequence[str] = ("kernel", "depth", "width")) -> None:
        if isinstance(order, str) or not all(isinstance(word, str) for word in order):
            raise ConfigError(f'order={order!r} is no list of words such as ["kernel", "depth", "width"]')
        self.space, self.order = space, tuple(order)
        self._numbers = [name for name, choice in space.choices.items() if is_number(choice)]
        if unknown := [word for word in order if not any(word in name for name in self._numbers)]:
            raise ConfigError(
                f"{space.name} has no number named like {unknown[0]!r}; it has {', '.join(self._numbers)}"
            )

    @cached_property
    def largest(self) -> Architecture:
        """The largest network within the rules."""
        return extreme(self.space, 1)

    @cached_property
    def stages(self) -> Sequence[Space]:
        """What is drawn from, one stage after another."""
        return [self._stage(self._meant(self.order[opened:])) for opened in range(len(self.order) + 1)]

    @property
    def widens(self) -> float:
        """The share of all steps behind which widths are elastic; infinite where that is not in the order."""
        places = [place for place, word in enumerate(self.order, 1) if word in WIDTHS]
        return places[0] / (len(self.order) + 1) if places else math.inf

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        stage = self.stages[min(len(self.stages) - 1, int(share * len(self.stages)))]
        return [self.largest, stage.sample(rng)]

    def _stage(self, words: Sequence[str]) -> Space:
        """The networks whose numbers named like these words are the largest network's, which within limits are not all
        the greatest. It is planted, for it may be the only one."""
        closed = [name for name in self._numbers if any(word in name for word in words)]
        held = {name: self.largest.get(name, max(self.space.choices[name].options())) for name in closed}
        stage = self.space.constrain(None, "", **held)
        stage.plant([self.largest])
        return stage

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


def check_paths(name: str, settings: Iterable[str] = ()) -> None:
    """Raises ConfigError where there are no paths of this name, or they have no such setting."""
    if name not in PATHS:
        raise ConfigError(f"there are no paths {name!r}; {closest(name, PATHS)}")
    having = {each: inspect.signature(make).parameters for each, make in PATHS.items()}
    for setting in settings:
        if setting not in having[name]:
            others = ", ".join(f"paths={each}" for each, known in having.items() if setting in known)
            raise ConfigError(f"paths={name} has no setting {setting!r}; it is one of {others or 'no paths'}")


def make_paths(name: str, space: Space, **settings: object) -> Paths:
    """The paths called `name`. What takes time, such as finding the largest network, is left to the first draw.

    Raises:
        ConfigError: an unknown name or setting, or one that the paths refuse.
    """
    check_paths(name, settings)
    return construct(PATHS[name], settings, space=space)
