"""How many numbers of a network's activations are held at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, final

from torch import Tensor


class _Step(NamedTuple):
    """Values by their numbers: what a function reads and makes, and whether it changes each number by itself."""

    reads: tuple[int, ...]
    makes: tuple[int, ...]
    by_itself: bool


@final
class Lifetimes:
    """Is told of every function of a forward pass, in their order (see `ShapesKnown`).

    A value is held from when it is made to when it is read for the last time, as by a runtime that knows the whole
    network. What changes each number by itself writes over what it reads, unless that is read again. A view is what it
    is a view of; weights are no activations.
    """

    def __init__(self) -> None:
        self._values: dict[int, int] = {}  # the number of a tensor's value, by its identity
        self._kept: list[Tensor] = []  # as long as they are here, no other tensor has their identity
        self._sizes: list[int] = []
        self._steps: list[_Step] = []

    def note(self, given: Sequence[Any], out: Any, *, fresh: bool = False, by_itself: bool = False) -> None:
        """A function was called.

        Args:
            given: its arguments.
            out: what it gave; None of what wrote to an argument.
            fresh: whether what came out is known to be no view of one of them.
            by_itself: whether each number follows from one of one argument.
        """
        if not (made := _tensors((out,))) and out is not None:  # the sides of a tensor, for example
            return
        tensors, makes = _tensors(given), list[int]()
        reads = dict.fromkeys(self._values[id(each)] for each in tensors if id(each) in self._values)
        for each in made:
            if id(each) in self._values:  # it was written to
                continue
            if fresh or (owner := _owner(each, tensors)) is None:
                makes.append(len(self._sizes))
                self._keep(each, makes[-1])
                self._sizes.append(each.numel())
            elif id(owner) in self._values:
                self._keep(each, self._values[id(owner)])
        self._steps.append(_Step(tuple(reads), tuple(makes), by_itself))

    def peak(self, *, held: bool = False) -> int:
        """The most numbers that are held at once; the first value, a network's input, counts from the beginning on.

        Args:
            held: whether that one is needed afterwards as well.
        """
        last: dict[int, int] = {}
        for place, step in enumerate(self._steps):
            last.update(dict.fromkeys((*step.reads, *step.makes), place))
        if held:
            last[0] = len(self._steps)
        now = most = 0
        for place, step in enumerate(self._steps):
            ended = self._size({each for each in (*step.reads, *step.makes) if last[each] == place})
            made = self._size(step.makes)
            over = step.by_itself and len(step.reads) == 1 and last[step.reads[0]] == place
            if not (over and made == self._size(step.reads)):
                most = max(most, now + made)
            now += made - ended
        return most

    def _keep(self, tensor: Tensor, value: int) -> None:
        self._values[id(tensor)] = value
        self._kept.append(tensor)

    def _size(self, values: Iterable[int]) -> int:
        return sum(self._sizes[value] for value in values)


def _tensors(given: Sequence[Any]) -> list[Tensor]:
    """Those among these, and in their lists and tuples."""
    found: list[Tensor] = []
    for each in given:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, list | tuple):
            found.extend(_tensors(each))
    return found


def _owner(tensor: Tensor, given: Sequence[Tensor]) -> Tensor | None:
    """Of which of these it is a view."""
    mark = tensor.untyped_storage()._cdata
    return next((each for each in given if each.untyped_storage()._cdata == mark), None)
