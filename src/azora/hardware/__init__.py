"""Targets: devices and runtimes on which networks are measured, and predictors of what they cost there."""

from azora.hardware.build import Measuring, Validation, build_predictor, validate
from azora.hardware.files import TargetFile
from azora.hardware.measurement import Measurement, measure_calls
from azora.hardware.predictor import Predictor
from azora.hardware.registry import TARGETS, find_target
from azora.hardware.target import Deployable, Loaded, Measured, Target, TimedTarget

__all__ = [
    "TARGETS",
    "Deployable",
    "Loaded",
    "Measured",
    "Measurement",
    "Measuring",
    "Predictor",
    "Target",
    "TargetFile",
    "TimedTarget",
    "Validation",
    "build_predictor",
    "find_target",
    "measure_calls",
    "validate",
]
