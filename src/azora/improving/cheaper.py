"""Whether a smaller network is cheaper where it counts: multiply-accumulates, and the time of an answer."""

from __future__ import annotations

from functools import partial

from torch import nn

from azora.export.bundle import Bundle
from azora.export.latency import median_ms
from azora.improving.challengers import Challenger
from azora.networks.complexity import cost
from azora.tasks.array import Array
from azora.training import outputs

SOONER = 0.98  # of the deployed network's time, at most
TIMINGS = 3


def compared(bundle: Bundle, challenger: Challenger, network: nn.Module, one: Array) -> dict[str, float]:
    """What an answer to `one`, a single row, costs both: multiply-accumulates, and milliseconds here on as many threads
    as torch uses; of time the least of three medians each, taken in turn, since the machine may have other work."""
    told: dict[str, float] = {}
    for _ in range(TIMINGS):
        for name, each, signature in (
            ("deployed_latency_ms", bundle.network, bundle.signature),
            ("latency_ms", network, challenger.signature),
        ):
            median = round(median_ms(partial(outputs, each, one, signature, bundle.scaling)), 4)
            told[name] = min(median, told.get(name, median))
    space = challenger.space
    told["deployed_macs"] = cost(space, space.parse(bundle.about["architecture"]))["macs"]
    told["macs"] = cost(space, challenger.architecture)["macs"]
    return told
