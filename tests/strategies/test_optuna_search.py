"""Optuna's samplers as a strategy."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace

import optuna
import pytest

from azora.bench.comparison import contestants
from azora.cli.main import main
from azora.errors import ConfigError
from azora.fronts import hypervolume
from azora.space import Categorical, Integer, Real, Space
from azora.strategies import Affordable, Level, RandomSearch, Strategy
from azora.strategies.optuna_search import OptunaSearch, Sampler
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space
from azora.trial import Objective, Proposal, Report

BOTH = (Objective(), Objective("width", maximise=False))


class TestOptunaSearch(StrategyContract):
    # A Gaussian process thinks for a second: it is asked a few times, at the ends of the longest of these.
    @pytest.fixture(params=["tpe", "gp", "cmaes", "nsga2", "nsga3", "two", "level"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        if request.param == "two":
            two = (Objective(), Objective("loss", False))
            return lambda space, seed: OptunaSearch(space, seed, two, "nsga3", population=6)
        if request.param == "level":  # some are judged again, for longer
            return lambda space, seed: Level(OptunaSearch(space, seed, sampler="nsga2", population=6))
        start = 31 if request.param == "gp" else 6
        return lambda space, seed: OptunaSearch(space, seed, sampler=request.param, start=start, population=6)


def play(strategy: Strategy, asks: int) -> list[tuple[Proposal, Report]]:
    played = []
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        report = judge(proposal)
        report = Report({**report.metrics, "width": float(proposal.architecture["width"])})
        strategy.tell(proposal, report)
        played.append((proposal, report))
    return played


def numbers() -> Space:
    return Space("numbers", [Real("x", 0.0, 1.0), Real("y", 1e-4, 1.0, log=True), Integer("n", 1, 64, log=True)])


def lack(proposal: Proposal) -> float:
    """How far from x = 0.3, y = 0.01, n = 8."""
    x, y, n = (float(proposal.architecture[name]) for name in "xyn")
    return (x - 0.3) ** 2 + math.log10(y / 0.01) ** 2 / 16 + math.log2(n / 8) ** 2 / 36


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_it_comes_nearer_than_random_search(sampler: str) -> None:
    def nearest(strategy: Strategy) -> float:
        least = math.inf
        for _ in range(60):
            proposal = strategy.ask()
            assert proposal is not None
            least = min(least, lack(proposal))
            strategy.tell(proposal, Report({"accuracy": -lack(proposal)}))
        return math.log(least)

    found = [nearest(OptunaSearch(numbers(), seed, sampler=sampler, population=8)) for seed in range(4)]  # type: ignore[arg-type]
    guessed = [nearest(RandomSearch(numbers(), seed)) for seed in range(4)]
    assert sum(found) < sum(guessed)


def test_a_gaussian_process_learns_after_its_start() -> None:
    strategy = OptunaSearch(numbers(), 0, sampler="gp", start=8)
    spans = []
    for _ in range(12):
        proposal = strategy.ask()
        assert proposal is not None
        spans.append(lack(proposal))
        strategy.tell(proposal, Report({"accuracy": -lack(proposal)}))
    assert sum(spans[8:]) / 4 < sum(spans[:8]) / 8  # a single guess may be lucky


def test_two_objectives_cover_more_than_random_search() -> None:
    def covered(strategy: Strategy) -> float:
        points = [[each.score(report) for each in BOTH] for _, report in play(strategy, 60)]
        return hypervolume(points, (0.0, -64.0))

    found = [covered(OptunaSearch(tiny_space(), seed, BOTH, "nsga2", population=12)) for seed in range(5)]
    guessed = [covered(RandomSearch(tiny_space(), seed)) for seed in range(5)]
    assert sum(found) > sum(guessed)


def test_optuna_holds_what_was_judged_and_not_what_was_suggested() -> None:
    strategy = OptunaSearch(tiny_space(), 0, start=4)
    played = play(strategy, 30)
    trials = strategy.study.trials
    assert len(trials) == len({proposal.architecture.key for proposal, _ in played}) == 30
    for trial, (proposal, report) in zip(trials, played, strict=True):
        assert trial.value == report.metrics["accuracy"]
        assert trial.params["width"] == proposal.architecture["width"]
        assert ("second" in trial.params) == ("second" in proposal.architecture)


def test_what_failed_is_told_as_failed_and_what_runs_is_running() -> None:
    strategy = OptunaSearch(tiny_space(), 0, BOTH, "nsga2")
    for report in (Report(error="no"), Report({"accuracy": 0.5}), Report({"accuracy": 0.5, "width": 4.0}), None):
        proposal = strategy.ask()
        assert proposal is not None
        if report is not None:
            strategy.tell(proposal, report)
    # The second lacks a metric that is searched for.
    assert [trial.state.name for trial in strategy.study.trials] == ["FAIL", "FAIL", "COMPLETE", "RUNNING"]


def test_the_first_of_equally_long_judgements_counts() -> None:
    strategy = OptunaSearch(tiny_space(), 0)
    proposal = strategy.ask()
    assert proposal is not None
    for reached in (0.5, 0.75):
        strategy.tell(proposal, Report({"accuracy": reached}))
    assert [trial.value for trial in strategy.study.trials] == [0.5]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_the_longest_judgement_of_a_network_takes_the_place_of_the_first(sampler: Sampler) -> None:
    strategy = OptunaSearch(tiny_space(), 0, sampler=sampler, start=4, population=4)
    asked = []
    for number in range(10):
        proposal = strategy.ask()
        assert proposal is not None
        asked.append(replace(proposal, budget=1.0))
        if number < 9:  # the last is still being judged
            strategy.tell(asked[number], Report(error="no") if number == 3 else Report({"accuracy": number / 20}))
    before = strategy.study.trials
    for number, budget, report in (
        (2, 9.0, Report({"accuracy": 0.9})),
        (2, 3.0, Report({"accuracy": 0.1})),  # shorter
        (3, 9.0, Report({"accuracy": 0.8})),  # at last
        (4, 9.0, Report(error="no")),  # says nothing against the shorter one
    ):
        strategy.tell(replace(asked[number], budget=budget), report)
    after = strategy.study.trials
    values = [number / 20 for number in range(9)]
    values[2:4] = 0.9, 0.8
    assert [trial.value for trial in after] == [*values, None]
    assert after[9].state.name == "RUNNING"
    assert [(each.number, each.params, each.system_attrs) for each in after] == [
        (each.number, each.params, each.system_attrs) for each in before
    ]
    strategy.tell(asked[9], Report({"accuracy": 0.5}))
    assert strategy.study.trials[9].value == 0.5 and strategy.ask() is not None


def test_a_population_is_fitted_to_what_can_be_paid_for() -> None:
    strategy = OptunaSearch(tiny_space(), 0, sampler="nsga2")
    strategy.fit(Affordable(300.0))
    assert strategy.size == 50


def test_optunas_own_log_is_quiet_meanwhile_and_as_it_was_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    play(OptunaSearch(tiny_space(), 0, sampler="cmaes", start=2, population=4), 12)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sampler": "tpee"}, "sampler='tpee': did you mean 'tpe'"),
        ({"start": 0}, "start=0 must be a whole number, at least 1"),
        ({"population": 3}, "population=3 must be a whole number, at least 4"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Mapping[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_strategy("optuna", tiny_space(), settings=settings)


def test_cmaes_is_for_numbers_and_one_objective() -> None:
    names = Space("names", [Categorical("a", ("x", "y")), Categorical("b", ("x", "y"))])
    with pytest.raises(ConfigError, match="is for numbers, and names has none"):
        OptunaSearch(names, sampler="cmaes")
    with pytest.raises(ConfigError, match="is for one objective, not for 2"):
        OptunaSearch(tiny_space(), objectives=BOTH, sampler="cmaes")


def test_without_optuna_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "azora.optuna", raising=False)
    with pytest.raises(ConfigError, match=r"pip install azora\[optuna\]$"):
        make_strategy("optuna", tiny_space(), settings={})
    assert main(["strategies"]) == 0
    assert "pip install azora[optuna]" in capsys.readouterr().out


def test_it_is_compared_where_it_is_named_and_not_otherwise() -> None:
    assert "optuna" not in contestants([]) + contestants([], several=True)
    assert contestants(["optuna"]) == ["random", "optuna"]
