"""What trees and kept networks answer for the rows of search-validation."""

from __future__ import annotations

from azora.automl.setting import Setting
from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import DEFAULT_EPOCHS, resume, start_training
from azora.study import Study
from azora.tasks.array import Array
from azora.training import outputs
from azora.training.boosting import Boosting, Growth
from azora.trial import Trial


def of_trees(setting: Setting, study: Study) -> Array:
    """Of the trees that stood, grown anew on search-train: probabilities (N, classes), or numbers (N, outputs)."""
    assert study.boosted is not None
    data, growth = setting.data, Growth(**study.boosted["growth"])
    return Boosting(data.signature, data.scaling, growth, setting.job.seed).fit(data.train).answers(data.validation.x)


def of_network(setting: Setting, kept: Checkpoints, trial: Trial) -> Array | None:
    """The same of the network of a trial, as it was judged; None where it was not kept."""
    data, job = setting.data, setting.job
    architecture, epochs = trial.proposal.architecture, trial.proposal.budget
    if (state := kept.load(architecture)) is None:
        return None
    training = start_training(setting.space, architecture, data, job.seed, "float32", job.device)
    resume(training, state, DEFAULT_EPOCHS if epochs is None else epochs)
    if not training.epochs:  # what was kept is damaged, or of a longer training
        return None
    return outputs(training.judging_network(), data.validation.x, data.signature, training.scaling, device=job.device)
