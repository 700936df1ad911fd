"""What of a mixture changes while it is trained, and the statistics of its normalisations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from tests.networks.mixing import nb201, random_of, seeded, some_options
from torch import Tensor, nn

from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import KINDS, Gate, Moment, Relaxation
from azora.networks.statistics import recalibrate, statistics_kept
from azora.operations import make_operation

# What changes while it is trained -----------------------------------------------------------------------------------


def test_the_temperature_falls_as_published() -> None:
    assert [Relaxation(temperature=(10.0, 0.1)).heat(at) for at in (0, 0.5, 1)] == pytest.approx([10, 5.05, 0.1])
    cooled = Relaxation(temperature=(10.0, 0.1), cooling="exponential")
    assert [cooled.heat(at) for at in (0, 0.5, 1)] == pytest.approx([10, 1, 0.1])


def test_the_skip_beside_falls_to_nothing() -> None:
    mixed, taken, _ = some_options()
    x, logits = random_of(2, 4, 5, 5), torch.zeros(5).double()
    taken["choice"] = Relaxation().gate(logits, Moment(0.0, True, seeded()))
    alone = mixed(x)
    for progress, weight in ((0.0, 1.0), (0.25, 0.75), (1.0, 0.0)):
        taken["choice"] = Relaxation(skip=1.0).gate(logits, Moment(progress, True, seeded()))
        torch.testing.assert_close(mixed(x) - alone, weight * x)
    # Of a search of a tenth of the published length, a tenth as far.
    taken["choice"] = Relaxation(skip=1.0).gate(logits, Moment(1.0, True, seeded(), length=0.1))
    torch.testing.assert_close(mixed(x) - alone, 0.9 * x)


@pytest.mark.parametrize(
    ("name", "stride", "weight"), [("skip_connect", 1, 0.5), ("skip_connect", 2, 0.5), ("noise", 1, 0.0)]
)
def test_there_is_a_skip_beside_where_one_of_the_options_is_a_skip(name: str, stride: int, weight: float) -> None:
    """What it does for the others would win for nothing else: noise would, beside a skip, cost little."""
    options = {each: make_operation(each, 2, stride) for each in ("conv_3x3", name)}
    mixed, x = Mixed("choice", options, taken := dict[str, Gate]()), random_of(2, 2, 4, 4).float()
    taken["choice"] = Gate(torch.tensor([1.0, 0.0]), (0,))
    alone = mixed(x)
    taken["choice"] = Gate(torch.tensor([1.0, 0.0]), (0,), skip=0.5)
    beside = x if stride == 1 else nn.functional.avg_pool2d(x, 2)
    torch.testing.assert_close(mixed(x) - alone, weight * beside)


def test_skips_are_dropped_only_while_training_and_ever_less() -> None:
    taken: dict[str, Gate] = {}
    mixed, x = (
        Mixed("choice", {"skip_connect": nn.Identity(), "conv": nn.Conv2d(4, 4, 1)}, taken),
        torch.ones(8, 4, 9, 9),
    )
    for progress, rate in ((0.0, 0.5), (0.5, 0.25), (1.0, 0.0)):
        gate = Relaxation(drop=0.5).gate(torch.zeros(2), Moment(progress, True, seeded()))
        assert gate.drop == pytest.approx(rate)
        taken["choice"] = Gate(torch.tensor([1.0, 0.0]), (0,), drop=gate.drop)
        dropped = mixed.train()(x)
        assert float((dropped == 0).float().mean()) == pytest.approx(rate, abs=0.05)
        assert float(dropped.max()) == pytest.approx(1 / (1 - rate))
        assert torch.equal(mixed.eval()(x), x)
    taken["choice"] = Gate(torch.tensor([0.0, 1.0]), (1,), drop=0.5)
    torch.testing.assert_close(mixed.train()(x), mixed.eval()(x))  # nothing else is


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_disturbed_only_while_the_network_learns(kind: str) -> None:
    logits, noisy = torch.tensor([0.0, 0.5, -0.5]), Relaxation(kind, noise=(0.1, 0.3))
    found = []
    for seed in range(40):
        plain = Relaxation(kind).gate(logits, Moment(0.5, True, seeded(seed)))
        assert torch.equal(noisy.gate(logits, Moment(0.5, True, seeded(seed))).weights, plain.weights)
        plain = Relaxation(kind).gate(logits, Moment(0.5, False, seeded(seed)))
        found.append(noisy.gate(logits, Moment(0.5, False, seeded(seed))).weights - plain.weights)
    assert 0.18 < float(torch.stack(found).abs().max()) <= 0.2 + 1e-6  # half way from 0.1 to 0.3


# Statistics ---------------------------------------------------------------------------------------------------------


def test_running_statistics_are_left_as_they_were() -> None:
    made = Relaxed(nb201(), Relaxation()).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    for context, same in ((statistics_kept(made), True), (nullcontext(), False)):
        with context:
            first = made(torch.randn(4, 3, 8, 8))
        assert all(torch.equal(before[name], value) for name, value in made.state_dict().items()) == same
    with pytest.raises(ZeroDivisionError), statistics_kept(made):
        raise ZeroDivisionError
    assert all(each.track_running_stats for each in made.modules() if isinstance(each, nn.BatchNorm2d))
    assert bool(first.isfinite().all())


def test_recalibrated_statistics_are_plain_means_over_batches() -> None:
    made = Relaxed(nb201(), Relaxation()).train()
    batches = [torch.randn(6, 3, 8, 8, generator=seeded(seed)) * (seed + 1) for seed in range(3)]
    names = ("network.stem.1", "network.stage_0.0.edges.0_1.conv_3x3.2", "norms.0")
    norms = [made.get_submodule(name) for name in names]
    seen: list[list[Tensor]] = [[] for _ in names]
    hooks = [norm.register_forward_pre_hook(_keeper(given)) for norm, given in zip(norms, seen, strict=True)]
    recalibrate(made, batches)
    for hook in hooks:
        hook.remove()
    assert not any(module.training for module in made.modules())
    for norm, given in zip(norms, seen, strict=True):
        assert isinstance(norm, nn.BatchNorm2d) and len(given) == 3 and norm.momentum == 0.1
        assert norm.running_mean is not None and norm.running_var is not None
        means = torch.stack([each.mean((0, 2, 3)) for each in given]).mean(0)
        variances = torch.stack([each.var((0, 2, 3)) for each in given]).mean(0)
        torch.testing.assert_close(norm.running_mean, means)
        torch.testing.assert_close(norm.running_var, variances)


def _keeper(given: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    return lambda module, inputs: given.append(inputs[0].detach().clone())
