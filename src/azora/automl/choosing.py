"""Which strategy for a task: by what strategies came to in cases like it, and by rules where little is known."""

from __future__ import annotations

from azora.automl.advice import Advice, advise
from azora.job import Job
from azora.meta import Knowledge, describe_task
from azora.meta.evidence import Situation, choose, experienced, space_of
from azora.methods import METHODS
from azora.networks.registry import default_space
from azora.strategies.registry import STRATEGIES
from azora.study.folder import strategy_of
from azora.tasks import Task

AUTO = "auto"


def choose_strategy(job: Job, task: Task) -> Advice:
    """The strategy for `job`, where it is to be chosen, and why.

    A search that goes on keeps the strategy that it began with. Evidence is of one objective within a time; for others
    the rules speak (`advise`).

    Raises:
        KnowledgeError: the memory cannot be read.
    """
    if job.strategy != AUTO:
        return Advice(job.strategy, "it was asked for")
    if job.resume and (begun := strategy_of(job.out)) is not None:
        return Advice(begun, "the search was begun with it")
    return _by_evidence(job, task) or advise(task.signature, len(task.train), job.budget, job.workers)


def _by_evidence(job: Job, task: Task) -> Advice | None:
    if job.knowledge is None or job.budget is None or len(job.objectives) > 1:
        return None
    with Knowledge(job.knowledge) as knowledge:
        cases = experienced(knowledge.records(), task.test_digest, job.evaluator)
    if not cases:
        return None
    space = default_space(task.signature) if job.space == "auto" else job.space
    limits = tuple(sorted({limit.quantity for limit in job.limits}))
    features = describe_task(task.search_data)
    situation = Situation(features, space_of(str(space)), job.budget, job.workers, limits, job.device)
    # Only what has searched this space: others may be unable to. And nothing is imported that a memory names.
    tried = {name for case in cases if case.situation.space == situation.space for name in case.scores}
    found = choose(cases, situation, tried & {*STRATEGIES, *METHODS})
    return None if found is None else Advice(found.strategy, found.why)
