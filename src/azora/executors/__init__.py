"""Executors: where proposals are judged."""

from azora.executors.executor import Executor
from azora.executors.inline import InlineExecutor, judge
from azora.executors.processes import ProcessExecutor, WorkerProcess, spawn

__all__ = ["Executor", "InlineExecutor", "ProcessExecutor", "WorkerProcess", "judge", "spawn"]
