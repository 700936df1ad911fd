"""A quick look at what shared weights say of an architecture: a few minibatches of search-validation."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from azora.errors import ConfigError
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture
from azora.tasks import Scaling, SearchData, evaluate
from azora.tasks.array import Array
from azora.training import Mode
from azora.training.outputs import Asking
from azora.trial import Objective, Report


@final
class MinibatchReward:
    """(architecture, update) → its metric on a few minibatches of search-validation, higher is better.

    All networks of one update are judged on the same rows, drawn from the seed and the update, so that none is lucky.
    Where outputs are not finite the reward is NaN.

    Args:
        shared: trained weights, which do not change here.
        data: search-train and search-validation.
        calibration: batches on which every network's batch-norm statistics are measured anew, as `Inherited` does;
            None: the networks see the statistics of each minibatch itself (Pham et al., 2018), at half the cost and
            nearly the same ranks (on digits, τ with all rows 0.95 against 0.97 for four minibatches of 64).
        scaling: that the weights were trained with (None: the data's own).
        objective: the metric that is the reward; what is minimised is given with a minus.
        batches: minibatches; their mean is the reward.
        rows: of a minibatch.

    Raises:
        ConfigError: fewer than one minibatch, or than two rows.
    """

    def __init__(
        self,
        shared: SharedWeights,
        data: SearchData,
        calibration: Sequence[Tensor] | None = None,
        scaling: Scaling | None = None,
        mode: Mode | None = None,
        device: str = "cpu",
        objective: Objective | None = None,
        *,
        batches: int = 4,
        rows: int = 64,
        seed: int = 0,
    ) -> None:
        if batches < 1 or rows < 2:
            raise ConfigError(f"batches={batches} must be at least 1, and rows={rows} at least 2")
        self.shared, self.data, self.seed = shared, data, seed
        self.calibration = None if calibration is None else list(calibration)
        self.objective = objective or Objective()
        self.rows = min(rows, len(data.validation))
        self.batches = min(batches, len(data.validation) // self.rows)
        self._asking = Asking(data.validation.x, data.signature, scaling or data.scaling, mode=mode, device=device)

    def __call__(self, architecture: Architecture, update: int = 0) -> float:
        """Raises SpaceError when the architecture cannot borrow."""
        rng = random.Random(f"{self.seed}:minibatches:{update}")
        order = rng.sample(range(len(self.data.validation)), self.batches * self.rows)
        numbers = torch.tensor(order).view(self.batches, self.rows)
        drawn = [self._asking.rows.plain(each.to(self._asking.device)) for each in numbers]
        values = [
            self._value(self._asking.answer(outputs), each)
            for outputs, each in zip(self._outputs(architecture, drawn), numbers, strict=True)
        ]
        return math.fsum(values) / len(values)

    def _outputs(self, architecture: Architecture, drawn: list[Tensor]) -> list[Tensor]:
        with torch.no_grad(), self._asking.mode.cast(self._asking.device):
            if self.calibration is None:
                return self.shared.borrow(architecture, learns=False).by_batch_statistics(drawn)
            network = self.shared.recalibrate(architecture, self.calibration)
            return [network(batch) for batch in drawn]

    def _value(self, answer: Array, numbers: Tensor) -> float:
        if not np.isfinite(answer).all():
            return math.nan
        metric = self.objective.metric
        found = evaluate(self.data.signature, answer, self.data.validation.y[numbers.numpy()], {metric})
        return self.objective.score(Report(found))
