"""A comparison: what is asked, what of it can be done, and what has been done."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from azora.automl.comparing.runs import RefusedError, Run
from azora.automl.comparing.scaling import Scale, largest_scale
from azora.automl.comparing.systems import SCALED, System, find_systems, scaled
from azora.automl.setting import Setting, find_task
from azora.clock import show_seconds
from azora.errors import ConfigError, SpaceError, StudyError
from azora.job import Job
from azora.tasks import Reading, Task, default_metric

PLAN, LOCK = "plan.json", "compare.lock"
Say = Callable[[str], None]


@final
@dataclass(frozen=True)
class Asked:
    """What the user asked for. `workers` are those of each run; None is as many as there are cores."""

    data: str
    seconds: float
    seeds: int
    names: Sequence[str]
    out: Path
    label: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"--seeds {self.seeds}: one at least")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers {self.workers}: one at least")


@final
@dataclass(frozen=True)
class Plan:
    """What will be done.

    Args:
        left_out: why, by the names of systems that this task cannot have.
        late: seconds by which the budget of a system is shorter, for what was found out for it before.
    """

    asked: Asked
    metric: str
    systems: Sequence[System]
    left_out: Mapping[str, str]
    late: Mapping[str, float]

    def runs(self) -> list[Run]:
        """All of them: first every system with one seed, so that what cannot be done is known soon."""
        return [self._run(system, seed) for seed in range(self.asked.seeds) for system in self.systems]

    def apart(self) -> dict[str, str | None]:
        """The searches whose space is another than that of random search, which is the first of the systems; each with
        the random search in the same space, or None where there is none."""
        usual = self.systems[0].searched
        searches = [system for system in self.systems if system.searched != usual and not system.by_hand]
        random = {system.searched: system.name for system in searches if system.random}
        return {system.name: random.get(system.searched) for system in searches if not system.random}

    def _run(self, system: System, seed: int) -> Run:
        asked = self.asked
        seconds = asked.seconds - self.late.get(system.name, 0.0)
        words = [asked.data, "--budget", f"{seconds:g}s", "--seed", str(seed), *system.words()]
        words += [] if asked.label is None else ["--label", asked.label]
        words += [] if asked.workers is None else ["--workers", str(asked.workers)]
        words += ["--trial-timeout", f"{asked.seconds:g}s"] if system.patient else []
        words += ["--no-boosting", "--no-memory", "--quiet"]  # systems are compared, and not trees beside them
        return Run(system, seed, words, asked.out / system.name / f"seed-{seed}")


def plan(asked: Asked, say: Say) -> Plan:
    """Read the data, leave out what they cannot have, and size the network that is scaled; all of this is kept in OUT,
    and a later call goes on with it.

    Raises:
        ConfigError: an unknown system, or none that the task can have.
        StudyError: OUT holds a comparison of something else, or cannot be written.
        AzoraError: the data cannot be read.
    """
    named = find_systems(asked.names)
    task = find_task(asked.data, 0, Reading.of({"label": asked.label} if asked.label else {}))
    able, left_out = able_of(named, task)
    if len(able) < 2:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "name another beside random"
        raise ConfigError(f"there is nothing to compare on {task.name}: {why}")
    for name, reason in left_out.items():
        say(f"{name} is left out: {reason}")
    about = {
        "data": asked.data, "digest": task.digest, "seconds": asked.seconds, "workers": asked.workers,
        "boosting": False,
    }  # fmt: skip
    kept = _kept(asked.out, about)
    late: dict[str, float] = {}
    if any(system.name == SCALED for system in able):
        scale, late[SCALED] = _scaled(kept, task, asked.seconds)
        able = [scaled(scale) if system.name == SCALED else system for system in able]
        kept = {**kept, "scaled": {"step": scale.step, "least": scale.least, "seconds": late[SCALED]}}
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / PLAN).write_text(json.dumps({**about, **kept}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{asked.out} cannot be written: {error.strerror}") from error
    return Plan(asked, default_metric(task.signature), able, left_out, late)


def able_of(named: Sequence[System], task: Task) -> tuple[list[System], dict[str, str]]:
    """The systems that `task` can have, and why not the others."""
    able, left_out = [], {}
    for system in named:
        job = Job.parse(
            task=task, out="none", strategy=system.strategy, strategy_settings=system.settings, space=system.space,
            space_settings=system.space_settings, recipe=system.recipe, boosting=False,
        )  # fmt: skip
        if system.by_hand and system.space == "mlp" and task.signature.pictures:
            left_out[system.name] = "it is for tables"
            continue
        try:
            space = Setting.of(job).space_about
            able.append(replace(system, searched=f"{space['name']} {json.dumps(space['settings'], sort_keys=True)}"))
        except SpaceError as error:
            left_out[system.name] = str(error)
    return able, left_out


def compare(plan: Plan, say: Say, done: Callable[[], object] = lambda: None) -> list[str]:
    """Do the runs that are not finished, `done` being called after each; why some failed. A failed one is tried again
    by the next call.

    Raises:
        StudyError: a search refused its words (the budget is too short for it, for example), which is raised when the
            others are finished; or another comparison is at work in OUT.
        KeyboardInterrupt: what is finished stays.
    """
    failed, runs, refused = list[str](), plan.runs(), list[RefusedError]()
    with _locked(plan.asked.out):
        for place, run in enumerate(runs, start=1):
            if run.figures() is not None:
                continue
            left = sum(each.figures() is None for each in runs[place - 1 :]) * plan.asked.seconds
            say(f"{place} of {len(runs)}: {run.system.name}, seed {run.seed}; about {show_seconds(left)} to go")
            begun = time.monotonic()
            try:
                reason = run.go()
            except RefusedError as error:  # perhaps for the load of the machine just then
                refused.append(error)
                say(str(error))
                continue
            finally:
                done()
            if reason is not None:
                failed.append(f"{run.system.name} with seed {run.seed}: {reason}")
                say(f"it failed: {reason}")
            elif (figures := run.figures()) is not None:
                score = figures[f"test_{plan.metric}"]
                say(f"test {plan.metric} {score:.4f} after {show_seconds(time.monotonic() - begun)}")
    if refused:
        raise refused[0]
    return failed


def _kept(out: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier call found out.

    Raises:
        StudyError: it was about something else.
    """
    try:
        known = json.loads((out / PLAN).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        raise StudyError(f"{out / PLAN} is damaged; remove it, or choose another --out") from None
    if different := [name for name in about if known.get(name) != about[name]]:
        was = ", ".join(f"{name} {known.get(name)!r}" for name in different)
        now = ", ".join(f"{name} {about[name]!r}" for name in different)
        raise StudyError(f"{out} holds a comparison with {was}, not {now}; choose another --out")
    return {name: value for name, value in known.items() if name not in about}


def _scaled(kept: Mapping[str, Any], task: Task, seconds: float) -> tuple[Scale, float]:
    """The size of the scaled network, and the seconds that it took to find it."""
    if "scaled" in kept:
        known = kept["scaled"]
        return Scale(int(known["step"]), float(known["least"])), float(known["seconds"])
    begun = time.monotonic()
    scale = largest_scale(task.search_data, seconds)
    return scale, round(time.monotonic() - begun, 1)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    handle = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StudyError(f"another comparison is running in {out}; wait for it or choose another --out") from error
        yield
    finally:
        os.close(handle)
