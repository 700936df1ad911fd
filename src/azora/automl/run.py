"""The main job: data in, a trained network of its own design out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any, final

from azora.automl.baseline import SHARE, START, open_baseline, split, statement
from azora.automl.boosting import forgo, stand
from azora.automl.delivery import deliver
from azora.automl.ensemble import CANDIDATES
from azora.automl.last_training import LastTraining
from azora.automl.pacing import MARGIN, Pacing
from azora.automl.pricing import FILE as PREDICTOR
from azora.automl.recollection import FILE as RECALLED
from azora.automl.result import Result
from azora.automl.setting import Setting
from azora.automl.watching import Sight, Watcher
from azora.automl.winner import KEPT
from azora.automl.working import FOLDER, clear, make_work
from azora.automl.writing import writing_takes, wrote
from azora.cores import one_thread
from azora.errors import BudgetError, ConfigError, StudyError
from azora.evaluation import heeds_budget
from azora.evaluation.checkpoints import prune
from azora.evaluation.sharing import WEIGHTS
from azora.evaluation.trained import EACH
from azora.executors import ProcessExecutor, WorkerProcess, spawn
from azora.job import Job
from azora.loop import Budget, search
from azora.methods import Work
from azora.scratch import scratch_folder
from azora.space import Space
from azora.strategies import Strategy
from azora.strategies.memory import Remembered
from azora.strategies.registry import make_strategy
from azora.study import Study, StudyFolder
from azora.study.folder import BASELINE
from azora.tasks import Split
from azora.training import choose_mode

EACH_ROWS = 8_000  # rows of search-train from which the number format is measured for each network
CHECKPOINT_BYTES = 40_000_000
Then = Callable[[Result, Split | None], Result]


def run(
    job: Job,
    *,
    started: float | None = None,
    stop: threading.Event | None = None,
    watch: Watcher | None = None,
    spawned: Sequence[WorkerProcess] = (),
    then: Then | None = None,
) -> Result:
    """Do `job`.

    Args:
        started: when its clock began (monotonic); now, unless said.
        stop: once set, asks for an early but orderly end.
        spawned: worker processes that were started already, while this was imported.
        then: does more with the result and the test rows, where this session has read them; what it gives is the
            result, in the journal as well.

    Raises:
        AzoraError: what the user can mend. A folder in which nothing was judged is left as it was found.
    """
    started = time.monotonic() if started is None else started
    workers = list(spawned)
    try:
        workers += spawn(job.workers - len(workers))
        return _run(job, started, stop or threading.Event(), watch or Watcher(), workers, then)
    finally:
        for worker in workers:
            worker.kill()


def _run(
    job: Job,
    started: float,
    stop: threading.Event,
    watch: Watcher,
    workers: list[WorkerProcess],
    then: Then | None,
) -> Result:
    folder = StudyFolder(job.out, resume=job.resume)  # what is wrong with it is told before networks are measured
    try:
        setting = Setting.of(job)
        limited = setting.within_limits()
    except BaseException:
        folder.release() if job.resume else folder.discard()
        raise
    try:
        if setting.pricing is not None and not (job.resume and (job.out / PREDICTOR).is_file()):
            setting.pricing.file.save(job.out / PREDICTOR)
        for said in () if setting.pricing is None else setting.pricing.notes:
            watch.note(said)
        if setting.memory is not None and not job.resume:
            setting.memory.save(job.out)
        with scratch_folder() as scratch, one_thread():
            made = "" if then is None else f"for {job.target}"
            if then is not None:  # which has files of its own to write
                setting = replace(setting, writing=writing_takes(setting.task.signature, made))
            going = _Run(setting, limited, folder, started, stop, watch, scratch, workers)
            result = going.go()
            if then is not None:
                result = then(result, going.test)
                going.study.finish(result.figures)
            going.remember_writing(result, made)
            going.study.close()
            return result
    except StudyError:
        raise
    except BaseException:
        if not job.resume and not folder.judged_anything() and not (job.out / FOLDER / WEIGHTS).is_file():
            rmtree(job.out / "checkpoints", ignore_errors=True)
            rmtree(job.out / FOLDER, ignore_errors=True)
            (job.out / "workers.log").unlink(missing_ok=True)
            (job.out / PREDICTOR).unlink(missing_ok=True)
            (job.out / RECALLED).unlink(missing_ok=True)
            folder.discard()
        raise
    finally:
        watch.close()
        folder.release()


@final
class _Run:
    """One job on its way: the search, then the last training."""

    def __init__(
        self,
        setting: Setting,
        limited: Space,
        folder: StudyFolder,
        started: float,
        stop: threading.Event,
        watch: Watcher,
        scratch: Path,
        spawned: list[WorkerProcess],
    ) -> None:
        self.study: Study = folder.study(setting.space, setting.about(), started)
        # What an earlier session kept for writing is kept in this one, whatever other searches have taken since.
        setting = replace(setting, writing=self.study.measures.get("writing", setting.writing))
        self.setting, self.job, self.folder, self.stop, self.watch = setting, setting.job, folder, stop, watch
        self.checkpoints = folder.path / "checkpoints"
        self.data = scratch / "data"
        self.workers, self.spawned = self.job.workers, spawned
        self.pacing = Pacing(setting, self.study, limited)
        self.space: Space = limited
        self.strategy: Strategy | None = None
        self.test: Split | None = None

    def go(self) -> Result:
        study, job = self.study, self.job
        if self._over():
            return Result.read(job.out)
        self.setting.task.check_unread()
        if study.phase != "final" or study.finished or self._more():
            rmtree(self.checkpoints / KEPT, ignore_errors=True)  # another may be best, and have another time
            self._search()
            if job.baseline and study.best(self.setting.objective) and not self.stop.is_set():
                self._baseline()
        best = study.best(self.setting.objective)
        if best is None:
            self._leave({})
            raise self._nothing_judged()
        forgo(self.setting, study)  # of a search that was over already, too
        last = LastTraining(
            self.setting,
            study,
            self.pacing.limited,
            self.checkpoints,
            self.data.parent,
            self.stop,
            self.watch,
            self._show,
        )
        best, winner, measured = last.ship(best)
        reference = last.reference(winner)
        given = {**job.given(), "interrupted": self.stop.is_set()}
        result, self.test = deliver(self.setting, study, best, winner, job.out, given, measured, reference)
        study.finish(result.figures)
        rmtree(self.checkpoints, ignore_errors=True)
        clear(self.setting)
        self._leave(result.figures)
        return result

    def remember_writing(self, result: Result, made: str) -> None:
        """How long all took that was made after the last training, in this session."""
        if self.setting.until is not None and self.test is not None:
            wrote(self.study.elapsed - float(result.figures["seconds"]), self.setting.task.signature, made)

    def _over(self) -> bool:
        """Whether the search is finished, was not interrupted, and no more is asked of it than when it ended. Another
        last training would be a shorter one, and another reading of the test rows."""
        if self.study.result is None or not self.study.finished:
            return False
        given = self.study.result.get("given")  # nothing in studies of earlier days
        unchanged = given is not None and not given["interrupted"] and not self.job.asks_for_more(given)
        return unchanged or self._left() < 1.0

    def _leave(self, figures: Mapping[str, Any]) -> None:
        """Leave in memory what was found, if there is one."""
        setting, interrupted = self.setting, self.stop.is_set()
        if setting.memory is not None:
            leave = setting.memory.leave
            leave(self.job, self.study, setting.objective, setting.task, self.watch, figures, interrupted=interrupted)

    def _more(self) -> bool:
        """Whether there is more to search with than when the last training began, which was then killed."""
        enough, trials = self._enough(), split(self.job)[0]
        if enough is not None and self.study.top(self.setting.objective) >= enough:
            return False
        if trials is not None and len(self.study.trials) >= trials:
            return False
        return self.job.budget is None or self._left() > self.pacing.reserve() + MARGIN

    def _enough(self) -> float | None:
        """The score at which the search may end: high where the objective is good."""
        sign = 1.0 if self.setting.objective.maximise else -1.0
        return None if self.job.stop_at is None else sign * self.job.stop_at

    # The search ---------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        study, job, method = self.study, self.job, self.setting.method
        self.setting.data.save(self.data)
        mode = study.measures.get("precision") or self._precision()
        executor = None if method else self._executor(self.checkpoints, mode)
        try:
            # While the workers get ready, this process grows trees, and finds out how fast the machine is.
            stand(self.setting, study, self.stop, self.watch)
            self.pacing.measure(mode)
            self.space = self.pacing.space()
            work = None if method is None else self._work(mode)
            if method is None or work is None:
                memory = () if self.setting.memory is None else self.setting.memory.tell(self.watch)
                strategy = self._strategy(job.strategy, job.strategy_settings, memory)
            else:
                strategy = method.prepare(work)
            executor = executor or self._executor(self.checkpoints, mode)
            self.strategy = strategy
            self.pacing.correct()
            if job.baseline:
                self.watch.note(statement(job, None if job.budget is None else self._both()))
            study.enter("search")
            budget = Budget(split(job)[0], self._search_end, self._enough(), self.stop)
            search(strategy, executor, study, budget, lambda _: self._after_trial(strategy))
            if method is not None and work is not None and study.best(self.setting.objective) is None:
                method.settle(work)
        finally:
            if executor is not None:
                executor.shutdown()

    def _work(self, mode: str) -> Work:
        def executor(changes: Mapping[str, Any]) -> ProcessExecutor:
            return self._executor(self.checkpoints, mode, changes, leave=self.spawned)  # for the next phase

        setting, watch = self.setting, self.watch
        return make_work(
            setting, self.study, self.pacing, self.space, self.data, self.stop, executor, self._show, watch
        )

    def _baseline(self) -> None:
        """Random search on the same space by workers of the same kind, for as long as the search had, or as many
        judgements. It has its own journal and checkpoints, and what it finds is never shipped."""
        study, job = self.study, self.job
        other = open_baseline(job.out, self.setting.space, self.setting.about(), self.strategy)
        assert other.created is not None
        checkpoints = job.out / BASELINE / "checkpoints"
        self.spawned.extend(spawn(self.workers))
        executor = self._executor(checkpoints, study.measures["precision"])
        try:
            study.enter("baseline")
            executor.wait_for_worker(self._default_timeout() or 60.0)
            strategy = self._strategy(other.created["strategy"], other.created["settings"])
            other.enter("search")

            def end() -> float | None:
                if job.budget is None:
                    return None
                equal = study.spent_in("search") - other.spent_in("search")
                return time.monotonic() + min(equal, self._left() - self.pacing.reserve())

            def after(_: Study) -> None:
                study.alive()
                pending = {proposal.architecture.key for proposal in other.pending.values()}
                prune(checkpoints, {*(strategy.keep() or ()), *pending}, CHECKPOINT_BYTES)
                left = end()
                self._show("random search beside it", None if left is None else left - time.monotonic(), other)

            most = split(job)[1]
            trials = None if most is None else min(most, len(study.trials))
            search(strategy, executor, other, Budget(trials, end, None, self.stop), after)
            other.enter("over")
        finally:
            executor.shutdown()
            other.close()
            rmtree(checkpoints, ignore_errors=True)

    def _executor(
        self,
        checkpoints: Path,
        mode: str,
        changes: Mapping[str, Any] | None = None,
        leave: list[WorkerProcess] | None = None,
    ) -> ProcessExecutor:
        """Workers, those first that were started already; `changes` are of what they are told."""
        spawned = [self.spawned.pop() for _ in range(min(self.workers, len(self.spawned)))]
        return ProcessExecutor(
            {**self.setting.workplace(self.data, checkpoints, mode), **(changes or {})},
            self.workers,
            memory=self.job.worker_memory,
            timeout=self.job.trial_timeout or self._default_timeout(),
            log=self.job.out / "workers.log",
            spawned=spawned,
            leave=leave,
            complete=self.setting.complete,
        )

    def _strategy(self, name: str, settings: Mapping[str, Any], memory: Sequence[Remembered] = ()) -> Strategy:
        return make_strategy(
            name, self.space, seed=self.job.seed, objectives=self.setting.objectives, settings=settings,
            lowest=self.pacing.first, data=self.setting.data, memory=memory, lengths=heeds_budget(self.job.evaluator),
        )  # fmt: skip

    def _precision(self) -> str:
        """The number format and memory layout of the search's trainings. Networks differ in what suits them; where
        a training is long, each is measured."""
        job, data = self.job, self.setting.data
        if job.precision == "measure" and job.budget is not None and len(data.train) >= EACH_ROWS:
            return EACH
        return choose_mode(job.precision, data.signature, job.device).name

    def _after_trial(self, strategy: Strategy) -> None:
        self.pacing.correct()
        best = self.study.best(self.setting.objective)
        wanted = self.study.ranked(self.setting.objective)[:CANDIDATES] if self.job.ensemble else [best] if best else []
        kept = (strategy.keep() or set()) | {trial.proposal.architecture.key for trial in wanted}
        kept |= {proposal.architecture.key for proposal in self.study.pending.values()}  # of which nobody has heard yet
        prune(self.checkpoints, kept, CHECKPOINT_BYTES)
        end = self._search_end()
        self._show("searching", None if end is None else end - time.monotonic())

    def _default_timeout(self) -> float | None:
        return None if self.job.budget is None else max(10.0, 0.25 * self.job.budget)

    # The clock ------------------------------------------------------------------------------------------------------

    def _left(self) -> float:
        """Seconds that are left until the last training must be over."""
        return float("inf") if self.setting.until is None else self.setting.until - self.study.elapsed

    def _search_end(self) -> float | None:
        """When the search must end for the last training to have its time (monotonic)."""
        if self.job.budget is None:
            return None
        if self.job.baseline is None:
            return time.monotonic() + self._left() - self.pacing.reserve()
        return time.monotonic() + SHARE * self._both() - self.study.spent_in("search")

    def _both(self) -> float:
        """Seconds that search and baseline have together, those that are gone included."""
        gone = self.study.spent_in("search") + self.study.spent_in("baseline")
        return gone + self._left() - self.pacing.reserve() - START

    def _nothing_judged(self) -> Exception:
        study = self.study
        if study.failed:
            first = next(trial.report.error for trial in study.trials if not trial.report.ok)
            return StudyError(f"all {study.failed} networks that were tried failed; the first: {first}")
        if self.stop.is_set():
            return BudgetError("interrupted before any network was judged")
        if self.job.budget is None:  # nothing was cut short, so nothing was there to judge
            strategy = f"the strategy {self.job.strategy!r} proposed none"
            return ConfigError(f"no network was judged: {strategy}; name another, or a space with more in it")
        return BudgetError(
            f"the budget of {self.job.budget:g}s was too short: no network was judged in {study.elapsed:.0f}s; "
            f"give {3 * study.elapsed:.0f}s or more"
        )

    def _show(self, phase: str, left: float | None, other: Study | None = None) -> None:
        study, objective = other or self.study, self.setting.objective
        best = study.best(objective)
        until = self.setting.until
        done = self.study.elapsed / until if until else len(study.trials) / (self.job.trials or 1)
        found = None if best is None else best.report.metrics[objective.metric]
        sight = Sight(phase, study.judged, study.failed, objective.metric, found, min(1.0, done), left)
        self.watch.see(sight)
