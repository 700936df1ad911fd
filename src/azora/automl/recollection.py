"""What a search takes from memory, and what it leaves there."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from azora import __version__
from azora.automl.watching import Watcher
from azora.errors import KnowledgeError
from azora.job import Job
from azora.meta import Judgement, Knowledge, Record, describe_task, read_records, recall, write_records
from azora.meta.carried import thinned
from azora.meta.recalling import scores_alike
from azora.space import Space
from azora.strategies.memory import Remembered
from azora.study import Study
from azora.tasks import SearchData, Task
from azora.trial import QUANTITIES, Objective, Trial

FILE = "recalled.json"  # in a study's folder: what a later session of it goes on with
MOST = 400  # judgements of a search that are kept: the better half of them the best
OWN = "this task"  # in FILE, the features of the task itself


@final
@dataclass(frozen=True)
class Recollection:
    """What other searches in this space taught, as it stood when the search began.

    Args:
        features: of this task.
        records: of other searches in the space.
        remembered: what strategies are told.
        elsewhere: how many searches in other spaces there were.
        heard: how alike a task must be for what searches to begin with it; None where it begins with none at all.
    """

    features: Mapping[str, float]
    records: Sequence[Record]
    remembered: Sequence[Remembered]
    elsewhere: int = 0
    heard: float | None = 0.0

    @classmethod
    def of(cls, job: Job, task: Task, space: Space, heard: float | None = 0.0) -> Recollection | None:
        """None where there is no memory to ask. Beside random search, which remembers nothing, a search remembers
        nothing of the same rows.

        Raises:
            KnowledgeError: it cannot be read.
        """
        if job.knowledge is None:
            return None
        if job.resume:
            return cls._again(job, task.search_data, space, heard)
        with Knowledge(job.knowledge) as knowledge:
            # Those without networks tell of strategies alone, and those of other scores tell this search nothing.
            records = [each for each in knowledge.records() if each.trials and scores_alike(each, job.evaluator)]
        found = [each for each in records if each.space["fingerprint"] == space.root.fingerprint]
        if job.baseline is not None:
            found = [each for each in found if not _same_rows(each, task)]
        features = describe_task(task.search_data)
        remembered = recall(found, features, space, job.evaluator)
        return cls(features, found, remembered, len(records) - len(found), heard)

    @classmethod
    def _again(cls, job: Job, data: SearchData, space: Space, heard: float | None) -> Recollection:
        """What a study began with: nothing, where it kept nothing."""
        kept = job.out / FILE
        if not kept.is_file():
            return cls(describe_task(data), [], [], heard=heard)
        own, *records = read_records(kept)
        return cls(own.features, records, recall(records, own.features, space, job.evaluator), heard=heard)

    def save(self, out: Path) -> None:
        """Keep in the study's folder what was taken, so that going on with it is going on with the same."""
        file = out / FILE
        file.unlink(missing_ok=True)  # of a search that was killed before it wrote its first judgement
        if not self.remembered:
            return
        used = {each.task for each in self.remembered}
        own = Record(OWN, OWN, self.features, {"name": "", "fingerprint": ""}, "", True, [])
        text = write_records([own, *(each for each in self.records if each.task in used)])
        part = file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)

    @property
    def taken(self) -> Sequence[Remembered]:
        """What the search begins with."""
        return [each for each in self.remembered if self.heard is not None and each.likeness >= self.heard]

    def statement(self) -> str | None:
        """What was taken from where, for the reader, or why nothing was; None of an empty memory, and where
        nothing would be."""
        if self.heard is None:
            return None
        if not self.taken:
            if self.records:
                return f"memory: none of {len(self.records)} searches here is for a task like this; begun cold"
            return f"memory: none of {self.elsewhere} searches is in this space; begun cold" if self.elsewhere else None
        told = (f"{each.task} ({len(each.scores)} networks, {each.likeness:.2f} alike)" for each in self.taken)
        return f"from memory: {', '.join(told)}"

    def figures(self) -> dict[str, Any]:
        """The same for `result.json`."""
        found = [
            {"task": each.task, "likeness": round(each.likeness, 4), "networks": len(each.scores)}
            for each in self.taken
        ]
        return {"recalled": found} if found else {}

    def tell(self, watch: Watcher) -> Sequence[Remembered]:
        """What strategies are told; whoever watches is told where it comes from."""
        if (said := self.statement()) is not None:
            watch.note(said)
        return self.remembered

    def leave(
        self,
        job: Job,
        study: Study,
        objective: Objective,
        task: Task,
        watch: Watcher,
        figures: Mapping[str, Any],
        *,
        interrupted: bool = False,
    ) -> None:
        """Leave in the job's memory what `study` found, and what came of it (`figures`; none of a search that came to
        nothing); where that is not possible it is told: a search is not lost for it. The same search again, of the
        same rows, replaces itself."""
        assert job.knowledge is not None
        outcome = None if interrupted else outcome_of(job, objective, figures)
        failed = not (figures or interrupted or job.budget is None or _shared(job))
        trees = trees_shipped(figures)
        record = record_of(job, study, objective, task, self.features, outcome, failed, trees)
        if not (record.trials or failed):
            return
        try:
            with Knowledge(job.knowledge) as knowledge:
                knowledge.remember(record)
        except KnowledgeError as error:
            watch.note(f"nothing was left in memory: {error}")


