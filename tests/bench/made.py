"""Small made tables of the published schemas."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from pathlib import Path

Rows = list[list[str]]

NB201_HEADER = [
    "idx", "arch", "flops_m", "c10_nseeds", "c10_val200_s0", "c10_val200_s1", "c10_val200_s2", "c10_val200",
    "c10_train_s200", "c10_test200", "c10_val12", "c10_test12",
]  # fmt: skip
MACRO_HEADER = ["arch", "acc_s0", "acc_s1", "acc_s2", "mean_acc", "params"]
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
WORTH = dict(zip(OPERATIONS, (0.0, 2.0, 3.0, 5.0, 1.0), strict=True))


@cache
def nb201_rows() -> Rows:
    """All 15,625 cells in an order of their own. Convolutions are good, and so is a skip; every second row has two
    seeds."""
    rng, rows = random.Random(0), []
    cells = list(product(OPERATIONS, repeat=6))
    rng.shuffle(cells)
    for number, (a, b, c, d, e, f) in enumerate(cells):
        arch = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        worth = 60 + sum(WORTH[each] for each in (a, b, c, d, e, f)) + 4 * (d == "skip_connect")
        seeds = [worth + rng.gauss(0, 0.3) for _ in range(3 if number % 2 else 2)]
        mean = sum(seeds) / len(seeds)
        shown = [f"{each:.3f}" for each in seeds] + [""] * (3 - len(seeds))
        seconds = 1000 + 200 * sum("conv" in each for each in (a, b, c, d, e, f))
        test, short = worth + 2 + rng.gauss(0, 0.2), worth - 10 + rng.gauss(0, 1.5)
        rows.append([
            str(number), arch, "1.0", str(len(seeds)), *shown, f"{mean:.4f}", str(seconds), f"{test:.4f}",
            f"{short:.3f}", f"{short + 5:.3f}",
        ])  # fmt: skip
    return rows


def macro_rows(blocks: int = 4) -> Rows:
    """All networks of so many blocks of three kinds."""
    rng, rows = random.Random(1), []
    for digits in product("012", repeat=blocks):
        worth = 80 + sum((0, 2, 3)[int(each)] for each in digits)
        seeds = [worth + rng.gauss(0, 0.2) for _ in range(3)]
        shown = [f"{each:.2f}" for each in [*seeds, sum(seeds) / 3]]
        rows.append(["".join(digits), *shown, "1000"])
    return rows


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """As CSV, compressed where the name says so."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    raw = text.getvalue().encode()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


def spoilt(
    header: Sequence[str], rows: Rows, change: Callable[[list[dict[str, str]]], object]
) -> tuple[list[str], Rows]:
    """The table after `change` has been done to its rows as mappings; columns that no row has any more are gone."""
    named = [dict(zip(header, row, strict=True)) for row in rows]
    change(named)
    kept = [column for column in header if any(column in row for row in named)]
    return kept, [[row.get(column, "") for column in kept] for row in named]
