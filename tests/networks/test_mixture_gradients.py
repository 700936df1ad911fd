"""The gradients of every relaxation, against finite differences and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tests.networks.mixing import PICTURES, doubled, loss, nb201, random_of, seeded, some_options
from torch import Tensor, nn

from azora.networks.darts import Darts
from azora.networks.relaxation import KINDS, Gate, Moment, Relaxation

SMOOTH = (
    "softmax",
    "annealed",
    "sigmoid",
    "gumbel-soft",
)  # with the draw held, the pass is a smooth function of the logits
BY_HAND = ("gumbel", "binary")  # straight through: their gradient is not the pass's own
BY_DENSITY = ("dirichlet",)  # the gradient of a draw whose way through the generator is not smooth


def difference(value: Callable[[], Tensor], logits: Tensor, along: Tensor, reach: float = 1e-5) -> float:
    """The derivative along a vector, by central differences."""
    kept = logits.detach().clone()
    with torch.no_grad():
        logits.copy_(kept + reach * along)
        above = float(value())
        logits.copy_(kept - reach * along)
        below = float(value())
        logits.copy_(kept)
    return (above - below) / (2 * reach)


def test_every_relaxation_has_its_gradient_tested() -> None:
    assert sorted((*SMOOTH, *BY_HAND, *BY_DENSITY)) == sorted(KINDS)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", SMOOTH)
def test_gradients_are_those_of_finite_differences(kind: str, training: bool) -> None:
    made = doubled(nb201(), Relaxation(kind, spread=0.5)).train(training)
    x = random_of(3, 3, 4, 4)

    def value() -> Tensor:
        made.draw(Moment(0.9, True, seeded()))  # the same draw for all logits
        return loss(made, x)

    (gradient,) = torch.autograd.grad(value(), [made.logits.values])
    assert gradient.dtype == torch.float64
    assert int((gradient != 0).sum()) == (24 if kind == "sigmoid" else 30)  # `none` competes with nothing there
    directions = torch.eye(30, dtype=torch.float64)[::6]  # every option of some choice
    found = torch.tensor([difference(value, made.logits.values, along) for along in directions]).double()
    torch.testing.assert_close(gradient[::6], found, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_that_is_held_runs_its_paths_wherever_the_logits_go(kind: str) -> None:
    relaxation, logits = Relaxation(kind), random_of(5)
    first = relaxation.gate(logits, Moment(0.5, True, seeded()))
    again = relaxation.gate(logits, Moment(0.5, True, seeded()), first)
    expected = relaxation.means(logits) if kind == "dirichlet" else first.weights
    assert again.runs == first.runs and torch.equal(again.weights, expected)
    for step in range(20):
        far = logits + 5 * random_of(5, seed=step)
        assert relaxation.gate(far, Moment(0.5, True, seeded()), first).runs == first.runs
    changed = {relaxation.gate(5 * random_of(5, seed=s), Moment(0.5, True, seeded())).runs for s in range(20)}
    assert (len(changed) > 1) == relaxation.draws


@pytest.mark.parametrize("training", [False, True])
def test_gradients_with_partial_channels_weighed_inputs_and_a_skip_beside(training: bool) -> None:
    relaxation = Relaxation(channels=2, edges=True, skip=0.5, spread=0.5)
    made = doubled(Darts(PICTURES, width=8, layers=3), relaxation).train(training)
    x = random_of(2, 3, 8, 8)

    def value() -> Tensor:
        made.draw(Moment(0.5, True, seeded()))
        return loss(made, x)

    (gradient,) = torch.autograd.grad(value(), [made.logits.values])
    assert len(gradient) == 28 * 7 + 2 * (2 + 3 + 4 + 5)  # options of every edge, and the inputs of every node
    assert int((gradient != 0).sum()) == len(gradient)
    along = random_of(len(gradient))
    along /= along.norm()
    found = difference(value, made.logits.values, along)
    assert float(gradient @ along) == pytest.approx(found, rel=1e-5, abs=1e-6 * float(gradient.norm()))


@pytest.mark.parametrize("rest", [False, True])
def test_gumbel_goes_straight_through_the_draw(rest: bool) -> None:
    mixed, gates, upstream = some_options()
    relaxation, x, weigher = Relaxation("gumbel", (2.0, 2.0), rest=rest), random_of(2, 4, 5, 5), random_of(2, 4, 5, 5)
    drawn = set()
    for seed in range(12):
        logits = random_of(5, seed=seed).requires_grad_()
        gates["choice"] = relaxation.gate(logits, Moment(0.3, True, seeded(seed)))
        (gradient,) = torch.autograd.grad((mixed(x) * weigher).sum(), [logits])
        noise = torch.empty(5, dtype=torch.float64).exponential_(generator=seeded(seed))
        soft = torch.softmax((logits.detach() - noise.log()) / 2.0, 0)
        taken = int(soft.argmax())
        # The others' weights are added as numbers, or not at all.
        said = torch.full((5,), float(weigher.sum()) if rest else 0.0, dtype=torch.float64)
        said[taken] = upstream(x, weigher)[taken]
        torch.testing.assert_close(gradient, soft * (said - soft @ said) / 2.0)
        drawn.add(taken)
    assert len(drawn) >= 4


def test_adding_the_others_weights_changes_no_value() -> None:
    mixed, gates, _ = some_options()
    x, found = random_of(2, 4, 5, 5), []
    for rest in (False, True):
        logits = torch.zeros(5, dtype=torch.float64, requires_grad=True)
        gates["choice"] = Relaxation("gumbel", rest=rest).gate(logits, Moment(0.0, True, seeded()))
        found.append(mixed(x))
    assert torch.equal(*found)


def test_binary_has_the_gradient_of_two_gates() -> None:
    mixed, gates, upstream = some_options()
    x, weigher, pairs = random_of(2, 4, 5, 5), random_of(2, 4, 5, 5), set()
    for seed in range(12):
        logits = random_of(5, seed=seed).requires_grad_()
        gate = gates["choice"] = Relaxation("binary").gate(logits, Moment(0.3, True, seeded(seed)))
        assert sorted(gate.weights.tolist()) == [0, 0, 0, 0, 1]
        assert len(gate.runs) == 2 and float(gate.weights.detach()[list(gate.runs)].sum()) == 1.0
        (gradient,) = torch.autograd.grad((mixed(x) * weigher).sum(), [logits])
        said, p = upstream(x, weigher), torch.softmax(logits.detach()[list(gate.runs)], 0)
        expected = torch.zeros(5, dtype=torch.float64)
        for i, one in enumerate(gate.runs):
            for j, other in enumerate(gate.runs):
                expected[one] += said[other] * p[j] * (float(i == j) - p[i])
        torch.testing.assert_close(gradient, expected)
        pairs.add(frozenset(gate.runs))
    assert len(pairs) >= 4


def test_dirichlet_draws_have_the_gradient_that_torch_gives_them() -> None:
    """Of the network by finite differences of the weights, and from there on the draw's own."""
    made = doubled(nb201(), Relaxation("dirichlet", spread=0.5)).eval()
    x, moment = random_of(3, 3, 4, 4), Moment(0.5, True, seeded())
    made.draw(moment)
    (gradient,) = torch.autograd.grad(loss(made, x), [made.logits.values])
    gates, generator = dict(made.gates()), seeded()
    expected = torch.zeros(30, dtype=torch.float64)
    for name, gate in gates.items():
        weights = gate.weights.detach().clone()
        made._gates[name] = Gate(weights, gate.runs)
        upstream = [difference(lambda: loss(made, x), weights, along) for along in torch.eye(5).double()]
        logits = made.logits[name].detach().requires_grad_()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            drawn = torch.distributions.Dirichlet(nn.functional.elu(logits) + 1).rsample()
        torch.testing.assert_close(drawn.detach(), gate.weights.detach())
        (expected[made.logits.spans[name]],) = torch.autograd.grad(drawn @ torch.tensor(upstream).double(), [logits])
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_dirichlet_gradients_are_right_in_the_mean() -> None:
    """Of a sum of the weights, whose expectation is known: they are no finite differences of one draw."""
    logits, prices = torch.tensor([-0.5, 0.3, 1.0]).double().requires_grad_(), torch.tensor([1.0, -2.0, 3.0]).double()
    relaxation, generator, found = Relaxation("dirichlet"), seeded(), []
    for _ in range(300):
        gate = relaxation.gate(logits, Moment(0.5, True, generator))
        found.append(torch.autograd.grad(gate.weights @ prices, [logits])[0])
    (exact,) = torch.autograd.grad(relaxation.means(logits) @ prices, [logits])
    each = torch.stack(found)
    errors = (each.mean(0) - exact) / (each.std(0) / math.sqrt(len(each)))
    assert float(errors.abs().max()) < 3.5


def test_dirichlet_survives_logits_that_rounding_makes_nothing() -> None:
    logits = torch.tensor([-20.0, 0.0, 1.0], requires_grad=True)
    gate = Relaxation("dirichlet").gate(logits, Moment(0.5, True, seeded()))
    (gradient,) = torch.autograd.grad(gate.weights @ torch.tensor([1.0, 2.0, 3.0]), [logits])
    assert bool(gradient.isfinite().all()) and float(gate.weights.detach().sum()) == pytest.approx(1)
