"""A new device from ten measurements and what is known of others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from azora.hardware.transfer import Adapted, Others
from azora.strategies.surrogates import Array

NETWORKS, PARTS = 400, 5  # of what devices differ in: arithmetic, memory, layers …


def family(devices: int, seed: int = 0) -> tuple[Array, Array]:
    """(networks, devices) milliseconds, and those of a new device, each its own mixture of the same parts."""
    rng = np.random.default_rng(seed)
    parts = np.exp(rng.normal(size=(NETWORKS, PARTS)))
    shares = np.exp(rng.normal(size=(PARTS, devices + 1)))
    times = parts @ shares * np.exp(0.02 * rng.normal(size=(NETWORKS, devices + 1)))
    return times[:, :-1], times[:, -1]


def rank(found: Array, true: Array) -> float:
    return float(spearmanr(found, true).statistic)


@pytest.mark.parametrize("seed", range(4))
def test_ten_measurements_are_enough_for_a_new_mixture(seed: int) -> None:
    known, new = family(8, seed)
    logs = np.log(known)
    others = Others.of(logs)
    chosen = others.choose(logs, 10)
    assert len(set(chosen)) == 10
    found, doubt = Adapted.fit(others, logs[chosen], new[chosen])(logs)
    left = np.setdiff1d(np.arange(NETWORKS), chosen)
    assert rank(found[left], new[left]) > 0.95
    assert np.abs(np.log(found[left] / new[left])).mean() < 0.15
    assert (doubt > 0).all()


def test_a_mixture_of_known_devices_times_is_found() -> None:
    known, _ = family(6)
    logs, new = np.log(known), known @ np.array([0.0, 3.0, 0.0, 0.5, 0.0, 0.0])
    others = Others.of(logs)
    chosen = others.choose(logs, 10)
    assert rank(Adapted.fit(others, logs[chosen], new[chosen])(logs)[0], new) > 0.95


@pytest.mark.parametrize("count", [3, 10])
def test_one_known_device_is_enough(count: int) -> None:
    known, _ = family(1)
    logs, new = np.log(known), 7.0 * known[:, 0] ** 0.9
    others = Others.of(logs)
    chosen = others.choose(logs, count)
    found, doubt = Adapted.fit(others, logs[chosen], new[chosen])(logs)
    assert rank(found, new) > 0.99
    assert np.abs(found / new - 1).mean() < 0.15
    assert np.isfinite(doubt).all() and (doubt > 0).all()


def test_more_measurements_leave_less_doubt() -> None:
    known, new = family(8)
    logs = np.log(known)
    others = Others.of(logs)
    doubts = []
    for count in (5, 20, 80):
        chosen = others.choose(logs, count)
        doubts.append(Adapted.fit(others, logs[chosen], new[chosen])(logs)[1].mean())
    assert doubts == sorted(doubts, reverse=True)


def test_what_devices_have_in_common_is_believed_without_any_measurement_of_it() -> None:
    """Equal devices at another scale: three measurements fix the scale, and the ranks are the devices' own."""
    known, _ = family(1)
    logs = np.log(known * np.array([1.0, 2.0, 4.0]))
    others = Others.of(logs)
    chosen = others.choose(logs, 3)
    found, _ = Adapted.fit(others, logs[chosen], 0.1 * known[chosen, 0])(logs)
    assert rank(found, known[:, 0]) > 0.999
    assert found == pytest.approx(0.1 * known[:, 0], rel=0.3)


def test_devices_that_never_differ_do_no_harm() -> None:
    logs = np.zeros((50, 2))
    found, doubt = Adapted.fit(Others.of(logs), logs[:5], np.full(5, 2.0))(logs)
    assert found == pytest.approx(2.0)
    assert np.isfinite(doubt).all()


def test_the_networks_to_measure_leave_less_doubt_than_others() -> None:
    known, new = family(8)
    logs = np.log(known)
    others, rng = Others.of(logs), np.random.default_rng(0)

    def doubt(chosen: list[int]) -> float:
        return float((Adapted.fit(others, logs[chosen], new[chosen])(logs)[1] ** 2).mean())

    # The deviation of what was measured sets the scale of all doubt, so it is taken out.
    def relative(chosen: list[int]) -> float:
        return doubt(chosen) / Adapted.fit(others, logs[chosen], new[chosen]).noise

    drawn = [relative(rng.permutation(NETWORKS)[:6].tolist()) for _ in range(20)]
    assert relative(others.choose(logs, 6)) < min(drawn)


def test_no_more_networks_are_chosen_than_there_are() -> None:
    known, _ = family(3)
    logs = np.log(known[:4])
    assert sorted(Others.of(logs).choose(logs, 10)) == [0, 1, 2, 3]
