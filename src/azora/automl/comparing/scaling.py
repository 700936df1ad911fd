"""A network of inverted bottlenecks in many sizes, and the largest for which there is time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from azora.automl.pace import Pace, measure_pace
from azora.automl.winner import FEWEST
from azora.cores import one_thread
from azora.networks.registry import make_space
from azora.tasks import SearchData
from azora.training import choose_mode

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15
"""What one step of scaling multiplies (Tan & Le, 2019, section 3.3): about twice the multiply-accumulates."""
CHANNELS = (16, 24, 40)  # of the first stages of EfficientNet-B0
SMALLEST, PIXELS = 0.5, 16  # share of a picture's size at step 0; but not below so many pixels a side
MOST = 10
EXPANSION = 6


@final
@dataclass(frozen=True, order=True)
class Scale:
    """The `step`-th size. Depths are rounded up, channels to a multiple of 8, as published.

    Args:
        least: share of the picture's size at step 0.
    """

    step: int
    least: float = SMALLEST

    @property
    def depth(self) -> int:
        """Blocks a stage."""
        return math.ceil(DEPTH**self.step - 1e-9)

    @property
    def channels(self) -> list[int]:
        """Of each stage."""
        return [max(8, 8 * round(each * WIDTH**self.step / 8)) for each in CHANNELS]

    @property
    def resolution(self) -> float:
        """Share of the picture's size."""
        return round(min(1.0, self.least * RESOLUTION**self.step), 3)

    def settings(self) -> dict[str, Any]:
        """Of a space `stages` that holds this network alone."""
        return {
            "depths": [self.depth],
            "widths": [[each] for each in self.channels],
            "kernels": [3],
            "expansions": [EXPANSION],
            "blocks": ["inverted_se"],
            "resolutions": [self.resolution],
        }

    def __str__(self) -> str:
        wide = ", ".join(map(str, self.channels))
        return f"step {self.step}: {self.depth} blocks a stage, {wide} channels, {self.resolution:g} of the size"


def largest_scale(data: SearchData, seconds: float, device: str = "cpu") -> Scale:
    """The largest scale of which 40 epochs, at the pace of one worker here, take no longer than `seconds`; the smallest
    where none does."""
    least = min(1.0, max(SMALLEST, PIXELS / min(data.signature.shape[1:])))
    scales = [Scale(step, least) for step in range(MOST + 1)]
    with one_thread():
        mode = choose_mode("measure", data.signature, device).name
        pace = measure_pace(make_space("stages", data.signature, **_family(scales)), data, mode, device)
    rows = 1 + len(data.validation) / len(data.train)
    return max([each for each in scales if FEWEST * rows * epoch(each, pace, data) <= seconds], default=scales[0])


def epoch(scale: Scale, pace: Pace, data: SearchData) -> float:
    """Predicted seconds of one epoch."""
    space = make_space("stages", data.signature, **scale.settings())
    return pace.epoch(space, next(iter(space)), data)


def _family(among: Sequence[Scale]) -> Mapping[str, Any]:
    """Settings of a space that holds small, middling and large ones."""
    scales = [among[0], among[len(among) // 2], among[-1]]
    widths = [sorted(set(each)) for each in zip(*(scale.channels for scale in scales), strict=True)]
    return {
        **scales[0].settings(),
        "depths": sorted({scale.depth for scale in scales}),
        "widths": widths,
        "resolutions": sorted({scale.resolution for scale in scales}),
    }
