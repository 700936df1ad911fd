"""What a user asked for, checked before anything is begun."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from azora.clock import parse_seconds
from azora.cores import usable_workers
from azora.errors import AzoraError, BudgetError, ConfigError
from azora.settings import closest, plain
from azora.trial import SUFFIXES, Limit, Objective

DEFAULT_BUDGET = 300.0
MOST_MEMBERS = 20  # of an ensemble
SEEDS = 2**32  # numpy's generators and scikit-learn's know no more
PRECISIONS = ("measure", "float32", "float32-channels-last", "bf16", "bf16-channels-last")


@dataclass(frozen=True)
class Job:
    """One search, from data to shipped model. `task` is a name, a file, arrays or a `Task`; times are in seconds.

    With `recipe`, what networks are trained with is searched beside the architecture. `reading` is how data is read,
    in the words of `azora.tasks.Reading`; the first of `objectives` chooses the winner, and is the task's own metric
    unless said; `beside` are the folders of other studies, to be shown in the report; `baseline="random"` gives half of
    the search to random search, for comparison. `target` is a device as `azora.hardware.find_target` takes it, or a
    predictor's file; with `reward` the one limit is not kept but aimed at (`azora.automl.reward`). With
    `reference`, a fixed network is trained beside the winner, for as long, and judged on the same test rows. What
    other searches found is in the memory at `knowledge`, a file or a database's URL, and what this one finds goes
    there. With `boosting`, gradient-boosted trees stand beside the networks of a table, and ship unless one is shown
    better; with `ensemble`, the mean of so many of all of these ships where that is better yet. With a `policy`,
    settings of `azora.meta.policy.Policy`, the model carries its own search.
    """

    task: Any
    out: Path
    budget: float | None = DEFAULT_BUDGET
    trials: int | None = None
    space: Any = "auto"
    space_settings: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = "halving"
    strategy_settings: Mapping[str, Any] = field(default_factory=dict)
    evaluator: str = "trained"
    objectives: tuple[Objective, ...] = ()
    limits: tuple[Limit, ...] = ()
    stop_at: float | None = None
    seed: int = 0
    workers: int = 1
    worker_memory: int | None = None
    trial_timeout: float | None = None
    device: str = "cpu"
    precision: str = "measure"
    recipe: bool = True
    resume: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[Path, ...] = ()
    baseline: str | None = None
    target: str | None = None
    reward: str | None = None
    reference: bool = False
    knowledge: Path | str | None = None
    boosting: bool = True
    ensemble: int = 0
    policy: Mapping[str, Any] | None = None

    @classmethod
    def parse(
        cls,
        *,
        task: Any,
        budget: str | float | None = None,
        trials: int | None = None,
        out: str | Path | None = None,
        objective: str | Sequence[str] | None = None,
        limits: str | Sequence[str] = (),
        workers: int | None = None,
        worker_memory: str | int | None = None,
        trial_timeout: str | float | None = None,
        beside: str | Path | Sequence[str | Path] = (),
        knowledge: str | Path | None = None,
        **rest: Any,
    ) -> Job:
        """The job that these words describe, as the command line and `azora.search` take them.

        Raises:
            BudgetError, ConfigError: a word that is not known or cannot be understood, or a number out of range.
        """
        _check_words(rest)
        trials, workers = _whole("trials", trials), _whole("workers", workers)
        rest |= {name: _whole(name, rest[name]) for name in ("seed", "ensemble") if rest.get(name) is not None}
        if trials is not None and trials < 1:
            raise BudgetError(f"trials={trials} must be at least 1")
        if workers is not None and workers < 1:
            raise ConfigError(f"workers={workers} must be at least 1")
        usual = DEFAULT_BUDGET if trials is None else None
        seconds = usual if budget is None else parse_seconds(budget)
        if rest.get("precision", "measure") not in PRECISIONS:
            raise ConfigError(f"precision {(wrong := rest['precision'])!r} is not known; {closest(wrong, PRECISIONS)}")
        _check_device(rest.get("device", "cpu"))
        _check_members(rest.get("ensemble", 0))
        if not 0 <= rest.get("seed", 0) < SEEDS:
            raise ConfigError(f"seed={rest['seed']} must be at least 0 and below {SEEDS}")
        return cls(
            task=task,
            out=Path(out) if out is not None else Path("runs") / _title(task),
            budget=seconds,
            trials=trials,
            objectives=tuple(Objective.parse(text) for text in _several(objective)),
            limits=tuple(Limit.parse(text) for text in _several(limits)),
            workers=workers or usable_workers(rest.get("device", "cpu")),
            worker_memory=None if worker_memory is None else _bytes(str(worker_memory)),
            trial_timeout=None if trial_timeout is None else _seconds(trial_timeout),
            beside=tuple(Path(each) for each in ([beside] if isinstance(beside, str | Path) else beside)),
            knowledge=knowledge if knowledge is None or "://" in str(knowledge) else Path(knowledge),
            **rest,
        )

    def given(self) -> dict[str, Any]:
        """What another session of the same search may be given otherwise, and would end differently by, as JSON."""
        names = ("budget", "trials", "stop_at", "reference", "boosting", "ensemble", "policy")
        return {name: plain(getattr(self, name)) for name in names}

    def asks_for_more(self, given: Mapping[str, Any]) -> bool:
        """Whether this is more time or trials than an earlier session was `given`, or wants something else of them."""
        now, amounts = self.given(), ("budget", "trials")
        more = any(_amount(now[name]) > _amount(given[name]) for name in amounts)
        return more or any(now[name] != given.get(name) for name in now.keys() - amounts)


def _whole(name: str, value: Any) -> int | None:
    """A number of Python's own, whatever library made it, for it goes into JSON; None as it is."""
    try:
        return None if value is None else operator.index(value)
    except TypeError:
        raise ConfigError(f"{name}={value!r} must be a whole number") from None


