"""Searches as scikit-learn's estimators."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from azora import AutoML, AutoMLRegressor, Task
from azora.automl.result import Result
from azora.errors import AzoraError
from azora.job import Job
from azora.study.folder import JOURNAL

WORDS: dict[str, Any] = {"trials": 1, "workers": 1}


@pytest.fixture(scope="module")
def iris() -> tuple[Any, Any]:
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "virginica", "a third"])[y]


@pytest.fixture(scope="module")
def fitted(iris: tuple[Any, Any]) -> AutoML:
    x, y = iris
    return AutoML(**WORDS).fit(x[::2], y[::2])


def test_it_gives_the_labels_it_was_given(fitted: AutoML, iris: tuple[Any, Any]) -> None:
    x, y = iris
    assert fitted.classes_.tolist() == ["a third", "setosa", "virginica"]
    assert set(fitted.predict(x[1::2])) <= set(y)
    assert fitted.score(x[1::2], y[1::2]) > 0.85
    probabilities = fitted.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (fitted.classes_[probabilities.argmax(1)] == fitted.predict(x)).all()
    assert fitted.result_["judged"] == 1
    assert fitted.get_params()["strategy"] == "auto"
    assert fitted.result_["strategy"] == fitted.result_["advice"]["strategy"] == "halving"
    reference = fitted.result_["reference"]
    assert reference["gain_low"] <= reference["gain"] <= reference["gain_high"]
    assert fitted.deployed_ is None and "deployed" not in fitted.result_


def test_more_than_ten_labels_keep_their_places() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(12), 12)
    x = np.eye(12)[y] * 5 + rng.normal(size=(144, 12))
    assert AutoML(**WORDS).fit(x, y).score(x, y) > 0.9


def test_it_is_cloned_and_kept(fitted: AutoML, iris: tuple[Any, Any]) -> None:
    x, _ = iris
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict(x) == fitted.predict(x)).all()
    other = clone(fitted.set_params(random_state=3))
    assert other.get_params()["random_state"] == 3
    with pytest.raises(NotFittedError):
        other.predict(x)


@pytest.mark.slow
def test_it_works_inside_of_a_pipeline_and_cross_validation(iris: tuple[Any, Any]) -> None:
    x, y = iris
    scores = cross_val_score(make_pipeline(StandardScaler(), AutoML(**WORDS)), x, y, cv=2)
    assert len(scores) == 2
    assert scores.min() > 0.8


def test_pictures_are_taken_as_they_are(brief: None, stripes: Task) -> None:
    split = stripes.everything()
    pictures = split.x[:, 0]
    fitted = AutoML(**WORDS, limits=["macs=200k"]).fit(pictures, split.y)
    assert fitted.result_["macs"] <= 200_000
    assert fitted.predict(pictures[:7]).shape == (7,)


def test_pictures_are_mirrored_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = list[bool]()

    def hear(job: Job, task: Task) -> Any:
        heard.append(task.signature.flips)
        raise AzoraError("heard")

    monkeypatch.setattr("azora.automl.estimator._whole", hear)
    x, y = np.random.default_rng(0).random((40, 8, 8, 3)), np.arange(40) % 2
    for flips in (None, True, False):
        with pytest.raises(ValueError, match="heard"):
            AutoML(**WORDS, flips=flips).fit(x, y)
    assert heard == [True, True, False]


def test_numbers_are_predicted_in_their_shape() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 4))
    y = x @ rng.normal(size=(4, 2)) + 10
    flat = AutoMLRegressor(**WORDS).fit(x, y[:, 0])
    assert flat.predict(x).shape == (150,)
    assert flat.score(x, y[:, 0]) > 0.5
    both = AutoMLRegressor(**WORDS).fit(x, y).predict(x[:3])
    assert (both.shape, both.dtype) == ((3, 2), np.float64)
    with pytest.raises(NotFittedError):
        AutoMLRegressor().predict(x)


def test_a_folder_keeps_the_search(brief: None, iris: tuple[Any, Any], tmp_path: Path) -> None:
    AutoML(**WORDS, out=str(tmp_path / "kept")).fit(*iris)
    assert {"report.html", "result.json", "model", "study.db"} <= {each.name for each in (tmp_path / "kept").iterdir()}


@pytest.mark.parametrize("target", ["onnxruntime:precision=int8", "devices:Counted"])
def test_the_file_for_the_target_is_kept_with_what_it_is_worth(
    target: str, iris: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the files of one's own class nothing is known, and it is searched for all the same."""
    heard = list[Job]()

    def done(job: Job, **more: Any) -> Result:
        heard.append(job)
        (job.out / "deploy").mkdir(parents=True)
        file = job.out / "deploy" / "model.int8.onnx"
        file.write_bytes(b"eight bits")
        deployed = {"deployed": {"file": str(file), "holds": True}} if "int8" in target else {}
        return Result(job.out, {"advice": {"strategy": "halving"}, **deployed})

    for name in ("discover", "run"):
        monkeypatch.setattr(f"azora.automl.estimator.{name}", done)
    monkeypatch.setattr("azora.automl.estimator.Model.load", lambda folder: "model")
    estimator = AutoML(**WORDS, target=target)
    estimator._search(iris[0], np.unique(iris[1], return_inverse=True)[1], "classification")
    assert (heard[0].reference, heard[0].strategy) == (
        ("int8" not in target),
        "auto" if "int8" in target else "halving",
    )
    assert estimator.deployed_ == (b"eight bits" if "int8" in target else None)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_target_and_a_limit_are_kept_to_the_file_that_ships(iris: tuple[Any, Any]) -> None:
    x, y = iris
    fitted = AutoML(**WORDS, target="onnxruntime", limits=["latency=20ms"]).fit(x[::2], y[::2])
    deployed = fitted.result_["deployed"]
    assert deployed["holds"] and deployed["on_target"]["latency_ms"] <= 21
    assert fitted.deployed_ is not None and len(fitted.deployed_) == deployed["bytes"]
    assert fitted.score(x[1::2], y[1::2]) > 0.85


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"limits": ["latency=5ms"]}, "say which, such as --target onnxruntime"),
        ({"strategy": "randm"}, "did you mean 'random'"),
        ({"trials": 0}, "trials=0 must be at least 1"),
    ],
)
def test_mistakes_are_value_errors_of_one_line(iris: tuple[Any, Any], words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        AutoML(**{**WORDS, **words}).fit(*iris)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [AutoML, AutoMLRegressor])
def test_scikit_learns_own_checks_pass(kind: Any) -> None:
    check_estimator(kind(**WORDS))


