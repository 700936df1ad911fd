"""Judging a proposal by weights that it shares with all others, or that were written for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from azora.errors import ConfigError
from azora.networks.borrowed import Lender
from azora.space import Architecture
from azora.tasks import Scaling, SearchData, evaluate
from azora.tasks.array import Array
from azora.training import Mode, RecipeSettings, Training
from azora.training.outputs import Asking
from azora.trial import Proposal

MOST_ROWS = 256  # that are judged at once
TUNING_RATE, TUNING_WARMUP = 0.05, 5  # twice the rate forgot what was shared; steps until it is reached


@final
class Inherited:
    """Judges a proposal's network on search-validation with the weights that it borrows, after recalibration.

    Its scores shortlist: on published tables the best by shared weights is far from the best (one-shot on
    NAS-Bench-201: rank correlation 0.49, and none among the best tenth), so train what they choose before choosing.

    Args:
        shared: trained weights, or a trained hypernetwork; `judged` of `azora.training.SharedTraining` and
            `SplitTraining` are.
        data: search-train and search-validation.
        calibration: batches of scaled training rows, on which every network's batch-norm statistics are measured anew;
            None: they are those of the validation batch itself (as Pham et al., 2018, have it), at half the cost.
        scaling: that the weights were trained with (None: the data's own).
        mode: number format and layout in which networks run (None: float32); `calibration` is laid out so. The fastest
            (`azora.training.choose_mode`) halves the time on some machines, and bf16 moves scores by less than other
            rows to calibrate on would.
        metric: the one that the search is for; it is among those that are given.
        also: further metrics to give.
        tune: steps for which a copy of the network is trained first, on batches of search-train (0: none). What it
            borrowed was made to serve all networks, and a few steps let it serve this one; they cost ten times as much
            as judging, so do that for the few that are left to choose from.

    Raises:
        ConfigError: fewer steps than none.
    """

    def __init__(
        self,
        shared: Lender,
        data: SearchData,
        calibration: Sequence[Tensor] | None,
        scaling: Scaling | None = None,
        mode: Mode | None = None,
        device: str = "cpu",
        metric: str = "accuracy",
        also: Sequence[str] = (),
        tune: int = 0,
    ) -> None:
        if tune < 0:
            raise ConfigError(f"tune={tune} must be at least 0 steps")
        self.shared, self.data, self.tune = shared, data, tune
        self.calibration = None if calibration is None else list(calibration)
        self.scaling, self.mode, self.device = scaling or data.scaling, mode or Mode(), device
        self.metric, self.also = metric, tuple(also)
        rows = len(data.validation)
        even = -(-rows // -(-rows // MOST_ROWS))  # a small rest would cost as much as a full batch
        self._asking = Asking(
            data.validation.x, data.signature, self.scaling, mode=self.mode, device=device, batch_size=even
        )

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Raises SpaceError when the architecture cannot borrow, TrainingDiverged when its own steps end in NaN."""
        answer = self._answer(proposal.architecture)
        return evaluate(self.data.signature, answer, self.data.validation.y, {self.metric, *self.also})

    def _answer(self, architecture: Architecture) -> Array:
        if self.tune:
            return self._asking(self._tuned(architecture))
        with self.mode.cast(self.device):  # statistics of what is judged, which is cheaper too
            if self.calibration is None:
                network = self.shared.borrow(architecture, learns=False)
                return self._asking.answer(torch.cat(network.by_batch_statistics(self._asking.batches())))
            network = self.shared.recalibrate(architecture, self.calibration)
        return self._asking(network)

    def _tuned(self, architecture: Architecture) -> nn.Module:
        data = self.data
        recipe = replace(
            RecipeSettings.default(data.signature),
            optimiser="sgd",
            learning_rate=TUNING_RATE,
            weight_decay=RecipeSettings.weight_decay,
            label_smoothing=0.0,
            augmentation=0.0,
            warmup=TUNING_WARMUP * RecipeSettings.batch_size / len(data.train),
        )
        network = self.shared.extract(architecture)
        training = Training(
            network, data.train, data.signature, self.scaling, recipe, mode=self.mode, device=self.device
        )
        training.finish(epochs=self.tune / training.batches.steps)
        return training.judging_network()
