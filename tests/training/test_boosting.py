"""scikit-learn's boosting as a network: the same answers, in torch and in onnxruntime, read back from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from azora.errors import SpaceError
from azora.export.onnx import OnnxSession, export_onnx
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import METRICS, Scaling, Signature, Split, Task, from_arrays
from azora.tasks.array import Array
from azora.tasks.tables import Column, Table
from azora.training import outputs
from azora.training.boosting import CHUNKS, MOST_TREES, Boosting, Growth, stages
from azora.training.planted import plant

GROWTH = Growth(leaves=12, least_rows=3, iterations=15)


def made(kind: str, *, words: bool, wide: int, rows: int = 300) -> Task:
    """Whole numbers, which lie on thresholds, with holes; with `words`, two columns of words; `wide` classes or
    numbers to predict."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 5)).astype(np.float32)
    x[:, 4] = rng.integers(0, 10, rows)
    x[rng.random(x.shape) < 0.1] = np.nan
    columns = [Column(f"column {place}", None, holes=True) for place in range(5)]
    if words:
        x[:, 1], x[:, 3] = rng.integers(0, 7, rows), rng.integers(0, 40, rows)
        columns[1], columns[3] = (
            Column("a", tuple("abcdefg")),
            Column("b", tuple(f"{place:02}" for place in range(40))),
        )
    value = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 4]) % 3 + (x[:, 3] % 3 == 0)
    if kind == "regression":
        y = np.stack([1000 + 50 * value + 10 * place * np.nan_to_num(x[:, 2]) for place in range(wide)], axis=1)
    else:
        y = np.digitize(value, np.quantile(value, np.linspace(0, 1, wide + 1)[1:-1]))
    return from_arrays(x, y, kind=kind, table=Table(tuple(columns)))


def rows_of(task: Task) -> Array:
    """Rows of search-validation, some with words that were never seen, or that no list has."""
    x = task.validation.x.copy()
    if "words" in task.signature.traits:
        x[:4, 1], x[4:8, 3] = -1, -1
    return x


def raw(task: Task) -> Scaling:
    return replace(task.scaling, raw=True)


@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
@pytest.mark.parametrize(
    ("kind", "wide"), [("classification", 2), ("classification", 4), ("regression", 1), ("regression", 2)]
)
def test_trees_answer_as_the_estimator_does(kind: str, wide: int, words: bool) -> None:
    task = made(kind, words=words, wide=wide)
    boosting = Boosting(task.signature, task.scaling, GROWTH, 0).fit(task.train)
    space, architecture, network = plant(boosting)
    x = rows_of(task)
    found = outputs(network, x, task.signature, raw(task))
    scale = 1.0 if kind == "classification" else max(task.scaling.target_spread)
    np.testing.assert_allclose(found / scale, boosting.answers(x) / scale, atol=1e-6, rtol=1e-6)
    assert np.unique(found.round(6), axis=0).shape[0] > 20
    if words:
        assert space.sizes["rows"] > 3
    # As a bundle is read: made from its settings and its architecture as JSON, and filled.
    again = make_space("trees", task.signature, **space.sizes)
    empty = again.build(As(again.parse(architecture.to_json())))
    empty.load_state_dict(network.state_dict())
    assert (outputs(empty, x, task.signature, raw(task)) == found).all()


@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
def test_onnxruntime_answers_the_same(words: bool, tmp_path: Path) -> None:
    task = made("classification", words=words, wide=3)
    _, _, network = plant(Boosting(task.signature, task.scaling, GROWTH, 0).fit(task.train))
    x, file = rows_of(task), tmp_path / "trees.onnx"
    assert export_onnx(network, task.signature, raw(task), file, x) < 1e-6
    np.testing.assert_allclose(OnnxSession(file).run(x), outputs(network, x, task.signature, raw(task)), atol=1e-6)


