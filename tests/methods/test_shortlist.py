"""Who is trained of those that shared weights have judged, and what is told of how well they were judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azora.methods.diagnosis import diagnose, kendall, pairs_of
from azora.methods.method import PHASE
from azora.methods.shortlist import draw, most_different, shortlist, spread, usable
from azora.space import Categorical, Space
from azora.study import SqlJournal, Study
from azora.trial import Objective, Proposal, Report

OBJECTIVE = Objective()


def line() -> Space:
    """A hundred networks, numbered."""
    return Space("line", [Categorical("tens", tuple(range(10))), Categorical("ones", tuple(range(10)))])


def judged(path: Path, space: Space, numbers: dict[int, float]) -> Study:
    study = Study(SqlJournal(path), space)
    study.create({})
    for number, score in numbers.items():
        proposal = Proposal(space.architecture(tens=number // 10, ones=number % 10))
        study.told(study.asked(proposal), Report({"accuracy": score, "loss": 1 - score}))
    return study


def number(architecture: dict[str, int]) -> int:
    return 10 * architecture["tens"] + architecture["ones"]


def test_half_are_the_best_and_a_quarter_comes_from_everywhere(tmp_path: Path) -> None:
    space = line()
    study = judged(tmp_path / "study.db", space, {place: place / 100 for place in range(100)})
    chosen = [number(dict(each)) for each in shortlist(study, OBJECTIVE, 16)]
    assert len(chosen) == len(set(chosen)) == 16
    assert set(range(92, 100)) <= set(chosen)
    fifth = [place for place in chosen if 80 <= place < 92]
    assert len(fifth) in (4, 5)
    rest = sorted(place for place in chosen if place < 80)
    assert len(rest) in (3, 4)
    assert rest[0] < 30 and rest[-1] > 45
    assert max(chosen[:6]) >= 92 and min(chosen[:6]) < 92  # whoever ends early has some of each


def test_fewer_networks_than_places_are_all_taken(tmp_path: Path) -> None:
    study = judged(tmp_path / "study.db", line(), {place: place / 100 for place in range(5)})
    assert sorted(number(dict(each)) for each in shortlist(study, OBJECTIVE, 16)) == [0, 1, 2, 3, 4]


def test_the_most_different_is_far_from_all_that_were_chosen() -> None:
    space = line()
    near, far = space.architecture(tens=1, ones=2), space.architecture(tens=7, ones=9)
    assert most_different(space, [space.architecture(tens=1, ones=1)], [near, far], 1) == [far]
    assert most_different(space, [], [near, far], 5) in ([near, far], [far, near])


def test_equal_steps_reach_both_ends() -> None:
    space = line()
    ranked = [space.architecture(tens=place // 10, ones=place % 10) for place in range(100)]
    places = [number(dict(each)) for each in spread(ranked, 4)]
    assert places == [12, 37, 62, 87]


def test_scores_that_are_all_the_same_or_none_are_of_no_use(tmp_path: Path) -> None:
    assert not usable(judged(tmp_path / "a.db", line(), {1: 0.5, 2: 0.5}), OBJECTIVE)
    assert not usable(judged(tmp_path / "b.db", line(), {}), OBJECTIVE)
    assert usable(judged(tmp_path / "c.db", line(), {1: 0.5, 2: 0.6}), OBJECTIVE)


def test_drawn_ones_are_distinct() -> None:
    assert len({each.key for each in draw(line(), 12, 0)}) == 12
    assert len(draw(Space("two", [Categorical("one", (1, 2))]), 12, 0)) == 2


def test_the_shortest_training_of_its_own_is_what_a_score_is_compared_with(tmp_path: Path) -> None:
    space = line()
    inherited = judged(tmp_path / "inherited.db", space, {1: 0.1, 2: 0.2, 3: 0.3})
    study = Study(SqlJournal(tmp_path / "study.db"), space)
    study.create({})
    for place, epochs, score in ((1, 0.0, 0.99), (1, 1.0, 0.5), (1, 3.0, 0.9), (2, 1.0, 0.6), (9, 1.0, 0.1)):
        proposal = Proposal(space.architecture(tens=0, ones=place), epochs)
        study.told(study.asked(proposal), Report({"accuracy": score}))
    assert pairs_of(inherited, study, OBJECTIVE) == [(0.1, 0.5), (0.2, 0.6)]


def test_rank_correlation_needs_three_and_a_difference() -> None:
    assert kendall([(1, 1), (2, 2)]) is None
    assert kendall([(1, 1), (1, 2), (1, 3)]) is None
    assert kendall([(1, 1), (2, 2), (3, 3)]) == pytest.approx(1.0)
    assert kendall([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1.0)


def told_of(folder: Path, objective: Objective, trained: int) -> dict[str, Any]:
    """Of thirty networks, numbered; the first ones are trained. Shared weights order all as the training does, but for
    the lowest five, which they have backwards."""
    space = line()
    scores = {place: (4 - place if place < 5 else place) / 100 for place in range(30)}
    inherited = judged(folder / "study.db", space, scores)
    inherited.finish({"epochs": 7.0})
    inherited.close()
    study = Study(SqlJournal(folder / "main.db"), space)
    study.create({})
    study.enter(PHASE + "sharing")
    study.enter("search")
    for place in range(trained):
        proposal = Proposal(space.architecture(tens=place // 10, ones=place % 10), 1.0)
        study.told(study.asked(proposal), Report({"accuracy": 0.5 + place / 100}))
    assert diagnose(folder / "elsewhere", space, study, objective) == {}
    return diagnose(folder, space, study, objective)


def test_what_is_told_of_shared_weights(tmp_path: Path) -> None:
    told = told_of(tmp_path, OBJECTIVE, 25)
    assert told["judged"] == 30 and told["trained"] == 25 and told["best_fifth"] == 5
    assert 0.9 < told["kendall"] < 1.0 and told["kendall_best_fifth"] == pytest.approx(1.0)
    assert told["spread"]["least"] == 0.0 and told["spread"]["most"] == pytest.approx(0.29)
    assert told["epochs"] == 7.0


def test_the_best_fifth_of_what_is_to_be_small_is_the_lowest(tmp_path: Path) -> None:
    told = told_of(tmp_path, Objective("accuracy", maximise=False), 25)
    assert told["kendall_best_fifth"] == pytest.approx(-1.0)


def test_of_fewer_than_five_in_the_best_fifth_no_correlation_is_told(tmp_path: Path) -> None:
    told = told_of(tmp_path, OBJECTIVE, 24)
    assert told["best_fifth"] == 4 and told["kendall_best_fifth"] is None and told["kendall"] is not None
