"""A network that goes from meta-learned weights and logits to a task's, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from azora.networks.statistics import BatchNorm, statistics_kept
from azora.space import Architecture, Space

SECOND = 0.999  # decay of the second moments
OUT = -1e9  # logit of an option that was taken out
TEMPERED = ("annealed", "gumbel", "gumbel-soft")  # relaxations whose logits are divided by a temperature


@final
@dataclass(frozen=True)
class State:
    """What is meta-learned: weights by the parameters' order, logits, and the optimiser's moments."""

    meta: list[Tensor]
    logits: Tensor
    moments: Sequence[Mapping[str, Any]]


@final
class Learner:
    """A mixture, or one architecture's network, with what was meta-learned for it.

    Batch normalisations go by the statistics of the batch, in adapting and in judging (transductive, as published
    few-shot results by gradient descent are). Second moments of Adam go on from task to task in meta-training, and
    begin where that ended in every adaptation after it (as Nichol et al.'s own code has it). Within an adaptation the
    temperature is divided out of the logits' gradient, which has a factor of 1 / temperature: all steps share Adam's
    second moment, and the last, coldest step would be the only one that moves them (a deviation from MetaNAS).

    Normalisations inside of options have no scale and shift while options are mixed; those of an option that is the
    only one left of its choice have (see `settle`).

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
        self.weights: list[Tensor] = list(self.network.parameters())  # what needs no gradient stays, until `settle`
        self.meta = [each.detach().clone() for each in self.weights]
        self.running = (self.weights, self.meta)  # of both, what options have that were not taken out
        self.logits = torch.empty(0) if self.relaxed is None else self.relaxed.logits.values
        self.meta_logits = self.logits.detach().clone()
        self.decided = self.relaxed is None  # whether one option is left of every choice
        groups = [{"params": self.weights, "lr": settings.rate}]
        if self.relaxed is not None:
            groups.append({"params": [self.relaxed.logits.values], "lr": settings.logits_rate})
        self.optimiser = torch.optim.Adam(groups, betas=(0.0, SECOND), fused=True)

    # Tasks ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def restore(self) -> None:
        """Weights and logits are the meta-learned ones again."""
        torch._foreach_copy_(*self.running)
        if self.relaxed is not None:
            self.logits.copy_(self.meta_logits)

    def adapt(
        self, episode: Episode, steps: int, generator: torch.Generator, path: Architecture | None = None
    ) -> float:
        """Go on from where weights and logits are, on the support rows; the loss of the last step.

        Args:
            path: what alone is run, all the time, while logits stay; None: options are weighed by logits that learn.
        """
        loss, learn = 0.0, path is None and not self.decided
        with statistics_kept(self.network):
            for step in range(steps):
                progress = step / max(1, steps - 1)
                self.optimiser.zero_grad()
                if learn or step == 0:
                    self.weigh(progress, generator, path)
                value = self.loss(episode, step)
                value.backward()  # type: ignore[no-untyped-call]
                loss = value.item()
                if learn:
                    loss += self._logits_gradient(episode, progress)
                if self.settings.style == "base" and self.settings.variance > 0:
                    add_weights_gradient(*self.running, self.settings.variance, 1 / len(episode.x))
                self.optimiser.step()
        return loss

    def weigh(self, progress: float, generator: torch.Generator, path: Architecture | None = None) -> None:
        """Weigh options as they are after so much of an adaptation, or run `path`, or what alone is left."""
        if self.relaxed is None:
            return
        if path is not None:
            self.relaxed.decide(path)
        elif self.decided:
            self.relaxed.settle()
        else:
            self.relaxed.draw(Moment(progress, True, generator))

    def loss(self, episode: Episode, step: int) -> Tensor:
        """Cross-entropy of the step's rows, which are taken in turn."""
        size = self._size(episode)
        rows = torch.arange(step * size, (step + 1) * size) % len(episode.x)
        return nn.functional.cross_entropy(self.network(episode.x[rows]), episode.y[rows])

    def divergence(self, episode: Episode) -> Tensor:
        """Of the style "base", what its loss has beside that: the logits' divergence from the prior (that of the
        weights is added to their gradients), by the rows of the task."""
        assert self.relaxed is not None
        spans = self.relaxed.logits.spans.values()
        return options_divergence(self.logits, self.meta_logits, spans) / len(episode.x)

    def fresh(self, episode: Episode) -> bool:
        """Whether the rows of the last step of an adaptation in the meta-training were in no step before."""
        return self.settings.steps * self._size(episode) <= len(episode.x)

    @torch.no_grad()
    def query_loss(self, episode: Episode) -> float:
        """Cross-entropy of the query rows, by weights and gates as they are and the rows' own statistics."""
        with statistics_kept(self.network):
            return nn.functional.cross_entropy(self.network(episode.x_query), episode.y_query).item()

    def _size(self, episode: Episode) -> int:
        """Rows in a step."""
        return min(len(episode.x), self.settings.batch * episode.ways)

    def _logits_gradient(self, episode: Episode, progress: float) -> float:
        """Divide the temperature out of the logits' gradient; of the style "base" add that of the divergence from the
        prior, whose value is returned."""
        relaxation = self.settings.relaxation
        if self.logits.grad is not None and relaxation.kind in TEMPERED:
            self.logits.grad.mul_(relaxation.heat(progress))
        if self.settings.style != "base":
            return 0.0
        divergence = self.divergence(episode)
        divergence.backward()  # type: ignore[no-untyped-call]
        return divergence.item()

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
            order = own.argsort(descending=True)
            out[order[self.settings.left :]] = True
            out[order[0]] = False  # one is left, however little it weighs
            count += int((out & (own > OUT)).sum())
            own[out] = OUT
        self.settle()
        return count

    @torch.no_grad()
    def choose(self, architecture: Architecture) -> None:
        """Take out all options for good but those of an architecture that has every choice."""
        assert self.relaxed is not None
        for name, values in self.relaxed.options.items():
            taken = torch.tensor([value == architecture[name] for value in values])
            self.meta_logits[self.relaxed.logits.spans[name]] = torch.where(taken, 0.0, OUT)
        self.settle()

    def settle(self) -> None:
        """Follow the meta-learned logits in what was taken out. What alone is left of a choice runs with a constant
        weight of 1, and its normalisations learn a scale and a shift: they stand at 1 and 0 until then, so that the
        network gives what it gave."""
        if self.relaxed is None:
            return
        left = {name: self._left(name) for name in self.relaxed.options}
        self.relaxed.taken = {name: places[0] for name, places in left.items() if len(places) == 1}
        self.decided = len(self.relaxed.taken) == len(left)
        out = set[Tensor]()
        for module in self.network.modules():
            if isinstance(module, Mixed):
                for place, option in enumerate(module.values()):
                    _learn_scale(option, self.relaxed.taken.get(module.choice) == place)
                    out |= set() if place in left[module.choice] else set(option.parameters())
        kept = [place for place, weight in enumerate(self.weights) if weight not in out]
        self.running = ([self.weights[place] for place in kept], [self.meta[place] for place in kept])

    def _left(self, choice: str) -> list[int]:
        """The places of the options that were not taken out."""
        assert self.relaxed is not None
        own = self.meta_logits[self.relaxed.logits.spans[choice]]
        return [place for place, logit in enumerate(own.tolist()) if logit != OUT]

    # State ------------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """A copy of all that was meta-learned."""
        return State([each.clone() for each in self.meta], self.meta_logits.clone(), self.moments())

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        """Go back to what `state` gave, with weights and logits too."""
        torch._foreach_copy_(self.meta, state.meta)
        self.meta_logits.copy_(state.logits)
        self.load_moments(state.moments)
        self.settle()
        self.restore()

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


def _learn_scale(option: nn.Module, learns: bool) -> None:
    """Whether an option's normalisations learn a scale and a shift."""
    for module in option.modules():
        if isinstance(module, BatchNorm) and module.affine:
            module.weight.requires_grad_(learns)
            module.bias.requires_grad_(learns)
