"""Batch normalisations as a part of the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)


def folded(network: M) -> M:
    """A copy in eval mode, in which a normalisation that follows a convolution in a sequence is a part of it: the same
    function, in a graph of fewer nodes."""
    made = copy.deepcopy(network).eval()
    for each in made.modules():
        if isinstance(each, nn.Sequential) and type(each).forward is nn.Sequential.forward:
            _fold(each)
    return made


def _fold(sequence: nn.Sequential) -> None:
    for place, (conv, norm) in enumerate(pairwise(list(sequence))):
        if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
            sequence[place], sequence[place + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
