"""What a network is made of, layer by layer, and what each costs, against numbers counted by hand."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from azora.networks.complexity import by_kind, cost, layers, macs, measure, parameters
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.networks.shapes_only import ShapesOnly
from azora.tasks import Signature

SHAPE = (4, 6, 6)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, padding=2, groups=8),
        nn.Conv2d(8, 8, (1, 3), padding=(0, 1), groups=2, bias=False),
        nn.Dropout(0.5),
        nn.Identity(),
        nn.Sequential(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def test_layers_come_in_their_order_with_what_they_cost() -> None:
    found = layers(network(), SHAPE)
    assert [layer.kind for layer in found] == [
        "conv3", "batchnorm2d", "relu", "depthwise5", "grouped3", "dropout", "identity", "sequential",
        "adaptiveavgpool2d", "flatten", "linear",
    ]  # fmt: skip
    pixels = 36
    first, norm, _, alone, grouped, *_, last = found
    assert (first.macs, first.read, first.written, first.weights) == (
        8 * 4 * 9 * pixels, 4 * pixels, 8 * pixels, 8 * 4 * 9,
    )  # fmt: skip
    assert (norm.macs, norm.read, norm.written, norm.weights) == (0, 8 * pixels, 8 * pixels, 16)
    assert (alone.macs, alone.weights) == (8 * 25 * pixels, 8 * 25 + 8)
    assert (grouped.macs, grouped.weights) == (8 * 4 * 3 * pixels, 8 * 4 * 3)
    assert (last.macs, last.read, last.written, last.weights) == (24, 8, 3, 27)


def test_kinds_are_totals_without_what_takes_no_time() -> None:
    found = by_kind(nn.Sequential(network()[0], nn.Conv2d(8, 4, 3, padding=1), network()), SHAPE)
    assert {name.partition(".")[0] for name in found} == {
        "all", "conv3", "batchnorm2d", "relu", "depthwise5", "grouped3", "adaptiveavgpool2d", "linear", "odd-channels",
        "odd-rows", "odd-filters", "odd-blocks", "loose8", "loose16", "loose-groups16",
    }  # fmt: skip
    assert found["conv3.count"] == 3
    assert found["conv3.macs"] == 3 * 8 * 4 * 9 * 36
    assert found["conv3.weights"] == 3 * 8 * 4 * 9 + 4
    assert found["conv3.traffic"] == 3 * 12 * 36
    for quantity in ("count", "macs", "traffic", "weights"):
        parts = {
            name: value
            for name, value in found.items()
            if name.endswith(f".{quantity}") and not name.startswith(("odd-", "loose"))
        }
        assert parts.pop(f"all.{quantity}") == sum(parts.values())
    assert found["all.macs"] == macs(nn.Sequential(network()[0], nn.Conv2d(8, 4, 3, padding=1), network()), SHAPE)


@pytest.mark.parametrize(
    ("layer", "kind", "channels", "rows", "filters"),
    [
        (nn.Conv2d(4, 12, 3, padding=1), "conv3", 1 / 3, 1 / 3, 5 / 3),
        (nn.Conv2d(4, 16, 3), "conv3", 0, 0, 1),  # 4 × 4 come out
        (nn.Conv2d(4, 64, 3), "conv3", 0, 0, 0),
        (nn.Conv2d(4, 8, 3, dilation=2), "dilated-conv3", 0, 1, 3),
        (nn.Conv2d(4, 4, 3, dilation=2, groups=4), "dilated-depthwise3", 1, 1, 0),
    ],
)
def test_what_runtimes_are_slow_at_is_told_apart(
    layer: nn.Module, kind: str, channels: float, rows: float, filters: float
) -> None:
    """Convolutions with dilation, and what would fill up their channels to eights, their rows to fours and, where they
    have no groups, their channels to thirty-twos."""
    found = by_kind(layer, SHAPE)
    assert found[f"{kind}.count"] == 1
    assert found.get("odd-channels.macs", 0) == pytest.approx(channels * found["all.macs"], abs=1)
    assert found.get("odd-rows.macs", 0) == pytest.approx(rows * found["all.macs"], abs=1)
    assert found.get("odd-filters.macs", 0) == pytest.approx(filters * found["all.macs"], abs=1)


@pytest.mark.parametrize(
    ("layer", "blocks", "loose"),
    [
        (nn.Conv2d(4, 12, 3, padding=1), 1 / 3, ["loose8", "loose16"]),  # by the channels that are read
        (nn.Conv2d(4, 16, 3), 0, ["loose8", "loose16"]),
        (nn.Conv2d(4, 8, 3, groups=4), 1, ["loose-groups16"]),  # by those that are written
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), 3, ["loose-groups8", "loose-groups16"]),
    ],
)
def test_what_no_block_of_channels_holds_is_told_apart(layer: nn.Module, blocks: float, loose: list[str]) -> None:
    found = by_kind(layer, SHAPE)
    assert found.get("odd-blocks.macs", 0) == pytest.approx(blocks * found["all.macs"], abs=1)
    moved = {name.partition(".")[0]: value for name, value in found.items() if name.startswith("loose")}
    assert moved == {name: found["all.traffic"] if "groups" in name else 4 * 36 for name in loose}


def test_weights_beyond_a_mebibyte_of_a_layer_are_told_apart() -> None:
    light, heavy = nn.Linear(8, 8), nn.Linear(2**10, 2**9, bias=False)
    assert "heavy.weights" not in by_kind(light, (8,))
    assert by_kind(nn.Sequential(heavy, nn.Linear(2**9, 2**10, bias=False)), (2**10,))["heavy.weights"] == 2 * 2**18


def test_a_layer_that_is_used_twice_is_two_layers_and_one_that_is_not_is_none() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(5, 5), nn.Linear(5, 5)

        def forward(self, x: Tensor) -> Tensor:
            again: Tensor = self.used(self.used(x))
            return again

    assert by_kind(Twice(), (5,)) == {
        "linear.count": 2, "linear.macs": 50, "linear.traffic": 20, "linear.weights": 60,
        "all.count": 2, "all.macs": 50, "all.traffic": 20, "all.weights": 60,
    }  # fmt: skip


def test_nothing_is_left_behind_and_no_values_are_needed() -> None:
    with ShapesOnly():
        unreal = network()
    real = network().train()
    assert layers(unreal, SHAPE) == layers(real, SHAPE)
    assert real.training
    assert not any(each._forward_hooks for each in real.modules())
    out = real(torch.randn(2, *SHAPE))
    assert (real[2](torch.full((1,), -1.0)) == 0).all() and out.shape == (2, 3)


def test_convolutions_of_any_number_of_sides_are_told_apart() -> None:
    assert by_kind(nn.Conv1d(2, 4, 7), (2, 20))["conv7.count"] == 1
    assert by_kind(nn.Conv3d(2, 4, (1, 3, 5)), (2, 5, 5, 5))["conv5.count"] == 1
    assert by_kind(nn.Conv2d(1, 4, 3), (1, 5, 5))["conv3.count"] == 1, "one channel is no group of its own"


def test_what_is_measured_is_the_sum_of_the_layers() -> None:
    found, each = measure(network(), SHAPE), layers(network(), SHAPE)
    assert found["macs"] == sum(layer.macs for layer in each)
    assert found["values"] == sum(layer.written for layer in each)
    assert found["layers"] == len(each) == 11
    assert found["memory"] == 4 * 16 * 36, "what the depthwise convolution reads and writes"


@pytest.mark.parametrize("name", ["cells", "stages", "nb201", "mlp", "residual"])
def test_memory_is_of_weights_and_of_activations(name: str) -> None:
    space = make_space(name, Signature("classification", (1, 8, 8), 10))
    architecture = space.sample(random.Random(0))
    built = space.build(As(architecture)).eval()
    held = 4 * sum(each.numel() for each in built.parameters())
    assert cost(space, architecture)["memory"] == held + measure(built, (1, 8, 8))["memory"]
    assert cost(space, architecture) == cost(space, architecture), "nothing is added twice"
    assert cost(space, architecture)["params"] == parameters(built)


@pytest.mark.parametrize("name", ["cells", "stages", "nb201", "digits-cells"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 20)])
def test_kinds_are_known_without_a_network(name: str, shape: tuple[int, ...]) -> None:
    space = make_space(name, Signature("classification", shape, 10))
    for seed in range(4):
        architecture = space.sample(random.Random(seed))
        told, counted = space.kinds(architecture), by_kind(space.build(As(architecture)).eval(), shape)
        assert told is not None
        assert {key: value for key, value in told.items() if value} == {
            key: value for key, value in counted.items() if value
        }


def test_of_other_spaces_they_are_counted() -> None:
    space = make_space("mlp", Signature("classification", (7,), 3))
    assert space.kinds(space.sample(random.Random(0))) is None
