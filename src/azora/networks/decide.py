"""Who decides while a network is built: an architecture, nobody yet, or learned weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Protocol, final

from torch import Tensor, nn

from azora.errors import SpaceError
from azora.space import Architecture, Categorical, Choice, Integer, Option, Real, Space, Subset

Make = Callable[[Option], nn.Module]


@final
@dataclass(frozen=True)
class OfChannels:
    """A `make` for modules that give as many channels as they take, and can be made for any number of them.

    What mixes options on a part of the channels needs to know; any other `make` serves everywhere else.

    Args:
        sized: makes an option's module for so many channels.
        channels: as many as the network has there.
    """

    sized: Callable[[Option, int], nn.Module]
    channels: int

    def __call__(self, option: Option) -> nn.Module:
        return self.sized(option, self.channels)

    def of(self, channels: int) -> OfChannels:
        """The same for another number of channels."""
        return OfChannels(self.sized, channels)


class Decide(Protocol):
    """A verb for each kind of choice; `build` asks by the choice's name."""

    def module(self, name: str, make: Make) -> nn.Module:
        """The module of the option of a categorical choice that was taken, made by `make(option)`."""

    def number(self, name: str) -> Any:
        """The number taken for a numeric choice."""

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        """A module, of which as many channels come out as the number `name` says.

        The number is asked for first. The module itself, where that is known; where it is not, a network that says so
        of whatever gives so many channels can have the number mixed (`azora.networks.masked`).
        """

    def category(self, name: str) -> Option:
        """The option taken for a categorical choice that changes more than one module."""

    def subset(self, name: str) -> tuple[Option, ...]:
        """The items taken of a subset choice."""

    def exists(self, name: str) -> bool:
        """Whether the choice is to be made at all, given the others."""

    def repeats(self, count: int) -> int:
        """How often something is repeated that a network of this space repeats `count` times."""


@final
class Options(nn.ModuleDict):
    """The options of one choice of a module, by name: one when it was decided, all when it was not.

    Parameter paths are the same whether one option is here or all, and where they are mixed
    (`azora.networks.mixture.Mixed`).
    """

    def __init__(self, choice: str, options: dict[str, nn.Module]) -> None:
        super().__init__(options)
        self.choice = choice

    def forward(self, x: Tensor) -> Tensor:
        if len(self) > 1:
            raise RuntimeError(f"{self.choice}: {len(self)} options are open ({', '.join(self)}): decide, or mix them")
        (option,) = self.values()
        taken: Tensor = option(x)
        return taken


def module_name(option: Option) -> str:
    """An option as a name that PyTorch accepts in a path, and writes into code when it exports: no word of Python's."""
    name = str(option).replace(".", "_")
    return f"{name}_" if iskeyword(name) else name


@final
class As:
    """As an architecture has it: the stand-alone network."""

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture

    def module(self, name: str, make: Make) -> nn.Module:
        option = self._taken(name)
        return Options(name, {module_name(option): make(option)})

    def number(self, name: str) -> Any:
        return self._taken(name)

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        return module

    def category(self, name: str) -> Option:
        return self._taken(name)

    def subset(self, name: str) -> tuple[Option, ...]:
        taken: tuple[Option, ...] = self._taken(name)
        return taken

    def exists(self, name: str) -> bool:
        return name in self._architecture

    def repeats(self, count: int) -> int:
        return count

    def _taken(self, name: str) -> Option:
        if name not in self._architecture:
            raise SpaceError(f"the architecture {self._architecture.key} decides nothing for {name!r}")
        return self._architecture[name]


class Undecided:
    """What `Everything` and `azora.networks.mixture.Mixture` share: every option of every choice is there."""

    def __init__(self, space: Space) -> None:
        self._choices = space.choices

    def module(self, name: str, make: Make) -> nn.Module:
        return Options(name, {module_name(option): make(option) for option in self._values(name)})

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        return module

    def category(self, name: str) -> Option:
        values = self._values(name)
        if len(values) > 1:
            raise SpaceError(
                f"{name!r} decides more than one module, so {type(self).__name__} cannot hold"
                f" its {len(values)} options; constrain it to one"
            )
        return values[0]

    def subset(self, name: str) -> tuple[Option, ...]:
        choice = self._choice(name)
        if not isinstance(choice, Subset):
            raise SpaceError(f"{name!r} is a {type(choice).__name__}, not a subset")
        return choice.items

    def exists(self, name: str) -> bool:
        return name in self._choices

    def repeats(self, count: int) -> int:
        return count

    def _choice(self, name: str) -> Choice:
        if name not in self._choices:
            raise SpaceError(f"the space has no choice {name!r}")
        return self._choices[name]

    def _values(self, name: str) -> tuple[Option, ...]:
        choice = self._choice(name)
        if not isinstance(choice, Categorical):
            raise SpaceError(f"{name!r} is a {type(choice).__name__}, not a choice among options")
        return choice.values

    def _numbers(self, name: str) -> Iterable[Any]:
        choice = self._choice(name)
        if isinstance(choice, Integer | Real):
            return {choice.low, choice.high}
        if isinstance(choice, Categorical) and choice.ordered:
            return choice.values
        raise SpaceError(f"{name!r} is a {type(choice).__name__} of words, not a number")


@final
class Everything(Undecided):
    """All options of every choice, and the largest of every number: what any architecture borrows from."""

    def number(self, name: str) -> Any:
        return max(self._numbers(name))
