"""How a mixture is trained: what differentiable methods differ in, beside their relaxation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

from azora.errors import ConfigError
from azora.networks.choice_costs import COSTS
from azora.networks.relaxation import Relaxation
from azora.settings import closest

COST_FORMS = ("power", "power-ratio", "linear")
STOPS = ("never", "eigenvalue", "skips", "ranking")


@final
@dataclass(frozen=True)
class Stage:
    """A part of a training, with a schedule and optimisers of its own: with fewer options, on more channels, on a
    deeper network.

    Args:
        options: as many as are left of each choice, the strongest (0: all).
        channels: options see one in so many channels, where that is more of them than the relaxation says (0: as it
            says).
        deeper: cells more than the space has, where it repeats cells; nothing elsewhere.
        drop: dropout of skips at the stage's start.
        anew: whether weights and logits begin as in a new network (Chen et al., 2019: P-DARTS), and only what was
            dropped is remembered; else they are taken along as far as they fit.
    """

    options: int = 0
    channels: int = 0
    deeper: int = 0
    drop: float = 0.0
    anew: bool = False


@final
@dataclass(frozen=True)
class MixtureSettings:
    """One differentiable method.

    Args:
        relaxation: how options are weighed.
        order: of the logits' gradient: 1, or 2 (through the weights' next step, at four times the cost).
        share: of search-train, from which the logits learn; the weights learn from the rest.
        rate, decay: of the weights' SGD with momentum 0.9; the rate falls to a twenty-fifth on a cosine.
        batch_size: rows of a step of either.
        logits_rate: of Adam for the logits; None: so large that all steps together could move them by `REACH`.
        logits_betas, logits_decay: of Adam for the logits.
        every: weights' steps for each of the logits'.
        frozen: share of every stage in which the logits do not learn yet.
        beta: weight at the end of the mean log-sum-exp of the logits, which grows from 0 on a line (β-DARTS, Ye et al.,
            2022); of a training shorter than the published 19,500 steps, as much less: at full weight the logits would
            move together, and nothing else be seen.
        certainty: weight of the distance of sigmoids from ½ (FairDARTS' zero-one loss).
        spread: weight of the Kullback-Leibler distance of a Dirichlet distribution from the flat one (DrNAS).
        cost: what is counted in the loss: "macs", "params" or "latency" (in microseconds; "": nothing).
        cost_form: "power" (CE · weight · log(cost)^power: Wu et al., 2019), "power-ratio" (CE · weight ·
            (log cost / log target)^power: Cai et al., 2019) or "linear" (CE + weight · (cost - target) / target).
        cost_weight, cost_power: of these.
        stages: one after another, of equal length.
        stop: when to end early: "never", "eigenvalue" (Zela et al., 2020), "skips" or "ranking" (DARTS+, Liang et al.,
            2019).
        adapt: whether, where the eigenvalue says stop, the training goes back and on with three times the decay instead
            (Zela et al., 2020: ADA); with `stop="eigenvalue"` alone.
        most_skips: in what is derived of each cell (0: as many as are strongest).
        masked: whether numbers of channels are mixed too, by masks (Wan et al., 2020: FBNetV2), where the space lets
            them (see `azora.networks.masked`).

    Raises:
        ConfigError: a number out of its range, a word that is not known, or `adapt` with another rule.
    """

    relaxation: Relaxation = field(default_factory=Relaxation)
    order: int = 1
    share: float = 0.5
    rate: float = 0.05
    decay: float = 3e-4
    batch_size: int = 64
    logits_rate: float | None = None
    logits_betas: tuple[float, float] = (0.5, 0.999)
    logits_decay: float = 1e-3
    every: int = 1
    frozen: float = 0.0
    beta: float = 0.0
    certainty: float = 0.0
    spread: float = 0.0
    cost: str = ""
    cost_form: str = "power"
    cost_weight: float = 0.2
    cost_power: float = 0.6
    stages: tuple[Stage, ...] = (Stage(),)
    stop: str = "never"
    adapt: bool = False
    most_skips: int = 0
    masked: bool = False

    def __post_init__(self) -> None:
        for name in ("order", "batch_size", "every", "most_skips"):
            if not isinstance(getattr(self, name), int):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be a whole number")
        if self.order not in (1, 2):
            raise ConfigError(f"order={self.order} must be 1 or 2")
        if not (0 < self.share < 1 and 0 <= self.frozen < 1):
            raise ConfigError(
                f"share={self.share} must be between 0 and 1, frozen={self.frozen} at least 0 and below 1"
            )
        rates = self.rate, self.batch_size, self.every, 1.0 if self.logits_rate is None else self.logits_rate
        if not all(each > 0 for each in rates) or not self.stages:
            raise ConfigError(
                f"rate={self.rate}, batch_size={self.batch_size}, every={self.every} and"
                f" logits_rate={self.logits_rate} must be above 0, and there must be a stage"
            )
        if self.cost and self.cost not in COSTS:
            raise ConfigError(f"there is no cost {self.cost!r}; {closest(self.cost, COSTS)}")
        if self.cost_form not in COST_FORMS:
            raise ConfigError(f"there is no cost_form {self.cost_form!r}; {closest(self.cost_form, COST_FORMS)}")
        if self.masked and self.relaxation.kind == "sigmoid":
            raise ConfigError("masked: what is weighed by a sigmoid each does not add up to a number of channels")
        if self.stop not in STOPS:
            raise ConfigError(f"there is no stop {self.stop!r}; {closest(self.stop, STOPS)}")
        if self.adapt and self.stop != "eigenvalue":
            raise ConfigError(f"adapt=true needs stop=eigenvalue, and met stop={self.stop}; adapt=false takes any")

    def relaxation_of(self, stage: int) -> Relaxation:
        """How options are weighed in a stage."""
        about, relaxation = self.stages[stage], self.relaxation
        channels = min(about.channels or relaxation.channels, relaxation.channels)
        return replace(relaxation, channels=channels, drop=about.drop or relaxation.drop)
