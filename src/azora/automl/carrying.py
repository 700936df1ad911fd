"""The search that a model carries with it, where that was asked for."""

from __future__ import annotations

from dataclasses import asdict

from azora.automl.recollection import record_of
from azora.automl.setting import Setting
from azora.evaluation.trained import recipe_of
from azora.meta import describe_task
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.space import Architecture, Product
from azora.study import Study


def carried_by(setting: Setting, study: Study, winner: Architecture) -> str | None:
    """The text of search.json for the winner of `study`; None where the job does not ask for one.

    The memory that goes along is what the search has judged itself, and the records of alike tasks that it was told of.
    """
    job, memory = setting.job, setting.memory
    if job.policy is None:
        return None
    limits = {limit.quantity: limit.most for limit in job.limits} if job.reward is None else {}
    policy = Policy.of({**({"limits": limits} if limits else {}), **job.policy})
    features = describe_task(setting.data) if memory is None else memory.features
    told = {} if memory is None else {each.task: each for each in memory.remembered}
    heard = [] if memory is None else [each for each in memory.records if each.task in told]
    own = record_of(job, study, setting.objective, setting.task, features)
    strategy = {
        "name": job.strategy, "settings": setting.strategy_settings, "objective": setting.objective.metric,
        "seed": job.seed, "budget": job.budget,
    }  # fmt: skip
    root = setting.space.root
    searched = isinstance(root, Product) and "recipe" in root.parts
    recipe = asdict(recipe_of(setting.space, winner, setting.data))
    return Carried(strategy, searched, recipe, policy, [own, *heard]).to_text()
