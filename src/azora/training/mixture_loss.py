"""What a mixture's logits learn from beside the validation loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from azora.errors import ConfigError
from azora.networks.choice_costs import ChoiceCosts
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import concentration
from azora.training.mixture_settings import MixtureSettings


def logits_loss(
    loss: Tensor, relaxed: Relaxed, settings: MixtureSettings, progress: float, costs: ChoiceCosts | None, target: float
) -> Tensor:
    """The validation loss with all that the settings add to it.

    Args:
        progress: of the stage, 0 to 1.
        costs: of the choices, where a cost is counted; the gates are those of the pass.
        target: of the cost.
    """
    if costs is not None:
        loss = with_cost(loss, costs.expected(relaxed.expected()), settings, target)
    if settings.beta > 0:
        sums = [torch.logsumexp(relaxed.logits[name], 0) for name in relaxed.options]
        loss = loss + settings.beta * progress * torch.stack(sums).mean()
    if settings.certainty > 0:
        each = torch.cat([relaxed.logits[name] for name in relaxed.options])
        loss = loss - settings.certainty * (torch.sigmoid(each) - 0.5).square().mean()
    if settings.spread > 0:
        loss = loss + settings.spread * _distance_from_flat(relaxed)
    return loss


def with_cost(loss: Tensor, cost: Tensor, settings: MixtureSettings, target: float) -> Tensor:
    """The loss with the cost in it.

    The published forms take the logarithm of the cost in a unit in which it is well above 1, and raise that logarithm
    to the power: log(cost^power), as a well-known port has it, is the logarithm times the power, which trades nothing.

    Raises:
        ConfigError: a cost of 1 or less, whose logarithm has no power (see `check_costs`).
    """
    if settings.cost_form == "linear":
        return loss + settings.cost_weight * (cost - target) / target
    _check_logarithm(settings, "cost", float(cost.detach()))
    logarithm = torch.log(cost)
    if settings.cost_form == "power-ratio":
        logarithm = logarithm / math.log(target)
    return loss * settings.cost_weight * logarithm**settings.cost_power


def check_costs(settings: MixtureSettings, least: float, target: float) -> None:
    """Refuse costs that the form cannot take, before anything is trained.

    Args:
        least: cost of the cheapest network.

    Raises:
        ConfigError: with what was met.
    """
    check_target(settings, target)
    if settings.cost_form != "linear":
        _check_logarithm(settings, "cost", least)


def check_target(settings: MixtureSettings, target: float) -> None:
    """Refuse a target that the form divides by, or whose logarithm it takes, and cannot; and one of no cost.

    Raises:
        ConfigError: it is not above 0, or 1, or nothing is counted.
    """
    if not settings.cost:
        raise ConfigError(f"target={target:g} is of a cost: give cost=macs, params or latency too")
    if not target > 0:
        raise ConfigError(f"target={target:g} must be above 0")
    if settings.cost_form == "power-ratio":
        _check_logarithm(settings, "target", target)


def _check_logarithm(settings: MixtureSettings, what: str, value: float) -> None:
    if not value > 1:
        raise ConfigError(
            f"{settings.cost or 'a cost'}: the form {settings.cost_form!r} needs a {what} above 1, and met {value:.3g};"
            " use cost_form=linear"
        )


def _distance_from_flat(relaxed: Relaxed) -> Tensor:
    """Mean over choices of KL(Dirichlet(elu(logits) + 1) ‖ Dirichlet(1))."""
    distances = []
    for name in relaxed.options:
        mine = torch.distributions.Dirichlet(concentration(relaxed.logits[name]))
        flat = torch.distributions.Dirichlet(torch.ones(len(relaxed.options[name])))
        distances.append(torch.distributions.kl_divergence(mine, flat))
    return torch.stack(distances).mean()
