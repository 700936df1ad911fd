"""Where the time of a study went."""

from __future__ import annotations

from azora.automl.winner import Winner
from azora.methods.method import PHASE
from azora.study import Study

CLOCKED = {
    "sharing": "training shared weights",
    "inheriting": "judging by shared weights",
    "relaxing": "training the mixture",
}


def clock_of(study: Study, winner: Winner) -> list[tuple[str, float]]:
    """What took how long, of all sessions of the study."""
    searching = min((begun for name, begun in study.phases.items() if name.startswith("search")), default=0.0)
    before = [(name, study.spent.get(f"{PHASE}{name}", 0.0)) for name in CLOCKED]
    judged = [trial for trial in study.trials if "judging_seconds" in trial.report.metrics]
    judging = sum(trial.report.metrics["judging_seconds"] for trial in judged)
    baseline = study.spent.get("baseline", 0.0)
    all_trials = sum(trial.report.seconds for trial in study.trials)
    boosting = 0.0 if study.boosted is None else float(study.boosted.get("seconds", 0.0))
    span = max(0.0, study.spent_before("search") - sum(seconds for _, seconds in before))
    # Workers overlap: their seconds are brought to the clock's.
    scale = min(1.0, span / all_trials) if all_trials > 0 else 0.0
    return [
        ("reading data, starting, measuring the machine", max(0.0, searching - boosting)),
        ("gradient boosting", boosting),
        *((CLOCKED[name], seconds) for name, seconds in before if seconds),
        ("training candidates", scale * (all_trials - judging)),  # those that failed, too
        ("judging candidates", scale * judging),
        ("choosing, waiting, writing the journal", max(0.0, span - scale * all_trials)),
        ("random search beside it", baseline),
        ("the last training", winner.seconds),
    ]
