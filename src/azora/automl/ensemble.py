"""An ensemble of what a search has found: chosen greedily on search-validation, trained, and shipped as one model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from azora.automl import boosting
from azora.automl.answering import of_network, of_trees
from azora.automl.delivery import network_part
from azora.automl.mix import mixed
from azora.automl.setting import Setting
from azora.automl.watching import Watcher
from azora.automl.winner import Winner
from azora.evaluation.checkpoints import Checkpoints
from azora.export.ensemble import Ensemble
from azora.networks.decide import As
from azora.space import Architecture
from azora.study import Study
from azora.tasks import evaluate
from azora.tasks.array import Array
from azora.training import TrainingDiverged
from azora.trial import Proposal, Report, Trial

ENSEMBLE = -2  # in place of a trial's number
CANDIDATES = 12  # of the best networks of which a checkpoint is kept
ASKING = 0.1  # of the time that is left, for what they answer
Train = Callable[[Architecture, float | None], Winner]


def ship(
    setting: Setting,
    study: Study,
    best: Trial,
    checkpoints: Path,
    train: Train,
    seconds: Callable[[], float | None],
    stop: threading.Event,
    watch: Watcher,
) -> tuple[Trial, Winner] | None:
    """What ships in place of the best network: an ensemble, where one is wanted and search-validation likes it better
    than what would ship alone; or trees, where those are that; None, where the best network ships.

    Args:
        train: trains a network on all rows but the test's, for so many seconds.
        seconds: that are left for trainings, whenever it is asked; None without a clock.
        stop: once set, no further member is trained.
    """
    trees = boosting.preferred(setting, study, best, checkpoints)
    if setting.job.ensemble:
        alone = Report(study.boosted["metrics"]) if trees and study.boosted is not None else best.report
        chosen = _better(setting, study, alone, checkpoints, seconds(), watch)
        if chosen is not None:
            study.enter("final")
            if made := _members(setting, study, chosen, train, seconds, stop, watch):
                return _shipped(setting, study, chosen, made)
            watch.note("no ensemble: the last training of every member failed")
    return boosting.shipped(setting, study) if trees else None


@final
@dataclass(frozen=True, eq=False)
class _Candidate:
    """A judged network, or trees where there is no trial, and its answers for search-validation."""

    trial: Trial | None
    answers: Array


@final
@dataclass(frozen=True)
class _Chosen:
    """Members with their shares, and what search-validation says of their mean."""

    members: Sequence[_Candidate]
    shares: Sequence[float]
    temperature: float
    report: Report


def _better(
    setting: Setting, study: Study, alone: Report, checkpoints: Path, left: float | None, watch: Watcher
) -> _Chosen | None:
    """The ensemble, if search-validation likes it better than what is best `alone`; else it is said why not."""
    if (why := boosting.reason_against(setting)) is not None:
        watch.note(f"no ensemble: {why}")
        return None
    if not (candidates := _candidates(setting, study, checkpoints, left)):
        watch.note("no ensemble: no network was kept")
        return None
    objective, chosen = setting.objective, _mean(setting, candidates)
    if len(chosen.members) == 1 or objective.order(chosen.report) <= objective.order(alone):
        mean, one = (each.metrics[objective.metric] for each in (chosen.report, alone))
        watch.note(f"no ensemble: {mean:.4f} {objective.metric} on validation, and {one:.4f} of the best alone")
        return None
    return chosen


def _mean(setting: Setting, candidates: Sequence[_Candidate]) -> _Chosen:
    """The best mean of some of the candidates."""
    validation, signature = setting.data.validation, setting.data.signature
    spread = setting.data.scaling.target_spread
    mix = mixed([each.answers for each in candidates], validation.y, signature, setting.job.ensemble, spread)
    report = Report(evaluate(signature, mix.answers, validation.y, {setting.objective.metric}))
    return _Chosen([candidates[place] for place in mix.shares], list(mix.shares.values()), mix.temperature, report)


def _candidates(setting: Setting, study: Study, checkpoints: Path, left: float | None) -> list[_Candidate]:
    """The trees, if they stood, and the best networks as they were kept, with their answers for search-validation: as
    many as can be asked in a tenth of the time that is `left`, and one at least."""
    begun, found = time.monotonic(), list[_Candidate]()
    if study.boosted is not None and study.boosted["candidate"]:
        found.append(_Candidate(None, of_trees(setting, study)))
    kept, others = Checkpoints(checkpoints), len(found)
    for trial in study.ranked(setting.objective):
        if (answers := of_network(setting, kept, trial)) is None:
            continue
        found.append(_Candidate(trial, answers))
        if len(found) - others >= CANDIDATES or (left is not None and time.monotonic() - begun > ASKING * left):
            break
    return found


def _members(
    setting: Setting,
    study: Study,
    chosen: _Chosen,
    train: Train,
    seconds: Callable[[], float | None],
    stop: threading.Event,
    watch: Watcher,
) -> dict[_Candidate, tuple[Trial, Winner]]:
    """The members, trained one after another in equal parts of the time that is left. Trees come first: how long they
    take is not theirs to choose. One whose training fails, or that was not begun before an interrupt, is left out."""
    made: dict[_Candidate, tuple[Trial, Winner]] = {}
    order = sorted(chosen.members, key=lambda each: each.trial is not None)
    for done, member in enumerate(order):
        if made and stop.is_set():
            break
        trial, left = member.trial, seconds()
        each = None if left is None else max(1.0, left / (len(order) - done))
        try:
            if trial is None:
                made[member] = boosting.shipped(setting, study)
            else:
                made[member] = trial, train(trial.proposal.architecture, each)
        except TrainingDiverged as error:
            watch.note(f"a member is left out: its last training failed ({error})")
    return made


def _shipped(
    setting: Setting, study: Study, chosen: _Chosen, made: Mapping[_Candidate, tuple[Trial, Winner]]
) -> tuple[Trial, Winner]:
    """The members that were trained, as one. Where some are missing, the others are mixed anew: what search-validation
    said was of all of them. Of one that is left there is nothing to mix."""
    if len(made) < len(chosen.members):
        chosen = _mean(setting, list(made))
    if len(chosen.members) == 1:
        return made[chosen.members[0]]
    members = [(made[each][1], share) for each, share in zip(chosen.members, chosen.shares, strict=True)]
    winner = _together(setting, chosen, members)
    return Trial(ENSEMBLE, Proposal(winner.architecture, None, "ensemble"), chosen.report, study.elapsed), winner


def _together(setting: Setting, chosen: _Chosen, members: Sequence[tuple[Winner, float]]) -> Winner:
    """Trained members as one network of raw values."""
    about: dict[str, Any] = {
        "members": [
            {
                "space": {name: made.space_about[name] for name in ("name", "settings")},
                "architecture": network_part(made.space, made.architecture),
                "scaling": made.scaling.to_json(),
                "share": share,
            }
            for made, share in members
        ],
        "temperature": chosen.temperature,
    }
    space = Ensemble(setting.task.signature, **about)
    architecture = space.architecture()
    network = space.build(As(architecture))
    for place, (made, _) in enumerate(members):
        network.get_submodule(f"members.{place}.network").load_state_dict(made.network.state_dict())
    facts = {
        "members": [{"of": made.space.name, "key": made.architecture.key, "share": share} for made, share in members],
        "temperature": chosen.temperature,
        "metrics": dict(chosen.report.metrics),
    }
    winners = [made for made, _ in members]
    return Winner(
        network.eval(), replace(setting.task.scaling, raw=True), architecture, sum(made.epochs for made in winners),
        sum(made.seconds for made in winners), winners[-1].mode, space,
        {"name": "ensemble", "settings": about, "recipe": False}, winners[-1].curve, {"ensemble": facts},
    )  # fmt: skip
