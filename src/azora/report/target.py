"""What the report says of the device that the network is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def target_lines(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Titles and values of a table; none without a target."""
    if (target := figures.get("target")) is None:
        return []
    lines = [("target", target["spec"]), ("runtime", _pairs(target["versions"]))]
    if device := target["device"].get("processor"):
        lines.append(("device", str(device)))
    for quantity, most in figures.get("limits", {}).items():
        lines.append((f"limit of {quantity}", f"{most:.4g} ms" if quantity == "latency" else f"{most:,.0f}"))
    if "latency_ms" in target:
        lines.append(("measured", f"{target['latency_ms']:.4g} ms (quartiles {target['spread']:.1%} apart)"))
    if "energy_mj" in target:
        lines.append(("energy", f"{target['energy_mj']:.4g} mJ an answer, of the whole processor meanwhile"))
    lines.append(("predicted", f"{target['predicted_latency_ms']:.4g} ms"))
    if "bytes" in target:
        lines.append(("file", f"{target['bytes']:,} bytes"))
    lines.append(("predictor learned from", f"{target['measured_networks']:,} measured networks"))
    return lines


def _pairs(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
