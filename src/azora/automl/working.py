"""What a method is given of the job that it is for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azora.automl.pacing import Pacing
from azora.automl.reading import read_events
from azora.automl.setting import Setting
from azora.automl.watching import Watcher
from azora.clock import show_seconds
from azora.evaluation.sharing import forget
from azora.executors import Executor
from azora.methods import Work
from azora.space import Space
from azora.study import Study
from azora.study.folder import JOURNAL
from azora.training import choose_mode

FOLDER = "one_shot"  # inside of a study's: what was judged by shared weights, and while it is needed, the weights

Show = Callable[[str, float | None, Study | None], None]


def make_work(
    setting: Setting,
    study: Study,
    pacing: Pacing,
    space: Space,
    rows: Path,
    stop: threading.Event,
    executor: Callable[[Mapping[str, Any]], Executor],
    show: Show,
    watch: Watcher,
) -> Work:
    """What the method of `setting` works with; `rows` is the folder of the saved data, in one that ends with the
    session."""
    job = setting.job
    if pacing.phases and not study.phases:
        watch.note(_statement(pacing.phases, pacing.before_the_last()))
    return Work(
        space=space,
        about=setting.space_about,
        data=setting.data,
        rows=rows,
        objective=setting.objective,
        seed=job.seed,
        device=job.device,
        precision=choose_mode(job.precision, setting.data.signature, job.device).name,
        workers=job.workers,
        folder=job.out / FOLDER,
        scratch=rows.parent,
        study=study,
        stop=stop,
        seconds=pacing.phases,
        lowest=pacing.first,
        executor=executor,
        show=show,
        note=watch.note,
        recall=lambda: () if setting.memory is None else setting.memory.tell(watch),
    )


def clear(setting: Setting) -> None:
    """Keep no shared weights that nobody will use; those of phases that the user interrupted a later session will."""
    folder = setting.job.out / FOLDER
    if setting.method is None or setting.method.keeps():
        return
    if not (folder / JOURNAL).is_file() or any(event["kind"] == "finished" for event in read_events(folder)):
        forget(folder)


def _statement(phases: Mapping[str, float], whole: float) -> str:
    """The shares, to be said before the first phase."""
    said = [f"{show_seconds(seconds)} {name}" for name, seconds in phases.items()]
    said.append(f"{show_seconds(max(0.0, whole - sum(phases.values())))} training what they chose")
    return f"about {', '.join(said)}; the rest for the last training"
