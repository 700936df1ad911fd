"""What few-shot adaptation is set to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

from azora.errors import ConfigError
from azora.networks.relaxation import Relaxation
from azora.settings import closest

STYLES = ("metanas", "base", "fixed")
ANNEALED = Relaxation("annealed", temperature=(1.0, 0.05), spread=0.0, least=0.01)
DRAWN = Relaxation("gumbel-soft", temperature=(1.0, 0.1), spread=0.0, least=0.01)
VARIANCE = 100.0
"""Of the prior of "base": with 1, what a task of one row a class had learned was pulled back to where it began."""


@final
@dataclass(frozen=True)
class AdaptingSettings:
    """How tasks are adapted to, and what is learned from that.

    Both styles are reconstructions: of MetaNAS the equations and settings are public, of BASE's search neither code nor
    settings are.

    Args:
        style: "metanas" (Elsken et al., 2020): options are weighed by a softmax whose temperature falls within every
            adaptation. "base" (Shaw et al., 2019): options are drawn by Gumbel's softmax, and the loss has the
            divergence of a task's weights and logits from the meta-learned prior. "fixed": one architecture, weights
            alone (Reptile: Nichol et al., 2018).
        steps: of an adaptation while meta-training.
        batch: rows of each class in a step, taken in turn.
        tasks: adaptations to a step of the meta-training.
        rate, logits_rate: of a task's weights and logits, by Adam without momentum. MetaNAS has 5e-3 for both, and
            30,000 steps of meta-training; where there are minutes, logits must learn faster.
        meta_rate, meta_logits_rate: how far the meta-learned go towards the mean of the adapted, at first; both fall to
            0 on a line.
        frozen: share of the meta-training in which logits stay as they are and tasks train single paths; logits begin
            with what these came to (see `azora.adapting.evidence`; that is not MetaNAS's).
        decided: share of it after which options that would weigh less than `relaxation.least` at the end of an
            adaptation are taken out for good, once logits have learned for some steps; 1: never.
        left: options of a choice that are left then, at most, the strongest ones. With 1, all tasks have the
            architecture that was meta-learned; with more, every task decides, and a step takes longer.
        tried: with `left` = 1, share of the meta-training in which a few architectures are tried for the one that is
            left (see `azora.adapting.shortlist`; that is not MetaNAS's); 0: the strongest options are.
        variance: of the prior over every weight ("base"; 0: there is none).
        relaxation: how logits become weights.

    Raises:
        ConfigError: a style that there is not, or a number out of its range.
    """

    style: str = "metanas"
    steps: int = 5
    batch: int = 2
    tasks: int = 5
    rate: float = 5e-3
    logits_rate: float = 0.1
    meta_rate: float = 1.0
    meta_logits_rate: float = 0.6
    frozen: float = 0.08
    decided: float = 0.11
    left: int = 1
    tried: float = 0.1
    variance: float = 0.0
    relaxation: Relaxation = ANNEALED

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ConfigError(f"there is no style {self.style!r}; {closest(self.style, STYLES)}")
        if min(self.steps, self.batch, self.tasks, self.left) < 1:
            raise ConfigError(
                f"steps={self.steps}, batch={self.batch}, tasks={self.tasks} and left={self.left} must be at least 1"
            )
        if (
            min(self.rate, self.logits_rate, self.variance) < 0
            or not 0 <= self.frozen <= 1
            or not 0 <= self.decided <= 1
            or not 0 <= self.tried <= 1
        ):
            raise ConfigError(
                f"rate={self.rate}, logits_rate={self.logits_rate} and variance={self.variance} must be at least 0,"
                f" frozen={self.frozen}, decided={self.decided} and tried={self.tried} from 0 to 1"
            )
        if self.frozen >= self.decided and 1 not in (self.frozen, self.decided):
            raise ConfigError(
                f"frozen={self.frozen} must be below decided={self.decided}: logits learn in between; with 1 for either"
                " nothing is decided"
            )

    @classmethod
    def of(cls, style: str, **settings: Any) -> AdaptingSettings:
        """The style's own settings, but for those that are given. Where more than one option is `left`, the temperature
        falls exponentially: on a line, the last step of an adaptation alone is near the network that comes of it.

        Raises:
            ConfigError: as above.
        """
        own: dict[str, Any] = {"relaxation": ANNEALED}
        if style == "base":
            own = {"relaxation": DRAWN, "variance": VARIANCE}
        if settings.get("left", 1) > 1:
            own["relaxation"] = replace(own["relaxation"], cooling="exponential")
        return replace(cls(), **{"style": style, **own, **settings})
