"""The whole chain by one call: choose, search, fit to the device, ship, and say what it is worth."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from azora.automl.choosing import AUTO, choose_strategy
from azora.automl.result import Result
from azora.automl.run import run
from azora.automl.setting import check_names, find_task
from azora.automl.shipping import ship
from azora.automl.watching import Watcher
from azora.errors import TargetError
from azora.export.formats import FORMATS
from azora.hardware import find_target
from azora.hardware.files import TargetFile
from azora.job import Job
from azora.tasks import Reading

FORMS = {"torch-cpu": "torch", "cuda": "torch", "onnxruntime": "onnx", "executorch": "executorch"}
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
    part = job.out / ".result.json.part"
    part.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    part.replace(job.out / "result.json")
    return Result(job.out, figures)


def _deploy(job: Job, form: str) -> dict[str, Any]:
    folder = job.out / FOLDER
    folder.mkdir(exist_ok=True)
    shipped = ship(job.out, form, folder / f"model{FORMATS[form].suffix}", job.task)
    return dict(shipped.figures)


def form_of(target: str | None) -> str:
    """The form of file that a target runs; ONNX, where there is none.

    Raises:
        TargetError: a class of the user's own, of which nobody knows.
    """
    if target is None:
        return "onnx"
    spec = TargetFile.load(Path(target)).spec if target.endswith(".json") else find_target(target).spec
    name = spec.partition(":")[0]
    if name == "command":
        return "executorch" if "{pte}" in spec else "onnx"
    if name not in FORMS:
        raise TargetError(f"nothing is known of the files that {spec} runs; use azora search, and azora export")
    return FORMS[name] + ("-int8" if "precision=int8" in spec else "")
