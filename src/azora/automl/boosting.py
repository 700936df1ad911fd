"""Gradient boosting beside the searched networks: it stands on the same rows, and ships unless one is shown better."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from azora.automl.answering import of_network, of_trees
from azora.automl.setting import Setting
from azora.automl.watching import Watcher
from azora.automl.weighing import Lead, costs
from azora.automl.winner import Winner
from azora.evaluation.checkpoints import Checkpoints
from azora.study import Study
from azora.training.boosting import Boosting, Growth, stages
from azora.training.planted import plant
from azora.trial import Proposal, Report, Trial

UNWANTED = "it was not wanted"
LEAD = "lead"  # what is known of the best network's, among the facts
TREES = -1  # in place of a trial's number
SHARE, MOST_SECONDS = 0.1, 60.0  # of the budget, and at most: for growing on search-train
GROWTHS = (
    Growth(),
    Growth(leaves=8, least_rows=5),
    Growth(learning_rate=0.05, leaves=16, least_rows=10),
    Growth(learning_rate=0.05, leaves=4),
)
"""The library's own settings first, then what serves fewer rows."""


def stand(setting: Setting, study: Study, stop: threading.Event, watch: Watcher) -> None:
    """Grow trees on search-train, choose among them by search-validation, and write what came of it into the journal;
    a later session that wants the same has nothing left to do. Pictures are not for trees, and nothing is said of
    them."""
    if setting.task.signature.pictures:
        return
    if not setting.job.boosting:
        forgo(setting, study)
    elif study.boosted is not None and study.boosted.get("why") != UNWANTED:
        return
    elif (why := reason_against(setting)) is not None:
        watch.note(f"gradient boosting is no candidate: {why}")
        study.boost({"candidate": False, "why": why})
    else:
        study.boost(_grown(setting, stop))


def forgo(setting: Setting, study: Study) -> None:
    """Where trees are not wanted, have none, though an earlier session grew some. Pictures have none anyway."""
    unwanted = not setting.job.boosting and not setting.task.signature.pictures
    if unwanted and (study.boosted is None or study.boosted["candidate"]):
        study.boost({"candidate": False, "why": UNWANTED})


def reason_against(setting: Setting) -> str | None:
    """Why nothing but a network may come of a search on a table; None where other models may."""
    job = setting.job
    if job.space != "auto":
        return f"networks of the space {job.space} were asked for"
    if job.limits or job.target or job.reward:
        return "what it costs is not counted as of a network, so no limit and no target can be kept with it"
    if job.evaluator != "trained":
        return f"{job.evaluator} judges, which judges networks alone"
    return "a front is of networks" if len(setting.objectives) > 1 else None


def _grown(setting: Setting, stop: threading.Event) -> dict[str, Any]:
    begun, job, data, objective = time.monotonic(), setting.job, setting.data, setting.objective
    whole = None if job.budget is None else min(SHARE * job.budget, MOST_SECONDS)
    found = []
    for place, growth in enumerate(GROWTHS):
        # Each has its part of the time that is left; the first is always grown, if only a little.
        left = None if whole is None else whole - (time.monotonic() - begun)
        if place and (stop.is_set() or (left is not None and left <= 0)):
            break
        end = None if left is None else time.monotonic() + left / (len(GROWTHS) - place)

        def goes_on(seconds: float, end: float | None = end) -> bool:
            return not stop.is_set() and (end is None or time.monotonic() + seconds < end)

        found += stages(data, growth, objective.metric, job.seed, goes_on)
    best = max(found, key=lambda stage: objective.order(Report(stage.metrics)))
    seconds = round(time.monotonic() - begun, 3)
    return {"candidate": True, **best.to_json(), "seconds": seconds, "tried": [each.to_json() for each in found]}


