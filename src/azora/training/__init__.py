"""Training: one loop, its recipe, and what a trained network says."""

from azora.training.fit import Training, TrainingDiverged
from azora.training.fit_shared import SharedTraining, fit_shared
from azora.training.fit_split import SplitTraining, disagreements
from azora.training.hyper_optimiser import HyperOptimiser
from azora.training.mode import MODES, Mode, check_device, choose_mode, fastest_mode, warm_up
from azora.training.outputs import outputs
from azora.training.paths import PATHS, Paths, check_paths, make_paths
from azora.training.recipe import Recipe, RecipeSettings
from azora.training.shared_optimiser import SharedOptimiser

__all__ = [
    "MODES",
    "PATHS",
    "HyperOptimiser",
    "Mode",
    "Paths",
    "Recipe",
    "RecipeSettings",
    "SharedOptimiser",
    "SharedTraining",
    "SplitTraining",
    "Training",
    "TrainingDiverged",
    "check_device",
    "check_paths",
    "choose_mode",
    "disagreements",
    "fastest_mode",
    "fit_shared",
    "make_paths",
    "outputs",
    "warm_up",
]
