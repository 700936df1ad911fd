"""What a mixture favoured, epoch by epoch, and whether it was worth anything."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from azora.methods.method import PHASE
from azora.methods.mixing import RELAXING
from azora.methods.one_shot import UNTRAINED
from azora.methods.phases import of_networks
from azora.space import Space
from azora.study import SqlJournal, Study
from azora.study.folder import JOURNAL
from azora.trial import Objective

SHOWN = ("gap", "entropy", "skips", "eigenvalue")


def diagnose_mixture(folder: Path, space: Space, study: Study, objective: Objective) -> dict[str, Any]:
    """What `result.json` says of a mixture under `relaxed`; empty where there was none.

    `history` has a line an epoch: the metric of the derived network by the mixture's weights and that of the mixture,
    and what else `azora.evaluation.mixing.Favoured` gives. `trained` compares what was derived with the random
    networks of the shortlist after the same first training from scratch; `better` is whether it beats their mean, and
    `says` the same in words.
    """
    if not (folder / JOURNAL).is_file():
        return {}
    journal = SqlJournal(folder / JOURNAL)
    try:
        relaxed = Study(journal, of_networks(space))
    finally:
        journal.close()
    found = dict(relaxed.result or {})
    for name in ("shortlist", "judged"):
        found.pop(name, None)
    history = [
        {"epoch": trial.proposal.budget, "key": trial.proposal.architecture.key}
        | {name: trial.report.metrics[name] for name in (objective.metric, f"mixture_{objective.metric}", *SHOWN)}
        for trial in relaxed.trials
        if trial.report.ok
    ]
    spent = study.spent_before(PHASE + RELAXING)
    trained = compared(study, objective, found.get("derived"), found.get("controls", ()))
    return {
        **found,
        "history": history,
        "gap": history[-1]["gap"] if history else None,
        "trained": trained,
        "says": sentence(trained) if history else "",
        "seconds": round(spent, 2),
        "share": round(spent / max(study.elapsed, 1e-9), 3),
    }


def compared(study: Study, objective: Objective, derived: str | None, controls: Sequence[str]) -> dict[str, Any]:
    """The derived network's score after its first training, and those of the controls after as long a one.

    What the mixture said of a network that there was no time to train is no training.
    """
    first: dict[str, tuple[float, float]] = {}
    for trial in study.trials:
        key, epochs = trial.proposal.architecture.key, trial.proposal.budget or UNTRAINED
        if epochs > UNTRAINED and key in (derived, *controls) and objective.score(trial.report) > -math.inf:
            first[key] = min(first.get(key, (math.inf, 0.0)), (epochs, trial.report.metrics[objective.metric]))
    if derived not in first:
        return {}
    epochs, score = first[derived]
    others = [first[key][1] for key in controls if key in first and first[key][0] == epochs and key != derived]
    if not others:
        return {"epochs": epochs, "derived": score}
    mean = statistics.mean(others)
    return {
        "epochs": epochs,
        "derived": score,
        "random_mean": mean,
        "random": others,
        "better": score > mean if objective.maximise else score < mean,
    }


def sentence(about: Mapping[str, Any]) -> str:
    """Whether the mixture was worth anything, for the user, or why that is not known."""
    if "better" not in about:
        lacking = "no random network was trained as long" if about else "it was not trained by itself"
        return f"whether what the mixture favoured is better than random networks is not known: {lacking}"
    count, worth = len(about["random"]), "better" if about["better"] else "no better"
    return (
        f"what the mixture favoured ({about['derived']:.4f}) is {worth} than the mean of {count} random"
        f" network{'s' if count > 1 else ''} ({about['random_mean']:.4f}) after the same"
        f" {about['epochs']:.3g} epoch{'s' if about['epochs'] != 1 else ''}"
    )
