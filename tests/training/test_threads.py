"""How many threads are chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from azora.training import threads as choosing
from azora.training.threads import Threads


def run(chooser: Threads, seconds: Callable[[int], float], steps: int) -> list[int]:
    used = []
    for _ in range(steps):
        chooser.before_step()
        used.append(torch.get_num_threads())
        chooser.after_step(seconds(used[-1]))
    return used


@pytest.fixture(autouse=True)
def _threads_restored() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_quicker_is_kept() -> None:
    assert run(Threads((1, 2)), lambda count: 1.0 / count, 20)[6:] == [2] * 14
    assert run(Threads((1, 2)), lambda count: 1.0 * count, 20)[6:] == [1] * 14


def test_one_step_is_enough_to_know_that_somebody_else_has_the_core() -> None:
    used = run(Threads((1, 2)), lambda count: 1.0 if count == 1 else 50.0, 20)
    assert used.count(2) == 1


def test_it_is_chosen_again_when_steps_become_slow() -> None:
    chooser = Threads((1, 2))
    run(chooser, lambda count: 1.0 / count, 10)
    assert chooser.chosen == 2
    used = run(chooser, lambda count: 1.0 if count == 1 else 30.0, 40)
    assert used[-10:] == [1] * 10


def test_it_is_chosen_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(choosing.time, "perf_counter", lambda: now[0])
    chooser = Threads((1, 2))
    run(chooser, lambda count: 1.0 * count, 10)
    assert chooser.chosen == 1
    now[0] = 10_000.0
    used = run(chooser, lambda count: 1.0 / count, 20)
    assert used[-5:] == [2] * 5


def test_with_one_candidate_nothing_is_tried() -> None:
    assert run(Threads((1,)), lambda count: 1.0, 3) == [torch.get_num_threads()] * 3
