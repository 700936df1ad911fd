"""Surrogates predict what they have not seen, know what they do not know, and are the same every time."""

from __future__ import annotations

import random

import numpy as np
import pytest

from azora.networks.registry import make_space
from azora.space import Architecture, Categorical, Product, Space
from azora.strategies.surrogates import (
    BoostedTrees,
    Description,
    GaussianProcess,
    NetworkEnsemble,
    Surrogate,
    normal_ranks,
)
from azora.strategies.surrogates.gaussian_process import _evidence
from azora.tasks import Signature
from azora.testing.strategy_contract import tiny_space
from azora.training import Recipe

SURROGATES = {"gp": GaussianProcess(), "ensemble": NetworkEnsemble(), "trees": BoostedTrees()}
GROUPS = [slice(0, 1), slice(1, 4), slice(4, 6)]


def made(count: int, seed: int = 0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Six columns, of which the first and one of the second group matter."""
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.random(count), rng.integers(0, 2, (count, 3)), rng.random((count, 2))])
    return points, 2 * np.sin(3 * points[:, 0]) + points[:, 1] + noise * rng.normal(size=count)


@pytest.fixture(params=SURROGATES.values(), ids=SURROGATES)
def surrogate(request: pytest.FixtureRequest) -> Surrogate:
    given: Surrogate = request.param
    return given


def test_ranks_what_it_has_not_seen(surrogate: Surrogate) -> None:
    posterior = surrogate.fit(*made(60), GROUPS)
    points, targets = made(200, seed=1)
    mean, deviation = posterior.predict(points)
    assert np.corrcoef(mean, targets)[0, 1] > 0.8
    assert mean.shape == deviation.shape == (200,)
    assert (deviation >= 0).all()


def test_equal_observations_give_equal_posteriors_and_draws(surrogate: Surrogate) -> None:
    asked = made(20, seed=2)[0]
    drawn = [surrogate.fit(*made(30), GROUPS).draw(asked, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*drawn)
    assert not np.array_equal(drawn[0], surrogate.fit(*made(30), GROUPS).draw(asked, np.random.default_rng(6)))


def test_columns_that_never_vary_do_no_harm(surrogate: Surrogate) -> None:
    points, targets = np.ones((8, 6)), np.arange(8.0)
    mean, deviation = surrogate.fit(points, targets, GROUPS).predict(made(5)[0])
    assert np.isfinite(mean).all() and np.isfinite(deviation).all()


def test_the_process_is_surer_of_what_it_has_seen_and_estimates_the_noise() -> None:
    points, targets = made(60)
    clean = GaussianProcess().fit(points, targets, GROUPS)
    noisy = GaussianProcess().fit(*made(60, noise=1.0), GROUPS)
    seen, far = clean.predict(points)[1], clean.predict(points + 5.0)[1]
    assert seen.max() < far.min()
    assert np.abs(clean.predict(points)[0] - targets).max() < 0.3
    assert noisy.predict(points)[1].mean() > 2 * seen.mean()


def test_the_process_draws_from_what_it_predicts() -> None:
    posterior = GaussianProcess().fit(*made(15), GROUPS)
    asked, rng = made(6, seed=3)[0], np.random.default_rng(0)
    draws = np.stack([posterior.draw(asked, rng) for _ in range(3000)])
    mean, deviation = posterior.predict(asked)
    assert np.abs(draws.mean(0) - mean).max() < 0.1 * deviation.max()
    assert np.allclose(draws.std(0), deviation, rtol=0.08)


def test_the_evidence_has_the_slope_that_it_says() -> None:
    points, targets = made(25, noise=0.3)
    squares = np.stack([((points[:, None, group] - points[None, :, group]) ** 2).sum(-1) for group in GROUPS])
    at, step = np.array([0.3, -0.2, 0.5, -2.0]), 1e-5
    slope = _evidence(at, squares, targets)[1]
    for place in range(4):
        moved = np.eye(4)[place] * step
        above, below = (_evidence(at + way * moved, squares, targets)[0] for way in (1, -1))
        assert slope[place] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)


def test_the_process_predicts_as_the_textbook_says() -> None:
    """Against scikit-learn's, at the lengths, the noise and the variance that ours has found."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    points, targets = made(20, noise=0.2)
    ours = GaussianProcess(noise=0.1).fit(points, targets, GROUPS)
    asked = made(10, seed=4)[0]
    scale = ours._lengths  # type: ignore[attr-defined]
    kernel = ConstantKernel(ours.variance, "fixed") * Matern(1.0, "fixed", nu=2.5)  # type: ignore[attr-defined]
    theirs = GaussianProcessRegressor(kernel, alpha=0.1 * ours.variance, optimizer=None)  # type: ignore[attr-defined]
    theirs.fit(scale(points), targets - targets.mean())
    mean, deviation = theirs.predict(scale(asked), return_std=True)
    assert np.allclose(ours.predict(asked)[0], mean + targets.mean())
    assert np.allclose(ours.predict(asked)[1], deviation)


def test_networks_have_the_slope_that_they_learn_by() -> None:
    from azora.strategies.surrogates.ensemble import _forward, _slopes

    rng, step = np.random.default_rng(0), 1e-6
    layers = NetworkEnsemble(members=2, width=4)._start(3, rng)
    layers = [layer + 0.1 * rng.normal(size=layer.shape) for layer in layers]  # away from the rectifiers' kinks
    x, targets = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 7))

    def loss() -> float:
        return float(np.abs(_forward(layers, x)[-1][..., 0] - targets).mean(1).sum())

    for layer, slope in zip(layers, _slopes(layers, x, targets), strict=True):
        layer[1, 0, -1] += step
        above = loss()
        layer[1, 0, -1] -= 2 * step
        below = loss()
        layer[1, 0, -1] += step
        assert slope[1, 0, -1] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)


