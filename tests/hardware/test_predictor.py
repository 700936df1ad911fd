"""A predictor learns a device from some networks, ranks the others, and says how sure it is."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

import devices
from azora.hardware import Measured, Measurement, Measuring, Predictor, build_predictor
from azora.hardware.choosing import draw_distinct, farthest, first_choice
from azora.hardware.features import FEATURES, QUANTITIES, Features
from azora.hardware.predictor import QUICK, REGRESSORS, TRANSFER, Regressor, Row, _best
from azora.networks.complexity import by_kind
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Space
from azora.strategies.surrogates import NetworkEnsemble
from azora.tasks import Signature


@pytest.fixture(scope="module")
def rows(space: Space) -> list[Row]:
    """Networks measured on a device whose time is no sum."""
    return measured(space, 40, "seen")


@pytest.fixture(scope="module")
def fitted(space: Space, rows: list[Row]) -> Predictor:
    """With every regressor tried, small networks among them that learn for a moment only."""
    hasty: Mapping[str, Any] = {"layers + networks": Regressor("layers", lambda: NetworkEnsemble(members=3, steps=60))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("azora.hardware.predictor.REGRESSORS", {**REGRESSORS, **hasty})
        return Predictor(space, rows)


@pytest.fixture(scope="module")
def unseen(space: Space, rows: list[Row]) -> list[Row]:
    return measured(space, 60, "unseen", rows)


def measured(space: Space, count: int, seed: str, without: list[Row] | None = None) -> list[Row]:
    taken = [architecture for architecture, _ in without or []]
    drawn = draw_distinct(space, count, random.Random(seed), taken)
    return Measuring(devices.Roofline(), space)(drawn, "measuring")


def times(rows: list[Row]) -> np.ndarray:
    return np.array([each.latency.median for _, each in rows])


def test_ranks_networks_that_it_has_not_seen(fitted: Predictor, unseen: list[Row]) -> None:
    found, doubt = fitted.predict([architecture for architecture, _ in unseen])
    assert spearmanr(found, times(unseen)).statistic > 0.95
    assert np.abs(found / times(unseen) - 1).mean() < 0.05
    assert (doubt > 0).all()
    assert np.abs(np.log(found / times(unseen)) / doubt).mean() < 3, "its doubt is of the size of its errors"


def test_what_a_runtime_is_slow_at_is_told_apart() -> None:
    """Convolutions with dilation are not those without, though they have as many multiply-accumulates."""

    class Slow(devices.Roofline):
        dilated = 6.0

    space = make_space("cells", Signature("classification", (1, 8, 8), 10))
    drawn = draw_distinct(space, 120, random.Random(0))
    measured = Measuring(Slow(), space)(drawn, "measuring")
    found = Predictor(space, measured[:60], QUICK).predict(drawn[60:])[0]
    assert np.abs(found / times(measured[60:]) - 1).mean() < 0.06


def test_what_errs_least_on_folds_not_seen_is_kept(fitted: Predictor) -> None:
    assert fitted.errors.keys() == REGRESSORS.keys()
    assert fitted.errors[fitted.kept] == min(fitted.errors.values()), "the wiring tells what identities take there"
    assert fitted.errors[fitted.kept] < 0.5 * fitted.errors["layers"], "a sum alone does not know what is no sum"
    assert fitted.additive is not None and 0.5 < fitted.additive.r2 <= 1


def test_a_runtime_that_leaves_out_what_nothing_reads_is_learned(space: Space) -> None:
    drawn = draw_distinct(space, 200, random.Random(1))
    prices = {"conv_3x3": 9.0, "conv_1x1": 3.0, "avg_pool_3x3": 2.0}
    taken = [
        1.0 + sum(prices.get(str(value), 0.0) for name, value in each.items() if name not in space.unread(each))
        for each in drawn
    ]
    measured = [(each, Measured(Measurement(time))) for each, time in zip(drawn, taken, strict=True)]
    found = Predictor(space, measured[:80])
    assert found.kept == "choices that are read"
    assert np.abs(found.predict(drawn[80:])[0] / taken[80:] - 1).mean() < 0.05


def test_what_is_read_is_asked_only_where_something_is_not(rows: list[Row]) -> None:
    space = make_space("cells", Signature("classification", (1, 8, 8), 10))
    drawn = draw_distinct(space, 10, random.Random(0))
    measured = [(each, Measured(Measurement(1.0 + place))) for place, each in enumerate(drawn)]
    assert "choices that are read" not in Predictor(space, measured).errors


@pytest.mark.parametrize(("better", "kept"), [(0.0, QUICK), (0.004, QUICK), (0.02, "layers")])
def test_the_usual_one_is_kept_unless_another_is_clearly_better(better: float, kept: str) -> None:
    usual = np.abs(np.random.default_rng(0).normal(0.1, 0.05, 100))
    noise = np.random.default_rng(1).normal(0.0, 0.05, 100)
    assert _best({"choices": usual + 1, "layers": usual - better + noise - noise.mean(), QUICK: usual}) == kept
    assert _best({"choices": usual, "layers": usual - 1e-6}) == "layers", "where the usual one was not tried"


def test_a_regressor_that_was_chosen_before_is_not_chosen_again(space: Space, rows: list[Row]) -> None:
    alone = Predictor(space, rows, "layers")
    assert (alone.kept, dict(alone.errors)) == ("layers", {})
    assert alone.additive is not None
    wanted = alone.additive([alone.features.totals(each) for each, _ in rows])
    found, doubt = alone.predict([each for each, _ in rows])
    assert found / wanted == pytest.approx(found[0] / wanted[0]), "the sum, and what it leaves on average"
    assert (doubt == doubt[0]).all() and doubt[0] > 0


@pytest.mark.parametrize("kept", [*REGRESSORS])
def test_equal_measurements_give_equal_predictions(kept: str, space: Space, rows: list[Row], unseen: list[Row]) -> None:
    asked = [architecture for architecture, _ in unseen[:5]]
    one, other = (Predictor(space, rows[:12], kept).predict(asked) for _ in range(2))
    assert np.array_equal(one, other)
    assert np.isfinite(one).all() and (one[0] > 0).all() and (one[1] > 0).all()


def test_single_answers_are_those_of_many(fitted: Predictor, unseen: list[Row]) -> None:
    found, doubt = fitted.predict([architecture for architecture, _ in unseen[:3]])
    for place, (architecture, _) in enumerate(unseen[:3]):
        assert fitted.latency(architecture) == pytest.approx(found[place])
        assert fitted.doubt(architecture) == pytest.approx(doubt[place])


def test_sizes_of_files_are_predicted(fitted: Predictor, unseen: list[Row], space: Space, rows: list[Row]) -> None:
    for architecture, each in unseen[:10]:
        assert fitted.size(architecture) == pytest.approx(each.bytes, rel=0.05)
    none = Predictor(space, [(architecture, Measured(each.latency)) for architecture, each in rows], "layers")
    assert none.size(unseen[0][0]) == 0.0


def test_a_device_that_takes_equal_time_for_all_is_learned_too(space: Space, rows: list[Row]) -> None:
    same = [(architecture, Measured(Measurement(2.0), 10)) for architecture, _ in rows[:10]]
    for kept in (QUICK, "choices"):
        found = Predictor(space, same, kept)
        assert found.latency(rows[20][0]) == pytest.approx(2.0, rel=0.05)
        assert math.isfinite(found.doubt(rows[20][0]))


def test_other_devices_predictions_are_mixed(space: Space, rows: list[Row], unseen: list[Row]) -> None:
    known = []
    for start, macs in ((2.0, 500.0), (10.0, 500.0), (5.0, 50.0)):
        measuring = Measuring(devices.Roofline(macs, 20.0, start), space)
        known.append(Predictor(space, measuring([each for each, _ in rows[:25]], "measuring"), QUICK))
    found = Predictor(space, rows[:6], others=known)
    assert (found.kept, found.additive) == (TRANSFER, None)
    asked = [architecture for architecture, _ in unseen]
    assert spearmanr(found.predict(asked)[0], times(unseen)).statistic > 0.95
    assert (found.predict(asked)[1] > 0).all()
    assert found.size(unseen[0][0]) == pytest.approx(unseen[0][1].bytes, rel=0.1)


def test_what_is_counted_otherwise_has_another_version(space: Space) -> None:
    features, architectures = Features(space), draw_distinct(space, 5, random.Random(0))
    counted = [sorted(features.totals(each).items()) for each in architectures]
    columns = [features.choices, features.read, features.sizes, features.columns]
    widths = [each(architectures).shape[1] for each in columns]
    found = hashlib.sha256(json.dumps([counted, widths]).encode()).hexdigest()[:8]
    assert (FEATURES, found) == (2, "387e61b0"), "say with FEATURES that other features are counted"


def test_features_are_counted_once_and_have_a_group_for_each(space: Space, rows: list[Row]) -> None:
    features, architectures = Features(space), [architecture for architecture, _ in rows]
    totals = features.totals(architectures[0])
    assert features.totals(architectures[0]) is totals
    counted = by_kind(space.build(As(architectures[0])).eval(), features.shape)
    assert {name: value for name, value in totals.items() if value} == {
        name: value for name, value in counted.items() if value
    }
    mixed, kinds = features.mix(architectures, ["conv3", "nowhere"]), features.kinds(architectures)
    assert "conv3" in kinds and "all" not in kinds and kinds == sorted(kinds)
    assert mixed[0, len(QUANTITIES) :] == pytest.approx(
        [totals["conv3.macs"] / totals["all.macs"], totals["conv3.traffic"] / totals["all.traffic"], 0, 0]
    )
    columns, groups = features.columns(architectures), features.groups(architectures[0])
    assert groups[0].start == 0 and groups[-1].stop == columns.shape[1]
    assert all(one.stop == other.start for one, other in zip(groups, groups[1:], strict=False))
    assert columns[0, : len(QUANTITIES)] == pytest.approx([math.log1p(totals[f"all.{name}"]) for name in QUANTITIES])


def test_weights_beyond_what_caches_hold_are_priced_and_no_kind_of_layer(
    space: Space, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    architectures = [architecture for architecture, _ in rows]
    most = max(Features(space).totals(each)["all.weights"] for each in architectures)
    monkeypatch.setattr("azora.hardware.features.HELD", most - 1)
    features = Features(space)
    assert sorted({features.totals(each)["held.weights"] for each in architectures}) == [0, 1]
    assert not {"held", "heavy", "odd-filters", "odd-blocks", "loose16", "all"} & set(features.kinds(architectures))


def test_words_are_counted_over_all_choices(space: Space, rows: list[Row]) -> None:
    architecture = rows[0][0]
    row = Features(space).choices([architecture])[0]
    words = sorted({word for choice in space.choices.values() for word in choice.values})  # type: ignore[attr-defined]
    assert list(row[-len(words) :]) == [sum(value == word for value in architecture.values()) for word in words]
    plain = make_space("mlp", Signature("classification", (7,), 3))
    assert Features(plain).choices([plain.sample(random.Random(0))]).shape[0] == 1


def test_networks_to_measure_are_different_and_usual(space: Space) -> None:
    pool = draw_distinct(space, 60, random.Random(0))
    assert len({tuple(each.items()) for each in pool}) == 60
    chosen = first_choice(Features(space), pool, 11)
    assert len({id(each) for each in chosen}) == 11
    assert [id(each) for each in chosen[6:]] == [id(each) for each in pool if each not in chosen[:6]][:5]
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 1.0], [0.51, 0.5]])
    assert set(farthest(corners, 5)) >= {0, 1, 3, 4}
    assert farthest(corners, 99) and len(farthest(corners[:2], 5)) == 2


def test_a_small_space_is_drawn_from_until_nothing_is_left() -> None:
    space = make_space("mlp", Signature("classification", (7,), 3), depths=[1], widths=[8], dropouts=[0.0])
    whole = draw_distinct(space, 100, random.Random(0))
    assert len(whole) == space.size()
    assert not draw_distinct(space, 100, random.Random(1), whole)


def test_the_same_seed_measures_the_same_networks(space: Space) -> None:
    one, other = (build_predictor(Measuring(devices.Counted(), space), 12, seed=3, brief=True).rows for _ in range(2))
    assert one == other
