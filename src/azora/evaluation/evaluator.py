"""What an evaluator is, and how one is found by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from azora.errors import ConfigError
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.tasks import SearchData
from azora.trial import Proposal


class Evaluator(Protocol):
    """Judges a proposal: a callable that gives metrics by name, or raises. One that fails costs its trial alone.

    One to whom `proposal.budget` is all the same says `heeds_budget = False`, its class or function does: then nothing
    is judged twice, and what strategies are told that they can pay for is in judgements.
    """

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Metrics of the proposal; at least the one that the search is for."""
        ...


EVALUATORS = {"trained": "azora.evaluation.trained:Trained", "zero-cost": "azora.evaluation.proxied:ZeroCost"}


def heeds_budget(name: str) -> bool:
    """Whether the evaluator called `name` judges by how long a proposal is to be trained; who does not say so does.

    Raises:
        ConfigError: what is named cannot be found.
    """
    return bool(getattr(resolve(EVALUATORS.get(name, name)), "heeds_budget", True))


def make_evaluator(
    name: str,
    *,
    space: Space,
    data: SearchData,
    folder: Path | None,
    seed: int,
    device: str,
    precision: str = "measure",
    metric: str = "accuracy",
    also: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Evaluator:
    """The evaluator called `name`, or the user's own at `module:Name`: a class, constructed with those of space, data,
    folder, seed, device, precision, metric and also that its constructor names, or a plain function of a proposal.

    Raises:
        ConfigError: an unknown name or setting, or something that cannot be called.
    """
    if ":" not in name and name not in EVALUATORS:
        raise ConfigError(f"there is no evaluator {name!r}; {closest(name, EVALUATORS)}")
    found = resolve(EVALUATORS.get(name, name))
    if isinstance(found, type):
        context = {"space": space, "data": data, "folder": folder, "seed": seed}
        wanted = {"device": device, "precision": precision, "metric": metric, "also": also}
        found = construct(found, settings or {}, **context, **wanted)
    if not callable(found):
        raise ConfigError(f"evaluator {name!r} is a {type(found).__name__}, which cannot be called with a proposal")
    made: Evaluator = found
    return made
