"""Few-shot adaptation: what is meta-learned over tasks, and what becomes of it in a new one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from azora.adapting.adapted import Adapted
from azora.adapting.episodes import Episode, Episodes
from azora.adapting.evidence import Evidence
from azora.adapting.learner import OUT, Learner
from azora.adapting.settings import AdaptingSettings
from azora.adapting.shortlist import Tried, shortlist, trial
from azora.errors import TaskError
from azora.space import Architecture, Space
from azora.tasks import Scaling, Signature

STEPS = 20  # of an adaptation after the meta-training
LEAST = 20  # steps of the meta-training in which logits learn before options are taken out
LATEST = 0.5  # share of it after which these are no longer waited for


@final
class Adapting:
    """Weights and architecture logits, meta-learned over tasks, that adapt to a new one in a few steps.

    A meta-training has four parts: tasks train single paths, whose losses logits begin with; logits learn; a few
    architectures are tried (where one option is to be left); and what is left learns alone.

    Args:
        space: of the networks, for tasks of so many classes as it has outputs.
        scaling: of the raw values of all tasks.
        settings: of adaptation and meta-training.
        architecture: of the style "fixed".
        seed: of the first weights and of all draws.
    """

    def __init__(
        self,
        space: Space,
        scaling: Scaling,
        settings: AdaptingSettings | None = None,
        architecture: Architecture | None = None,
        seed: int = 0,
    ) -> None:
        self.signature: Signature = space.root.signature  # type: ignore[attr-defined]
        self.scaling, self.settings, self.seed = scaling, settings or AdaptingSettings(), seed
        self.learner = Learner(space, self.settings, architecture, seed)
        self.done = 0  # steps of the meta-training
        self.weighed = 0  # of them, those in which logits learned
        self.tried: list[Tried] = []  # the shortlist of which one architecture was left
        self._evidence = None if self.learner.relaxed is None else Evidence(self.learner.relaxed)
        self._generator, self._rng = torch.Generator().manual_seed(seed), random.Random(f"{seed} paths")

    # Meta-training ----------------------------------------------------------------------------------------------

    def learn(
        self,
        episodes: Episodes,
        seconds: float | None = None,
        steps: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        seen: Callable[[float, float], None] | None = None,
    ) -> float:
        """Meta-train for so long, or so many steps, whichever ends first; the mean loss of the last tasks.

        Args:
            clock: in seconds; `time.process_time` counts those of the processor.
            seen: called after every step with the share that is done and the loss.

        Raises:
            TaskError: neither an end is given nor a task of the network's shape.
        """
        if seconds is None and steps is None:
            raise TaskError("a meta-training needs an end: give seconds or steps")
        self.check(episodes.shape, episodes.ways)
        begun, loss, first, tasks = clock(), 0.0, self.done, self.settings.tasks

        def share() -> float:
            return max(
                0.0 if seconds is None else (clock() - begun) / seconds,
                0.0 if steps is None else (self.done - first) / steps,
            )

        def step(now: float) -> float:
            found = self.step([episodes.draw(self.done * tasks + each) for each in range(tasks)], now)
            if seen is not None:
                seen(now, found)
            return found

        while (now := share()) < 1.0:
            if self.settings.left == 1 and self._due(now):
                self._choose(episodes, step, share)
            else:
                loss = step(now)
        return loss

    def step(self, episodes: Sequence[Episode], share: float) -> float:
        """One step of the meta-training: of weights and logits, meta += rate · mean over tasks of (adapted − meta).

        (Reptile: Nichol et al., 2018; of both: Elsken et al., 2020.) For weights of options that not every task ran,
        the mean is over those that did. While logits are frozen, each task trains one path, drawn uniformly: MetaNAS
        runs all of them, which here takes four times as long (single paths: Guo et al., 2020). Options are taken out as
        logits have it.

        Args:
            share: of the meta-training that is done; the rates fall with it.
        """
        learner, settings, falling = self.learner, self.settings, 1.0 - share
        frozen = not learner.decided and share < settings.frozen
        if not frozen and not learner.decided:
            self._heed()
            if self._due(share):
                learner.take_out()
            self.weighed += int(not learner.decided)
        weights, meta = learner.running
        moved, tasks = [torch.zeros_like(each) for each in meta], torch.zeros(len(meta))
        of_logits, losses = torch.zeros_like(learner.meta_logits), list[float]()
        paths = [learner.space.sample(self._rng) if frozen else None for _ in episodes]
        for episode, path in zip(episodes, paths, strict=True):
            learner.restore()
            losses.append(learner.adapt(episode, settings.steps, self._generator, path))
            with torch.no_grad():
                apart = torch._foreach_sub(weights, meta)
                torch._foreach_add_(moved, apart)
                tasks += torch.stack(torch._foreach_norm(apart, torch.inf)) > 0
                of_logits += learner.logits.detach() - learner.meta_logits
        torch._foreach_mul_(moved, (settings.meta_rate * falling / tasks.clamp_min(1.0)).tolist())
        torch._foreach_add_(meta, moved)
        learner.meta_logits += settings.meta_logits_rate * falling / len(episodes) * of_logits
        tells = frozen and 2 * share >= settings.frozen and all(map(learner.fresh, episodes))
        if tells and self._evidence is not None:
            self._evidence.add([path for path in paths if path is not None], losses)
        self.done += 1
        return sum(losses) / len(losses)

    @property
    def taken_out(self) -> int:
        """Options that are out for good."""
        return int((self.learner.meta_logits == OUT).sum())

    def _due(self, share: float) -> bool:
        """Whether options are to be taken out after so much of the meta-training."""
        waited = self.weighed >= LEAST or share >= LATEST
        return not self.learner.decided and waited and share >= max(self.settings.frozen, self.settings.decided)

    def _heed(self) -> None:
        """Logits begin with what single paths came to, in the second half of their time: before, weights are worth
        little. Their standard deviation is 1 where one option is to be left, and else the last temperature: at that,
        a task can decide otherwise."""
        if self._evidence is not None:
            spread = 1.0 if self.settings.left == 1 else self.settings.relaxation.heat(1.0)
            self.learner.meta_logits += self._evidence.logits(spread)
            self._evidence = None

    def _choose(self, episodes: Episodes, step: Callable[[float], object], share: Callable[[], float]) -> None:
        """Leave one architecture: the best of a shortlist, or the strongest options where there is none."""
        self._heed()
        can = self.settings.tried > 0 and episodes.shots + episodes.queries > 1
        few = shortlist(self.learner) if can else []
        if len(few) > 1:
            self.tried = trial(self.learner, few, step, episodes, share, self.settings.tried)
        else:
            self.learner.take_out()

    # A new task -------------------------------------------------------------------------------------------------

    def adapt(self, episode: Episode, steps: int = STEPS, seed: int = 0) -> Adapted:
        """The network for a task, from its support rows alone. What was meta-learned stays as it is.

        Raises:
            TaskError: the task has another shape, or another number of classes.
        """
        self.check(tuple(episode.x.shape[1:]), episode.ways)
        learner, moments = self.learner, self.learner.moments()
        learner.restore()
        try:
            learner.adapt(episode, steps, torch.Generator().manual_seed(seed))
            architecture = learner.derived()
            return Adapted(learner.extract(architecture), architecture, episode.x, self._strengths())
        finally:
            learner.restore()
            learner.load_moments(moments)

    def favoured(self) -> Architecture:
        """What the meta-learned logits stand for, before any task is seen."""
        self.learner.restore()
        return self.learner.derived()

    def prior(self) -> Mapping[str, Mapping[Any, float]]:
        """By choice, the probabilities of its options under the meta-learned logits."""
        relaxed = self.learner.relaxed
        if relaxed is None:
            return {}
        self.learner.restore()
        return {
            name: dict(zip(relaxed.options[name], weights.tolist(), strict=True))
            for name, weights in relaxed.strengths().items()
        }

    def check(self, shape: tuple[int, ...], ways: int) -> None:
        """Raises TaskError where a task is not of the network's shape."""
        signature = self.signature
        if shape != signature.shape:
            raise TaskError(f"the rows have the shape {shape}, and this was meta-trained on {signature.shape}")
        if ways != signature.outputs:
            raise TaskError(
                f"the task has {ways} classes, and this was meta-trained on tasks of {signature.outputs}: meta-train"
                f" one with {ways} ways"
            )

    def _strengths(self) -> dict[str, Tensor]:
        """What options weigh at the end of an adaptation, without any draw."""
        relaxed, relaxation = self.learner.relaxed, self.settings.relaxation
        if relaxed is None:
            return {}
        heat = relaxation.heat(1.0)
        return {name: torch.softmax(relaxed.logits[name].detach() / heat, 0) for name in relaxed.options}
