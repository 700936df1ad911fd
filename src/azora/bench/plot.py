"""Mean score against queries or seconds, with the 95 % interval: a picture (SVG) and a page (HTML)."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from azora.bench.comparison import Comparison
from azora.bench.curves import student
from azora.bench.table import Numbers

LEFT, TOP, WIDE, HIGH = 64, 34, 520, 340
"""Where the axes begin, and how long they are, in pixels."""
LETTER, KEY = 7.0, 52
"""Pixels of a letter, and of the key beside the axes without its letters."""
RIGHT, BOTTOM = LEFT + WIDE, TOP + HIGH
COLOURS = ("#8a8a8a", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a4fbf", "#444444")
"""Random search is grey; the next ones are those of Okabe and Ito (2008), which most people can tell apart."""
POINTS = 200  # along a curve in seconds
FIRST = 0.15  # what the first part of a search shows is left of the picture: it would press the rest into a line


def _dash(round_: int) -> str:
    """Beyond as many lines as there are colours, lines are dashed."""
    return f' stroke-dasharray="{5 * round_} 3"' if round_ else ""


@final
@dataclass(frozen=True)
class Line:
    """(points,) along one strategy's curve: places, means, and the ends of the interval of the mean."""

    name: str
    places: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers


def lines(comparison: Comparison) -> list[Line]:
    """A line for each strategy; places where some run has no score yet are left out."""
    protocol = comparison.protocol
    if protocol.queries is not None:
        places = np.arange(1.0, protocol.queries + 1)
    else:
        places = np.linspace(0.0, float(protocol.seconds or 0.0), POINTS + 1)[1:]
    made = []
    for name, curves in comparison.curves.items():
        scores = np.stack([curve.at(places, comparison.by_queries) for curve in curves.values()])
        known = ~np.isnan(scores).any(0)
        scores = scores[:, known]
        mean, half = scores.mean(0), np.zeros(scores.shape[1])
        if len(scores) > 1:
            half = student(len(scores) - 1) * scores.std(0, ddof=1) / math.sqrt(len(scores))
        made.append(Line(name, places[known], mean, mean - half, mean + half))
    return made


def to_svg(comparison: Comparison) -> str:
    """A standalone SVG. Its text has the colour of what is around it, so that it is legible on light and dark."""
    drawn = lines(comparison)
    frame = _Frame.around(drawn, comparison)
    title = f"{comparison.protocol.table.name}: {comparison.protocol.describe_score()}"
    width = round(max(RIGHT + KEY + LETTER * max(len(line.name) for line in drawn), LEFT + 1.2 * LETTER * len(title)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {BOTTOM + 46}" width="{width}" role="img"'
        f' aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">',
        f'<text x="{LEFT}" y="20" font-size="14">{html.escape(title)}</text>',
        *frame.axes("queries" if comparison.by_queries else "seconds of training", comparison.protocol.best),
    ]
    for number, line in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        dash = _dash(number // len(COLOURS))
        parts += frame.draw(line, colour, dash)
        y = TOP + 14 + 18 * number
        parts.append(
            f'<path d="M{RIGHT + 12} {y - 4}h18" stroke="{colour}" stroke-width="2"{dash}/>'
            f'<text x="{RIGHT + 36}" y="{y}">{html.escape(line.name)}</text>'
        )
    return "".join([*parts, "</svg>\n"])


@final
@dataclass(frozen=True)
class _Frame:
    """The part of the plane that is drawn."""

    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def around(cls, drawn: Sequence[Line], comparison: Comparison) -> _Frame:
        """All of the budget; of the scores, what is seen once a part of it is spent, and the table's best."""
        end = float(comparison.protocol.queries or comparison.protocol.seconds or 1.0)
        late = [values[line.places >= FIRST * end] for line in drawn for values in (line.low, line.high)]
        shown = np.concatenate([*late, [comparison.protocol.best]])
        low, high = float(shown.min()), float(shown.max())
        margin = 0.06 * (high - low) or 1.0
        return cls((0.0, end), (low - margin, high + margin))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * WIDE, BOTTOM - up * HIGH

    def axes(self, title: str, best: float) -> list[str]:
        parts = [f'<clipPath id="inside"><rect x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}"/></clipPath>']
        for value in ticks(*self.x):
            x, _ = self.at(value, self.y[0])
            parts.append(
                f'<path d="M{x:.1f} {BOTTOM}v5" stroke="currentColor"/>'
                f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{value:,.10g}</text>'
            )
        for value in ticks(*self.y):
            _, y = self.at(self.x[0], value)
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="currentColor" stroke-opacity="0.15"/>'
                f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.10g}</text>'
            )
        _, top = self.at(self.x[0], best)
        parts.append(
            f'<path d="M{LEFT} {top:.1f}H{RIGHT}" stroke="currentColor" stroke-dasharray="2 4"/>'
            f'<text x="{RIGHT - 4}" y="{top - 4:.1f}" text-anchor="end" font-size="11">the best of the table</text>'
            f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="currentColor"/>'
            f'<text x="{LEFT + WIDE / 2:.0f}" y="{BOTTOM + 38}" text-anchor="middle">{title}</text>'
        )
        return parts

    def draw(self, line: Line, colour: str, dash: str) -> list[str]:
        """The interval as a band, the mean as steps."""
        if not len(line.places):
            return []
        upper = self._steps(line.places, line.high)
        lower = self._steps(line.places, line.low)[::-1]
        band = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *lower])
        middle = " ".join(f"{x:.1f},{y:.1f}" for x, y in self._steps(line.places, line.mean))
        return [
            f'<polygon points="{band}" fill="{colour}" fill-opacity="0.15" clip-path="url(#inside)"/>',
            f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"{dash}'
            ' clip-path="url(#inside)"/>',
        ]

    def _steps(self, places: Numbers, values: Numbers) -> list[tuple[float, float]]:
        """A score holds until the next query."""
        points = []
        for place, (x, y) in enumerate(zip(places.tolist(), values.tolist(), strict=True)):
            if place:
                points.append(self.at(x, float(values[place - 1])))
            points.append(self.at(x, y))
        return points


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten, about as many as wanted."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def to_html(comparison: Comparison) -> str:
    """A page with the same curves that can be looked into, by plotly; it opens without a network."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, line in enumerate(lines(comparison)):
        colour = COLOURS[number % len(COLOURS)]
        band = {"line": {"width": 0, "shape": "hv"}, "legendgroup": line.name, "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=line.places.tolist(), y=line.high.tolist(), **band)
        fill = "rgba({}, {}, {}, 0.15)".format(*(int(colour[place : place + 2], 16) for place in (1, 3, 5)))
        figure.add_scatter(x=line.places.tolist(), y=line.low.tolist(), fill="tonexty", fillcolor=fill, **band)
        figure.add_scatter(
            x=line.places.tolist(), y=line.mean.tolist(), name=html.escape(line.name), legendgroup=line.name,
            line={"color": colour, "shape": "hv", "dash": "dash" if number >= len(COLOURS) else "solid"},
        )  # fmt: skip
    protocol = comparison.protocol
    frame = _Frame.around(lines(comparison), comparison)
    figure.update_layout(
        template="plotly_white",
        title=html.escape(f"{protocol.table.name}: {protocol.describe_score()}"),
        xaxis={"title": "queries" if comparison.by_queries else "seconds of training", "range": frame.x},
        yaxis={"range": frame.y},
        hovermode="x unified",
    )
    page: str = figure.to_html(include_plotlyjs=True)
    return page
