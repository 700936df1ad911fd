"""The report's colours can be told from what they stand on: WCAG 2.1, level AA, in both themes."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import azora

CSS = (Path(azora.__file__).parent / "report" / "templates" / "report.css").read_text(encoding="utf-8")
WORDS, GROUNDS = ("ink", "quiet", "mark", "bad", "other-1", "other-2", "other-3"), ("card", "ground")
AA = 4.5


def themes() -> list[dict[str, str]]:
    """Light and dark: colours by name."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


def brightness(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(("theme", "word", "ground"), list(itertools.product((0, 1), WORDS, GROUNDS)))
def test_every_colour_of_words_and_lines_stands_out(theme: int, word: str, ground: str) -> None:
    colours = themes()[theme]
    assert contrast(colours[word], colours[ground]) >= AA


@pytest.mark.parametrize("theme", [0, 1])
def test_counts_in_the_confusion_matrix_stand_out_where_their_cell_is_darkest(theme: int) -> None:
    colours, most = themes()[theme], [int(share) / 100 for share in re.findall(r"--most: (\d+)%", CSS)][theme]
    for tint in ("mark", "bad"):
        mixed = [
            round(
                most * int(colours[tint][place : place + 2], 16)
                + (1 - most) * int(colours["card"][place : place + 2], 16)
            )
            for place in (1, 3, 5)
        ]
        assert contrast(colours["ink"], "#" + "".join(f"{part:02x}" for part in mixed)) >= AA
