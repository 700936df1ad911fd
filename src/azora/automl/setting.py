"""A job with everything it names found: the task, the space, the strategy, and what the workers need."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from azora.automl.baseline import BASELINES, check_baseline
from azora.automl.beside import bands
from azora.automl.nearest import Nearest
from azora.automl.pricing import FILE as PREDICTOR
from azora.automl.pricing import Pricing, check_target, find_pricing, limits_of_files, seconds_for
from azora.automl.recollection import Recollection
from azora.automl.reward import Reward
from azora.automl.writing import until_writing, writing_takes
from azora.errors import AzoraError, ConfigError, SpaceError, in_a_line
from azora.evaluation import EVALUATORS, heeds_budget
from azora.executors.workplace import joint_space
from azora.job import Job
from azora.meta.policy import Policy
from azora.methods import METHODS, Method, find_method
from azora.methods.registry import check_method
from azora.networks.complexity import cost
from azora.networks.registry import SPACES, default_space
from azora.settings import closest, plain, resolve
from azora.space import Architecture, Space
from azora.strategies.learned import digest_of, read_learned
from azora.strategies.memory import ALIKE
from azora.strategies.registry import STRATEGIES, find_maker, make_strategy
from azora.tasks import METRICS, Reading, SearchData, Signature, Task, default_metric, from_arrays, load_task
from azora.tasks.reading import ARRAYS
from azora.training import check_device
from azora.trial import ON_TARGET, QUANTITIES, REWARD, Limit, Objective, Proposal, Report

RARE = 50  # draws for one that is within the limits: where it takes more, some are looked for otherwise
DESCENTS, DESCENT, PLANTED = 4, 200, 16  # walks, their steps, and how many of the last and of all points are kept
DRAWS, FEWEST_DRAWS, DRAWING_SECONDS = 1000, 100, 10.0  # before limits are said to leave nothing


def check_names(job: Job) -> None:
    """Refuse unknown names before data is read or a folder is made.

    Raises:
        ConfigError: with the nearest known name.
    """
    check_target(job)
    check_device(job.device)
    Policy.of(job.policy or {})
    if job.strategy not in METHODS:
        find_maker(job.strategy, METHODS)
    for word, name, known in (
        ("space", job.space, {**SPACES, "auto": None}),
        ("evaluator", job.evaluator, EVALUATORS),
        ("baseline", job.baseline or BASELINES[0], BASELINES),
    ):
        if ":" in str(name):
            resolve(name)
        elif name not in known:
            raise ConfigError(f"there is no {word} {name!r}; {closest(str(name), known)}")


@final
@dataclass(frozen=True)
class Setting:
    """A task, the space to search for it, and the objective.

    `writing` are the seconds that the files take, as they were known when the search began; `learned` says what is in
    the file that the strategy is made from.
    """

    job: Job
    task: Task
    space: Space
    space_about: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    method: Method | None = None
    beside: Sequence[Mapping[str, Any]] = ()
    pricing: Pricing | None = None
    reward: Reward | None = None
    memory: Recollection | None = None
    writing: float = 0.0
    learned: Mapping[str, Any] | None = None

    @property
    def until(self) -> float | None:
        """Of a budget, the seconds from its beginning to the end of the last training; the rest is for writing."""
        return until_writing(self.job.budget, self.writing)

    @classmethod
    def of(cls, job: Job) -> Setting:
        """Find what `job` names.

        Raises:
            AzoraError: something cannot be found, read or fitted together; one line says what.
        """
        check_names(job)
        task = find_task(job.task, job.seed, Reading.of(job.reading))
        method = _method(job)
        name, settings = default_space(task.signature) if job.space == "auto" else job.space, job.space_settings
        if method is not None and job.space == "auto" and (own := method.space(task.signature)) is not None:
            name, settings = own[0], {**own[1], **settings}
        about = {"name": name, "settings": plain(settings), "recipe": job.recipe}
        space = joint_space(about, task.signature)
        objectives, reward = _objectives(job, task.signature), Reward.of(job)
        if reward is not None:
            objectives = _rewarded(objectives, method)
        # Read before the search: what is wrong with it must not be found out after.
        beside = bands(job.beside, objectives[0], task.name)
        # Settings are tried on a strategy that is thrown away: a mistake must be told before anything is begun.
        made = None
        if method is None:
            made = make_strategy(
                job.strategy,
                space,
                seed=job.seed,
                objectives=objectives,
                settings=job.strategy_settings,
                data=task.search_data,
                lengths=heeds_budget(job.evaluator),
            )
        else:
            check_method(method, space, task.search_data)
        check_baseline(job, made)
        pricing = None
        if job.target is not None:
            kept = job.out / PREDICTOR if job.resume else None
            wanted = [f"objective {each.metric}" for each in job.objectives if each.metric == "size"]
            asked = [*limits_of_files(job.limits), *wanted]
            pricing = find_pricing(
                job.target, space, about, task.search_data,
                kept=kept, seconds=seconds_for(job.budget), seed=job.seed, asked=asked,
            )  # fmt: skip
            pricing.check_files(asked)
        known = STRATEGIES.get(job.strategy) if method is None else None
        heard = ALIKE if method is not None and method.hears() else None if known is None else known.hears
        memory = Recollection.of(job, task, space, heard)
        writing = writing_takes(task.signature)
        learned = _learned(job)
        return cls(job, task, space, about, objectives, method, beside, pricing, reward, memory, writing, learned)

    def within_limits(self) -> Space:
        """The space within the job's limits.

        Raises:
            SpaceError: no network within them was found; what came nearest is told.
        """
        if not self.job.limits or self.reward is not None:
            return self.space
        return Within(self.space, self.job.limits, self.pricing).constrained(self.job.seed)

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """What is counted of an architecture, and with a target what is predicted."""
        priced = {} if self.pricing is None else self.pricing(architecture)
        return {**cost(self.space, architecture), **priced}

    def complete(self, proposal: Proposal, report: Report) -> Report:
        """A report with what this process knows: costs on the target, those that an evaluator does not count, and the
        reward."""
        named = [each.metric for each in self.objectives]
        wanted = [name for name in named if name in ON_TARGET or (name in QUANTITIES and name not in report.metrics)]
        if not report.ok or not (wanted or self.reward):
            return report
        costs = self.costs(proposal.architecture)
        metrics = {**report.metrics, **{name: costs[name] for name in wanted}}
        if self.reward is not None:
            if self.metric not in metrics:
                gave = ", ".join(sorted(report.metrics))
                return replace(
                    report, error=f"the evaluator gave no {self.metric!r}, which is rewarded; it gave {gave}"
                )
            metrics[self.reward.aim.quantity] = costs[self.reward.aim.quantity]
            metrics[REWARD] = self.reward(metrics[self.metric], costs)
        return replace(report, metrics=metrics)

    @property
    def objective(self) -> Objective:
        """The first, by which the winner is chosen."""
        return self.objectives[0]

    @property
    def metric(self) -> str:
        """What a worker is to judge by: the first objective, or of a reward the part of it that is no cost."""
        return (self.job.objectives or (Objective(default_metric(self.task.signature)),))[0].metric

    @property
    def strategy_settings(self) -> dict[str, Any]:
        """The job's, with what a file says in place of its name."""
        own = {name: value for name, value in self.job.strategy_settings.items() if name != "file"}
        return dict(self.job.strategy_settings) if self.learned is None else {**own, **self.learned}

    @property
    def data(self) -> SearchData:
        return self.task.search_data

    def about(self) -> dict[str, Any]:
        """What makes this study this study: a resumed one must agree."""
        job = self.job
        return {
            "task": self.task.name,
            "data": self.task.digest,
            "space": dict(self.space_about),
            "strategy": job.strategy,
            "settings": plain(job.strategy_settings),
            "evaluator": job.evaluator,
            "objective": ",".join(f"{each.metric}:{'max' if each.maximise else 'min'}" for each in self.objectives),
            "limits": [f"{limit.quantity}={limit.most:g}" for limit in job.limits],
            "seed": job.seed,
            "baseline": job.baseline,
            # What studies of earlier days do not speak of must not make them others.
            **({} if job.target is None else {"target": job.target}),
            **({} if job.reward is None else {"reward": job.reward}),
            **({} if self.learned is None else {"file": f"SHA-256 {digest_of(self.learned)}"}),
            "flips": self.task.reading.get("flips"),  # recipes that mirror are of another space; the rows are the same
        }

    def workplace(self, data: Path, checkpoints: Path, precision: str) -> dict[str, Any]:
        """What a worker is told (see `azora.executors.workplace`)."""
        job = self.job
        return {
            "space": dict(self.space_about),
            "evaluator": job.evaluator,
            "data": str(data),
            "folder": str(checkpoints),
            "seed": job.seed,
            "device": job.device,
            "precision": precision,
            "metric": self.metric,
            "also": [each.metric for each in self.objectives[1:] if each.metric not in ON_TARGET],
        }


