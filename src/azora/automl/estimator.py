"""Searches as scikit-learn's estimators: `AutoML` for classes, `AutoMLRegressor` for numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from azora.automl.advice import Advice
from azora.automl.choosing import AUTO, choose_strategy, within_budget
from azora.automl.discover import discover
from azora.automl.forms import form_of_spec, spec_of
from azora.automl.run import run
from azora.errors import AzoraError
from azora.job import Job
from azora.model import Model
from azora.scratch import scratch_folder
from azora.study.folder import JOURNAL, LOCK, claim
from azora.tasks import Task, from_arrays
from azora.tasks.array import Array


class _Searches(BaseEstimator):  # type: ignore[misc]
    """What both have in common. `result_` are the figures of `result.json`: among them `advice`, by which the strategy
    was chosen, `reference`, a usual network beside the winner, with the gain's interval, and of a target that runs
    files `deployed`, what the file for it is worth. `model_` is the network that was found, `deployed_` are the bytes
    of that file, or None."""

    def __init__(
        self,
        budget: str | float | None = "60s",
        *,
        trials: int | None = None,
        target: str | None = None,
        limits: Sequence[str] = (),
        strategy: str = AUTO,
        space: str = "auto",
        out: str | None = None,
        workers: int | None = None,
        flips: bool | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.budget, self.trials, self.target, self.limits = budget, trials, target, limits
        self.strategy, self.space, self.out = strategy, space, out
        self.workers, self.flips, self.random_state = workers, flips, random_state

    def _search(self, x: Array, y: Array, kind: str) -> None:
        state = self.random_state
        seed = int(state) if isinstance(state, int | np.integer) else int(check_random_state(state).randint(2**31 - 1))
        with scratch_folder() as scratch, ExitStack() as stack:
            try:
                folder = scratch / "out" if self.out is None else stack.enter_context(_claimed(Path(self.out)))
                task = from_arrays(x, y, kind=kind, seed=seed, flips=self.flips)
                job = Job.parse(
                    task=task, budget=None if self.trials is not None else self.budget, trials=self.trials, out=folder,
                    target=self.target, limits=self.limits, strategy=self.strategy, space=self.space,
                    workers=self.workers, seed=seed,
                )  # fmt: skip
                self.result_ = _whole(job, task)
                self.model_ = Model.load(folder)
            except AzoraError as error:
                raise ValueError(str(error)) from error
            shipped = self.result_.get("deployed")
            self.deployed_: bytes | None = None if shipped is None else Path(shipped["file"]).read_bytes()

    def _rows(self, x: Any) -> Array:
        """Inputs as they were at the fit.

        Raises:
            NotFittedError: there was none.
            ValueError: they are others.
        """
        check_is_fitted(self, "model_")
        found: Array = validate_data(self, x, reset=False, allow_nd=True, dtype="numeric")
        return found


def _whole(job: Job, task: Task) -> Mapping[str, Any]:
    """The figures of a search with a usual network beside the winner, and of the file for the target, if it runs any:
    nothing is known of those of tables and of one's own classes."""
    spec = None if job.target is None else spec_of(job.target)
    if spec is not None and form_of_spec(spec) is not None:
        return discover(job).figures
    started = time.monotonic()

    def by(advice: Advice) -> Mapping[str, Any]:
        figures = run(replace(job, strategy=advice.strategy, reference=True), started=started).figures
        return {**figures, "advice": advice.to_json()}

    return within_budget(job, choose_strategy(job, task), by)


@contextmanager
def _claimed(out: Path) -> Iterator[Path]:
    """`out`, or `out-2` and so on where it has a search or another fit has taken it: of the folds of a cross-validation
    each has its own, in several processes as well. Where no search was begun, it is as it was.

    Raises:
        StudyError: it cannot be written.
    """
    for place in (out if number == 1 else out.with_name(f"{out.name}-{number}") for number in count(1)):
        made = not place.exists()
        if claim(place):
            break
    try:
        yield place
    finally:
        if not (place / JOURNAL).exists():
            (place / LOCK).unlink(missing_ok=True)
            if made:
                with suppress(OSError):
                    place.rmdir()


class AutoML(ClassifierMixin, _Searches):  # type: ignore[misc]
    """A classifier: a network of azora's own design, found within a budget.

    Inputs are rows of numbers (N, F), or pictures (N, H, W) or (N, H, W, C). `fit` does what `azora.discover` does;
    without a `target` no file is written for one. Answers are those of the network in float32, whatever the target's
    precision: what the file in eight bits is worth is in `result_["deployed"]`, and so is whether it keeps the limits
    (`holds`), which no error tells.

    Args:
        budget: wall-clock time of a fit, such as "10m"; not looked at where `trials` is given.
        trials: judgements instead of a time; with `workers=1` equal seeds then give equal networks.
        target, limits, space, workers: as `azora.search` takes them.
        strategy: as `azora.search` takes it; "auto" chooses one by the rules of `azora.discover`.
        out: a folder for the search, its report and the model, of later fits with -2 and so on behind its name; None
            keeps the model alone, in memory.
        flips: whether pictures that are mirrored left to right are of the same class; None is true.
        random_state: the seed, or what scikit-learn takes for one.
    """

    def fit(self, X: Any, y: Any) -> AutoML:
        """Search, and train what was found.

        Raises:
            ValueError: data that cannot be learned from, or words that cannot be understood; one line says what.
        """
        X, y = validate_data(self, X, y, allow_nd=True, dtype="numeric", ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, coded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}; a classifier needs two or more")
        self._search(X, coded, "classification")
        # The model knows the codes, in an order of its own.
        self._places = np.argsort([int(name) for name in self.model_.signature.classes])
        return self

    def predict_proba(self, X: Any) -> Array:
        """(N, classes), in the order of `classes_`."""
        rows = self._rows(X)
        found: Array = self.model_.predict_proba(rows)[:, self._places]
        return found

    def predict(self, X: Any) -> Array:
        """(N,) of `classes_`."""
        probabilities = self.predict_proba(X)
        found: Array = self.classes_[probabilities.argmax(axis=1)]
        return found


class AutoMLRegressor(RegressorMixin, _Searches):  # type: ignore[misc]
    """`AutoML` for numbers: y is (N,) or (N, outputs)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> AutoMLRegressor:
        """As `AutoML.fit`."""
        X, y = validate_data(
            self, X, y, allow_nd=True, dtype="numeric", ensure_min_samples=2, multi_output=True, y_numeric=True
        )
        self._flat = np.ndim(y) == 1
        self._search(X, np.asarray(y, dtype=np.float32), "regression")
        return self

    def predict(self, X: Any) -> Array:
        """(N,) or (N, outputs), as y was."""
        rows = self._rows(X)
        found = np.asarray(self.model_.predict(rows))
        # scikit-learn wants doubles of several outputs. Of one it compares answers as exactly as their type tells, and
        # a network's are those of single precision, which depend in the last digit on the rows beside.
        return found.reshape(len(found)) if self._flat else found.reshape(len(found), -1).astype(np.float64)
