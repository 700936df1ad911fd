"""Training: one loop, its recipe, and what a trained network says."""

from azora.training.fit import Training, TrainingDiverged
from azora.training.mode import MODES, Mode, choose_mode, fastest_mode
from azora.training.outputs import outputs
from azora.training.recipe import Recipe, RecipeSettings
from azora.training.shared_optimiser import SharedOptimiser

__all__ = [
    "MODES",
    "Mode",
    "Recipe",
    "RecipeSettings",
    "SharedOptimiser",
    "Training",
    "TrainingDiverged",
    "choose_mode",
    "fastest_mode",
    "outputs",
]
