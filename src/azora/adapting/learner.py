"""A network that goes from meta-learned weights and logits to a task's, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.adapting.episodes import Episode
from azora.adapting.prior import add_weights_gradient, options_divergence
from azora.adapting.settings import AdaptingSettings
from azora.errors import SpaceError
from azora.networks.decide import As
from azora.networks.derivation import Derivation
from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import Moment
from azora.networks.statistics import statistics_kept
from azora.space import Architecture, Space

SECOND = 0.999  # decay of the second moments
OUT = -1e9  # logit of an option that was taken out


@final
class Learner:
    """A mixture, or one architecture's network, with what was meta-learned for it.

    Batch normalisations go by the statistics of the batch, in adapting and in judging (transductive, as published
    few-shot results by gradient descent are). Second moments of Adam go on from task to task in meta-training, and
    begin where that ended in every adaptation after it (as Nichol et al.'s own code has it).

    Args:
        space: of the networks; its numbers have one value each.
        settings: of adaptation.
        architecture: the network's, of the style "fixed".
        seed: of weights at the start.
    """

    def __init__(
        self, space: Space, settings: AdaptingSettings, architecture: Architecture | None = None, seed: int = 0
    ) -> None:
        if (settings.style == "fixed") != (architecture is not None):
            raise SpaceError(f"style {settings.style!r}: an architecture belongs to the style 'fixed', and only to it")
        self.space, self.settings, self.architecture = space, settings, architecture
        self.relaxed: Relaxed | None = None
        if architecture is None:
            self.relaxed = Relaxed(space, settings.relaxation, seed=seed)
            self.network: nn.Module = self.relaxed.network
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.network = space.build(As(architecture))
        self.network.train()
        for module in self.network.modules():
            if isinstance(module, Mixed):
                module.training = False  # its options train, but one by one: of so few rows that is the quicker way
        self.weights: list[Tensor] = [each for each in self.network.parameters() if each.requires_grad]
        self.meta = [each.detach().clone() for each in self.weights]
        self.logits = torch.empty(0) if self.relaxed is None else self.relaxed.logits.values
        self.meta_logits = self.logits.detach().clone()
        groups = [{"params": self.weights, "lr": settings.rate}]
        if self.relaxed is not None:
            groups.append({"params": [self.relaxed.logits.values], "lr": settings.logits_rate})
        self.optimiser = torch.optim.Adam(groups, betas=(0.0, SECOND), fused=True)

    # Tasks ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def restore(self) -> None:
        """Weights and logits are the meta-learned ones again."""
        torch._foreach_copy_(self.weights, self.meta)
        if self.relaxed is not None:
            self.logits.copy_(self.meta_logits)

    def adapt(
        self, episode: Episode, steps: int, generator: torch.Generator, path: Architecture | None = None
    ) -> float:
        """Go on from where weights and logits are, on the support rows; the loss of the last step.

        Args:
            path: what alone is run, all the time, while logits stay; None: options are weighed by logits that learn.
        """
        loss = 0.0
        with statistics_kept(self.network):
            for step in range(steps):
                self.optimiser.zero_grad()
                self.weigh(step / max(1, steps - 1), generator, path)
                value = self.loss(episode, step, path)
                value.backward()  # type: ignore[no-untyped-call]
                if self.settings.style == "base" and self.settings.variance > 0:
                    add_weights_gradient(self.weights, self.meta, self.settings.variance, 1 / len(episode.x))
                self.optimiser.step()
                loss = value.item()
        return loss

    def weigh(self, progress: float, generator: torch.Generator, path: Architecture | None = None) -> None:
        """Weigh options as they are after so much of an adaptation, or run `path` alone."""
        if self.relaxed is None:
            return
        if path is None:
            self.relaxed.draw(Moment(progress, True, generator))
        else:
            self.relaxed.decide(path)

    def loss(self, episode: Episode, step: int, path: Architecture | None = None) -> Tensor:
        """Cross-entropy of the step's rows; of the style "base" with the logits' share of the divergence from the prior
        (that of the weights is added to their gradients)."""
        size = min(len(episode.x), self.settings.batch * episode.ways)
        rows = torch.arange(step * size, (step + 1) * size) % len(episode.x)
        loss = nn.functional.cross_entropy(self.network(episode.x[rows]), episode.y[rows])
        if self.settings.style == "base" and self.relaxed is not None and path is None:
            spans = self.relaxed.logits.spans.values()
            loss = loss + options_divergence(self.logits, self.meta_logits, spans) / len(episode.x)
        return loss

    # Architectures ----------------------------------------------------------------------------------------------

    def derived(self) -> Architecture:
        """The strongest option of every choice, by the logits as they are."""
        if self.relaxed is None:
            assert self.architecture is not None
            return self.architecture
        return Derivation(self.space, self.relaxed.options).strongest(self.relaxed.strengths())

    @torch.no_grad()
    def extract(self, architecture: Architecture) -> nn.Module:
        """The architecture's own network with copies of the weights as they are, in training mode."""
        with torch.random.fork_rng(devices=[]):
            network: nn.Module = self.space.build(As(architecture))
        state = self.network.state_dict()
        network.load_state_dict({name: state[name] for name in network.state_dict()})
        return network

    @torch.no_grad()
    def take_out(self) -> int:
        """Take out options for good, by the meta-learned logits: those that would weigh less than `least` at the end of
        an adaptation, and those that are not among the strongest `left`; how many were."""
        if self.relaxed is None:
            return 0
        relaxation, count = self.settings.relaxation, 0
        for span in self.relaxed.logits.spans.values():
            own = self.meta_logits[span]
            out = torch.softmax(own / relaxation.heat(1.0), 0) < relaxation.least
            out[own.argsort(descending=True)[self.settings.left :]] = True
            count += int((out & (own > OUT)).sum())
            own[out] = OUT
        return count

    # State ------------------------------------------------------------------------------------------------------

    def moments(self) -> list[Mapping[str, Any]]:
        """Copies of the optimiser's second moments and counts of steps, by the parameters' order."""
        kept: list[Mapping[str, Any]] = []
        for group in self.optimiser.param_groups:
            for parameter in group["params"]:
                state = self.optimiser.state.get(parameter, {})
                kept.append({name: state[name].clone() for name in ("step", "exp_avg_sq") if name in state})
        return kept

    def load_moments(self, kept: Sequence[Mapping[str, Any]]) -> None:
        """Put the optimiser back to what `moments` gave."""
        parameters = [each for group in self.optimiser.param_groups for each in group["params"]]
        for parameter, of in zip(parameters, kept, strict=True):
            if not of:
                self.optimiser.state.pop(parameter, None)
                continue
            state = {name: value.clone() for name, value in of.items()}
            self.optimiser.state[parameter] = {**state, "exp_avg": torch.zeros_like(parameter)}
