"""Test scores by system: every seed a dot, the mean a line, the 95 % interval a bar (SVG)."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from azora.automl.comparing.summary import Row
from azora.bench.plot import COLOURS, LETTER, ticks

TOP, STEP, WIDE, BOTTOM = 44, 34, 460, 46  # pixels
MARGIN, LEAST = 0.06, 1e-3  # of the span, on both sides; and at least
RANDOM, SEARCHED, BY_HAND = COLOURS[:3]
Scale = Callable[[float], float]


def to_svg(found: Sequence[Row], title: str, maximise: bool = True) -> str:
    """A standalone SVG; the best mean stands at the top. Its text has the colour of what is around it."""
    drawn = sorted(
        (row for row in found if row.test), key=lambda row: row.test.mean if row.test else 0.0, reverse=maximise
    )
    low, high = _span(drawn)
    left = round(24 + LETTER * max(len(row.system) for row in drawn))
    width, height = max(left + WIDE + 40, round(24 + 1.2 * LETTER * len(title))), TOP + STEP * len(drawn) + BOTTOM

    def at(value: float) -> float:
        return round(left + WIDE * (min(max(value, low), high) - low) / (high - low), 1)

    end = TOP + STEP * len(drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img"'
        f' aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">',
        f'<text x="12" y="22" font-size="14">{html.escape(title)}</text>',
    ]
    for tick in ticks(low, high):
        x = at(tick)
        parts.append(f'<path d="M{x} {TOP}V{end}" stroke="currentColor" stroke-opacity="0.15"/>')
        parts.append(f'<text x="{x}" y="{end + 18}" text-anchor="middle">{tick:g}</text>')
    for place, row in enumerate(drawn):
        parts += _draw(row, TOP + STEP * place + STEP / 2, left, at)
    key = ((SEARCHED, "searched"), (BY_HAND, "by hand"), (RANDOM, "random search"))
    for place, (colour, name) in enumerate(key):
        x = left + 120 * place
        parts.append(f'<circle cx="{x}" cy="{end + 34}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="{end + 38}">{name}</text>')
    return "".join([*parts, "</svg>\n"])


def _draw(row: Row, y: float, left: int, at: Scale) -> list[str]:
    assert row.test is not None
    colour = BY_HAND if row.by_hand else RANDOM if row.system.startswith("random") else SEARCHED
    parts = [f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{html.escape(row.system)}</text>']
    if row.test.low is not None and row.test.high is not None:
        bar = f"M{at(row.test.low)} {y}H{at(row.test.high)}"
        parts.append(f'<path d="{bar}" stroke="{colour}" stroke-width="7" stroke-opacity="0.3"/>')
    parts.append(f'<path d="M{at(row.test.mean)} {y - 9}v18" stroke="{colour}" stroke-width="3"/>')
    parts += [f'<circle cx="{at(value)}" cy="{y}" r="3.5" fill="{colour}"/>' for value in row.test.values]
    return parts


def _span(drawn: Sequence[Row]) -> tuple[float, float]:
    """What is to be seen: all dots, and intervals as far as they are not much wider than the dots lie apart."""
    tests = [row.test for row in drawn if row.test]
    values = [value for test in tests for value in test.values]
    least, most = min(values), max(values)
    reach = max(most - least, LEAST)
    ends = [end for test in tests for end in (test.low, test.high) if end is not None]
    low = min(least, max(min(ends, default=least), least - reach))
    high = max(most, min(max(ends, default=most), most + reach))
    beside = max(MARGIN * (high - low), LEAST)  # where all is one number too
    return low - beside, high + beside