def test_rows_in_memory_are_taken_as_they_are() -> None:
    """Scaled, a value on a threshold could come to lie on its other side."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 3)).astype(np.uint8)
    task = from_arrays(x, (x[:, 0] // 64 + x[:, 1] // 128).astype(int))
    boosting = Boosting(task.signature, task.scaling, GROWTH, 0).fit(task.train)
    _, _, network = plant(boosting)
    every = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    np.testing.assert_allclose(outputs(network, every, task.signature, raw(task)), boosting.answers(every), atol=1e-6)


def test_a_tree_that_is_one_leaf_gives_its_value() -> None:
    task = made("regression", words=False, wide=1, rows=40)
    boosting = Boosting(task.signature, task.scaling, Growth(least_rows=30, iterations=2), 0).fit(task.train)
    space, _, network = plant(boosting)
    assert space.sizes == {"trees": 2, "leaves": 2, "rows": 0, "words": 0}
    found = outputs(network, task.validation.x, task.signature, raw(task))
    np.testing.assert_allclose(found, boosting.answers(task.validation.x), rtol=1e-6)


def test_growing_stops_where_validation_says_so() -> None:
    data = made("classification", words=True, wide=2).search_data
    asked: list[float] = []

    def goes_on(seconds: float) -> bool:
        asked.append(seconds)
        return True

    found = stages(data, Growth(least_rows=3), "accuracy", 0, goes_on)
    best = min(found, key=lambda stage: stage.metrics["loss"])
    assert 1 < best.growth.iterations <= CHUNKS[-1] and len(asked) < len(CHUNKS)
    assert all(seconds > 0 for seconds in asked)
    # It is what it says: grown anew for as long, it is judged the same.
    again = Boosting(data.signature, data.scaling, best.growth, 0).fit(data.train).answers(data.validation.x)
    assert (again.argmax(axis=1) == data.validation.y).mean() == best.metrics["accuracy"]
    (first,) = stages(data, Growth(), "accuracy", 0, lambda seconds: False)
    assert first.growth.iterations <= CHUNKS[0]


def test_the_output_with_the_largest_numbers_does_not_say_alone_when_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) * [1000.0, 1.0]
    data = from_arrays(x, y, kind="regression").search_data
    y, spread = data.validation.y, np.array(data.scaling.target_spread)
    assert spread[0] > 500 * spread[1]

    def staged(self: Boosting, x: Array) -> Iterator[Array]:
        for iteration in range(1, CHUNKS[0] + 1):  # slowly worse in what has large numbers, soon right in the other
            yield y + spread * [1 + 1e-4 * iteration, 1 / iteration]

    monkeypatch.setattr(Boosting, "fit", lambda self, rows, iterations=None: self)
    monkeypatch.setattr(Boosting, "staged", staged)
    (stage,) = stages(data, Growth(), "r2", 0, lambda seconds: False)
    assert stage.growth.iterations == CHUNKS[0]


def test_many_classes_have_fewer_iterations() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(1600) % 400
    task = from_arrays(rng.normal(size=(1600, 2)) + y[:, None], y)
    found = stages(task.search_data, Growth(leaves=2), "accuracy", 0, lambda seconds: True)
    assert max(stage.growth.iterations for stage in found) <= MOST_TREES // 400


@pytest.mark.parametrize(("classes", "first"), [(2, CHUNKS[0]), (12, 1)])
def test_the_first_growth_is_short_where_classes_are_many(classes: int, first: int) -> None:
    """It is not asked for, and an iteration has a tree for each class."""
    data, asked = made("classification", words=False, wide=classes).search_data, list[float]()

    def goes_on(seconds: float) -> bool:
        asked.append(seconds)
        return False

    (stage,) = stages(data, Growth(least_rows=3), "loss", 0, goes_on)
    assert stage.growth.iterations <= first and len(asked) == 1


def test_a_worse_second_iteration_stops_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether more help is told by twelve iterations or more, however short the first growths are."""
    data = made("classification", words=False, wide=12).search_data
    grown = list[int]()
    real = Boosting.fit

    def fit(self: Boosting, rows: Split, iterations: int | None = None) -> Boosting:
        grown.append(iterations or 0)
        return real(self, rows, iterations)

    monkeypatch.setattr(Boosting, "fit", fit)
    losses = iter(range(1_000))
    monkeypatch.setitem(METRICS, "loss", replace(METRICS["loss"], measure=lambda y, answers: float(next(losses))))
    stages(data, Growth(least_rows=3), "accuracy", 0, lambda seconds: True)
    assert grown == [1, 4, CHUNKS[0]]


def test_a_file_that_does_not_fit_is_refused() -> None:
    task = made("classification", words=True, wide=2)
    space, architecture, network = plant(Boosting(task.signature, task.scaling, GROWTH, 0).fit(task.train))
    for name in ("column", "row"):
        state = {key: value.clone() for key, value in network.state_dict().items()}
        state[name].flatten()[3:4].fill_(1_000)
        with pytest.raises(ValueError, match=rf"{name} of the trees goes up to 1000"):
            space.build(As(architecture)).load_state_dict(state)
    with pytest.raises(SpaceError, match="leaves must be whole numbers"):
        make_space("trees", task.signature, trees=3, leaves=1)


def test_what_stands_for_trees_is_counted_without_building_them() -> None:
    space = make_space("trees", Signature("regression", (3,), 1), trees=10, leaves=4)
    architecture = space.architecture(learning_rate=0.1, leaves=4, least_rows=5, iterations=10)
    assert cost(space, architecture)["params"] == 10 * (3 + 4)
    network = space.build(As(architecture))
    held = sum(tensor.numel() * tensor.element_size() for tensor in network.buffers())
    assert cost(space, architecture)["memory"] >= held
    assert isinstance(network(torch.zeros(2, 3)), torch.Tensor)
    assert [node.label for node in space.graph(architecture).nodes][1] == "10 trees of up to 4 leaves"
