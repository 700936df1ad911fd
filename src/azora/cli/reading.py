"""The words by which a user says how data is to be read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

LabelWord = Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a CSV: the column to predict.")]
KindWord = Annotated[str | None, typer.Option(help="Of a CSV or .npz file: classification or regression.")]
GroupWord = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Of a CSV: rows alike in this stay on one side of a split.")
]
IgnoreWord = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Of a CSV: a column to leave out.")]
SizeWord = Annotated[int | None, typer.Option(help="Of pictures: pixels each way to bring them to.")]
SkipBadWord = Annotated[bool, typer.Option("--skip-bad", help="Of pictures: go on without damaged ones.")]
FlipsWord = Annotated[
    bool | None,
    typer.Option(
        "--flips/--no-flips", help="Pictures mirrored left to right are of the same class (true, unless said)."
    ),
]


def said(
    label: str | None,
    kind: str | None,
    group: str | None,
    ignore: list[str] | None,
    size: int | None,
    skip_bad: bool,
    flips: bool | None,
) -> dict[str, Any]:
    """These words by their names, as a job takes them."""
    return {
        "label": label, "kind": kind, "group": group, "ignore": ignore, "size": size, "skip_bad": skip_bad,
        "flips": flips,
    }  # fmt: skip
