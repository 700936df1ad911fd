"""The report's part on a mixture: what it favoured, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azora.clock import show_seconds


def mixture_lines(figures: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """What was found, in words, and as lines of a table."""
    about = figures["relaxed"]
    shown = metric.replace("_", " ")
    lines = [("epochs", f"{len(about['history'])}")]
    if about["history"]:
        last = about["history"][-1]
        lines += [
            (f"{shown} of the mixture at the end", f"{last[f'mixture_{metric}']:.4f}"),
            (f"{shown} of what it favours, by the same weights", f"{last[metric]:.4f}"),
            ("discretisation gap", f"{last['gap']:+.4f}"),
            ("entropy of the weights (1: all alike)", f"{last['entropy']:.3f}"),
            ("skips in a cell", f"{last['skips']:.0f}"),
            ("dominant eigenvalue", f"{last['eigenvalue']:.3g}"),
        ]
    return {
        "lines": lines,
        "says": about["says"],
        "seconds": show_seconds(about["seconds"]),
        "share": f"{100 * about['share']:.0f} %",
    }


def mixture_chart(figures: Mapping[str, Any], metric: str) -> dict[str, list[float]]:
    """What the page's script draws."""
    history = figures.get("relaxed", {}).get("history", [])
    names = {name: name for name in ("epoch", "gap", "entropy", "skips", "eigenvalue")}
    names |= {"mixture": f"mixture_{metric}", "derived": metric}
    return {name: [float(f"{line[key]:.5g}") for line in history] for name, key in names.items()}