def trees_shipped(figures: Mapping[str, Any]) -> bool:
    """Whether boosted trees took the place of what was searched for."""
    return bool(figures.get("boosting", {}).get("shipped", False))


def outcome_of(job: Job, objective: Objective, figures: Mapping[str, Any]) -> float | None:
    """What came of a search, by which its strategy may be judged: None where it is not of one network of that search,
    or where not all of the budget was the search's, or for several objectives."""
    other = trees_shipped(figures) or "ensemble" in figures or _shared(job)
    return None if other else figures.get(f"test_{objective.metric}")


def _shared(job: Job) -> bool:
    """Whether a search was for more than one objective, or not for all of its budget."""
    ended = job.budget is not None and (job.trials is not None or job.stop_at is not None)
    return ended or job.baseline is not None or len(job.objectives) > 1


def record_of(
    job: Job,
    study: Study,
    objective: Objective,
    task: Task,
    features: Mapping[str, float],
    outcome: float | None = None,
    failed: bool = False,
    trees: bool = False,
) -> Record:
    """What `study` found, of 400 networks at most, the best first, each by its longest training and with its others
    beside; `features` are of its task, `outcome` what the
    chosen network has on its test split: it says how good the strategy was, to searches on other data alone. So does
    that a search `failed`: in all of its time it came to no network. Where `trees` shipped, nobody knows what its own
    was worth."""
    # What a strategy came to in one time is another fact than what it came to in ten times as much.
    told = json.dumps([task.digest, study.created, job.budget], sort_keys=True, default=str).encode()
    space = {"name": study.space.name, "fingerprint": study.space.root.fingerprint}
    # A file of the user's is known by what it says: its path is nothing to others.
    file = {name: value for name, value in (study.created or {}).items() if name == "file"}
    facts = {
        "strategy": job.strategy, "evaluator": job.evaluator, "seed": job.seed, "budget": job.budget,
        "device": job.device, "reference": job.reference,
        "workers": job.workers, "limits": sorted({limit.quantity for limit in job.limits}),
        "amounts": sorted(f"{limit.quantity}={limit.most:g}" for limit in job.limits), "target": job.target,
        "settings": {**job.strategy_settings, **file}, "data": task.digest, "test": task.test_digest,
        "outcome": outcome, **({"failed": True} if failed else {}), **({"trees": True} if trees else {}),
        "azora": __version__, "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    trainings = _trainings(study.trials, objective)
    judged = [_judgement(trial, trainings, objective) for trial in study.ranked(objective)]
    return Record(
        hashlib.sha256(told).hexdigest()[:16], task.name, features, space, objective.metric, objective.maximise,
        thinned(judged, MOST), facts,
    )  # fmt: skip


def _same_rows(record: Record, task: Task) -> bool:
    """Whether it is of this task's rows, however they were divided for the search."""
    return record.facts.get("test") == task.test_digest or record.facts.get("data") == task.digest


Trainings = Mapping[str, Mapping[float | None, Trial]]  # of a network, by its key, those for so many epochs


def _trainings(trials: Sequence[Trial], objective: Objective) -> Trainings:
    found: dict[str, dict[float | None, Trial]] = {}
    for trial in trials:
        if objective.score(trial.report) > -math.inf:
            found.setdefault(trial.proposal.architecture.key, {}).setdefault(trial.proposal.budget, trial)
    return found


def _judgement(trial: Trial, trainings: Trainings, objective: Objective) -> Judgement:
    metrics = trial.report.metrics
    costs = {name: metrics[name] for name in QUANTITIES if name in metrics}
    architecture, budget = trial.proposal.architecture, trial.proposal.budget
    others = sorted(
        (length, other.report.metrics[objective.metric], round(other.report.seconds, 3))
        for length, other in trainings[architecture.key].items()
        if length is not None and length != budget
    )
    score = metrics[objective.metric]
    return Judgement(dict(architecture), score, budget, trial.report.seconds, costs, tuple(others))
