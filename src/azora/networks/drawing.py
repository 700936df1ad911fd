"""Graphs as text for a terminal and as SVG for a page."""

from __future__ import annotations

import html

from azora.space import Edge, Graph

ROW, TOP, BOX_HEIGHT, LETTER = 64, 44, 30, 7.4  # pixels


def to_text(graph: Graph) -> str:
    """The graph line by line: a node each, its edges in columns beside it, and what the node is made of.

    An edge leaves its node at `┬` and arrives at `┴`; at `┼` one arrives and another leaves.
    """
    place = {node.name: row for row, node in enumerate(graph.nodes)}
    labels = {node.name: node.label for node in graph.nodes}
    lanes = _lanes(graph, place)
    pad = max(len(node.label) for node in graph.nodes)
    lines = [graph.title, ""]
    for row, node in enumerate(graph.nodes):
        ends = {lane for edge, lane in lanes if edge.target == node.name}
        starts = {lane for edge, lane in lanes if edge.source == node.name}
        passing = {lane for edge, lane in lanes if place[edge.source] < row < place[edge.target]}
        reach = max(ends | starts, default=-1)
        cells = "".join(
            _cell(lane, starts, ends, passing, lane <= reach) for lane in range(max(reach, *passing, 0) + 1)
        )
        made = " + ".join(
            f"{edge.label}({labels[edge.source]})" if edge.label else labels[edge.source]
            for edge in graph.edges
            if edge.target == node.name and any(each.label for each in graph.edges)
        )
        lines.append(f"  {node.label:<{pad}} {cells.rstrip()}{'   = ' + made if made else ''}".rstrip())
    return "\n".join(lines)


def _lanes(graph: Graph, place: dict[str, int]) -> list[tuple[Edge, int]]:
    """A column for every edge: the first that is free from its source to its target."""
    free_from: list[int] = []
    lanes = []
    for edge in sorted(graph.edges, key=lambda edge: (place[edge.source], place[edge.target])):
        start, end = place[edge.source], place[edge.target]
        lane = next((lane for lane, row in enumerate(free_from) if row <= start), len(free_from))
        free_from[lane : lane + 1] = [end]
        lanes.append((edge, lane))
    return lanes


def _cell(lane: int, starts: set[int], ends: set[int], passing: set[int], reached: bool) -> str:
    """What a column shows in a node's row; `reached` when the node's own line goes through it."""
    line = "─" if reached else " "
    if lane in starts or lane in ends:
        return "─" + ("┼" if lane in starts and lane in ends else "┬" if lane in starts else "┴")
    return line + ("│" if lane in passing else line)


def to_svg(graph: Graph) -> str:
    """The graph as a standalone SVG: nodes from top to bottom, edges between neighbours straight and others as arcs.

    Colours are the page's own (`currentColor`), so that it is legible on light and dark.
    """
    place = {node.name: row for row, node in enumerate(graph.nodes)}
    wide = max(len(node.label) for node in graph.nodes) * LETTER + 28
    arcs = _sides(graph, place)
    left = max([0.0, *(reach for side, _, reach in arcs.values() if side < 0)])
    right = max([0.0, *(reach for side, _, reach in arcs.values() if side > 0)])
    straight = max([0.0, *(len(edge.label) * LETTER + 12 for edge in graph.edges)])
    centre = 16 + max(left, wide / 2, len(graph.title) * LETTER / 2)
    width = centre + 16 + max(right, wide / 2, straight, len(graph.title) * LETTER / 2)
    height = TOP + ROW * (len(graph.nodes) - 1) + BOX_HEIGHT + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img"'
        f' aria-label="{html.escape(graph.title)}" font-family="system-ui, sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>',
        f'<text x="{centre:.0f}" y="20" text-anchor="middle" fill="currentColor">{html.escape(graph.title)}</text>',
    ]
    for edge in graph.edges:
        parts += _draw_edge(edge, place, arcs.get(id(edge)), centre, wide)
    for node in graph.nodes:
        y = TOP + ROW * place[node.name]
        dash = ' stroke-dasharray="4 3"' if node.kind in ("input", "output") else ""
        parts.append(
            f'<rect x="{centre - wide / 2:.0f}" y="{y}" width="{wide:.0f}" height="{BOX_HEIGHT}" rx="6"'
            f' fill="currentColor" fill-opacity="0.07" stroke="currentColor"{dash}/>'
            f'<text x="{centre:.0f}" y="{y + 20}" text-anchor="middle" fill="currentColor">'
            f"{html.escape(node.label)}</text>"
        )
    return "".join([*parts, "</svg>"])


def _sides(graph: Graph, place: dict[str, int]) -> dict[int, tuple[int, float, float]]:
    """For every edge that passes nodes by: its side (right 1, left −1), how far from the centre it runs, and how far
    its label reaches. Shorter ones run inside, and none through another's label."""
    wide = max(len(node.label) for node in graph.nodes) * LETTER + 28
    straight = max(
        [0.0, *(len(edge.label) * LETTER for edge in graph.edges if place[edge.target] - place[edge.source] == 1)]
    )
    # Labels of straight edges stand to their right.
    taken = {1: max(wide / 2, straight + 10), -1: wide / 2}
    sides: dict[int, tuple[int, float, float]] = {}
    for edge in sorted(graph.edges, key=lambda edge: place[edge.target] - place[edge.source]):
        if place[edge.target] - place[edge.source] > 1:
            side = min(taken, key=lambda each: taken[each])
            bend = taken[side] + 22
            taken[side] = bend + (len(edge.label) * LETTER + 8 if edge.label else 0)
            sides[id(edge)] = (side, bend, taken[side])
    return sides


def _draw_edge(
    edge: Edge, place: dict[str, int], arc: tuple[int, float, float] | None, centre: float, wide: float
) -> list[str]:
    start, end = TOP + ROW * place[edge.source], TOP + ROW * place[edge.target]
    style = 'fill="none" stroke="currentColor" stroke-opacity="0.75" marker-end="url(#tip)"'
    if arc is None:
        path = f"M{centre:.0f} {start + BOX_HEIGHT}V{end - 1}"
        x, y, anchor = centre + 8, (start + BOX_HEIGHT + end) / 2 + 4, "start"
    else:
        side, away, _ = arc
        border, bend = centre + side * wide / 2, centre + side * away
        path = (
            f"M{border:.0f} {start + BOX_HEIGHT / 2}C{bend:.0f} {start + BOX_HEIGHT / 2} {bend:.0f} {start + 20}"
            f" {bend:.0f} {start + 34}V{end - 4}C{bend:.0f} {end + 10} {bend:.0f} {end + BOX_HEIGHT / 2}"
            f" {border + side * 2:.0f} {end + BOX_HEIGHT / 2}"
        )
        x, y, anchor = bend + side * 5, (start + end + BOX_HEIGHT) / 2 + 4, "start" if side > 0 else "end"
    label = html.escape(edge.label)
    text = f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="currentColor">{label}</text>' if label else ""
    return [f'<path d="{path}" {style}/>', text]
