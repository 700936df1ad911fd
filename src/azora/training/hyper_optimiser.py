"""Steps of a hypernetwork."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.hypernetwork import Hypernetwork

BETAS = (0.5, 0.999)
EPSILON = 1e-4


@final
class HyperOptimiser:
    """Adam with the settings of SMASH (Brock et al., 2018: β 0.5 and 0.999, ε 1e-4) of all that had a part in a step.

    A tensor that no network of the step was made with (an option that was not taken) stays as it is, its moments too;
    rows of one that was, beyond what they took, go on by its momentum, which half is left of after each step. Nothing
    decays: weights are normalised after they are written, and biases and normalisations never do.

    After a step networks must be borrowed anew.
    """

    def __init__(self, hyper: Hypernetwork) -> None:
        self.hyper = hyper
        self.names = dict(hyper.named_parameters())
        self.adam = torch.optim.Adam(self.names.values(), betas=BETAS, eps=EPSILON, fused=True)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self.adam.zero_grad()

    def gradients(self) -> list[Tensor]:
        """The gradients that there are; the order is the same for the same networks."""
        return [each.grad for each in self.names.values() if each.grad is not None]

    def clip(self, most: float) -> float:
        """Scale all gradients so that their norm together is `most` at most; gives the norm that it was."""
        return float(nn.utils.clip_grad_norm_(self.names.values(), most, foreach=True))

    def step(self, rate: float) -> None:
        """One step down the gradients, at this rate."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.hyper.changed()

    def state(self) -> dict[str, Tensor]:
        """What a step depends on beside the weights: `kind.of the moment` → of each parameter that has one."""
        held = self.adam.state
        return {f"{kind}.{name}": each for name, owner in self.names.items() for kind, each in held[owner].items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            KeyError: it is of another network.
        """
        self.adam.state.clear()
        for key, value in state.items():
            kind, _, name = key.partition(".")
            owner = self.names[name]
            # A fused step wants its count beside the weights too, in its own format.
            wanted = owner.device if kind == "step" else owner
            self.adam.state[owner][kind] = value.to(wanted, copy=True)
