"""Training a mixture and its logits in turn."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.networks.statistics import statistics_kept
from azora.training.bilevel import WeightStep, dominant_eigenvalue, first_order, second_order
from azora.training.fit import CHECK_EVERY, CLIP, TrainingDiverged
from azora.training.fit_shared import LOOK, Clock, Watch
from azora.training.link import Link, LinkLost
from azora.training.mixture_loss import logits_loss
from azora.training.optimiser import MOMENTUM
from azora.training.staged_mixture import StagedMixture

LEAST_RATE = 1 / 25  # of the weights' first rate: where the cosine ends (Liu et al., 2019)
PUBLISHED_STEPS = 19_500  # of the logits
REACH = 6.0  # how far all steps together can move a logit: so many at 3e-4 are published
SLOWEST, FASTEST = 3e-4, 0.03  # rates of the logits
ROUNDS = 10  # of the iteration for an eigenvalue, two gradients each
HALVINGS = 2  # of both rates, when something became NaN, before that is an error


@final
class MixtureTraining(StagedMixture):
    """A mixture in training, that can be put down and taken up.

    The rows are parted in two: weights learn from the one part, logits from the other. A step of the logits comes
    first, then one of the weights (Liu et al., 2019). All draws are functions of the seed and the step. Where
    something becomes NaN, the epoch is begun again with half the rates.

    Args:
        space: its numbers have one value each.
        split: raw rows to learn from.
        scaling: of the raw values.
        settings: of the method.
        epochs: of the rows from which the weights learn, in all; at least one step.
        target: of a cost that is counted; None: what the mixture costs when all options weigh the same.
        limited: whether there are limits for what is derived, so that every stage keeps the cheapest options too.

    Raises:
        SpaceError: a number is open, or there is nothing to mix.
        ConfigError: costs that their form in the loss cannot take.
    """

    link: Link | None = None
    tuned = 0  # steps beside the schedule

    @property
    def frozen(self) -> bool:
        """Whether the logits do not learn yet."""
        return self.progress < self.settings.frozen

    @property
    def learned(self) -> bool:
        """Whether the logits have learned anything in this stage."""
        return self.logit_optimiser.count > 0

    def advance(
        self,
        epochs: float = math.inf,
        clock: Clock | None = None,
        watch: Watch | None = None,
        join: Callable[[], Link | None] = lambda: None,
    ) -> bool:
        """Train on to `epochs` since the beginning, and no further than the schedule's end; whether that was reached.

        With a `clock` the schedule is what it says, and not the number of steps; it must never go back. `watch` is
        called about twice a second. `join` is asked before every step, until it gives the link to processes that take
        their parts of the batches from then on.

        Raises:
            TrainingDiverged: a loss, gradient or logit became NaN or infinite three times.
        """
        last, seen = epochs * self.batches.steps, time.monotonic()
        kept, begun = self.state_tensors(), time.perf_counter()
        looked = self.step
        while True:
            self.share = self.step / self.steps if clock is None else max(self.share, min(1.0, clock()))
            over = self.share >= 1.0 or self.step >= last
            try:
                if self.step > looked and (over or self.step % CHECK_EVERY == 0):
                    looked = self.step
                    self._look()
            except TrainingDiverged:
                self._go_back(kept)
                looked = self.step
                continue
            if over:
                break
            if watch is not None and time.monotonic() - seen > LOOK:
                seen = time.monotonic()
                if not watch(self.share, self.loss):
                    break
            if self.link is None:
                self.link = join()
            try:
                self._advance_stage()
                self._one(self._said())
            except TrainingDiverged:
                self._go_back(kept)
                looked = self.step
        self.seconds += time.perf_counter() - begun
        return self.share >= 1.0

    def follow(self, link: Link) -> None:
        """Make the leader's steps with it, on this process's part of every batch, until it ends.

        Raises:
            LinkLost: the leader has gone on alone.
        """
        self.link = link
        while (heard := link.hear()) is not None:
            said = json.loads(heard[1])
            self.share = said["share"]
            self._advance_stage()
            try:
                self._one(said)
            except TrainingDiverged:
                return  # the leader sees it too, and goes back alone

    def tune(self, steps: int) -> None:
        """Steps of the weights alone, at the rate with which the schedule ends; the schedule is not moved. Where they
        diverge, the weights stay what they were."""
        link, self.link = self.link, None
        kept = self.state_tensors()
        self.relaxed.train()
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            try:
                for _ in range(steps):
                    self._step_weights(self.settings.rate * LEAST_RATE * 0.5**self.halvings)
                    self.tuned += 1
            except TrainingDiverged:
                self.load_state(kept)
        self.link = link

    def eigenvalue(self) -> float:
        """The dominant eigenvalue of the loss's Hessian with respect to the logits, on one batch of their rows.

        Where an epoch is short, fewer rounds of the iteration are made: it must not take longer than the epoch.
        """
        generator = torch.Generator().manual_seed(self.seed)
        rows = self.logits_batches.some(self.settings.batch_size)  # the first ones may be of one class
        x, y = self.logits_batches.plain(rows), self.logits_batches.y[rows]

        def loss() -> Tensor:
            self._draw(learns=True, step=0, held=held)
            return self._loss(x, y, exact=True)

        with statistics_kept(self.relaxed), torch.random.fork_rng(devices=[]):
            self.relaxed.train()
            self._draw(learns=True, step=0)
            held = dict(self.relaxed.gates())
            rounds = max(2, min(ROUNDS, self.batches.steps // 8))
            return dominant_eigenvalue(loss, self.relaxed.logits.values, generator, rounds)

    # Steps ------------------------------------------------------------------------------------------------------

    def _said(self) -> dict[str, Any]:
        """What a step is made of, beside the state: told to the others."""
        return {"share": self.share, "rate": self._rate(), "logits_rate": self._logits_rate()}

    def _rate(self) -> float:
        return self.settings.rate * 0.5**self.halvings * self._falling()

    def _falling(self) -> float:
        """From 1 to the least rate, on a cosine over the stage."""
        return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * self.progress))

    def _logits_rate(self) -> float:
        rate = self.settings.logits_rate
        if rate is None:
            # Short trainings end in skips when logits go on as fast while the weights come to rest.
            rate = min(FASTEST, max(SLOWEST, 2 * REACH / max(1.0, self._logits_steps()))) * self._falling()
        return rate * 0.5**self.halvings

    @property
    def length(self) -> float:
        """The logits' steps in a stage, as a share of those of a published search; 1 at most."""
        return min(1.0, self._logits_steps() / PUBLISHED_STEPS)

    def _logits_steps(self) -> float:
        """Of the logits, in a stage; with a clock, what was done so far says how many there will be."""
        whole = self.step / self.share if self.step and self.share else self.steps
        return whole / len(self.settings.stages) / self.settings.every * (1 - self.settings.frozen)

    def _one(self, said: Mapping[str, Any]) -> None:
        """A step of both, alone or with the others."""
        link = self.link
        if link is not None and link.rank == 0:
            try:
                link.tell(float(said["rate"]), json.dumps(said))
            except LinkLost:
                link = self.link = None
        self.relaxed.train()
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            if not self.frozen and self.step % self.settings.every == 0:
                self._step_logits(float(said["rate"]), float(said["logits_rate"]))
            self._step_weights(float(said["rate"]))
        self.step += 1

    def _step_logits(self, rate: float, logits_rate: float) -> None:
        x, y = self._mine(*self.logits_batches.batch(self.step // self.settings.every, self.recipe))

        def validation() -> Tensor:
            self._draw(learns=True, step=self.step)
            growth = self.progress * self.length
            return logits_loss(self._loss(x, y), self.relaxed, self.settings, growth, self.costs, self.target or 0.0)

        values = self.relaxed.logits.values
        if self.settings.order == 1:
            _, gradient = first_order(validation, values)
        else:
            gradient = self._second(validation, rate)
        (gradient,) = self._added([gradient], len(x))
        before = values.detach().clone()
        self.logit_optimiser.step(gradient, logits_rate)
        if self.settings.relaxation.kind == "binary":
            self._keep_others(before, gradient)
        if not bool(torch.isfinite(values).all()):
            raise TrainingDiverged("logits became NaN or infinite")

    def _second(self, validation: Callable[[], Tensor], rate: float) -> Tensor:
        x, y = self._mine(*self.batches.batch(self.step, self.recipe))
        weights = [each for each in self.relaxed.parameters() if each.requires_grad]

        def training() -> Tensor:
            self._draw(learns=False, step=self.step)
            return self._loss(x, y, exact=True)

        buffers = self.optimiser.momenta()
        step = WeightStep(
            rate,
            MOMENTUM,
            [buffers.get(id(each)) for each in weights],
            [self.optimiser.decay if each.ndim > 1 else 0.0 for each in weights],
        )
        with statistics_kept(self.relaxed):
            return second_order(training, validation, weights, self.relaxed.logits.values, step)[1]

    def _keep_others(self, before: Tensor, gradient: Tensor) -> None:
        """Shift the two logits that moved so that the probabilities of the others stay (Cai et al., 2019)."""
        with torch.no_grad():
            for span in self.relaxed.logits.spans.values():
                moved = gradient[span] != 0
                if not bool(moved.any()):
                    continue
                now, then = self.relaxed.logits.values[span], before[span]
                shift = torch.logsumexp(now[moved], 0) - torch.logsumexp(then[moved], 0)
                now[moved] -= shift

    def _step_weights(self, rate: float) -> None:
        x, y = self._mine(*self.batches.batch(self.step + self.tuned, self.recipe))
        self._draw(learns=False, step=self.step + self.tuned)
        self.optimiser.zero_grad()
        loss = self._loss(x, y)
        loss.backward()  # type: ignore[no-untyped-call]
        self.relaxed.logits.values.grad = None
        parameters = [each for each in self.relaxed.parameters() if each.requires_grad]
        if self.link is not None:
            # All processes made the same draw, so their lists are of the same parameters. What was not drawn keeps no
            # gradient: at zero it would decay, and go on with its momentum.
            used = [each for each in parameters if each.grad is not None]
            added = self._added([each.grad for each in used if each.grad is not None], len(x))
            for each, gradient in zip(used, added, strict=True):
                each.grad = gradient
        if not bool(nn.utils.clip_grad_norm_(parameters, CLIP).isfinite()):
            raise TrainingDiverged("a gradient of the weights became NaN or infinite")  # which would make them so
        self.optimiser.step(rate)
        self._last = loss.detach()

    def _mine(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """This process's part of a batch."""
        self._whole = len(x)
        if self.link is None:
            return x, y
        return x.tensor_split(self.link.count)[self.link.rank], y.tensor_split(self.link.count)[self.link.rank]

    def _added(self, parts: list[Tensor], rows: int) -> list[Tensor]:
        """The gradients of the whole batch: of this process's part, with those of the others added."""
        if self.link is None:
            return parts
        try:
            parts = [part.contiguous() for part in parts]
            torch._foreach_mul_(parts, rows / self._whole)
            self.link.add(parts)
        except LinkLost:
            if self.link.rank > 0:
                raise
            self.link = None  # this step is of this process's part alone
            torch._foreach_mul_(parts, self._whole / rows)
        return parts

    def _look(self) -> None:
        self.loss = float(self._last)
        if not math.isfinite(self.loss):
            raise TrainingDiverged(f"the mixture's loss became {self.loss}")

    def _go_back(self, kept: Mapping[str, Tensor]) -> None:
        """To the beginning of the epoch, with half the rates. The others, if any, are left: they stand elsewhere.

        Raises:
            TrainingDiverged: this was done twice already.
        """
        if self.halvings >= HALVINGS:
            raise TrainingDiverged(
                f"logits, loss or gradients became NaN in epoch {int(self.epochs) + 1} even at a quarter of the rates"
                f" ({self.settings.rate:g} of the weights, {self._logits_rate():.2g} of the logits): give smaller ones"
            )
        halvings, share = self.halvings + 1, self.share
        self.load_state(dict(kept))
        self.halvings, self.share, self.link = halvings, share, None
