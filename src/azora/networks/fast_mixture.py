"""The weighed sum of a choice's options as it is fast and small on a processor, while a mixture trains.

Values and gradients are those of every option run alone. Pictures have their channels last; what options compute first
of an input is computed once for all choices that have this input; and the last 1 × 1 convolution of an option, its
normalisation and its weight are one matrix (`azora.networks.weighed_sum`). The options' own modules are not called, but
their weights read; running statistics of normalisations are left as they are: `recalibrate` measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from azora.networks.weighed_sum import BatchNorm, Term, weighed_sum
from azora.operations import Convolution, FactorizedReduction
from azora.operations.convolution import DepthwiseConvolution, PooledConvolution, SeparableConvolution
from azora.operations.depthwise import depthwise
from azora.operations.once import channels_last, once, pooled, rectified

FORMATS = (torch.float32, torch.float64)
DEPTHWISE = (DepthwiseConvolution, SeparableConvolution)
FEW = 1 << 14  # pixels of all pictures: with fewer, dense options are up to 1.6 times as fast one by one


def serves(x: Tensor) -> bool:
    """Whether options of `x` can be run here: pictures on a processor."""
    cast = torch.is_autocast_enabled("cpu")
    return x.dim() == 4 and x.device.type == "cpu" and (cast or x.dtype in FORMATS)


def pays(x: Tensor, options: Sequence[nn.Module]) -> bool:
    """Whether these options of `x` are quicker run here than one by one, as far as their kinds and the size tell."""
    return x.numel() // x.shape[1] >= FEW or any(isinstance(each, DEPTHWISE) for each in options)


def mixed(
    x: Tensor, weights: Tensor, options: Sequence[nn.Module], norms: Sequence[BatchNorm | None], drop: float = 0.0
) -> Tensor:
    """The sum of `weights` (K,) times the options of `x`, with the normalisations behind those that have one.

    In single precision under autocast too.

    Args:
        drop: dropout of skips.
    """
    with torch.autocast("cpu", enabled=False):
        x = channels_last(x if x.dtype in FORMATS else once(x, "float", x.float))
        return weighed_sum(weights, [_term(*each, x, drop) for each in zip(options, norms, strict=True)])


def _term(option: nn.Module, norm: BatchNorm | None, x: Tensor, drop: float) -> Term:
    if isinstance(option, nn.Identity):
        return Term(nn.functional.dropout(x, drop) if drop > 0 else x, norm)
    if isinstance(option, nn.MaxPool2d | nn.AvgPool2d):
        return Term(pooled(x, option), norm)
    form = FORMS.get(type(option))
    return form(option, x) if form is not None and norm is None else Term(option(x), norm)


def _depthwise(option: Any, x: Tensor) -> Term:
    _, each, point, norm = option
    made = depthwise(rectified(x), each.weight, each.stride[0], each.dilation[0])
    return Term(made, norm, _matrix(point))


def _separable(option: Any, x: Tensor) -> Term:
    first, (_, each, point, norm) = option
    inner = weighed_sum(x.new_ones(1), [_depthwise(first, x)]).relu_()
    return Term(depthwise(inner, each.weight), norm, _matrix(point))


def _dense(option: Any, x: Tensor) -> Term:
    _, conv, norm = option
    if conv.kernel_size != (1, 1):
        return Term(conv(rectified(x)), norm)
    return Term(channels_last(rectified(x)[:, :, :: conv.stride[0], :: conv.stride[1]]), norm, _matrix(conv))


def _pooled(option: Any, x: Tensor) -> Term:
    _, conv, *pooling, norm = option
    made = conv(rectified(x))
    return Term(pooling[0](made) if pooling else made, norm)


def _halving(option: Any, x: Tensor) -> Term:
    """Both strided convolutions are one of the two pixels' channels side by side."""
    point = torch.block_diag(_matrix(option.even), _matrix(option.odd))  # type: ignore[no-untyped-call]
    return Term(once(x, "halves", lambda: _halves(rectified(x))), option.norm, point)


def _halves(x: Tensor) -> Tensor:
    shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2]
    return torch.cat([x[:, :, ::2, ::2], shifted], dim=1)


def _matrix(conv: nn.Conv2d) -> Tensor:
    return conv.weight.flatten(1)


FORMS: Mapping[type[nn.Module], Callable[[Any, Tensor], Term]] = {
    DepthwiseConvolution: _depthwise,
    SeparableConvolution: _separable,
    Convolution: _dense,
    PooledConvolution: _pooled,
    FactorizedReduction: _halving,
}
