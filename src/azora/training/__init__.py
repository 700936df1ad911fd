"""Training: one loop, its recipe, and what a trained network says."""

from azora.training.fit import Training, TrainingDiverged
from azora.training.mode import MODES, Mode, choose_mode, fastest_mode
from azora.training.outputs import outputs
from azora.training.recipe import Recipe, RecipeSettings

__all__ = [
    "MODES",
    "Mode",
    "Recipe",
    "RecipeSettings",
    "Training",
    "TrainingDiverged",
    "choose_mode",
    "fastest_mode",
    "outputs",
]
