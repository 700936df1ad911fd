"""What a mixture's logits learn from beside the validation loss."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from azora.errors import ConfigError
from azora.networks.choice_costs import ChoiceCosts
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.networks.relaxation import KINDS, Moment, Relaxation
from azora.tasks import Signature
from azora.training.mixture_loss import check_costs, logits_loss, with_cost
from azora.training.mixture_settings import MixtureSettings

PICTURES = Signature("classification", (3, 8, 8), 4)
TARGET = 5e4
TABLE = (0.0, 10.0, 200.0, 3000.0, 50.0)


def relaxed(relaxation: Relaxation | None = None) -> Relaxed:
    made = Relaxed(NB201(PICTURES, width=4, depth=1), relaxation or Relaxation(spread=0.7), seed=2)
    made.logits.values.data = made.logits.values.data.double()
    made.draw(Moment(0.5, True, torch.Generator().manual_seed(0)))
    return made


def costs(made: Relaxed) -> ChoiceCosts:
    return ChoiceCosts("macs", 1000.0, {name: torch.tensor(TABLE) for name in made.options})


def of_cost(cost: float, **about: Any) -> float:
    """The loss of 2 with a cost in it."""
    found = with_cost(
        torch.tensor(2.0).double(), torch.tensor(cost).double(), MixtureSettings(cost="macs", **about), TARGET
    )
    return float(found)


# Costs --------------------------------------------------------------------------------------------------------------


def test_the_published_forms() -> None:
    assert of_cost(1e5) == pytest.approx(2 * 0.2 * math.log(1e5) ** 0.6)
    ratio = of_cost(1e5, cost_form="power-ratio", cost_power=0.3)
    assert ratio == pytest.approx(2 * 0.2 * (math.log(1e5) / math.log(TARGET)) ** 0.3)
    assert of_cost(TARGET, cost_form="power-ratio") == pytest.approx(2 * 0.2)
    assert of_cost(1e5, cost_form="linear", cost_weight=0.1) == pytest.approx(2 + 0.1 * (1e5 - TARGET) / TARGET)
    assert of_cost(TARGET, cost_form="linear") == 2.0


@pytest.mark.parametrize("form", ["power", "power-ratio"])
def test_the_power_trades_cost_for_loss(form: str) -> None:
    """A power of the logarithm, not the logarithm of a power: with twice the power, ratios of losses are squared."""

    def ratio(power: float) -> float:
        return of_cost(1e6, cost_form=form, cost_power=power) / of_cost(1e3, cost_form=form, cost_power=power)

    assert ratio(0.6) == pytest.approx(2**0.6)  # log 1e6 is twice log 1e3
    assert ratio(1.2) == pytest.approx(ratio(0.6) ** 2)
    slip = math.log(1e6**1.2) / math.log(1e3**1.2)  # the same whatever the power
    assert slip == pytest.approx(math.log(1e6**0.6) / math.log(1e3**0.6)) and abs(ratio(1.2) - slip) > 0.1


@pytest.mark.parametrize("form", ["power", "power-ratio"])
def test_a_cost_without_a_logarithm_is_refused_in_words(form: str) -> None:
    for cost in (1.0, 0.25):
        with pytest.raises(ConfigError, match=f"macs: the form '{form}' needs a cost above 1, and met {cost:g}; use"):
            of_cost(cost, cost_form=form)
    assert of_cost(0.5, cost_form="linear") < 2


@pytest.mark.parametrize("form", ["power", "power-ratio", "linear"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_cost_reaches_the_logits(kind: str, form: str) -> None:
    made = relaxed(Relaxation(kind, spread=0.7))
    settings = MixtureSettings(cost="macs", cost_form=form)
    loss = logits_loss(torch.tensor(2.0), made, settings, 0.5, costs(made), TARGET)
    (gradient,) = torch.autograd.grad(loss, [made.logits.values])
    for name in made.options:
        of_choice = gradient[made.logits.spans[name]]
        assert bool(of_choice.isfinite().all()) and int((of_choice != 0).sum()) >= 2


def test_the_expected_cost_and_its_gradient_by_hand() -> None:
    made, table = relaxed(), torch.tensor(TABLE).double()
    expected = costs(made).expected(made.expected())
    (gradient,) = torch.autograd.grad(expected, [made.logits.values])
    total = 1000.0
    for name in made.options:
        weights = torch.softmax(made.logits[name].detach(), 0)
        total += float(weights @ table)
        by_hand = weights * (table - weights @ table)
        torch.testing.assert_close(gradient[made.logits.spans[name]], by_hand)
    assert float(expected.detach()) == pytest.approx(total)


def test_of_two_paths_the_cost_is_that_of_all_and_its_gradient_the_pairs() -> None:
    """The others' probabilities stay in a step."""
    made, table = relaxed(Relaxation("binary", spread=0.7)), torch.tensor(TABLE).double()
    gates, expected = made.gates(), costs(made).expected(made.expected())
    (gradient,) = torch.autograd.grad(expected, [made.logits.values])
    total = 1000.0
    for name in made.options:
        chances, pair = torch.softmax(made.logits[name].detach(), 0), list(gates[name].runs)
        total += float(chances @ table)
        within = chances[pair] / chances[pair].sum()
        by_hand = torch.zeros(5).double()
        by_hand[pair] = chances[pair] * (table[pair] - within @ table[pair])
        torch.testing.assert_close(gradient[made.logits.spans[name]], by_hand)
    assert float(expected.detach()) == pytest.approx(total)


