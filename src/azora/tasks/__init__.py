"""Tasks: data with its splits, its shape and its metrics. Imports no torch."""

from azora.tasks.arrays import from_arrays
from azora.tasks.metrics import METRICS, default_metric, evaluate, interval, resampled, score_of
from azora.tasks.preparation import Preparation
from azora.tasks.reading import Reading
from azora.tasks.signature import Signature
from azora.tasks.sources import TASKS, load_task, read_npz
from azora.tasks.task import Scaling, SearchData, Split, Task

__all__ = [
    "METRICS",
    "TASKS",
    "Preparation",
    "Reading",
    "Scaling",
    "SearchData",
    "Signature",
    "Split",
    "Task",
    "default_metric",
    "evaluate",
    "from_arrays",
    "interval",
    "load_task",
    "read_npz",
    "resampled",
    "score_of",
]
