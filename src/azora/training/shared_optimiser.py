"""Steps of weights that many networks share, where a step uses a part of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Box, index
from azora.training.optimiser import MOMENTUM


@final
class SharedOptimiser:
    """SGD with Nesterov's momentum 0.9 (Sutskever et al., 2013) of the parts that have gradients; nothing else moves.

    What no network of this step borrowed neither decays nor goes on by its momentum, which waits until it is used
    again. Where several networks borrowed different parts, their union moves. Convolutions and linear layers decay;
    biases, normalisations and kernel transforms (whose zero is the identity) do not.

    After a step networks must be borrowed anew.
    """

    def __init__(self, shared: SharedWeights, weight_decay: float = 0.0, momentum: float = MOMENTUM) -> None:
        self.shared, self.weight_decay, self.momentum = shared, weight_decay, momentum
        self._named = list(shared.named_parameters())  # finding them anew costs milliseconds a step
        self.moments = {name: torch.zeros_like(each) for name, each in self._named}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for _, parameter in self._named:
            parameter.grad = None

    def gradients(self) -> list[Tensor]:
        """Views of the gradients that there are; the order is the same for the same networks."""
        return [each.grad[index(box)] for _, each, (box, _) in self._used() if each.grad is not None]

    @torch.no_grad()
    def clip(self, most: float) -> float:
        """Scale all gradients so that their norm together is `most` at most; gives the norm that it was."""
        parts = self.gradients()
        norm = torch.nn.utils.get_total_norm(parts, foreach=True) if parts else torch.zeros(())
        torch._foreach_mul_(parts, torch.clamp(most / (norm + 1e-6), max=1.0))
        return float(norm)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step down the gradients, at this rate."""
        groups: dict[float, list[_Part]] = {}
        for name, parameter, (box, mask) in self._used():
            decays = parameter.ndim > 1 and not name.startswith("transforms.")
            part = _Part(parameter, self.moments[name], box, mask)
            groups.setdefault(self.weight_decay if decays else 0.0, []).append(part)
        for decay, parts in groups.items():
            sgd(
                [part.weights for part in parts], [part.gradient for part in parts], [part.moment for part in parts],
                fused=True, lr=rate, weight_decay=decay, momentum=self.momentum, dampening=0.0, nesterov=True,
                maximize=False,
            )  # fmt: skip
            for part in parts:
                part.put_back()
        self.shared.changed()

    def state(self) -> dict[str, Tensor]:
        """What a step depends on beside the weights, by the parameter's name."""
        return dict(self.moments)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            KeyError: it is of another network.
        """
        if state.keys() != self.moments.keys():
            raise KeyError(sorted(state.keys() ^ self.moments.keys())[0])
        for name, moment in self.moments.items():
            moment.copy_(state[name])

    def _used(self) -> Iterator[tuple[str, nn.Parameter, tuple[Box, Tensor | None]]]:
        for name, parameter in self._named:
            if (region := self.shared.gradients.region(parameter)) is not None:
                yield name, parameter, region


@final
class _Part:
    """A part of a parameter and its momentum, in one piece each for a fused step."""

    def __init__(self, parameter: nn.Parameter, moment: Tensor, box: Box, mask: Tensor | None) -> None:
        assert parameter.grad is not None
        self.mask = mask
        self.places = [parameter.detach()[index(box)], moment[index(box)]]
        self.gradient = parameter.grad[index(box)].contiguous()
        # A mask keeps what was there, so the step is made on copies; elsewhere only where a view has gaps.
        self.weights, self.moment = (
            place.contiguous() if mask is None else place.clone(memory_format=torch.contiguous_format)
            for place in self.places
        )

    def put_back(self) -> None:
        """Write what the step made to where it came from."""
        for place, made in zip(self.places, (self.weights, self.moment), strict=True):
            if made.data_ptr() != place.data_ptr():
                place.copy_(made if self.mask is None else torch.where(self.mask, made, place))