def test_every_fit_has_a_folder_of_its_own(
    iris: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = list[Job]()

    def search(job: Job, **words: Any) -> Any:
        jobs.append(job)
        job.out.mkdir(exist_ok=True)
        (job.out / JOURNAL).touch()
        raise AzoraError("that is enough")

    monkeypatch.setattr("azora.automl.estimator.run", search)
    for state in (3, None, np.random.RandomState(0)):
        with pytest.raises(ValueError, match="that is enough"):
            AutoML(**WORDS, out=str(tmp_path / "out"), random_state=state).fit(*iris)
    assert [job.out.name for job in jobs] == ["out", "out-2", "out-3"]
    assert jobs[0].seed == 3 and jobs[2].seed == int(np.random.RandomState(0).randint(2**31 - 1))


def test_fits_at_the_same_time_have_folders_of_their_own(
    iris: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list[str]()

    def search(job: Job, **words: Any) -> Any:
        names.append(job.out.name)
        if len(names) == 1:  # this one has not begun its journal, and another begins
            with pytest.raises(ValueError, match="that is enough"):
                AutoML(**WORDS, out=str(tmp_path / "out")).fit(*iris)
        raise AzoraError("that is enough")

    monkeypatch.setattr("azora.automl.estimator.run", search)
    with pytest.raises(ValueError, match="that is enough"):
        AutoML(**WORDS, out=str(tmp_path / "out")).fit(*iris)
    assert names == ["out", "out-2"]
    assert not list(tmp_path.iterdir()), "what was not begun leaves nothing"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot be written"):
        AutoML(**WORDS, out=str(tmp_path / "file")).fit(*iris)
