"""Networks are chosen, measured until the time is over, and fitted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from tests.hardware.made import Clock, Leaving, Slow

import devices
from azora.errors import TargetError
from azora.hardware import (
    Deployable,
    Measured,
    Measuring,
    Predictor,
    Target,
    build_predictor,
    find_target,
    validate,
)
from azora.hardware.build import FIRST, MOST_FAILURES, STEPS, _doubtful
from azora.hardware.choosing import draw_distinct
from azora.hardware.making import make_target_file
from azora.hardware.predictor import FEWEST, QUICK
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Architecture, Space
from azora.tasks import Signature, from_arrays
from azora.tasks.tables import Column, Table


def parameters_of(space: Space, architecture: Architecture) -> int:
    return cost(space, architecture)["params"]


def drawn(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    return draw_distinct(space, count, random.Random(seed))


def test_without_an_end_all_are_measured(space: Space) -> None:
    seen: list[tuple[str, int, int]] = []
    measuring = Measuring(devices.Counted(), space)
    rows = measuring(drawn(space, 9), "measuring", lambda *told: seen.append(told))
    assert [architecture for architecture, _ in rows] == drawn(space, 9)
    assert rows == measuring.rows
    assert seen == [("measuring", done, 9) for done in range(1, 10)]
    assert not measuring.over and not measuring.failures


def test_when_the_time_is_over_the_fewest_are_measured_all_the_same(space: Space) -> None:
    measuring = Measuring(devices.Counted(), space, seconds=0.0)
    assert len(measuring(drawn(space, 30), "measuring")) == FEWEST
    assert measuring.over
    assert not measuring(drawn(space, 30, 1), "measuring")


def test_measuring_stops_in_time(space: Space, clock: Clock) -> None:
    measuring = Measuring(Slow(clock), space, seconds=20.0)
    assert len(measuring(drawn(space, 40), "measuring", share=0.5)) == 10
    assert not measuring.over
    assert len(measuring(drawn(space, 40, 1), "measuring")) == 10
    assert measuring.over


def test_a_predictor_is_built_of_what_the_time_allows(space: Space, clock: Clock) -> None:
    measuring = Measuring(Slow(clock), space, seconds=14.0)
    assert len(build_predictor(measuring, 20, brief=True).rows) == 14
    assert len(build_predictor(Measuring(Slow(clock), space, seconds=2.0), 20, brief=True).rows) == FEWEST


def test_a_network_that_cannot_be_run_is_left_out_and_told(space: Space) -> None:
    target = devices.Picky()
    measuring = Measuring(target, space)
    found = measuring(drawn(space, 20), "measuring")
    assert 0 < len(found) < 20
    assert len(found) + len(measuring.failures) == 20
    assert all("no memory for" in each for each in measuring.failures)


def test_a_target_that_runs_none_is_told_at_once(space: Space) -> None:
    target = devices.Picky(every=0)
    with pytest.raises(TargetError, match="no memory for"):
        Measuring(target, space)(drawn(space, 30), "measuring")
    assert len(target.given) == MOST_FAILURES


def test_what_cannot_be_run_is_not_tried_again_and_others_take_its_place(space: Space) -> None:
    measuring = Measuring(devices.Picky(), space)
    predictor = build_predictor(measuring, 30, brief=True)
    assert measuring.tried == 30
    assert FEWEST <= len(predictor.rows) < 30
    keys = [tuple(architecture.items()) for architecture, _ in predictor.rows]
    assert len(set(keys)) == len(keys)


def test_too_few_that_can_be_run_are_told_with_the_reason(space: Space) -> None:
    with pytest.raises(TargetError, match=rf"Picky.*: \d networks could be measured, {FEWEST} at least .*no memory"):
        build_predictor(Measuring(devices.Picky(every=1000), space), 10, brief=True)


def test_a_target_that_goes_away_is_given_up(space: Space, clock: Clock) -> None:
    target = Leaving(clock, 3, stays=False)
    with pytest.raises(TargetError, match=r"^no device is connected"):
        build_predictor(Measuring(target, space), 60, brief=True)
    assert target.given == 3 + MOST_FAILURES + 1


@pytest.mark.parametrize("networks", [FEWEST, 11])
def test_what_a_target_measured_before_it_went_away_is_fitted_to(networks: int, space: Space, clock: Clock) -> None:
    measuring = Measuring(Leaving(clock, networks, stays=False), space)
    predictor = build_predictor(measuring, 60, brief=True)
    assert len(predictor.rows) == networks and measuring.ended == "no device is connected"


def test_the_time_ends_the_measuring_where_others_fail(space: Space, clock: Clock) -> None:
    target = Leaving(clock, 3, stays=True)
    with pytest.raises(TargetError, match=rf"3 networks could be measured, {FEWEST} at least .*no device is connected"):
        build_predictor(Measuring(target, space, seconds=2.0), 60, brief=True)
    assert target.given == 3 + MOST_FAILURES + 1


def test_more_is_measured_where_too_few_of_the_first_could_be_run(space: Space) -> None:
    measuring = Measuring(devices.Picky(every=4), space)
    predictor = build_predictor(measuring, 60, brief=True)
    assert len(predictor.rows) >= FEWEST
    assert measuring.tried <= 60


def test_weights_do_not_hang_on_what_was_measured_before_and_no_draw_of_the_searchs_is_taken(space: Space) -> None:
    sums: list[float] = []

    class Noting(devices.Counted):
        def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
            sums.append(sum(float(each.detach().sum()) for each in deployable.network.parameters()))
            return super().measure(deployable)

    state = torch.get_rng_state()
    measuring, (one, *_, other) = Measuring(Noting(), space), sorted(drawn(space, 9), key=partial(parameters_of, space))
    measuring([one, other, one], "measuring")
    assert sums[0] == sums[2] != sums[1]
    assert torch.get_rng_state().equal(state)


def test_the_doubtful_are_chosen(space: Space) -> None:
    pool = drawn(space, 20)

    class Unsure:
        def predict(self, architectures: Sequence[Architecture]) -> tuple[np.ndarray, np.ndarray]:
            doubts = np.array([pool.index(each) % 10 for each in architectures], dtype=float)
            return np.ones(len(doubts)), doubts

    measuring = Measuring(devices.Counted(), space)
    measuring([pool[9], pool[18]], "measuring")
    left = measuring.untried(pool)
    assert [pool.index(each) for each in _doubtful(Unsure(), left)][:4] == [19, 8, 7, 17]  # type: ignore[arg-type]
    assert _doubtful(Unsure(), []) == []  # type: ignore[arg-type]


def test_after_the_first_networks_come_those_about_which_most_is_in_doubt(space: Space) -> None:
    predictor = build_predictor(Measuring(devices.Roofline(), space), 20, brief=True)
    given = [architecture for architecture, _ in predictor.rows]
    assert len(given) == 20
    first, step = round(FIRST * 20), (20 - round(FIRST * 20)) // STEPS
    unsure = Predictor(space, predictor.rows[:first], QUICK)
    chosen, usual = (unsure.predict(each)[1] for each in (given[first : first + step], drawn(space, 40, 7)))
    assert chosen.min() > np.median(usual)


def test_too_few_measurements_are_refused_before_anything_is_measured(space: Space) -> None:
    with pytest.raises(TargetError, match="--measurements 7: a predictor needs 8 at least"):
        make_target_file("devices:Counted", "digits", "nb201", {}, measurements=7)


def test_spaces_whose_layers_are_not_known_beforehand_are_measured_too() -> None:
    rows = make_space("mlp", Signature("regression", (7,), 1), depths=[1, 2], widths=[8, 32])
    measuring: Measuring = Measuring(devices.Counted(), rows)
    predictor = build_predictor(measuring, 16, brief=True)
    found = validate(measuring, predictor, 10)
    assert found is not None and found.error < 0.05


@pytest.mark.parametrize("spec", ["torch-cpu", "onnxruntime"])
def test_networks_for_a_table_with_words_and_holes_are_measured_and_what_ships_with_its_preparation(spec: str) -> None:
    table = Table((Column("n", None, True), Column("w", ("a", "b", "c")), Column("m")))
    x = np.array([[row, row % 3, -row] for row in range(30)], np.float32)
    x[4, 0] = np.nan
    task = from_arrays(x, np.arange(30) % 2, table=table)
    assert task.signature.raw_shape != task.signature.shape
    space, target = make_space("mlp", task.signature, depths=[1], widths=[8, 16]), find_target(spec)
    measuring = Measuring(target, space, each=0.01)
    rows = measuring(drawn(space, 4), "measuring")
    measuring.close()
    assert len(rows) == 4 and not measuring.failures
    network = space.build(As(rows[0][0])).eval()
    shipped = target.measure(Deployable(network, task.signature, task.scaling), 0.01)
    assert shipped.latency.median > 0


def test_targets_are_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Target()  # type: ignore[abstract]
