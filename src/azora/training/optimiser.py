"""The two optimisers of a recipe, as torch's own functions over state that is kept here.

`torch.optim`'s classes import torch's compiler when the first of them is made: more than a second in every worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from azora.training.recipe import RecipeSettings

MOMENTUM, BETAS, EPSILON = 0.9, (0.9, 0.999), 1e-8


@final
class Optimiser:
    """SGD with Nesterov's momentum 0.9 (Sutskever et al., 2013) or AdamW (Loshchilov & Hutter, 2019), fused.

    Weights decay; biases and normalisations, which have one dimension, do not.
    """

    def __init__(self, network: nn.Module, recipe: RecipeSettings) -> None:
        self.adamw, self.decay = recipe.optimiser == "adamw", recipe.weight_decay
        self.parameters = list(network.parameters())
        self.moments: list[dict[str, Tensor]] = [{} for _ in self.parameters]
        self.rate = 0.0  # of the last step

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step down the gradients, at this rate."""
        self.rate = rate
        for decay, places in self._groups():
            parameters: list[Tensor] = [self.parameters[place] for place in places]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if self.adamw:
                self._adamw(places, parameters, gradients, rate, decay)
            else:
                self._sgd(places, parameters, gradients, rate, decay)

    def momenta(self) -> dict[int, Tensor]:
        """The buffers of SGD's momentum, by the parameters' `id`."""
        return {
            id(parameter): held["momentum_buffer"]
            for parameter, held in zip(self.parameters, self.moments, strict=True)
            if "momentum_buffer" in held
        }

    def state(self) -> dict[str, Tensor]:
        """What a step depends on beside the weights, by parameter's place and name."""
        return {f"{place}.{name}": value for place, held in enumerate(self.moments) for name, value in held.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            KeyError: it is of another network.
        """
        self.moments = [{} for _ in self.parameters]
        for name, value in state.items():
            place, _, moment = name.partition(".")
            if not 0 <= int(place) < len(self.parameters):
                raise KeyError(name)
            # A fused step wants its count beside the weights; moments lie there too, in the same layout.
            parameter = self.parameters[int(place)]
            count = value.ndim == 0
            kept = value.to(parameter.device, copy=True) if count else torch.empty_like(parameter).copy_(value)
            self.moments[int(place)][moment] = kept.detach()

    def _groups(self) -> list[tuple[float, list[int]]]:
        """Decay and places: weights and the others, as far as they have gradients, first steps and later ones apart."""
        groups: dict[tuple[bool, bool], list[int]] = {}
        for place, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                groups.setdefault((parameter.ndim > 1, bool(self.moments[place])), []).append(place)
        return [(self.decay if decays else 0.0, places) for (decays, _), places in groups.items()]

    def _sgd(
        self, places: list[int], parameters: list[Tensor], gradients: list[Tensor], rate: float, decay: float
    ) -> None:
        buffers = [self.moments[place].get("momentum_buffer") for place in places]
        sgd(
            parameters, gradients, buffers, fused=True,
            lr=rate, weight_decay=decay, momentum=MOMENTUM, dampening=0.0, nesterov=True, maximize=False,
        )  # fmt: skip
        for place, buffer in zip(places, buffers, strict=True):
            if buffer is not None:
                self.moments[place]["momentum_buffer"] = buffer

    def _adamw(
        self, places: list[int], parameters: list[Tensor], gradients: list[Tensor], rate: float, decay: float
    ) -> None:
        for place, parameter in zip(places, parameters, strict=True):
            if not self.moments[place]:
                self.moments[place] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        held = [self.moments[place] for place in places]
        adamw(
            parameters, gradients, [each["exp_avg"] for each in held], [each["exp_avg_sq"] for each in held], [],
            [each["step"] for each in held], fused=True, amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=rate,
            weight_decay=decay, eps=EPSILON, maximize=False,
        )  # fmt: skip
