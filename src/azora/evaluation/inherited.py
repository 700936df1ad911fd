"""Judging a proposal by weights that it shares with all others, or that were written for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor

from azora.networks.borrowed import Lender
from azora.tasks import Scaling, SearchData, evaluate
from azora.training import Mode, outputs
from azora.trial import Proposal


@final
class Inherited:
    """Judges a proposal's network on search-validation with the weights that it borrows, after recalibration.

    Its scores shortlist: on published tables the best by shared weights is far from the best (one-shot on
    NAS-Bench-201: rank correlation 0.49, and none among the best tenth), so train what they choose before choosing.

    Args:
        shared: trained weights, or a trained hypernetwork; `judged` of `azora.training.SharedTraining` and
            `SplitTraining` are.
        data: search-train and search-validation.
        calibration: batches of scaled training rows, on which every network's batch-norm statistics are measured anew.
        scaling: that the weights were trained with (None: the data's own).
        metric: the one that the search is for; it is among those that are given.
        also: further metrics to give.
    """

    def __init__(
        self,
        shared: Lender,
        data: SearchData,
        calibration: Sequence[Tensor],
        scaling: Scaling | None = None,
        mode: Mode | None = None,
        device: str = "cpu",
        metric: str = "accuracy",
        also: Sequence[str] = (),
    ) -> None:
        self.shared, self.data, self.calibration = shared, data, list(calibration)
        self.scaling, self.mode, self.device = scaling or data.scaling, mode, device
        self.metric, self.also = metric, tuple(also)

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Raises SpaceError when the architecture cannot borrow."""
        data = self.data
        with (self.mode or Mode()).cast(self.device):  # statistics of what is judged, which is cheaper too
            network = self.shared.recalibrate(proposal.architecture, self.calibration)
        found = outputs(network, data.validation.x, data.signature, self.scaling, mode=self.mode, device=self.device)
        return evaluate(data.signature, found, data.validation.y, {self.metric, *self.also})