def _method(job: Job) -> Method | None:
    """The method that the job names, if it names one; methods train, and for one objective."""
    method = find_method(job.strategy, job.strategy_settings)
    if method is not None and len(job.objectives) > 1:
        raise ConfigError(f"{method.name} is for one objective; give limits for the others, such as --limit macs=5M")
    if method is not None and job.evaluator != "trained":
        raise ConfigError(f"{method.name} brings its own evaluator, so there is no other for it than trained")
    return method


def _learned(job: Job) -> Mapping[str, Any] | None:
    """What the file says that the strategy is made from; None where there is none."""
    file = job.strategy_settings.get("file") if job.strategy == "composed" else None
    return None if file is None else read_learned(Path(file))


def _objectives(job: Job, signature: Signature) -> tuple[Objective, ...]:
    """What the job is for; the first is a metric of the task, or whatever the user's own evaluator gives."""
    objectives = job.objectives or (Objective(default_metric(signature)),)
    names = [objective.metric for objective in objectives]
    if len(set(names)) < len(names):
        raise ConfigError(f"objectives {', '.join(names)}: each may be named once")
    if job.evaluator not in EVALUATORS:
        return objectives
    if job.evaluator == "zero-cost":
        from azora.proxies import find_proxies  # most searches have no use for them, and are to start quickly

        find_proxies(names[:1])
        if wrong := [name for name in names[1:] if name not in QUANTITIES]:
            raise ConfigError(
                f"zero-cost gives one proxy, {names[0]}, and no {wrong[0]}; {closest(wrong[0], QUANTITIES)}"
            )
    else:
        fitting = [name for name, metric in METRICS.items() if metric.kind == signature.kind]
        for place, name in enumerate(names):
            if name not in fitting and not (place and name in QUANTITIES):
                hint = closest(name, [*fitting, *(QUANTITIES if place else ())])
                raise ConfigError(f"objective {name!r} is none of {signature.kind}; {hint}")
    return objectives


