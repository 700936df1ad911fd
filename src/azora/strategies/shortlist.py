"""Which of some architectures promise most before anything is trained."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, final

from azora.errors import ConfigError, SpaceError
from azora.settings import closest
from azora.space import Architecture, Space
from azora.tasks import SearchData

FREE = ("size", "params", "macs")
"""What is counted. `size` is what a space says of its networks' size (`Space.features`), or params × macs."""
ROWS = 64  # that a computed proxy looks at


@final
class Shortlist:
    """Scores by zero-cost proxies, as ranks among those that are compared: Σ log(rank / n) over the proxies (Lee & Ham,
    2024). Values are remembered. A network of which a proxy cannot be computed is the lowest of all by it.

    Args:
        space: of networks, or a product with one.
        proxies: names of `azora.proxies`, or `size`.
        data: rows for those that are computed; without them, noise.

    Raises:
        ConfigError: no proxy, an unknown one, or one that needs labels where there is no data.
    """

    def __init__(self, space: Space, proxies: Sequence[str], data: SearchData | None = None, seed: int = 0) -> None:
        self.space, self.proxies, self.data, self.seed = space, tuple(proxies), data, seed
        self.counted = all(name in FREE for name in proxies)
        if not proxies or not self.counted:
            _check(proxies, data)
        self._known: dict[tuple[object, ...], list[float]] = {}
        self._probe: Any = None

    @property
    def told(self) -> bool:
        """Whether no network need be built for a score."""
        return all(self._reads(name) for name in self.proxies)

    def scores(self, architectures: Sequence[Architecture]) -> list[float] | None:
        """Higher is better; None where the space has no networks."""
        from azora.proxies.ranking import log_rank  # brings torch, which other strategies do without

        if (rows := self.values(architectures)) is None:
            return None
        return log_rank({name: column for name, *column in zip(self.proxies, *rows, strict=True)})

    def values(self, architectures: Sequence[Architecture]) -> list[list[float]] | None:
        """What each proxy says of each architecture, (n, proxies); None where the space has no networks."""
        try:
            return [self._values(each) for each in architectures]
        except (SpaceError, IndexError):  # no network can be built, or there is no shape to build it for
            return None

    def _values(self, architecture: Architecture) -> list[float]:
        # By decisions and not by key: equal networks may be decided, and initialised, in several ways.
        decisions = tuple(architecture.items())
        if (values := self._known.get(decisions)) is None:
            values = self._known[decisions] = [self._value(name, architecture) for name in self.proxies]
        return values

    def _value(self, name: str, architecture: Architecture) -> float:
        if name == "size" and (told := _told_size(self.space, architecture)) is not None:
            return told
        if name in FREE:
            costs = self._costs(architecture)
            return float(costs[name]) if name != "size" else math.log(max(1, costs["params"]) * max(1, costs["macs"]))
        from azora.proxies import score

        rows = self._rows()
        try:
            return score(self.space, architecture, rows, [name], self.seed)[name]
        except (RuntimeError, ValueError):  # torch's, of this one network: shapes, memory, linear algebra
            return -math.inf

    def _reads(self, name: str) -> bool:
        some = self.space.sample(random.Random(0))
        if name == "size" and _told_size(self.space, some) is not None:
            return True
        return name in FREE and self.space.root.cost(some) is not None

    def _costs(self, architecture: Architecture) -> dict[str, int]:
        if (told := self.space.root.cost(architecture)) is not None:
            return dict(told)
        from azora.networks.complexity import cost

        return cost(self.space, architecture)

    def _rows(self) -> Any:
        if self._probe is None:
            from azora.networks.complexity import signature_of
            from azora.proxies import Probe

            if self.data is not None:
                self._probe = Probe.of(self.data, ROWS, self.seed)
            else:
                self._probe = Probe.noise(signature_of(self.space), ROWS, self.seed)
        return self._probe


def names_of(word: bool | str | Sequence[str]) -> tuple[str, ...]:
    """`true` is the size; `synflow`, `synflow,naswot` and a list are names; nothing for `false`."""
    if isinstance(word, bool):
        return ("size",) if word else ()
    return tuple(word.split(",")) if isinstance(word, str) else tuple(word)


def _check(proxies: Sequence[str], data: SearchData | None) -> None:
    from azora.proxies import PROXIES, find_proxies

    for name in proxies:
        if name not in PROXIES and name not in FREE:
            raise ConfigError(f"there is no proxy {name!r}; {closest(name, (*PROXIES, *FREE))}")
    for name, proxy in find_proxies([name for name in proxies if name != "size"]).items():
        if proxy.labels and data is None:
            raise ConfigError(f"proxy {name!r} needs rows with labels, and there is no data; synflow needs none")


def _told_size(space: Space, architecture: Architecture) -> float | None:
    """The sum of the groups of features called `size`, if there are any."""
    features = space.features(architecture)
    sizes = [sum(numbers) for group, numbers in features.items() if group.split(".")[-1] == "size"]
    return sum(sizes) if sizes else None
