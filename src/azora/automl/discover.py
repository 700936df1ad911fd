"""The whole chain by one call: choose, search, fit to the device, ship, and say what it is worth."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial

from azora.automl.advice import Advice
from azora.automl.choosing import AUTO, choose_strategy, within_budget
from azora.automl.deployment import deploy
from azora.automl.forms import form_of
from azora.automl.result import Result
from azora.automl.run import run
from azora.automl.setting import check_names, find_task
from azora.automl.watching import Watcher
from azora.job import Job
from azora.tasks import Reading, Split


def discover(
    job: Job,
    *,
    started: float | None = None,
    stop: threading.Event | None = None,
    watch: Watcher | None = None,
) -> Result:
    """Do `job`, whose strategy may be "auto", with a fixed network trained beside the winner; then write the file that
    its target runs into OUT/deploy, and measure it there. What was found, chosen (`advice`) and shipped (`deployed`) is
    in OUT's `result.json` and journal.

    Raises:
        AzoraError: what the user can mend.
    """
    watch, started = watch or Watcher(), time.monotonic() if started is None else started
    check_names(replace(job, strategy="halving") if job.strategy == AUTO else job)
    form = form_of(job.target)  # what cannot be shipped is told before anything is searched
    task = find_task(job.task, job.seed, Reading.of(job.reading))
    chosen = replace(job, task=task, reference=True, reading={})

    def by(advice: Advice) -> Result:
        if job.strategy == AUTO:
            watch.note(f"{advice.strategy}: {advice.why}")
        own = replace(chosen, strategy=advice.strategy)
        return run(own, started=started, stop=stop, watch=watch, then=partial(_shipped, own, form, advice))

    return within_budget(job, choose_strategy(job, task), by)


def _shipped(job: Job, form: str, advice: Advice, result: Result, test: Split | None) -> Result:
    """The result with what was chosen and shipped, written down."""
    before = result.figures.get("deployed", {})  # of an earlier session, which has read the test rows
    tested = {name: value for name, value in before.items() if name.startswith("test_")}
    deployed = tested | deploy(job, form, result.figures, test)
    notes = [note for note in result.figures["notes"] if note not in before.get("notes", ())]
    figures = {**result.figures, "advice": advice.to_json(), "deployed": deployed}
    made = Result(job.out, {**figures, "notes": list(dict.fromkeys([*notes, *deployed["notes"]]))})
    made.write()
    return made