def _rewarded(objectives: tuple[Objective, ...], method: Method | None) -> tuple[Objective, ...]:
    """The one objective that a reward is, in place of its quality."""
    if method is not None:
        raise ConfigError(f"{method.name} takes no reward; leave --reward out, and the limit is a hard one")
    if len(objectives) > 1 or not objectives[0].maximise:
        named = ", ".join(each.metric for each in objectives)
        raise ConfigError(f"a reward is made of accuracy or the like and one cost, not of {named}")
    return (Objective(REWARD),)


def find_task(wanted: Any, seed: int, reading: Reading | None = None) -> Task:
    """A name, a file or folder read as `reading` says, `(x, y)`, `(x, y, x_test, y_test)` or a task."""
    reading = reading or Reading()
    if isinstance(wanted, Task):
        reading.refuse("a Task, which is read already")
        return wanted
    if not isinstance(wanted, str | Path):
        reading.refuse("data in memory", *ARRAYS)
    if isinstance(wanted, tuple) and len(wanted) in (2, 4):
        x, y, *test = wanted
        x_test, y_test = test or (None, None)
        words: dict[str, Any] = {"kind": reading.kind, "flips": reading.flips}
        task = from_arrays(x, y, x_test=x_test, y_test=y_test, seed=seed, **words)
        task.reading = reading.said()
        return task
    if not isinstance(wanted, str | Path):
        raise ConfigError(f"a task is a name, a file, (x, y) or (x, y, x_test, y_test), not a {type(wanted).__name__}")
    return load_task(wanted, seed=seed, reading=reading)


