"""One number for accuracy and cost together, where a limit is to be aimed at and not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from azora.errors import ConfigError
from azora.job import Job
from azora.settings import closest
from azora.trial import Limit

SOFT = -0.07  # twice the latency for five per cent more accuracy is an even bargain (Tan et al., 2019)
LEAST = 1e-3  # of the aim: less is no better, and nothing at all would be infinitely good


# A quality below zero, as that of a regression may be, is to get worse with cost as any other does.


def _soft(quality: float, ratio: float) -> float:
    factor = float(max(ratio, LEAST) ** SOFT)
    return quality * factor if quality >= 0 else quality / factor


def _hard(quality: float, ratio: float) -> float:
    if ratio <= 1:
        return quality
    return quality / ratio if quality >= 0 else quality * ratio


def _absolute(quality: float, ratio: float) -> float:
    return quality + SOFT * abs(ratio - 1.0)


FORMS: Mapping[str, Callable[[float, float], float]] = {"soft": _soft, "hard": _hard, "absolute": _absolute}


@final
@dataclass(frozen=True)
class Reward:
    """Quality and cost as one number that is to be high.

    With the ratio r of cost and aim: "soft" is quality · r^-0.07, "hard" is quality where r ≤ 1 and quality / r beyond
    (MnasNet, Tan et al., 2019); "absolute" is quality − 0.07 · |r − 1| (TuNAS, Bender et al., 2020).

    Args:
        form: of these.
        aim: the cost aimed at.
    """

    form: str
    aim: Limit

    @classmethod
    def of(cls, job: Job) -> Reward | None:
        """What the job asks for.

        Raises:
            ConfigError: another form, or not the one limit that is aimed at.
        """
        if job.reward is None:
            return None
        if job.reward not in FORMS:
            raise ConfigError(f"there is no reward {job.reward!r}; {closest(job.reward, FORMS)}")
        if len(job.limits) != 1:
            raise ConfigError(
                f"--reward {job.reward} aims at one limit, and there are {len(job.limits)}: say --limit latency=5ms or"
                " the like once"
            )
        return cls(job.reward, job.limits[0])

    def __call__(self, quality: float, costs: Mapping[str, float]) -> float:
        """`quality` is more where it is better, as accuracy is."""
        return FORMS[self.form](quality, costs[self.aim.quantity] / self.aim.most)