def test_ranks_are_normal_and_equals_are_equal() -> None:
    ranks = normal_ranks([(0.9, 0.0), (float("-inf"), 0.0), (0.5, -1.0), (0.5, -2.0), (0.5, -1.0)])
    assert ranks[2] == ranks[4] > ranks[3] > ranks[1]
    assert ranks[0] == -ranks[1] == max(ranks)


def test_descriptions_have_a_group_for_every_choice_and_feature() -> None:
    pictures = Signature("classification", (3, 12, 12), 10)
    for space, features in (
        (tiny_space(), 0),
        (tiny_space().constrain(None, "", depth=2), 0),
        (make_space("nb201", pictures), 3),
        (Product(network=make_space("cells", pictures), recipe=Recipe(pictures)), 3),
    ):
        describe, some = Description(space), [space.sample(random.Random(seed)) for seed in range(5)]
        groups = describe.groups(some[0])
        assert len(groups) == len(space.root.choices) + features
        assert groups[-1].stop == describe(some).shape[1]
        assert np.array_equal(describe(some)[0, : len(space.columns)], space.encode(some[0]))


def test_a_space_describes_a_network_once_for_all_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    space, asked, encode = tiny_space(), list[str](), Space.encode

    def counted(self: Space, architecture: Architecture) -> tuple[float, ...]:
        asked.append(architecture.key)
        return encode(self, architecture)

    monkeypatch.setattr(Space, "encode", counted)
    one = space.sample(random.Random(0))
    first, second = Description(space)([one]), Description(space)([one])
    assert np.array_equal(first, second) and asked == [one.key]
    first[:] = 7.0  # what a caller does with its rows is its own
    assert np.array_equal(Description(space)([one]), second)
    assert len(Description(tiny_space())([one])) == 1 and asked == [one.key] * 2, "another space is asked itself"


class Odd(Space):
    def encode(self, architecture: object) -> tuple[float, ...]:
        return (0.5, 0.25)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("one", "two")


def test_a_space_that_encodes_in_its_own_way_is_one_group() -> None:
    space = Odd("odd", [Categorical("a", tuple("xyz"))])
    assert Description(space).groups(space.sample(random.Random(0))) == [slice(0, 2)]
