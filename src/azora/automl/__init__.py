"""The main job, from Python: `azora.search(...)`."""

from azora.automl.result import Result
from azora.automl.run import run
from azora.automl.watching import Sight, Watcher

__all__ = ["Result", "Sight", "Watcher", "run"]