def preferred(setting: Setting, study: Study, best: Trial, checkpoints: Path) -> bool:
    """Whether the trees are what ships, and not the best network.

    On few rows the best of a hundred networks is partly the luckiest, and trees are the best of a few. So the network
    takes their place only where search-validation shows that it is better: by the objective, and a row must cost it
    less by more than one standard error (`azora.automl.weighing`), which goes into the journal. Where what it answers
    is not known (`checkpoints` lack it), the objective alone decides.
    """
    if study.boosted is None or not study.boosted["candidate"]:
        return False
    objective, stood = setting.objective, {name: found for name, found in study.boosted.items() if name != LEAD}
    ahead = objective.order(best.report) > objective.order(Report(stood["metrics"]))
    lead = _lead(setting, study, best, checkpoints) if ahead else None
    facts = {**stood, **({} if lead is None else {LEAD: {"of": best.number, **lead.to_json()}})}
    if facts != study.boosted:
        study.boost(facts)
    return not ahead if lead is None else not lead.shown


def _lead(setting: Setting, study: Study, best: Trial, checkpoints: Path) -> Lead | None:
    """Of the best network over the trees; None where it is not known. An earlier session's holds: what it was of is not
    kept beyond its end."""
    assert study.boosted is not None
    if (known := study.boosted.get(LEAD)) is not None and known["of"] == best.number:
        return Lead(known["gain"], known["error"])
    if (network := of_network(setting, Checkpoints(checkpoints), best)) is None:
        return None
    metric, y, spread = setting.objective.metric, setting.data.validation.y, setting.data.scaling.target_spread
    return Lead.of(costs(metric, network, y, spread), costs(metric, of_trees(setting, study), y, spread))


def again(study: Study) -> float:
    """Seconds that it takes at most to grow the trees that stand once more on search-train; 0 where none stand."""
    facts = study.boosted or {}
    return float(sum(each["seconds"] for each in facts.get("tried", ()) if each["growth"] == facts["growth"]))


def shipped(setting: Setting, study: Study) -> tuple[Trial, Winner]:
    """The trees that stood, grown anew on all rows but the test's, and what was found of them in the search."""
    begun, task = time.monotonic(), setting.task
    assert study.boosted is not None
    study.enter("final")
    growth = Growth(**study.boosted["growth"])
    boosting = Boosting(task.signature, task.scaling, growth, setting.job.seed).fit(task.everything())
    space, architecture, network = plant(boosting)
    report = Report(study.boosted["metrics"], study.boosted["seconds"])
    trial = Trial(TREES, Proposal(architecture, None, "gradient boosting"), report, study.elapsed)
    about = {"name": space.name, "settings": space.sizes, "recipe": False}
    scaling, seconds = replace(task.scaling, raw=True), time.monotonic() - begun
    return trial, Winner(network, scaling, architecture, 0.0, seconds, "float32", space, about)


def figures(setting: Setting, study: Study, chosen: Trial) -> dict[str, Any]:
    """What `result.json` says of it, beside the best network; nothing of pictures."""
    boosted, best = study.boosted, study.best(setting.objective)
    if boosted is None:
        return {}
    if not boosted["candidate"] or best is None:
        says = f"no candidate: {boosted.get('why', 'no network was judged')}"
        return {"boosting": {**boosted, "shipped": False, "says": says}}
    metric = setting.objective.metric
    network = {name: best.report.metrics[name] for name in (metric, "loss") if name in best.report.metrics}
    facts = {**boosted, "share": SHARE, "metric": metric, "network": network, "shipped": chosen.number == TREES}
    ships = "trees ship" if chosen.number == TREES else f"{'ensemble' if chosen.number < 0 else 'network'} ships"
    return {"boosting": {**facts, "says": f"{_said(facts)}: the {ships}"}}


def _said(about: dict[str, Any]) -> str:
    metric, growth = about["metric"], about["growth"]
    trees = f"{growth['iterations']} iterations, {growth['leaves']} leaves, rate {growth['learning_rate']:g}"
    said = f"{about['metrics'][metric]:.4f} {metric} on validation ({trees})"
    said = f"{said}, the best network {about['network'][metric]:.4f}"
    if (lead := about.get(LEAD)) is None:
        return said
    return f"{said}, ahead by {lead['gain']:.4f} a row with a standard error of {lead['error']:.4f}"
