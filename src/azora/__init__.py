"""azora designs neural networks: give it data, a device and a budget; it returns a network of its own design."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from azora.automl.estimator import AutoML, AutoMLRegressor
    from azora.automl.result import Result
    from azora.model import Model
    from azora.tasks import Task

__version__ = "0.1.0"
__all__ = ["AutoML", "AutoMLRegressor", "Model", "Result", "Task", "discover", "load_task", "search"]

# What is named here is imported when it is first used, so that `import azora` costs nothing.
_HOMES = {
    "AutoML": "azora.automl.estimator",
    "AutoMLRegressor": "azora.automl.estimator",
    "Model": "azora.model",
    "Result": "azora.automl.result",
    "Task": "azora.tasks",
    "load_task": "azora.tasks",
}


def search(task: typing.Any, **words: typing.Any) -> Result:
    """Design, train and ship a network for `task` within a budget; the words are those of `azora search`.

    Args:
        task: a task's name, a file, `(x, y)`, `(x, y, x_test, y_test)` or a `Task`.
        words: `budget="60s"`, `trials`, `out`, `space`, `strategy`, `evaluator`, `objective`, `limits=["params=200k"]`,
            `stop_at`, `seed`, `workers`, `worker_memory`, `trial_timeout`, `device`, `precision`, `recipe`, `resume`,
            `beside`, `baseline`, `boosting=False`, `ensemble`, `target="onnxruntime"`, `reward`, `knowledge=PATH` (a
            memory; the command line has one unless told otherwise, this function has none unless told),
            `space_settings={}`, `strategy_settings={}`, `reading={"label": "price"}` (how a file or folder is read, and
            whether pictures may be mirrored, `flips`: `azora.tasks.Reading`; of arrays `kind` and `flips` alone).

    Returns:
        The figures, with `.predict(x)` and `.model`.

    Raises:
        AzoraError: what the caller can mend.
    """
    import time

    from azora.job import Job

    started = time.monotonic()
    job = Job.parse(task=task, **words)
    from azora.automl.run import run

    return run(job, started=started)


def discover(task: typing.Any, **words: typing.Any) -> Result:
    """`search`, from the choice of a strategy to the file that ships: `azora discover` of the command line.

    Args:
        task, words: as `search` takes them. The strategy is chosen, by the memory that `knowledge` names or by rules,
            unless `strategy` names one; a usual network is trained beside the winner.

    Returns:
        The figures, with `advice` (`strategy`, `why`) and `deployed`: the file that `target` runs, what was measured of
        it there, and whether it `holds` the limits.

    Raises:
        AzoraError: what the caller can mend.
    """
    import time

    from azora.job import Job

    started = time.monotonic()
    job = Job.parse(task=task, **{"strategy": "auto", **words})
    from azora.automl.discover import discover as do

    return do(job, started=started)


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'azora' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