def test_costs_that_the_form_cannot_take_are_refused_before_anything_is_trained() -> None:
    power, ratio, linear = (MixtureSettings(cost="macs", cost_form=form) for form in ("power", "power-ratio", "linear"))
    for settings, least, target, said in (
        (power, 1.0, 5.0, "needs a cost above 1, and met 1;"),
        (ratio, 5.0, 0.5, "needs a target above 1, and met 0.5;"),
        (linear, 0.0, 0.0, "target=0 must be above 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_costs(settings, least, target)
    check_costs(linear, 0.0, 0.5)
    check_costs(power, 1.5, 0.5)


# The others ---------------------------------------------------------------------------------------------------------


def added(made: Relaxed, progress: float = 0.5, **about: float) -> Tensor:
    return logits_loss(torch.tensor(2.0).double(), made, MixtureSettings(**about), progress, None, 0.0) - 2.0  # type: ignore[arg-type]


def test_by_default_nothing_is_added() -> None:
    assert float(added(relaxed()).detach()) == 0.0


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_beta_adds_the_mean_log_sum_exp_ever_more(progress: float) -> None:
    made = relaxed()
    sums = [math.log(sum(math.exp(each) for each in made.logits[name].tolist())) for name in made.options]
    assert float(added(made, progress, beta=50.0).detach()) == pytest.approx(50 * progress * sum(sums) / 6)


def test_beta_pulls_the_strongest_logits_down_most() -> None:
    """Its gradient is the softmax (Ye et al., 2022)."""
    made = relaxed()
    (gradient,) = torch.autograd.grad(added(made, 1.0, beta=6.0), [made.logits.values])
    for name in made.options:
        torch.testing.assert_close(gradient[made.logits.spans[name]], torch.softmax(made.logits[name].detach(), 0))


def test_certainty_takes_the_mean_square_distance_from_a_half() -> None:
    made = relaxed(Relaxation("sigmoid", spread=0.7))
    distances = [(1 / (1 + math.exp(-each)) - 0.5) ** 2 for each in made.logits.values.tolist()]
    assert float(added(made, certainty=10.0).detach()) == pytest.approx(-10 * sum(distances) / 30)


def test_certainty_drives_every_sigmoid_away_from_a_half() -> None:
    made = relaxed(Relaxation("sigmoid", spread=0.7))
    (gradient,) = torch.autograd.grad(added(made, certainty=10.0), [made.logits.values])
    assert torch.equal(gradient.sign(), -made.logits.values.detach().sign())


def test_spread_adds_the_distance_from_a_flat_dirichlet_distribution() -> None:
    made, distances = relaxed(Relaxation("dirichlet", spread=0.7)), []
    for name in made.options:
        each = [logit + 1 if logit > 0 else math.exp(logit) for logit in made.logits[name].tolist()]
        whole = sum(each)
        digamma = torch.digamma(torch.tensor([*each, whole], dtype=torch.float64)).tolist()
        distance = math.lgamma(whole) - sum(map(math.lgamma, each)) - math.lgamma(5)
        distance += sum((one - 1) * (of_one - digamma[-1]) for one, of_one in zip(each, digamma[:-1], strict=True))
        distances.append(distance)
    assert float(added(made, spread=1e-3).detach()) == pytest.approx(1e-3 * sum(distances) / 6)
    with torch.no_grad():
        made.logits.values.zero_()  # concentrations of 1: flat
    assert float(added(made, spread=1.0).detach()) == pytest.approx(0.0, abs=1e-6)


def test_all_are_added_up() -> None:
    made = relaxed()
    whole = added(made, beta=2.0, certainty=3.0, spread=0.5)
    parts = [added(made, beta=2.0), added(made, certainty=3.0), added(made, spread=0.5)]
    torch.testing.assert_close(whole, torch.stack(parts).sum())


def test_logits_that_rounding_makes_nothing_have_a_distance() -> None:
    made = relaxed(Relaxation("dirichlet"))
    with torch.no_grad():
        made.logits.values.fill_(-40.0)
    assert bool(added(made, spread=1e-3).detach().isfinite())


# Settings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"order": 3}, "order=3 must be 1 or 2"),
        ({"share": 1.0}, "share=1.0 must be between 0 and 1"),
        ({"frozen": 1.0}, "frozen=1.0 at least 0 and below 1"),
        ({"every": 0}, "every=0"),
        ({"logits_rate": 0.0}, "logits_rate=0.0 must be above 0"),
        ({"batch_size": 64.5}, "batch_size=64.5 must be a whole number"),
        ({"cost": "latencies"}, "no cost 'latencies'; did you mean 'latency'"),
        ({"stages": ()}, "there must be a stage"),
        ({"cost_form": "powr"}, "no cost_form 'powr'; did you mean 'power'"),
        ({"stop": "ranks"}, "no stop 'ranks'"),
        ({"adapt": True}, "adapt=true needs stop=eigenvalue, and met stop=never"),
        ({"adapt": True, "stop": "skips"}, "and met stop=skips; adapt=false takes any"),
    ],
)
def test_what_settings_cannot_be(about: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(MixtureSettings(), **about)
