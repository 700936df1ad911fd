"""The fast way of a mixture says what running every option alone says, with the same gradients."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from azora.networks import fast_mixture
from azora.networks.darts import Darts
from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.networks.relaxation import Gate, Moment, Relaxation
from azora.networks.weighed_sum import Term, weighed_sum
from azora.operations import OPERATIONS, depthwise, make_operation, once
from azora.operations.depthwise import SMALL
from azora.space import Space
from azora.tasks import Signature

NAMES = sorted(OPERATIONS.keys() - {"noise"})
DENSE = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
PICTURES = Signature("classification", (3, 9, 8), 4)
SPACES = {"darts": Darts(PICTURES, width=4, layers=3, none=True), "nb201": NB201(PICTURES, width=4, depth=1)}


@pytest.fixture(autouse=True)
def always_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a problem is."""
    monkeypatch.setattr(fast_mixture, "FEW", 0)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(out: Tensor, of: Sequence[Tensor]) -> list[Tensor | None]:
    return list(torch.autograd.grad(out, of, noise(*out.shape, seed=9).to(out.dtype), allow_unused=True))


def same(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> None:
    """No gradient is as good as zeros."""
    for one, other in zip(found, expected, strict=True):
        like = one if one is not None else other
        if like is not None:
            zeros = torch.zeros_like(like)
            torch.testing.assert_close(zeros if one is None else one, zeros if other is None else other)


# Depthwise convolutions -----------------------------------------------------------------------------------------------


SHAPES = [(2, 3, 7, 6), (2, 8, 9, 9), (3, 4, 1, 2), (2, 2, 3, 5)]


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_depthwise_is_that_of_torch(kernel: int) -> None:
    for stride, dilation, shape in product((1, 2), (1, 2, 3), SHAPES):
        depthwise_as_torch(kernel, stride, dilation, shape)


def depthwise_as_torch(kernel: int, stride: int, dilation: int, shape: tuple[int, ...]) -> None:
    x, weight = noise(*shape).requires_grad_(), noise(shape[1], 1, kernel, kernel, seed=1).requires_grad_()
    found = depthwise.depthwise(x, weight, stride, dilation)
    sides = (stride, dilation * (kernel // 2), dilation, shape[1])
    expected = nn.functional.conv2d(x, weight, None, *sides)
    torch.testing.assert_close(found, expected)
    same(gradients(found, [x, weight]), gradients(expected, [x, weight]))


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_corners_of_weights_are_those_of_torch(dilation: int, dtype: torch.dtype) -> None:
    x = noise(8, 16, 16, 17, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert x.numel() >= SMALL
    weight = noise(16, 1, 5, 5, seed=1, dtype=dtype).requires_grad_()
    found = gradients(depthwise.depthwise(x, weight, 1, dilation), [weight])[0]
    expected = gradients(nn.functional.conv2d(x, weight, None, 1, 2 * dilation, dilation, 16), [weight])[0]
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3 if dtype == torch.float32 else 1e-9)


def test_weights_gradients_are_not_computed_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = noise(2, 3, 6, 6).requires_grad_(), noise(3, 1, 5, 5).requires_grad_()
    computed = list[int]()
    real = depthwise._of_weight
    monkeypatch.setattr(depthwise, "_of_weight", lambda *given: computed.append(1) or real(*given))
    torch.autograd.grad(depthwise.depthwise(2 * x, weight).sum(), [x])
    assert not computed
    torch.autograd.grad(depthwise.depthwise(2 * x, weight).sum(), [x, weight])
    depthwise.depthwise(2 * x, weight).sum().backward()
    assert len(computed) == 2 and weight.grad is not None


# Weighed sums ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4, 8, 16, 20])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_weighed_sum_is_that_of_its_terms(channels: int, layout: torch.memory_format) -> None:
    kinds: tuple[tuple[bool, bool], ...] = ((True, True), (True, False), (False, False), (True, True), (True, False))
    features, points, norms = list[Tensor](), list[Tensor | None](), list[nn.BatchNorm2d | None]()
    for seed, (normed, pointed) in enumerate(kinds):
        columns = channels + 3 if pointed and seed else channels
        features.append((noise(3, columns, 4, 5, seed=seed) + seed).contiguous(memory_format=layout).requires_grad_())
        points.append(noise(channels, columns, seed=10 + seed).requires_grad_() if pointed else None)
        norms.append(nn.BatchNorm2d(channels, eps=10.0**-seed, affine=seed > 0).double() if normed else None)
        if seed and norms[-1] is not None:
            norms[-1].weight.data, norms[-1].bias.data = noise(channels, seed=20), noise(channels, seed=21)
    weights = noise(len(kinds), seed=30).requires_grad_()
    given = [weights, *features, *(point for point in points if point is not None)]
    found = weighed_sum(weights, [Term(*each) for each in zip(features, norms, points, strict=True)])
    terms = [x if p is None else torch.einsum("oc,bchw->bohw", p, x) for x, p in zip(features, points, strict=True)]
    expected = sum(
        (w * (x if n is None else n(x)) for w, x, n in zip(weights, terms, norms, strict=True)), torch.zeros(())
    )
    torch.testing.assert_close(found, expected)
    same(gradients(found, given), gradients(expected, given))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_features_that_never_change_give_numbers() -> None:
    x = torch.ones(2, 4, 3, 3, dtype=torch.float32).requires_grad_()
    point = torch.ones(4, 4).requires_grad_()
    out = weighed_sum(torch.ones(1), [Term(x, nn.BatchNorm2d(4), point)])
    assert all(each is not None and bool(each.isfinite().all()) for each in [out, *gradients(out, [x, point])])


# Options --------------------------------------------------------------------------------------------------------------


def of_all(channels: int, stride: int, gate: Gate, parts: int = 1, names: Sequence[str] = NAMES) -> Mixed:
    torch.manual_seed(0)
    options = {name: make_operation(name, channels // parts, stride) for name in names}
    made = Mixed("choice", options, {"choice": gate}, parts)
    made.normalise(channels // parts)
    for norm in made.norms():
        norm.double()
    return made.double().train()


def both_ways(made: nn.Module, x: Tensor, of: Sequence[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    found = made(x)
    with monkeypatch.context() as alone:
        alone.setattr(fast_mixture, "serves", lambda x: False)
        torch.manual_seed(5)
        expected = made(x)
    torch.testing.assert_close(found, expected)
    same(gradients(found, of), gradients(expected, of))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_alone(name: str, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = noise(3, 6, 9, 7).requires_grad_(), noise(1).requires_grad_()
    made = of_all(6, stride, Gate(weights, (0,)), names=[name])
    both_ways(made, x, [x, weights, *(each for each in made.parameters() if each.requires_grad)], monkeypatch)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(9, 7), (8, 8), (3, 3)])
@pytest.mark.parametrize("parts", [1, 2])
def test_all_operations_together(
    stride: int, size: tuple[int, int], parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weights, edge = noise(3, 8, *size).requires_grad_(), noise(len(NAMES)).requires_grad_(), noise(1)[0]
    gate = Gate(weights, tuple(range(len(NAMES))), edge=edge.requires_grad_(), skip=0.3)
    made = of_all(8, stride, gate, parts)
    given = [x, weights, edge, *(each for each in made.parameters() if each.requires_grad)]
    both_ways(made, x, given, monkeypatch)


@pytest.mark.parametrize("runs", [(0,), (3, 5), (NAMES.index("none"),), ()])
@pytest.mark.parametrize("rest", [False, True])
def test_some_operations(runs: tuple[int, ...], rest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = noise(3, 8, 6, 6).requires_grad_(), noise(len(NAMES)).requires_grad_()
    made = of_all(8, 1, Gate(weights, runs, rest))
    if runs or rest:
        both_ways(made, x, [x, weights], monkeypatch)
    else:
        assert made(x).shape == ()


def test_skips_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(3, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    weights = noise(len(NAMES)).requires_grad_()
    made = of_all(8, 1, Gate(weights, tuple(range(len(NAMES))), drop=0.5))
    both_ways(made, x, [x, weights], monkeypatch)


@pytest.mark.parametrize(("names", "size", "together"), [(DENSE, 6, False), (DENSE, 64, True), (NAMES, 6, True)])
def test_dense_options_of_a_small_input_run_one_by_one(
    names: Sequence[str], size: int, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_mixture, "FEW", 4 * 64 * 64)
    ways = list[int]()

    def mixed(x: Tensor, weights: Tensor, *_: object) -> Tensor:
        ways.append(len(weights))
        return x

    monkeypatch.setattr(fast_mixture, "mixed", mixed)
    of_all(4, 1, Gate(noise(len(names)), tuple(range(len(names)))), names=names)(noise(4, 4, size, size))
    assert bool(ways) is together


def test_running_statistics_are_left_alone() -> None:
    made = of_all(4, 1, Gate(noise(len(NAMES)), tuple(range(len(NAMES)))))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made(noise(3, 4, 6, 6))
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_single_precision_under_autocast() -> None:
    gate = Gate(noise(len(NAMES), dtype=torch.float32), tuple(range(len(NAMES))))
    made, x = of_all(8, 1, gate).float(), noise(3, 8, 6, 6, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = made(x.bfloat16().requires_grad_())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, made(x.bfloat16().float()))


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize(
    "relaxation",
    [Relaxation(), Relaxation("gumbel", rest=True), Relaxation("binary"), Relaxation(channels=2, edges=True, skip=0.5)],
    ids=["softmax", "gumbel", "binary", "parts"],
)
def test_networks(space: Space, relaxation: Relaxation, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Relaxed(space, relaxation).double().train()
    made.logits.values.data = made.logits.values.data.double()
    made.draw(Moment(0.3, True, torch.Generator().manual_seed(3)))
    given = [made.logits.values, *(each for each in made.parameters() if each.requires_grad)]
    torch.manual_seed(1)
    found = made(noise(4, 3, 9, 8))
    made.draw(Moment(0.3, True, torch.Generator().manual_seed(3)))
    monkeypatch.setattr(fast_mixture, "serves", lambda x: False)
    expected = made(noise(4, 3, 9, 8))
    torch.testing.assert_close(found, expected)
    same(gradients(found, given), gradients(expected, given))


# What is computed once ------------------------------------------------------------------------------------------------


def test_what_is_computed_of_an_input_is_computed_once_and_anew_when_it_was_written_to() -> None:
    x = noise(2, 3, 4, 4).requires_grad_() * 1
    first = once.rectified(x)
    assert once.rectified(x) is first
    with torch.no_grad():
        x.add_(1.0)
    assert once.rectified(x) is not first
    torch.testing.assert_close(once.rectified(x), torch.relu(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_graph_that_nobody_needs_is_freed_at_once(dtype: torch.dtype) -> None:
    made = of_all(4, 1, Gate(noise(len(NAMES)), tuple(range(len(NAMES))))).to(dtype)
    gc.disable()
    try:
        x = noise(2, 4, 6, 6, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_() * 1
        out, alive = made(x), weakref.ref(x)
        assert once.rectified(x) is once.rectified(x)
        del x, out
        assert alive() is None
    finally:
        gc.enable()
