"""Numbers of channels that are mixed by masks."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.choice_costs import choice_costs
from azora.networks.complexity import cost, signature_of
from azora.networks.decide import As, Everything
from azora.networks.derivation import Derivation
from azora.networks.masked import Masked, maskable, open_numbers
from azora.networks.mixture import Relaxed
from azora.networks.registry import make_space
from azora.networks.relaxation import Gate, Moment, Relaxation
from azora.space import Categorical, Integer, Real, Space
from azora.tasks import Signature

PICTURES = Signature("classification", (3, 8, 8), 4)
ROWS = Signature("classification", (7,), 3)
KINDS = ("softmax", "annealed", "gumbel", "gumbel-soft", "binary", "dirichlet")


class Wide(Space):
    """Layers of a user's own: a number of neurons by which it narrows, and one by which it does not."""

    def __init__(self, wide: Any = None) -> None:
        kinds = Categorical("kind", ("relu", "tanh"))
        super().__init__("wide", [kinds, wide or Integer("wide", 3, 9), Categorical("second", (4, 8))])
        self.signature = ROWS

    def build(self, decide: Any) -> nn.Module:
        wide, second = decide.number("wide"), decide.number("second")
        kind = decide.module("kind", lambda name: nn.ReLU() if name == "relu" else nn.Tanh())
        first = decide.narrowed("wide", nn.Sequential(nn.Linear(7, round(wide)), kind))
        return nn.Sequential(first, nn.Linear(round(wide), second), nn.Linear(second, 3))


def stages(**settings: Any) -> Space:
    given = {"per_block": True, "candidates": True, "blocks": ("inverted", "residual"), "expansions": (1, 2)}
    space = make_space("stages", PICTURES, **{**given, "widths": ((4, 6, 8), (8, 12)), "depths": (2,), **settings})
    return space.constrain(None, "", resolution=1.0)


def mixed(space: Space, kind: str = "softmax", **more: Any) -> Relaxed:
    return Relaxed(space, Relaxation(kind, spread=0.5), seed=1, masked=maskable(space), **more)


