"""Each proxy against a computation of its own."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from azora.errors import ConfigError
from azora.networks.mlp import Mlp
from azora.networks.nb201 import NB201
from azora.networks.stages import Stages
from azora.proxies import PROXIES, Probe, fresh, log_rank, score
from azora.proxies.activations import _codes
from azora.proxies.blocks import expressivity, progressivity, trainability
from azora.space import Space
from azora.tasks import Signature

FEATURES, CLASSES, ROWS = 5, 3, 12


@pytest.fixture
def probe() -> Probe:
    return Probe.noise(Signature("classification", (FEATURES,), CLASSES), ROWS)


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(FEATURES, CLASSES, bias=False)


@pytest.fixture
def bent() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 8, bias=False), nn.ReLU(), nn.Linear(8, CLASSES, bias=False))


def value(name: str, network: nn.Module, probe: Probe) -> float:
    return PROXIES[name].score(network, probe)


def errors(weight: np.ndarray, probe: Probe) -> np.ndarray:
    """(rows, classes): probabilities minus the truth, by hand."""
    outputs = probe.x.numpy() @ weight.T
    shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares - np.eye(CLASSES)[probe.y.numpy()]


def gradient(weight: np.ndarray, probe: Probe) -> np.ndarray:
    return errors(weight, probe).T @ probe.x.numpy() / len(probe.x)


def test_those_of_the_gradient_of_one_layer(linear: nn.Linear, probe: Probe) -> None:
    weight = linear.weight.detach().numpy().astype(np.float64)
    slope, step = gradient(weight, probe), 1e-5
    assert value("grad_norm", linear, probe) == pytest.approx(np.linalg.norm(slope), rel=1e-5)
    assert value("snip", linear, probe) == pytest.approx(np.abs(weight * slope).sum(), rel=1e-5)
    curved = (gradient(weight + step * slope, probe) - gradient(weight - step * slope, probe)) / (2 * step)
    assert value("grasp", linear, probe) == pytest.approx(-(weight * curved).sum(), rel=1e-3)
    passed = (probe.x.numpy() @ weight.T) * errors(weight, probe) / ROWS
    assert value("fisher", linear, probe) == pytest.approx(0.5 * (passed**2).mean(axis=0).sum(), rel=1e-4)


def test_zico_is_the_mean_over_the_spread_of_two_batches(linear: nn.Linear, probe: Probe) -> None:
    weight = linear.weight.detach().numpy().astype(np.float64)
    one, other = (gradient(weight, half) for half in probe.halves())
    ratio = (np.abs(one) + np.abs(other)) / np.abs(one - other)
    assert value("zico", linear, probe) == pytest.approx(math.log(ratio.sum()), rel=1e-3)


def test_synflow_of_two_layers_is_twice_what_flows(bent: nn.Sequential, probe: Probe) -> None:
    first, last = (layer.weight.detach().double().abs() for layer in (bent[0], bent[2]))
    flow = float((last @ first).sum())
    assert value("synflow", bent, probe) == pytest.approx(math.log(2 * flow), rel=1e-9)
    normed = nn.Sequential(bent[0], nn.BatchNorm1d(8), *bent[1:])
    assert value("synflow", normed, probe) == value("synflow", bent, probe)


def test_jacobians_that_are_all_alike_and_those_of_a_bent_network(
    linear: nn.Linear, bent: nn.Sequential, probe: Probe
) -> None:
    def by_eigenvalues(values: np.ndarray) -> float:
        return float(-(np.log(values + 1e-5) + 1 / (values + 1e-5)).sum())

    alike = by_eigenvalues(np.array([float(ROWS)] + [0.0] * (ROWS - 1)))
    assert value("jacob_cov", linear, probe) == pytest.approx(alike, rel=1e-3)
    first, last = (layer.weight.detach().numpy().astype(np.float64) for layer in (bent[0], bent[2]))
    x = probe.x.numpy().astype(np.float64)
    jacobians = (x @ first.T > 0) * last.sum(axis=0) @ first
    expected = by_eigenvalues(np.clip(np.linalg.eigvalsh(np.corrcoef(jacobians)), 0, None))
    assert value("jacob_cov", bent, probe) == pytest.approx(expected, rel=0.05)
    assert expected > alike


def test_where_nothing_comes_through_jacobians_say_nothing(probe: Probe) -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bias.expand(len(x), 2)

    assert value("jacob_cov", Deaf(), probe) == -math.inf


def test_a_row_of_which_nothing_comes_through_makes_jacobians_say_nothing(bent: nn.Sequential, probe: Probe) -> None:
    silent = Probe(torch.cat([torch.zeros(1, FEATURES), probe.x[1:]]), probe.y)
    assert value("jacob_cov", bent, silent) == -math.inf


def test_codes_are_counted(bent: nn.Sequential, probe: Probe) -> None:
    codes = (probe.x.numpy() @ bent[0].weight.detach().numpy().T > 0).astype(int)
    kernel = np.array([[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes])
    assert value("swap", bent, probe) == len({tuple(column) for column in codes.T})
    wide = nn.Sequential(nn.Linear(FEATURES, 64, bias=False), nn.ReLU(), nn.Linear(64, CLASSES))
    codes = (probe.x.numpy() @ wide[0].weight.detach().numpy().T > 0).astype(int)
    kernel = np.array([[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes])
    assert value("naswot", wide, probe) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)


def test_of_fewer_activations_than_rows_the_kernel_has_a_score_that_is_no_noise(
    bent: nn.Sequential, probe: Probe
) -> None:
    codes = (probe.x.numpy() @ bent[0].weight.detach().numpy().T > 0).astype(np.float64)
    values = np.linalg.eigvalsh(codes @ codes.T + (1 - codes) @ (1 - codes).T).clip(1e-5)
    assert (values == 1e-5).sum() >= ROWS - 9
    assert value("naswot", bent, probe) == pytest.approx(np.log(values).sum(), rel=1e-9)


class Functional(nn.Module):
    """Two layers with a function between them."""

    def __init__(self, bent: nn.Sequential, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.function = bent[0], bent[2], function

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.function(self.first(x)))
        return out


FUNCTIONS = [
    torch.relu, torch.relu_, Tensor.relu, nn.functional.relu, nn.functional.relu6, nn.functional.leaky_relu,
    nn.functional.gelu, nn.functional.silu, nn.functional.hardswish, partial(nn.functional.relu, inplace=True),
    nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.GELU(), nn.SiLU(), nn.Hardswish(),
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_activation_counts_once_as_a_module_and_as_a_function(
    function: Callable[[Tensor], Tensor], bent: nn.Sequential, probe: Probe
) -> None:
    (codes,) = _codes(Functional(bent, function), probe.x)
    assert torch.equal(codes, (bent[0](probe.x) > 0).double())


@pytest.mark.parametrize("function", [torch.tanh, nn.Hardtanh(), nn.Identity()])
def test_what_does_not_bend_at_zero_counts_for_nothing(
    function: Callable[[Tensor], Tensor], bent: nn.Sequential, probe: Probe
) -> None:
    assert _codes(Functional(bent, function), probe.x) == []


def test_what_bends_nothing_has_no_codes(linear: nn.Linear, probe: Probe) -> None:
    assert value("naswot", linear, probe) == -math.inf
    assert value("swap", linear, probe) == -math.inf


def test_zen_is_the_mean_of_a_folded_normal_and_norms_do_not_change_it() -> None:
    probe = Probe.noise(Signature("classification", (256,), CLASSES), 64)
    plain = nn.Sequential(nn.Linear(256, 256, bias=False), nn.Linear(256, CLASSES))
    expected = math.log(0.01 * math.sqrt(256) * math.sqrt(2 / math.pi))
    assert value("zen", plain, probe) == pytest.approx(expected, abs=0.02)
    normed = nn.Sequential(nn.Linear(256, 256, bias=False), nn.BatchNorm1d(256), nn.Linear(256, CLASSES))
    assert value("zen", normed, probe) == pytest.approx(expected, abs=0.05)


def block(scale: float, channels: int = 6, rank: int = 6) -> nn.Conv2d:
    """A turn of the channels, `scale` times as long; only `rank` of them are kept."""
    turn, _ = torch.linalg.qr(torch.randn(channels, channels, generator=torch.Generator().manual_seed(0)))
    turn[:, rank:] = 0
    made = nn.Conv2d(channels, channels, 1, bias=False)
    made.weight = nn.Parameter(scale * turn[:, :, None, None])
    return made


def chain(*blocks: nn.Module) -> nn.Sequential:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES))
    return nn.Sequential(block(1.0), *(nn.Sequential(each, nn.Identity()) for each in blocks), head)


def test_the_entropy_of_channels_counts_how_many_there_are_in_truth() -> None:
    probe = Probe.noise(Signature("classification", (6, 24, 24), CLASSES), 16)
    assert expressivity(chain(block(2.0)), probe) == pytest.approx(2 * math.log(6), rel=1e-3)
    assert expressivity(chain(block(1.0, rank=2)), probe) == pytest.approx(math.log(6) + math.log(2), rel=1e-2)
    assert progressivity(chain(block(1.0, rank=2)), probe) == pytest.approx(math.log(2) - math.log(6), rel=1e-2)


@pytest.mark.parametrize("scale", [1.0, 3.0, 0.5])
def test_a_block_that_keeps_lengths_trains_best(scale: float) -> None:
    probe = Probe.noise(Signature("classification", (6, 24, 24), CLASSES), 32)
    assert trainability(chain(block(scale)), probe) == pytest.approx(2 - scale - 1 / scale, abs=0.03 * (1 + scale))


def test_blocks_that_do_nothing_or_let_nothing_through_do_not_train() -> None:
    probe = Probe.noise(Signature("classification", (6, 8, 8), CLASSES), 4)

    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

    assert trainability(chain(nn.Identity()), probe) == -math.inf
    assert trainability(chain(Nothing()), probe) == -math.inf


def test_ranks_are_added_as_logarithms_and_equals_share_theirs() -> None:
    found = log_rank({"one": [3.0, 1.0, 2.0], "other": [5.0, 5.0, -math.inf]})
    expected = [
        math.log(3 / 3) + math.log(2.5 / 3),
        math.log(1 / 3) + math.log(2.5 / 3),
        math.log(2 / 3) + math.log(1 / 3),
    ]
    assert found == pytest.approx(expected)
    assert log_rank({"one": [1.0, math.nan]}) == pytest.approx([0.0, math.log(1 / 2)])
    with pytest.raises(ValueError, match="cannot be ranked together"):
        log_rank({"one": [1.0], "other": [1.0, 2.0]})


PICTURES, TABLE = Signature("classification", (1, 8, 8), 10), Signature("classification", (7,), 3)
CELLS = NB201(PICTURES, width=4, depth=1)
SPACES = [CELLS, Stages(PICTURES), Mlp(TABLE), Mlp(PICTURES)]


@pytest.mark.parametrize(("space", "name"), list(itertools.product(SPACES, PROXIES)), ids=str)
def test_every_proxy_gives_a_number_for_every_space_and_leaves_all_as_it_was(space: Space, name: str) -> None:
    probe = Probe.noise(space.signature, 16)  # type: ignore[attr-defined]
    rng = random.Random(0)
    for _ in range(4):
        architecture = space.sample(rng)
        network = fresh(space, architecture)
        before = [parameter.clone() for parameter in network.parameters()]
        state = torch.random.get_rng_state()
        first = value(name, network, probe)
        assert not math.isnan(first)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert all(map(torch.equal, before, network.parameters()))
        assert score(space, architecture, probe, [name])[name] == pytest.approx(first, nan_ok=False)


def test_of_cells_codes_are_those_of_their_rectifiers_and_the_kernel_has_its_determinant() -> None:
    network = fresh(CELLS, CELLS.architecture(**dict.fromkeys(CELLS.choices, "conv_3x3")))
    probe, seen = Probe.noise(PICTURES, 16), list[Tensor]()
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda module, inputs: seen.append((inputs[0] > 0).flatten(1).double()))
    codes = _codes(network, probe.x)
    assert len(codes) == len(seen) == 3 * 6 + 2 * 2 + 1
    assert all(map(torch.equal, codes, seen))
    kernel = torch.stack([each @ each.T + (1 - each) @ (1 - each).T for each in codes]).sum(0)
    assert value("naswot", network, probe) == pytest.approx(float(torch.linalg.slogdet(kernel).logabsdet), rel=1e-9)
    nothing = fresh(CELLS, CELLS.architecture(**dict.fromkeys(CELLS.choices, "none")))
    assert value("naswot", nothing, probe) == -math.inf


def test_rectifiers_inside_of_residual_blocks_are_counted() -> None:
    space = Stages(PICTURES)
    network = fresh(space, space.architecture(**space.familiar()[0]))
    assert len(_codes(network, Probe.noise(PICTURES, 4).x)) == 1 + 3 * 2 * 2 + 1  # of the stem, the blocks and the head


@pytest.mark.parametrize("signature", [TABLE, PICTURES], ids=["table", "pictures"])
def test_zen_looks_at_the_layers_beside_a_linear_way_past_them(signature: Signature) -> None:
    space, probe = Mlp(signature), Probe.noise(signature, 64)
    widths = {f"width_{layer}": 32 for layer in range(3)}
    decided = {"depth": 3, **widths, "activation": "relu", "normalisation": "none", "dropout": 0.0}
    past, alone = (
        value("zen", fresh(space, space.architecture(**decided, skip=skip)), probe) for skip in (True, False)
    )
    assert past == pytest.approx(alone, abs=0.3)
    assert past > math.log(0.01 * math.sqrt(2 / math.pi)) + 1  # by which the input differs


def test_an_unknown_proxy_is_refused_with_the_nearest(probe: Probe) -> None:
    space = Mlp(TABLE)
    with pytest.raises(ConfigError, match="no proxy 'sinflow'; did you mean 'synflow'"):
        score(space, space.sample(random.Random(0)), probe, ["sinflow"])
