"""How long networks of a space take to train here, predicted from a few short measurements."""

from __future__ import annotations

import contextlib
import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from azora.cores import one_thread
from azora.errors import ConfigError, SpaceError, in_a_line
from azora.evaluation.trained import recipe_of, start_training
from azora.networks.complexity import cost
from azora.space import Architecture, Option, Space
from azora.tasks import SearchData, Split
from azora.trial import Trial

PROBES, FEWEST_PROBES = 6, 3
DRAWS = 60  # networks whose epochs are predicted, to see what there is
FURTHEST = 3.0  # times that a prediction is corrected, at most
ROWS = 64


@dataclass(frozen=True)
class Pace:
    """Seconds of training by one worker: so much a layer and step, a multiply-accumulate, and a value written."""

    layer: float
    mac: float
    value: float

    def epoch(self, space: Space, architecture: Architecture, data: SearchData) -> float:
        """Predicted seconds of one epoch on search-train."""
        about = cost(space, architecture)
        rows = len(data.train)
        steps = max(1, round(rows / recipe_of(space, architecture, data).batch_size))
        return steps * self.layer * about["layers"] + rows * (self.mac * about["macs"] + self.value * about["values"])

    def to_json(self) -> dict[str, float]:
        return {"layer": self.layer, "mac": self.mac, "value": self.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pace:
        return cls(float(data["layer"]), float(data["mac"]), float(data["value"]))


def measure_pace(
    space: Space, data: SearchData, precision: str, device: str, seed: int = 0, most_seconds: float = math.inf
) -> Pace:
    """Times two steps of a few sampled networks on one thread (non-negative least squares on what they cost): from
    cheap to dear, and after `most_seconds` no more than three. One that cannot be built or trained tells nothing.

    Raises:
        ConfigError: none of them can.
    """
    end = time.monotonic() + most_seconds
    rng = random.Random(seed)
    few = Split(data.train.x[:ROWS], data.train.y[:ROWS])
    small = SearchData(data.signature, few, few, data.scaling)
    rows, seconds, failed = list[list[float]](), list[float](), ""
    with one_thread():
        for architecture in spread(space, rng):
            if len(seconds) >= FEWEST_PROBES and time.monotonic() > end:
                break
            try:
                training = start_training(space, architecture, small, seed, precision, device)
                about, batch = cost(space, architecture), ROWS / training.batches.steps
                training.advance(1 / training.batches.steps)  # the first step also allocates
                done, spent = training.step, training.seconds
                training.advance((done + 2) / training.batches.steps)
            except Exception as error:  # of a user's own space, perhaps: in the search it costs one trial
                failed = in_a_line(error)
                continue
            rows.append([about["layers"], batch * about["macs"], batch * about["values"]])
            seconds.append((training.seconds - spent) / 2)
    if not rows:
        raise ConfigError(f"none of the networks that were tried first can be trained here: {failed}")
    scale = np.maximum(np.max(rows, axis=0), 1e-12)
    weights = nnls(np.asarray(rows) / scale, np.asarray(seconds))[0] / scale
    return Pace(*(float(weight) for weight in weights))


def spread(space: Space, rng: random.Random) -> list[Architecture]:
    """A few networks from cheap to dear: the extremes and what lies between tell more than the middle alone."""
    drawn = sorted((space.sample(rng) for _ in range(3 * PROBES)), key=lambda each: _macs(space, each))
    return [drawn[round(place * (len(drawn) - 1) * 0.8 / (PROBES - 1))] for place in range(PROBES)]


def _macs(space: Space, architecture: Architecture) -> float:
    """Nothing, where the network cannot be built."""
    try:
        return cost(space, architecture)["macs"]
    except Exception:
        return 0.0


class Ceiling:
    """A rule for a space: networks whose epoch takes longer than `seconds` are not for this budget.

    Args:
        least: seconds below which a correction does not bring it.
    """

    def __init__(self, pace: Pace, space: Space, data: SearchData, seconds: float, least: float = 0.0) -> None:
        self.pace, self.space, self.data, self.seconds, self.least = pace, space, data, seconds, least
        # By decisions and not by key: cells that share a node and cells that copy it have one key, and different costs,
        # and which of them is asked for first is not the same in every session.
        self.known: dict[tuple[tuple[str, Option], ...], float] = {}
        self.corrected = False

    def __call__(self, architecture: Architecture) -> bool:
        return self.predicted(architecture) <= self.seconds

    def predicted(self, architecture: Architecture) -> float:
        """Seconds of an epoch; none of what cannot be built."""
        decisions = tuple(architecture.items())
        if decisions not in self.known:
            try:
                self.known[decisions] = self.pace.epoch(self.space, architecture, self.data)
            except Exception:  # a worker will say why it cannot be built
                self.known[decisions] = 0.0
        return self.known[decisions]

    def correct(self, trials: Sequence[Trial]) -> None:
        """Measure the seconds as these trials took them: workers share a machine that the prediction had for itself."""
        ratios = [
            trial.report.metrics["epoch_seconds"] / max(1e-9, self.predicted(trial.proposal.architecture))
            for trial in trials
            if "epoch_seconds" in trial.report.metrics
        ]
        if ratios:
            ratio = min(max(statistics.median(ratios), 1 / FURTHEST), FURTHEST)
            self.seconds = max(self.seconds / ratio, self.least)
        self.corrected = True


def sampled_epochs(space: Space, pace: Pace, data: SearchData, seed: int = 0) -> list[float]:
    """Predicted seconds of an epoch of some sampled networks, the quickest first; infinite when none can be sampled, or
    none that is can be built."""
    rng, found = random.Random(seed), list[float]()
    try:
        drawn = [space.sample(rng) for _ in range(DRAWS)]
    except SpaceError:
        drawn = []
    for architecture in drawn:
        with contextlib.suppress(Exception):
            found.append(pace.epoch(space, architecture, data))
    return sorted(found) or [math.inf]
