"""Which strategy for a job: by what strategies came to in cases like it, and by rules where little is known."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from statistics import median
from typing import TypeVar

from azora.automl.advice import Advice, advise
from azora.automl.pricing import seconds_for
from azora.errors import BudgetError, SpaceError
from azora.executors.workplace import joint_space
from azora.job import Job
from azora.meta import Knowledge, describe_task
from azora.meta.evidence import TRAINED, Experience, Situation, choose, experienced, shipped_cases, space_of
from azora.methods import METHODS, find_method
from azora.networks.complexity import cost
from azora.networks.registry import default_space, make_space
from azora.settings import plain
from azora.space import Space
from azora.strategies.registry import DEFAULT, STRATEGIES
from azora.study.folder import strategy_of
from azora.tasks import Signature, Task
from azora.trial import COUNTED

AUTO = "auto"
SHARING = "spos"  # what the rules take where weights are to be shared
Kind = TypeVar("Kind")
DRAWS = 40  # networks, of which the middle one stands for all


def choose_strategy(job: Job, task: Task) -> Advice:
    """The strategy for `job`, where it is to be chosen, and why.

    A search that goes on keeps the strategy that it began with. Evidence is of one objective within a time; for others
    the rules speak (`advise`).

    Raises:
        KnowledgeError: the memory, or the cases that come with azora, cannot be read.
    """
    if job.strategy != AUTO:
        return Advice(job.strategy, "it was asked for")
    if job.resume and (begun := strategy_of(job.out)) is not None:
        return Advice(begun, "the search was begun with it")
    ruled = by_rules(job, task)
    return _by_evidence(job, task, ruled.strategy) or ruled


def within_budget(job: Job, advice: Advice, do: Callable[[Advice], Kind]) -> Kind:
    """What `do` makes of the advice; of networks that are trained by themselves where a method was chosen, not asked
    for, and its phases turn out to be too long for the budget on this machine.

    Raises:
        BudgetError: the budget is too short in any case.
    """
    try:
        return do(advice)
    except BudgetError as error:
        if job.strategy != AUTO or job.resume or advice.strategy not in METHODS:
            raise
        return do(Advice(DEFAULT, f"{advice.strategy} would be chosen, but {error}"))


def by_rules(job: Job, task: Task) -> Advice:
    """What the stated rules say of `job`, whatever is known of other cases."""
    seconds = job.budget
    if seconds is not None and job.target is not None:
        seconds -= seconds_for(seconds) or 0.0  # networks may have to be measured first
    return advise(
        task.signature,
        len(task.train),
        seconds,
        job.workers,
        objectives=len(job.objectives) or 1,
        weight=_weight(job, task.signature) if task.signature.pictures and seconds is not None else 1.0,
        barred=lambda: _barred(job, task),
    )


def _weight(job: Job, signature: Signature) -> float:
    """Multiply-accumulates of the middle one of some networks of the job's space, within the limits that can be counted
    without a device, as a share of those of the default space. Where none of them is within, of the smallest."""
    limits = () if job.reward else tuple(limit for limit in job.limits if limit.quantity in COUNTED)
    usual = default_space(signature)
    if not limits and job.space in ("auto", usual) and not job.space_settings:
        return 1.0
    if not (own := _costs(make_space(job.space, signature, **job.space_settings))):
        return 1.0
    within = [each["macs"] for each in own if all(limit.met(each) for limit in limits)]
    found = median(within) if within else min(each["macs"] for each in own)
    return found / max(1.0, median(each["macs"] for each in _costs(make_space(usual, signature))))


def _costs(space: Space) -> list[Mapping[str, int]]:
    rng = random.Random(0)
    found = list[Mapping[str, int]]()
    for _ in range(DRAWS):
        architecture = space.sample(rng)
        with contextlib.suppress(Exception):  # a worker will say why it cannot be built
            found.append(cost(space, architecture))
    return found


def _barred(job: Job, task: Task) -> str:
    """Why the job's networks can have no weights in common; nothing, where they can."""
    if said := _apart(job):
        return said
    method = find_method(SHARING, {})
    assert method is not None
    if job.space == "auto":  # the method has its own
        return ""
    about = {"name": job.space, "settings": plain(job.space_settings), "recipe": job.recipe}
    try:
        method.check(joint_space(about, task.signature), task.search_data)
    except SpaceError as error:
        return str(error)
    return ""


def _apart(job: Job) -> str:
    """Why methods, which bring their own evaluator, cannot do this job."""
    if job.evaluator != "trained":
        return f"networks are judged by {job.evaluator}"
    return "limits are aimed at by a reward" if job.reward else ""


def _by_evidence(job: Job, task: Task, ruled: str) -> Advice | None:
    if job.budget is None or len(job.objectives) > 1:
        return None
    # Ranks of cases that have no strategy in common do not compare: that of the rules is in all.
    cases = [case for case in _cases(job, task) if ruled in case.scores]
    space = space_of(str(default_space(task.signature) if job.space == "auto" else job.space))
    # Only what has searched this space: others may be unable to. And nothing is imported that a memory names.
    tried = {name for case in cases if case.situation.space == space for name in case.scores}
    candidates = tried & (_installed() if _apart(job) else _installed() | {*METHODS})
    if len(candidates) < 2:
        return None
    limits = tuple(sorted({limit.quantity for limit in job.limits}))
    features = describe_task(task.search_data)
    found = choose(cases, Situation(features, space, job.budget, job.workers, limits, job.device), candidates)
    return None if found is None else Advice(found.strategy, found.why)


def _cases(job: Job, task: Task) -> list[Experience]:
    """Those that come with azora, which are of trained networks, and those of the job's memory; none of a task by this
    one's name: the same test rows may have been read otherwise, in another size, say."""
    cases = shipped_cases() if job.evaluator == TRAINED else []
    if job.knowledge is not None:
        with Knowledge(job.knowledge) as knowledge:
            cases = [*cases, *experienced(knowledge.records(), task.test_digest, job.evaluator)]
    return [case for case in cases if case.task != task.name]


def _installed() -> set[str]:
    """The strategies but those that need what is not installed here."""
    return {name for name, entry in STRATEGIES.items() if entry.extra is None or find_spec(entry.extra) is not None}