def _amount(given: float | None) -> float:
    return math.inf if given is None else given


def _several(words: str | Sequence[str] | None) -> Sequence[str]:
    return [words] if isinstance(words, str) else words or []


def _title(task: Any) -> str:
    name = getattr(task, "name", task)
    return Path(name).stem or "task" if isinstance(name, str | Path) else "arrays"


def _bytes(text: str) -> int:
    """`4GB` as a number of bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if not found or found[2].lower() not in SUFFIXES or float(found[1]) <= 0:
        raise ConfigError(f"memory {text!r} is not an amount such as 4GB or 500MB")
    return int(float(found[1]) * SUFFIXES[found[2].lower()])


def _seconds(text: str | float) -> float:
    try:
        return parse_seconds(text)
    except AzoraError:
        raise ConfigError(f"time limit {text!r} is not a duration such as 30s or 5m") from None


def _check_words(words: Mapping[str, Any]) -> None:
    """Raises ConfigError for a word that no job has; those of how data is read have their place."""
    known = {each.name for each in fields(Job)} - {"objectives"} | {"objective"}
    unknown = next((name for name in words if name not in known), None)
    if unknown is None:
        return
    from azora.tasks import Reading  # the command line starts without it, and says no such word

    if unknown in {each.name for each in fields(Reading)}:
        raise ConfigError(f"a search has no word {unknown!r}; how data is read is said by reading={{{unknown!r}: …}}")
    raise ConfigError(f"a search has no word {unknown!r}; {closest(unknown, known)}")


def _check_members(members: int) -> None:
    if members != 0 and not 2 <= members <= MOST_MEMBERS:
        raise ConfigError(f"ensemble={members} must be 2 to {MOST_MEMBERS}, or 0 for none")


def _check_device(device: str) -> None:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ConfigError(f"device {device!r} is not known; there is cpu, cuda, cuda:N")
