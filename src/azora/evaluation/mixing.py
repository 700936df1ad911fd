"""Mixtures in training, from a description that another process or a later session has too; and what they say of what
they favour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, final

import numpy as np
from torch import nn

from azora.networks.derivation import skips
from azora.networks.relaxation import Moment, Relaxation
from azora.networks.statistics import recalibrate
from azora.space import Architecture, Space
from azora.tasks import METRICS, SearchData, Split, evaluate
from azora.training import choose_mode
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings, Stage
from azora.training.outputs import Asking
from azora.trial import Proposal

MOST_ROWS, BATCH = 1_024, 256  # of search-validation, on which an epoch is looked at
PATHS = 4  # single paths that stand for a mixture which is never run whole


def settings_to_json(settings: MixtureSettings) -> dict[str, Any]:
    """What `settings_from_json` takes."""
    return asdict(settings)


def settings_from_json(data: Mapping[str, Any]) -> MixtureSettings:
    """Settings from what `settings_to_json` gave, also after JSON made lists of tuples."""
    given: dict[str, Any] = _with_tuples(data)
    given["relaxation"] = Relaxation(**_with_tuples(data["relaxation"]))
    given["stages"] = tuple(Stage(**stage) for stage in data["stages"])
    return MixtureSettings(**given)


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def start_mixing(
    space: Space, data: SearchData, about: Mapping[str, Any], seed: int, precision: str, device: str = "cpu"
) -> MixtureTraining:
    """The training of a mixture that `about` describes, before its first step.

    Args:
        about: `{"settings", "numbers", "epochs", "target", "limited"}`: see `MixtureTraining`; `numbers` are the
            decisions that are held while the others are mixed; `part`, if there, the share of the rows that it learns
            from.
        precision: a mode's name.
    """
    part = space.root.constrain(None, "numbers are held while modules are mixed", **about["numbers"])
    return MixtureTraining(
        part,
        _some(data.train, about.get("part", 1.0), seed),
        data.signature,
        data.scaling,
        settings_from_json(about["settings"]),
        about["epochs"],
        seed=seed,
        mode=choose_mode(precision, data.signature, device),
        device=device,
        target=about["target"],
        limited=about["limited"],
    )


def _some(rows: Split, share: float, seed: int) -> Split:
    """So many of the rows, drawn, for they may be in the order of their classes."""
    if share >= 1.0:
        return rows
    count = max(2, round(share * len(rows)))
    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
    return Split(rows.x[some], rows.y[some])


@final
class Favoured:
    """Judges an architecture by the mixture that it comes from, and says how the mixture itself does.

    Metrics are those of the derived network: its options alone run, on the mixture's weights, batch normalisations
    measured anew. Beside them: `mixture_…`, the same of the mixture; `gap`, how much better the mixture is
    (the discretisation gap); `entropy` of the weights (1: all alike), `skips` in the derived network, and the dominant
    `eigenvalue` of the validation loss's Hessian with respect to the logits.

    Args:
        training: of the mixture; its seed says which rows are looked at.
        metric: what the mixture and its gap are told by.
        also: other metrics of the derived network.
        rows: of search-validation, at most, drawn from all of it.
    """

    def __init__(
        self,
        training: MixtureTraining,
        data: SearchData,
        metric: str = "accuracy",
        also: Sequence[str] = (),
        rows: int = MOST_ROWS,
    ) -> None:
        self.training, self.data, self.metric, self.also = training, data, metric, tuple(also)
        self.sign = 1.0 if METRICS[metric].maximise else -1.0
        # Drawn, for a split may be in the order of its classes, and the same in every session.
        some = np.sort(np.random.default_rng(training.seed).permutation(len(data.validation))[:rows])
        self.y = data.validation.y[some]
        self._asking = Asking(
            data.validation.x[some], data.signature, training.scaling, mode=training.mode, device=training.device,
            batch_size=BATCH,
        )  # fmt: skip

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Raises SpaceError when the mixture no longer has one of the options."""
        mixture = self.mixture()
        derived = self.derived(proposal.architecture)
        return {
            **derived,
            f"mixture_{self.metric}": mixture[self.metric],
            "gap": self.sign * (mixture[self.metric] - derived[self.metric]),
            "entropy": self.training.entropy(),
            "skips": float(skips(proposal.architecture)),
            "eigenvalue": self.training.eigenvalue(),
        }

    def derived(self, architecture: Architecture) -> Mapping[str, float]:
        """Metrics of the architecture's options alone."""
        self.training.relaxed.decide(architecture)
        return self._metrics(self.training.relaxed)

    def mixture(self) -> Mapping[str, float]:
        """Metrics of all options as they are weighed; where passes run single paths, the mean over some draws."""
        relaxed, training = self.training.relaxed, self.training
        if not relaxed.relaxation.draws:
            return self.settled()
        found = []
        for path in range(PATHS):
            relaxed.draw(Moment(training.progress, False, training.generator(-1 - path), training.length))
            found.append(self._metrics(relaxed))
        return {name: sum(each[name] for each in found) / PATHS for name in found[0]}

    def settled(self) -> Mapping[str, float]:
        """Metrics of all options as they are weighed, without any draw."""
        relaxed = self.training.relaxed
        relaxed.settle(relaxed.relaxation.beside(self.training.progress, self.training.length))
        return self._metrics(relaxed)

    def _metrics(self, network: nn.Module) -> Mapping[str, float]:
        with self.training.mode.cast(self.training.device):
            recalibrate(network, self.training.calibration())
        return evaluate(self.data.signature, self._asking(network), self.y, {self.metric, *self.also, "loss"})
