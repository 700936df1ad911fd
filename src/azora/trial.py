"""What is tried, what came of it, and what is wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azora.errors import ConfigError
from azora.settings import closest
from azora.space import Architecture, Space
from azora.tasks.metrics import METRICS


@dataclass(frozen=True)
class Proposal:
    """An architecture to judge. `budget` is the fidelity in the evaluator's unit (epochs); None is "in full".

    `origin` says for the reader where it came from ("random", "mutation of 1f3a…").
    """

    architecture: Architecture
    budget: float | None = None
    origin: str = ""

    @property
    def identity(self) -> tuple[str, float | None]:
        """Equal for proposals that ask for the same judgement."""
        return self.architecture.key, self.budget

    def to_json(self) -> dict[str, Any]:
        return {"architecture": self.architecture.to_json(), "budget": self.budget, "origin": self.origin}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], space: Space) -> Proposal:
        """Raises SpaceError when the architecture is not one of `space`."""
        budget = data.get("budget")
        return cls(
            space.parse(data["architecture"]), None if budget is None else float(budget), str(data.get("origin", ""))
        )


@dataclass(frozen=True)
class Report:
    """What came of a proposal: metrics by name, or the reason why there are none. Failure is data."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it was judged, with finite numbers."""
        return self.error is None and bool(self.metrics) and all(map(math.isfinite, self.metrics.values()))

    def to_json(self) -> dict[str, Any]:
        # JSON has no NaN: what is not finite is left out, and `error` says so.
        metrics = {name: value for name, value in self.metrics.items() if math.isfinite(value)}
        lost = sorted(self.metrics.keys() - metrics.keys())
        error = self.error or (f"{', '.join(lost)} is not a finite number" if lost else None)
        return {"metrics": metrics, "seconds": self.seconds, "error": error, "detail": dict(self.detail)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        metrics = {str(name): float(value) for name, value in data.get("metrics", {}).items()}
        return cls(metrics, float(data.get("seconds", 0.0)), data.get("error"), data.get("detail", {}))


@dataclass(frozen=True)
class Trial:
    """One finished judgement: `number` of the ask, and the study's clock (seconds) when it was told."""

    number: int
    proposal: Proposal
    report: Report
    at: float


@dataclass(frozen=True)
class Objective:
    """The metric that the search is for, and its direction."""

    metric: str = "accuracy"
    maximise: bool = True

    def score(self, report: Report) -> float:
        """Higher is better whatever the direction; minus infinity for what failed or lacks the metric."""
        if not report.ok or self.metric not in report.metrics:
            return -math.inf
        value = report.metrics[self.metric]
        return value if self.maximise else -value

    def order(self, report: Report) -> tuple[float, float]:
        """The score, and among equals the smaller validation loss: small validation sets give many equals."""
        return self.score(report), -report.metrics.get("loss", math.inf)

    @classmethod
    def parse(cls, text: str) -> Objective:
        """`accuracy`, or `loss:min`; known metrics bring their own direction.

        Raises:
            ConfigError: a direction other than min and max.
        """
        metric, _, direction = text.partition(":")
        if direction not in ("", "min", "max"):
            raise ConfigError(f"objective {text!r}: the direction is min or max, not {direction!r}")
        falling = metric in QUANTITIES or (metric in METRICS and not METRICS[metric].maximise)
        return cls(metric, not falling if not direction else direction == "max")


REWARD = "reward"  # the objective of a search that aims at its limit and does not keep it
COUNTED = {
    "params": "parameters",
    "macs": "multiply-accumulates of one forward pass, batch 1",
    "memory": "bytes of weights and of peak activations, batch 1",
}
ON_TARGET = {
    "latency": "milliseconds of one answer on the target",
    "size": "bytes of the file for the target",
}
QUANTITIES = {**COUNTED, **ON_TARGET}
SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "kb": 1e3, "mb": 1e6, "gb": 1e9}
TIMES = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
BYTES = {**SUFFIXES, "b": 1.0}
UNITS: Mapping[str, tuple[Mapping[str, float], str]] = {
    "params": (COUNTS, "200k or 5M"),
    "macs": (COUNTS, "200k or 5M"),
    "memory": (BYTES, "500kB or 2MB"),
    "size": (BYTES, "500kB or 2MB"),
    "latency": (TIMES, "5ms or 800us"),
}


@dataclass(frozen=True)
class Limit:
    """A hard upper bound on what a network costs: a number, bytes, or milliseconds."""

    quantity: str
    most: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """`params=200k`, `macs=5M`, `memory=2MB`, `size=500kB`, `latency=5ms`.

        Raises:
            ConfigError: an unknown quantity, another one's unit, or not a positive number.
        """
        quantity, equals, amount = text.partition("=")
        if not equals:
            raise ConfigError(f"limit {text!r} is not of the form quantity=amount, such as params=200k")
        if quantity not in QUANTITIES:
            raise ConfigError(f"limit {text!r}: {quantity!r} cannot be limited; {closest(quantity, QUANTITIES)}")
        units, example = UNITS[quantity]
        digits = amount.strip().rstrip("".join(set("".join(units)) | set("".join(units).upper())))
        suffix = amount.strip()[len(digits) :].lower()
        try:
            most = float(digits) * units[suffix]
        except (ValueError, KeyError):
            raise ConfigError(f"limit {text!r}: {amount!r} is not an amount of {quantity} such as {example}") from None
        if not (math.isfinite(most) and most > 0):
            raise ConfigError(f"limit {text!r}: the amount must be above zero")
        return cls(quantity, most)

    def met(self, cost: Mapping[str, float]) -> bool:
        return cost[self.quantity] <= self.most

    def show(self, amount: float) -> str:
        """An amount of the limited quantity, for the reader."""
        return f"{amount:.4g} ms" if self.quantity == "latency" else f"{amount:,.0f}"

    def __str__(self) -> str:
        return f"{self.quantity} ≤ {self.show(self.most)}"
