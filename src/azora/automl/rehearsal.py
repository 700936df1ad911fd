"""How long a network can be trained before it learns its rows by heart, seen on rows that it does not learn from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from azora.automl.setting import Setting
from azora.evaluation.trained import start_training
from azora.space import Architecture
from azora.training import Training, TrainingDiverged, outputs
from azora.training.boosting import loss_of

STEP = 2**0.5  # from one length that is looked at to the next
PATIENCE = 4  # lengths without a better one, after which no better one is expected
LOOK = 0.5  # seconds between questions whether to go on
SHARE = 0.25  # of the time for the last training: more than this is not spent on its rehearsal


def useful_epochs(
    setting: Setting,
    architecture: Architecture,
    precision: str,
    longest: float,
    seconds: float | None,
    goes_on: Callable[[], bool] = lambda: True,
) -> float:
    """The number of epochs of search-train after which `architecture` did best on search-validation, up to `longest`.

    Pictures, which augmentation makes new every time, and whatever does not become worse within a quarter of `seconds`
    or until it is to stop (`goes_on`, asked twice a second), are given `longest`. What is looked at is the loss,
    which tells more of few rows than the share that is right (Prechelt, 1998: early stopping; the lengths grow
    geometrically, for the trunk of the training has no end); of several numbers each counts in units of its spread.
    """
    data = setting.data
    if data.signature.pictures:
        return longest
    begun = time.monotonic()

    asked = begun

    def in_time() -> bool:
        nonlocal asked
        now = time.monotonic()
        if now - asked > LOOK:
            asked = now
            if not goes_on():
                return False
        return seconds is None or now - begun <= SHARE * seconds

    training = start_training(setting.space, architecture, data, setting.job.seed, precision, setting.job.device)
    measure = loss_of(data.signature, data.scaling.target_spread)
    best, useful, length = math.inf, 1.0, 1.0
    while length < longest and length < useful * STEP ** (PATIENCE + 0.5):
        try:
            if not _advanced(training, length, in_time):
                return longest
        except TrainingDiverged:
            break
        network = training.judging_network()
        x, y = data.validation.x, data.validation.y
        found = outputs(network, x, data.signature, training.scaling, mode=training.mode, device=training.device)
        if (loss := measure(y, found)) < best:
            best, useful = loss, length
        length *= STEP
    return longest if useful * STEP >= longest else useful


def _advanced(training: Training, length: float, goes_on: Callable[[], bool]) -> bool:
    """Whether the training came to so many epochs before it was to stop."""
    at = training.epochs
    while at < length:
        if not goes_on():
            return False
        at = min(length, at + 1.0)
        training.advance(at)
    return True
