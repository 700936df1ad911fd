"""Tiny tasks of pictures, and what is meta-trained on them in a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from azora.adapting import Adapting, AdaptingSettings, Episodes, Layers
from azora.space import Architecture
from azora.tasks import Scaling, Signature
from azora.tasks.array import Array

WAYS = 3
SIGNATURE = Signature("classification", (1, 8, 8), WAYS, ("ash", "beech", "cedar"))
SCALING = Scaling((100.0,), (60.0,))
OPERATIONS = ("conv_3x3", "depthwise_conv_3x3", "max_pool_3x3", "skip_connect")
STYLES = ("metanas", "base")


def rows(classes: int = 8, each: int = 8, seed: int = 0) -> tuple[Array, Array]:
    """Pictures of 8 × 8 pixels: every class has a pattern of its own, and every row noise."""
    patterns = np.random.default_rng(seed).integers(0, 200, (classes, 1, 8, 8))
    y = np.repeat(np.arange(classes), each)
    x = patterns[y] + np.random.default_rng(seed + 1).integers(0, 40, (len(y), 1, 8, 8))
    return x.astype(np.uint8), y


def episodes(shots: int = 4, queries: int = 4, **words: Any) -> Episodes:
    return Episodes(*rows(), WAYS, shots, queries, SCALING, **words)


def space() -> Layers:
    return Layers(SIGNATURE, width=6, depth=2, operations=OPERATIONS, stems=("conv_3x3",))


def two(first: str, second: str) -> Architecture:
    """The operations of both layers."""
    return space().architecture(operation_0=first, operation_1=second)


def adapting(style: str = "metanas", seed: int = 0, **settings: Any) -> Adapting:
    fixed = two("conv_3x3", "conv_3x3") if style == "fixed" else None
    return Adapting(space(), SCALING, AdaptingSettings.of(style, **settings), fixed, seed)


def state(one: Adapting) -> Tensor:
    return torch.cat([each.flatten() for each in (*one.learner.meta, one.learner.meta_logits)])
