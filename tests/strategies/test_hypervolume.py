"""Expected growth of the front, against sampling and counting, and the search by it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import cast

import numpy as np
import pytest
from tests.strategies.test_pareto import BOTH, covered, judged

from azora.errors import ConfigError
from azora.fronts import front_ranks, hypervolume
from azora.space import Option, Space
from azora.strategies import Bayesian, Level, RandomSearch
from azora.strategies.hypervolume import HypervolumeSearch, expected_growth
from azora.strategies.registry import make_strategy
from azora.strategies.scalarised import Scalarised
from azora.testing.strategy_contract import Make, StrategyContract, tiny_space
from azora.trial import Objective, Proposal, Report


class TestHypervolume(StrategyContract):
    length = 16

    @pytest.fixture
    def make(self) -> Make:
        return lambda space, seed: HypervolumeSearch(space, seed, (Objective(), Objective("loss", False)), start=5)


def test_expected_growth_is_what_sampling_gives() -> None:
    rng = np.random.default_rng(0)
    front, reference = [(0.0, 1.0), (0.7, 0.4), (0.2, 0.3), (1.2, -0.5)], (-1.0, -1.5)
    means, deviations = rng.normal(size=(2, 5)), rng.uniform(0.1, 1.0, size=(2, 5))
    found = expected_growth((means[0], deviations[0]), (means[1], deviations[1]), front, reference)
    now = hypervolume(front, reference)
    for place in range(5):
        drawn = rng.normal(means[:, place], deviations[:, place], size=(20_000, 2)).tolist()
        sampled = np.mean([hypervolume([*front, each], reference) - now for each in drawn])
        assert found[place] == pytest.approx(sampled, rel=0.05, abs=0.003)


def test_a_point_that_is_sure_adds_what_it_covers() -> None:
    sure = np.zeros(1)
    for point, growth in (((1.0, 3.0), 1.0), ((3.0, 3.0), 5.0), ((1.0, 1.0), 0.0), ((4.0, 0.5), 1.0)):
        asked = [(np.array([value]), sure) for value in point]
        assert expected_growth(asked[0], asked[1], [(2.0, 2.0)], (0.0, 0.0))[0] == pytest.approx(growth)


def test_it_covers_more_than_random_search_with_as_many_judgements() -> None:
    found = [covered(HypervolumeSearch(tiny_space(), seed, BOTH), 30) for seed in range(2)]
    guessed = [covered(RandomSearch(tiny_space(), seed), 30) for seed in range(2)]
    assert sum(found) > sum(guessed)


class Telling(Space):
    """The tiny space, which knows what its points cost."""

    def __init__(self) -> None:
        super().__init__("telling", list(tiny_space().choices.values()))

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return {"width": int(decisions["width"])}


def run(strategy: HypervolumeSearch, asks: int, factor: float = 1.0) -> None:
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        report = judged(proposal)
        strategy.tell(proposal, Report({**report.metrics, "width": factor * report.metrics["width"]}))


def test_what_the_space_tells_is_not_learned_unless_it_is_wrong() -> None:
    right, wrong = HypervolumeSearch(Telling(), 0, BOTH), HypervolumeSearch(Telling(), 0, BOTH)
    run(right, 14)
    run(wrong, 14, factor=2.0)
    new = [Telling().sample(random.Random(seed)) for seed in range(30)]
    belief = right._belief()
    means, deviations = right._believed_of(belief.axes, new, belief.level)[1]
    assert not deviations.any()
    order = np.argsort([-each["width"] for each in new], kind="stable")
    assert (np.diff(means[order]) >= 0).all() and np.ptp(means) > 0
    assert wrong._believed_of(wrong._belief().axes, new, None)[1][1].all()


def test_candidates_are_around_the_whole_front() -> None:
    strategy = HypervolumeSearch(tiny_space(), 0, BOTH)
    run(strategy, 30)
    belief = strategy._belief()
    assert len(belief.front) > 2
    first, second = (axis[0].round(9) for axis in strategy._believed_of(belief.axes, belief.best, belief.level))
    ranks = front_ranks(list(zip(first, second, strict=True)))
    assert ranks[: len(belief.front)] == [0] * len(belief.front)
    assert first.max() in first[:2] and second.max() in second[:2]  # the ends have most room


def test_a_pending_proposal_is_not_asked_for_again_and_changes_the_belief() -> None:
    strategy = HypervolumeSearch(tiny_space(), 0, BOTH)
    run(strategy, 12)
    before = strategy._belief()
    one, other = strategy.ask(), strategy.ask()
    assert one is not None and other is not None and one.identity != other.identity
    assert strategy._belief() is not before


def test_failures_in_either_objective_are_the_worst_in_both() -> None:
    strategy = HypervolumeSearch(tiny_space(), 0, BOTH)
    for number in range(25):
        proposal = strategy.ask()
        assert proposal is not None
        whole = judged(proposal)
        strategy.tell(proposal, whole if number % 3 else Report({"accuracy": whole.metrics["accuracy"]}))
    assert all(each.scores[0] > -10 for each in strategy.judged.values() if not each.failed)
    assert sum(each.failed for each in strategy.judged.values()) == 9


def test_an_ask_at_a_thousand_observations_takes_less_than_half_a_second() -> None:
    strategy, rng = HypervolumeSearch(tiny_space(), 0, BOTH), random.Random(0)
    for _ in range(1_000):
        proposal = Proposal(tiny_space().sample(rng))
        strategy.proposed(proposal)
        strategy.learn(proposal, judged(proposal))
    taken = []
    for _ in range(3):
        begun = time.process_time()
        proposal = strategy.ask()
        taken.append(time.process_time() - begun)
        assert proposal is not None
        strategy.tell(proposal, judged(proposal))
    assert min(taken) < 0.5


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"start": 1}, "start=1"),
        ({"objectives": (Objective(),)}, "1 objectives"),
        ({"surrogate": "gb"}, "there is no surrogate 'gb'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        HypervolumeSearch(tiny_space(), 0, **settings)  # type: ignore[arg-type]


def test_bayesian_is_this_search_for_two_objectives_and_scalarises_more() -> None:
    three = (*BOTH, Objective("loss", False))
    kinds = [
        type(cast(Level, make_strategy("bayesian", tiny_space(), objectives=each, settings=settings)).inner)
        for each, settings in ((BOTH, {}), (three, {}), (BOTH, {"front": "scalarised"}), (BOTH[:1], {}))
    ]
    assert kinds == [HypervolumeSearch, Scalarised, Scalarised, Bayesian]
    with pytest.raises(ConfigError, match="there is no front 'area'"):
        make_strategy("bayesian", tiny_space(), objectives=BOTH, settings={"front": "area"})