class Within:
    """A rule for a space: every limit is met. Remembers what came nearest, for when nothing meets them."""

    def __init__(self, space: Space, limits: tuple[Limit, ...], pricing: Pricing | None = None) -> None:
        self.space, self.limits, self.pricing = space, limits, pricing
        self._priced = [limit for limit in limits if limit.quantity in ON_TARGET]
        self.nearest = Nearest(limits)
        self.unbuilt = ""  # why the last of those that cannot be built cannot

    def __call__(self, architecture: Architecture) -> bool:
        return self._share(architecture) <= 1.0

    def _share(self, architecture: Architecture) -> float:
        """What the architecture costs of the dearest quantity, as a share of its limit; infinitely much where it cannot
        be built: a limit that cannot be looked at is not kept."""
        try:
            found: dict[str, float] = dict(cost(self.space, architecture))
            if self._priced and self.pricing is not None:
                found |= self.pricing(architecture)
        except AzoraError:
            raise
        except Exception as error:
            self.unbuilt = in_a_line(error)
            return math.inf
        return self.nearest.see(found)

    def constrained(self, seed: int) -> Space:
        """The space within the limits.

        Raises:
            SpaceError: neither up to 1,000 random networks (or what was drawn in ten seconds) nor what is reached from
                some of them, one smaller step after another, is within them; what came nearest is told.
        """
        rng, begun = random.Random(seed), time.monotonic()
        part, draws, found = self.space.constrain(self, self.reason), 0, list[Architecture]()
        while not found and draws < DRAWS:
            drawn = self.space.sample(rng)
            found = [drawn] if self(drawn) else []
            draws += 1
            if draws >= FEWEST_DRAWS and time.monotonic() - begun > DRAWING_SECONDS:
                break
        if not found or draws > RARE:
            found = self._descents(random.Random(f"{seed} descents")) or found
        if not found:
            raise self.nothing()
        part.plant(found)  # one that was found soon may still be one of very few, and later draws must not fail
        return part

    def _descents(self, rng: random.Random) -> list[Architecture]:
        """What is within the limits of some walks on which the dearest quantity, as a share of its limit, never rises:
        those found last, which cost least, and every few of the others."""
        found: dict[str, Architecture] = {}
        for _ in range(DESCENTS):
            at = self.space.sample(rng)
            most = self._share(at)
            for _ in range(DESCENT):
                try:
                    tried = self.space.mutate(at, rng)
                except SpaceError:  # nothing else can be reached
                    break
                if (share := self._share(tried)) <= most:
                    at, most = tried, share
                    if most <= 1.0:
                        found[at.key] = at
        kept = list(found.values())
        return [*kept[:: max(1, len(kept) // PLANTED)], *kept[-PLANTED:]]

    @property
    def reason(self) -> str:
        return str(self.nearest)

    def nothing(self) -> SpaceError:
        """The error for when no network meets the limits."""
        if not self.nearest.costs:
            return SpaceError(f"no network of {self.space.name} can be built to look at {self.reason}: {self.unbuilt}")
        return SpaceError(
            f"no network within {self.reason} was found in {self.space.name}; {self.nearest.told('found')}"
        )
