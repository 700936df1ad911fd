"""What a comparison leaves in memory: its searches, which all began cold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from azora.automl.comparing.comparison import Plan
from azora.automl.comparing.runs import Run
from azora.automl.comparing.systems import System
from azora.automl.recollection import outcome_of, record_of
from azora.automl.setting import Setting, find_task
from azora.errors import StudyError
from azora.job import Job
from azora.meta import Knowledge, Record, describe_task
from azora.study import SqlJournal, Study
from azora.study.folder import JOURNAL
from azora.tasks import Reading, Task


def leave(plan: Plan, where: Path | str) -> int:
    """Leave in the memory at `where` what the finished searches found and came to; how many there were. What people
    designed, and what had another end than its time, is no search, and random search in another's space is no case
    of a strategy.

    Left again, they replace themselves. It is for after the last of them: none may begin with what another found.

    Raises:
        KnowledgeError: the memory cannot be written.
    """
    records = list(_records(plan))
    if records:
        with Knowledge(where) as knowledge:
            for record in records:
                knowledge.remember(record)
    return len(records)


def _records(plan: Plan) -> Iterator[Record]:
    features: Mapping[str, float] | None = None
    for seed in range(plan.asked.seeds):
        runs = [run for run in plan.runs() if run.seed == seed and _searches(run.system)]
        found = [(run, figures) for run in runs if (figures := run.figures()) is not None]
        if not found:
            continue
        task = find_task(plan.asked.data, seed, Reading.of({"label": plan.asked.label} if plan.asked.label else {}))
        features = features or describe_task(task.search_data)
        for run, figures in found:
            if (record := _record(plan, run, task, features, figures)) is not None:
                yield record


def _searches(system: System) -> bool:
    return not system.by_hand and system.trials is None and system.space == "auto"


def _record(
    plan: Plan, run: Run, task: Task, features: Mapping[str, float], figures: Mapping[str, Any]
) -> Record | None:
    """Of one search; None where its journal cannot be read, or nothing of it is of use."""
    system = run.system
    job = Job.parse(
        task=task, out=run.folder, budget=plan.asked.seconds, seed=run.seed, workers=plan.asked.workers,
        strategy=system.strategy, strategy_settings=system.settings, space=system.space,
        space_settings=system.space_settings, recipe=system.recipe, boosting=False,
    )  # fmt: skip
    setting = Setting.of(job)
    try:
        study = Study(SqlJournal(run.folder / JOURNAL), setting.space, time.monotonic())
    except StudyError:
        return None
    try:
        outcome = outcome_of(job, setting.objective, figures)
        record = record_of(job, study, setting.objective, task, features, outcome)
    finally:
        study.close()
    return record if record.trials else None
