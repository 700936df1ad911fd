"""How long a network can be trained before it learns its rows by heart, seen on rows that it does not learn from."""

from __future__ import annotations

import math
import time

from azora.automl.setting import Setting
from azora.evaluation.trained import start_training
from azora.space import Architecture
from azora.tasks import evaluate
from azora.training import TrainingDiverged, outputs

STEP = 2**0.5  # from one length that is looked at to the next
PATIENCE = 4  # lengths without a better one, after which no better one is expected
SHARE = 0.25  # of the time for the last training: more than this is not spent on its rehearsal


def useful_epochs(
    setting: Setting, architecture: Architecture, precision: str, longest: float, seconds: float | None
) -> float:
    """The number of epochs of search-train after which `architecture` did best on search-validation, up to `longest`.

    Pictures, which augmentation makes new every time, and whatever does not become worse within a quarter of `seconds`,
    are given `longest`. What is looked at is the loss, which tells more of few rows than the share that is right
    (Prechelt, 1998: early stopping; the lengths grow geometrically, for the trunk of the training has no end).
    """
    data = setting.data
    if data.signature.pictures:
        return longest
    begun = time.monotonic()
    training = start_training(setting.space, architecture, data, setting.job.seed, precision, setting.job.device)
    metric = "loss" if data.signature.kind == "classification" else "mse"
    best, useful, length = math.inf, 1.0, 1.0
    while length < longest and length < useful * STEP ** (PATIENCE + 0.5):
        if seconds is not None and time.monotonic() - begun > SHARE * seconds:
            return longest
        try:
            training.advance(length)
        except TrainingDiverged:
            break
        network = training.judging_network()
        x, y = data.validation.x, data.validation.y
        found = outputs(network, x, data.signature, training.scaling, mode=training.mode, device=training.device)
        if (loss := evaluate(data.signature, found, y, ())[metric]) < best:
            best, useful = loss, length
        length *= STEP
    return longest if useful * STEP >= longest else useful
