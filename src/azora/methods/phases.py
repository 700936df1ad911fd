"""The phases that methods are made of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from azora.errors import StudyError
from azora.evaluation.sharing import load_state, save_about, save_state, start_sharing
from azora.executors.partners import FEWEST_ROWS, Partners
from azora.loop import Budget, search
from azora.methods.method import PHASE, Work
from azora.space import Product, Space
from azora.strategies import Strategy
from azora.strategies.evolution import RegularizedEvolution
from azora.study import SqlJournal, Study
from azora.study.folder import JOURNAL
from azora.tasks import SearchData, Split
from azora.training import Paths, Recipe, SharedTraining, TrainingDiverged

SHARING, INHERITING = "sharing", "inheriting"
ROWS, KEPT_ROWS = "rows", 2_048
STORED = "azora.evaluation.sharing:Stored"
ALIVE = 1.0  # seconds between notes of the time in the journal, so that a killed session's work is counted


def of_networks(space: Space) -> Space:
    """The part of a space of networks and recipes in which the recipe is its first familiar one."""
    root = space.root
    if not isinstance(root, Product):
        return space
    fixed = {
        f"{part}.{name}": value
        for part, inner in root.parts.items()
        if isinstance(inner.root, Recipe)
        for name, value in inner.familiar()[0].items()
    }
    return space.constrain(None, "the recipe is the usual one", **fixed)


class Companion(Protocol):
    """Something that learns in turn with shared weights, and is put down with them."""

    def after_epoch(self, training: SharedTraining) -> None:
        """Its turn: an epoch of the weights is over."""
        ...

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs, under names that are not the training's."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state`, which holds the training's too, was taken."""
        ...


def share_weights(
    work: Work, about: Mapping[str, Any], paths: Paths, companion: Companion | None = None
) -> Mapping[str, float] | None:
    """Train shared weights along `paths` in the phase `sharing`, or go on from what a killed session left.

    Each epoch is put down when it is finished, and a companion has had its turn. Gives `epochs` and `loss`; None, with
    a note to the user, where the training diverged or there was no time for a step.

    Raises:
        StudyError: the finished weights, by which workers are to judge, cannot be written.
    """
    training = start_sharing(work.space, work.data, about, work.seed, work.precision, work.device, paths)
    save_about(about, work.folder)
    if (state := load_state(work.folder)) is not None:
        training.load_state(state)
        if companion is not None:
            companion.load_state(state)
    if training.share >= 1.0 and training.step:
        return _figures(training)
    work.study.enter(PHASE + SHARING)
    partners = partners_of(work, about, training.recipe.batch_size)
    room = True
    try:
        while not training.advance(
            math.floor(training.epochs) + 1,
            clock=(lambda: work.gone(SHARING)) if work.seconds else None,
            watch=seen(work, SHARING, "training shared weights"),
            join=lambda: partners.join(training),
        ):
            if work.stop.is_set():
                break
            if companion is not None:
                companion.after_epoch(training)
            work.study.alive()
            if not _put_down(work, training, companion) and room:
                room = False
                work.note(f"no room in {work.folder}: after a kill, what is trained until then is trained again")
    except TrainingDiverged as error:
        work.note(f"{error}: networks are trained one by one instead")
        return None
    finally:
        partners.close()
    if training.step == 0 and not work.stop.is_set():
        work.note("there was no time for a step of the shared weights: networks are trained one by one instead")
        return None
    if companion is not None and not work.stop.is_set():
        companion.after_epoch(training)
    if not _put_down(work, training, companion):
        raise StudyError(f"the shared weights cannot be written into {work.folder}: make room and go on with --resume")
    return _figures(training)


def _put_down(work: Work, training: SharedTraining, companion: Companion | None) -> bool:
    """Whether there was room for it."""
    beside = {} if companion is None else companion.state_tensors()
    return save_state({**training.state_tensors(), **beside}, work.folder)


def evolution_by_weights(work: Work, networks: Space, population: int) -> Strategy:
    """Evolution that keeps the best for good, half of its children crosses, as Guo et al. (2020) search."""
    return RegularizedEvolution(networks, work.seed, work.objective, population, ageing=False, crossover=0.5)


def keep_rows(work: Work, rows: int = KEPT_ROWS) -> None:
    """Keep what networks need to be taken out of the weights later: up to so many rows for their normalisations, and
    search-validation."""
    data = work.data
    if (work.folder / ROWS).is_dir():
        return
    some = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(work.seed))[:rows].numpy()
    few = Split(data.train.x[some], data.train.y[some])
    part = work.folder / f"{ROWS}.part"
    SearchData(data.signature, few, data.validation, data.scaling).save(part)
    part.rename(work.folder / ROWS)


def open_inherited(work: Work, networks: Space) -> Study:
    """The study of what was judged by shared weights; begun where there is none yet."""
    work.folder.mkdir(parents=True, exist_ok=True)
    study = Study(SqlJournal(work.folder / JOURNAL), networks)
    if study.created is None:
        study.create({"seed": work.seed, "evaluator": "inherited"})
    study.open()
    return study


def judge_inherited(work: Work, study: Study, strategy: Strategy, most: int) -> None:
    """Let `strategy` search by the weights in the method's folder, in the phase `inheriting`."""
    work.study.enter(PHASE + INHERITING)
    executor = work.executor({"evaluator": STORED, "folder": str(work.folder), "precision": work.precision})
    noted = time.monotonic()

    def end() -> float | None:
        return time.monotonic() + work.left(INHERITING) if work.seconds else None

    def after(_: Study) -> None:
        nonlocal noted
        if time.monotonic() - noted > ALIVE:
            noted = time.monotonic()
            work.study.alive()
        work.show("judging by shared weights", work.left(INHERITING) if work.seconds else None, study)

    try:
        search(strategy, executor, study, Budget(most, end, None, work.stop), after)
    finally:
        executor.shutdown()


def _figures(training: SharedTraining) -> Mapping[str, float]:
    return {"epochs": round(training.epochs, 2), "loss": training.loss}


def seen(work: Work, phase: str, doing: str) -> Callable[[float, float], bool]:
    """The watch of a phase's training: notes the time, says how it goes, and whether to go on."""
    noted = time.monotonic()

    def see(share: float, loss: float) -> bool:
        nonlocal noted
        if time.monotonic() - noted > ALIVE:
            noted = time.monotonic()
            work.study.alive()
        said = doing + (f", loss {loss:.3f}" if math.isfinite(loss) else "")
        work.show(said, work.left(phase) if work.seconds else None, None)
        return not work.stop.is_set()

    return see


def partners_of(work: Work, about: Mapping[str, Any], rows: int, able: bool = True) -> Partners:
    """The other cores, for batches of so many rows; none without a clock, for who joins when is not in the seed."""
    setup = {
        "space": dict(work.about),
        "shared": dict(about),
        "data": str(work.rows),
        "seed": work.seed,
        "precision": work.precision,
        "folder": str(work.scratch),
    }
    able = able and bool(work.seconds) and work.device == "cpu"
    return Partners(setup, max(1, min(work.workers, rows // FEWEST_ROWS)) if able else 1, work.scratch)
