"""An azora space inside Optuna: its study, sampler and pruner stay as they are. Needs `pip install azora[optuna]`.

The other way round, Optuna's samplers in azora's search: `azora search digits --strategy optuna --set sampler=gp`.
"""

from pathlib import Path

import optuna

import azora.optuna
from azora.evaluation.trained import Trained
from azora.networks.registry import make_space
from azora.tasks import load_task
from azora.trial import Proposal

data = load_task("digits").search_data
space = make_space("mlp", data.signature)
evaluate = Trained(space, data, folder=Path("runs/with_optuna"))  # longer trainings go on from what is kept there


def accuracy(trial: optuna.Trial) -> float:
    """Longer and longer trainings of one network, until the pruner has seen enough."""
    architecture = azora.optuna.suggest(trial, space)
    for epochs in (1, 2):
        reached = evaluate(Proposal(architecture, budget=epochs))["accuracy"]
        trial.report(reached, epochs)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return reached


sampler, pruner = (
    optuna.samplers.TPESampler(seed=0, n_startup_trials=3),
    optuna.pruners.MedianPruner(n_startup_trials=2),
)
study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
study.optimize(accuracy, n_trials=6)
best = azora.optuna.suggest(study.best_trial, space)  # a finished trial gives its architecture again
print(f"{study.best_value:.3f} by {best}")
