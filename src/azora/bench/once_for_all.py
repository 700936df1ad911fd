"""The measured sub-networks of Once-for-All: a sample of a space that is far too large to be in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from azora.bench.sheet import Sheet
from azora.errors import BenchmarkError, SpaceError
from azora.space import Architecture, Categorical, Choice, Space, When

COLUMNS = ("ks", "e", "d", "top1_imagenet")
STAGES, BLOCKS = 5, 4
KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)


@final
class OnceForAll(Space):
    """The MobileNetV3 space of Once-for-All (Cai et al., 2020): five stages of two to four blocks, each with a kernel
    and an expansion. What is beyond a stage's depth does not exist. It has no networks here."""

    def __init__(self) -> None:
        choices: list[Choice] = []
        for stage in range(STAGES):
            depth = f"depth_{stage}"
            choices.append(Categorical(depth, DEPTHS))
            for block in range(BLOCKS):
                when = (When(depth, tuple(range(block + 1, BLOCKS + 1))),) if block >= DEPTHS[0] else ()
                choices.append(Categorical(f"kernel_{stage}_{block}", KERNELS, when))
                choices.append(Categorical(f"expansion_{stage}_{block}", EXPANSIONS, when))
        super().__init__("ofa_mbv3", choices)


def is_once_for_all(header: Sequence[str]) -> bool:
    """Whether these are the columns by which DyNAS-T publishes them: `ks` and `e` of twenty blocks, `d` of five stages,
    and `top1_imagenet`."""
    return set(COLUMNS) <= set(header)


def read_architectures(sheet: Sheet) -> list[Architecture]:
    """The architecture of every row.

    Raises:
        BenchmarkError: a cell with another number of values, or a value that may not be chosen; the row is named.
    """
    space = OnceForAll()
    cells = zip(*(sheet.cells(column) for column in COLUMNS[:3]), strict=True)
    return [_read(space, sheet.name, row, *each) for row, each in enumerate(cells, 1)]


def _read(space: OnceForAll, name: str, row: int, kernels: str, expansions: str, depths: str) -> Architecture:
    blocks = STAGES * BLOCKS
    decisions: dict[str, int] = {}
    for column, cell, count in (("ks", kernels, blocks), ("e", expansions, blocks), ("d", depths, STAGES)):
        try:
            values = [int(each) for each in cell.split()]
        except ValueError:
            values = []
        if len(values) != count:
            raise BenchmarkError(f"{name}: {column} in row {row} is {cell!r}, which is not {count} numbers")
        for place, value in enumerate(values):
            stage, block = divmod(place, BLOCKS)
            word = {"ks": f"kernel_{stage}_{block}", "e": f"expansion_{stage}_{block}"}.get(column, f"depth_{place}")
            decisions[word] = value
    try:
        return space.architecture(**decisions)
    except SpaceError as error:
        raise BenchmarkError(f"{name}: row {row} cannot be read: {error}") from error