def loss(network: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = network(x)
    return (out * torch.arange(out.numel()).reshape(out.shape).cos()).sum()


def test_what_a_space_narrows_by_can_be_masked() -> None:
    assert maskable(stages()) == ("width_0", "width_1")
    assert maskable(stages(widths=((4,), (8, 12)))) == ("width_1",)
    assert set(maskable(make_space("mlp", ROWS))) == {f"width_{layer}" for layer in range(4)}
    assert maskable(make_space("cells", PICTURES)) == ()
    assert maskable(Wide()) == ("wide",) and open_numbers(Wide()) == ["wide", "second"]
    assert maskable(Wide(Integer("wide", 3, 40))) == ()  # too many
    assert maskable(Wide(Real("wide", 3.0, 9.0))) == ()


def test_networks_and_whole_networks_are_what_they_were() -> None:
    space = stages()
    for decide in (As(space.sample(random.Random(0))), Everything(space)):
        assert not any(isinstance(module, Masked) for module in space.build(decide).modules())


def mlp(normalisation: str) -> Space:
    return make_space("mlp", ROWS).constrain(None, "", depth=2, dropout=0.0, normalisation=normalisation)


@pytest.mark.parametrize(
    "make",
    [
        stages,
        lambda: Wide().constrain(None, "", second=4),
        lambda: mlp("none"),
        lambda: mlp("batch"),
        lambda: mlp("layer"),
    ],
)
def test_channels_beyond_what_is_decided_have_no_say(make: Callable[[], Space]) -> None:
    space = make()
    made, name = mixed(space).eval(), maskable(space)[0]
    architecture, x = space.sample(random.Random(1)), torch.rand(3, *signature_of(space).shape)
    numbers = sorted(made.options[name])
    some = space.architecture(**{**architecture, name: numbers[0]})
    made.decide(some)
    before = made(x)
    first = next(each for each in made.modules() if isinstance(each, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        first.weight[numbers[0] :] = 7.0
    assert torch.equal(made(x), before)
    made.decide(space.architecture(**{**architecture, name: numbers[-1]}))
    assert not torch.allclose(made(x), before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_learns(kind: str) -> None:
    space = stages()
    made = mixed(space, kind).train()
    learned = set[str]()
    for draw in range(8):  # single paths teach two options at a time
        made.logits.values.grad = None
        made.draw(Moment(0.5, True, torch.Generator().manual_seed(draw)))
        loss(made, torch.randn(4, *PICTURES.shape)).backward()
        gradient = made.logits.values.grad
        assert gradient is not None
        learned |= {name for name in maskable(space) if gradient[made.logits.spans[name]].any()}
    assert learned == {"width_0", "width_1"}


def test_gradients_are_those_of_finite_differences() -> None:
    made = mixed(stages()).double().eval()
    made.logits.values.data = made.logits.values.data.double()
    x, values, reach = torch.randn(2, *PICTURES.shape, dtype=torch.float64), made.logits.values, 1e-6

    def value() -> Tensor:
        made.draw(Moment(0.5, True, torch.Generator()))
        return loss(made, x)

    (gradient,) = torch.autograd.grad(value(), [values])
    for name in ("width_0", "width_1"):
        place = made.logits.spans[name].start
        with torch.no_grad():
            values[place] += reach
            above = float(value())
            values[place] -= 2 * reach
            below = float(value())
            values[place] += reach
        assert float(gradient[place]) == pytest.approx((above - below) / (2 * reach), rel=1e-5, abs=1e-8)


def test_a_number_is_to_be_asked_for_before_modules_are_narrowed_by_it() -> None:
    class Late(Wide):
        def build(self, decide: Any) -> nn.Module:
            narrowed = decide.narrowed("wide", nn.Linear(7, 9))
            return nn.Sequential(narrowed, nn.Linear(decide.number("wide"), 3))

    with pytest.raises(SpaceError, match=r"'wide' narrows a module before its number was asked for"):
        maskable(Late())


def test_a_limit_that_nothing_meets_is_told_with_what_the_smallest_network_has() -> None:
    space = stages(widths=((8, 16, 64), (8, 64)), depths=(1,))
    made, table = mixed(space), choice_costs(space, "macs", PICTURES.shape, masked=maskable(space))
    least = min(cost(space, one)["macs"] for one in space)
    never = space.constrain(lambda one: cost(space, one)["macs"] < least, "few macs")
    with pytest.raises(SpaceError, match=rf"\(few macs\): the cheapest has {least:,} macs"):
        Derivation(never, made.options, table).strongest(made.strengths())


def test_what_has_another_number_of_channels_is_refused_by_name() -> None:
    gates = {"wide": Gate(torch.ones(2), (0, 1))}
    with pytest.raises(SpaceError, match="'wide' is at most 4, and what is narrowed by it has 5"):
        Masked("wide", (2, 4), gates, nn.Linear(3, 5))(torch.randn(2, 3))


def test_numbers_that_are_left_can_be_fewer_and_one_is_no_choice() -> None:
    made = mixed(stages(), kept={"width_0": (4, 6), "width_1": (12,)})
    assert made.options["width_0"] == (4, 6) and "width_1" not in made.options
    assert made(torch.randn(2, *PICTURES.shape)).shape == (2, 4)


@pytest.mark.parametrize("quantity", ["macs", "params"])
def test_a_number_costs_what_the_network_costs_with_it(quantity: str) -> None:
    space = stages()
    masked = maskable(space)
    table = choice_costs(space, quantity, PICTURES.shape, masked=masked)
    alike = {name: torch.full((len(each),), 1 / len(each)) for name, each in table.options.items()}
    for name, numbers in (("width_0", (4, 6, 8)), ("width_1", (8, 12))):
        middle = {"width_0": 6, "width_1": 12, name: numbers[0]}
        part = space.constrain(None, "", **middle)
        held = choice_costs(part, quantity, PICTURES.shape)
        even = {other: torch.full((len(each),), 1 / len(each)) for other, each in held.options.items()}
        one = {each: torch.zeros(len(table.options[each])) for each in masked}
        for each, number in middle.items():
            one[each][sorted(space.choices[each].options()).index(number)] = 1.0
        assert float(table.expected({**alike, **one})) == pytest.approx(float(held.expected(even)), rel=1e-5)
        assert (table.options[name].diff() > 0).all() and (table.factors[name].diff() > 0).all()
    assert 0 < table.least() < table.even()


def test_a_cost_in_the_loss_makes_numbers_smaller() -> None:
    space = stages()
    made, table = mixed(space), choice_costs(space, "macs", PICTURES.shape, masked=maskable(space))
    made.draw(Moment(0.5, True, torch.Generator()))
    (gradient,) = torch.autograd.grad(table.expected(made.expected()), [made.logits.values])
    for name in maskable(space):
        span = made.logits.spans[name]
        assert gradient[span][0] < 0 < gradient[span][-1]


def test_latencies_of_numbers_go_by_what_is_computed() -> None:
    space = stages(depths=(1,))
    masked = maskable(space)
    latency, macs = (choice_costs(space, each, PICTURES.shape, masked=masked) for each in ("latency", "macs"))
    assert all(torch.equal(latency.factors[name], macs.factors[name]) for name in masked)
    assert latency.least() > 0


def test_numbers_are_derived_and_within_a_limit() -> None:
    space, rng = stages(), random.Random(0)
    made, table = mixed(space), choice_costs(space, "macs", PICTURES.shape, masked=maskable(space))
    with torch.no_grad():
        made.logits.values.zero_()
        made.logits["width_0"][2] = made.logits["width_1"][1] = 3.0
    free = Derivation(space, made.options, table).strongest(made.strengths())
    assert (free["width_0"], free["width_1"]) == (8, 12)
    limit = sorted(cost(space, space.sample(rng))["macs"] for _ in range(40))[8]
    part = space.constrain(lambda one: cost(space, one)["macs"] <= limit, "few")
    within = Derivation(part, made.options, table).strongest(made.strengths())
    assert cost(space, within)["macs"] <= limit < cost(space, free)["macs"]
