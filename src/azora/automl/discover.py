"""The whole chain by one call: choose, search, fit to the device, ship, and say what it is worth."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from azora.automl.choosing import AUTO, choose_strategy
from azora.automl.forms import form_of
from azora.automl.result import Result
from azora.automl.run import run
from azora.automl.setting import check_names, find_task
from azora.automl.shipping import ship
from azora.automl.watching import Watcher
from azora.export.formats import FORMATS
from azora.job import Job
from azora.tasks import Reading

FOLDER = "deploy"


def discover(
    job: Job,
    *,
    started: float | None = None,
    stop: threading.Event | None = None,
    watch: Watcher | None = None,
) -> Result:
    """Do `job`, whose strategy may be "auto", with a fixed network trained beside the winner; then write the file that
    its target runs into OUT/deploy. What was found, chosen and shipped is in OUT's `result.json` and journal.

    Raises:
        AzoraError: what the user can mend.
    """
    watch = watch or Watcher()
    check_names(replace(job, strategy="halving") if job.strategy == AUTO else job)
    form = form_of(job.target)  # what cannot be shipped is told before anything is searched
    task = find_task(job.task, job.seed, Reading.of(job.reading))
    advice = choose_strategy(job, task)
    if job.strategy == AUTO:
        watch.note(f"{advice.strategy}: {advice.why}")
    chosen = replace(job, task=task, strategy=advice.strategy, reference=True, reading={})
    result = run(chosen, started=started, stop=stop, watch=watch)
    deployed = _deploy(chosen, form)
    figures = {**result.figures, "advice": {"strategy": advice.strategy, "why": advice.why}, "deployed": deployed}
    figures["notes"] = list(dict.fromkeys([*figures["notes"], *_notes(deployed)]))
    part = job.out / ".result.json.part"
    part.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    part.replace(job.out / "result.json")
    return Result(job.out, figures)


def _deploy(job: Job, form: str) -> dict[str, Any]:
    folder = job.out / FOLDER
    folder.mkdir(exist_ok=True)
    shipped = ship(job.out, form, folder / f"model{FORMATS[form].suffix}", job.task)
    return dict(shipped.figures)


def _notes(figures: Mapping[str, Any]) -> list[str]:
    return [figures["beyond_size"]] if "beyond_size" in figures else []
