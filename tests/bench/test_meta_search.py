"""Searching for search strategies: their space, their scores, and the search itself."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.bench.compositions import (
    BAYESIAN,
    BOTH,
    EVOLUTION,
    HALVING,
    PHASES,
    Compositions,
    acting,
    decisions_of,
    settings_of,
)
from azora.bench.gains import Gains, Run
from azora.bench.meta_search import FIRST_SEED, Judging, meta_search, strategies_space, tasks_of
from azora.bench.play import play
from azora.cli.main import main
from azora.errors import BenchmarkError, ConfigError
from azora.loop import Budget
from azora.strategies import Composed, RandomSearch
from azora.strategies.bayesian import SURROGATES
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import tiny_space
from azora.trial import Proposal, Report, Trial


def test_every_point_is_a_strategy() -> None:
    space, rng = Compositions(), random.Random(0)
    phases, surrogates, rules = set(), set(), set()
    for _ in range(200):
        settings = json.loads(json.dumps(settings_of(space.sample(rng))))
        assert make_strategy("composed", tiny_space(), settings=settings).ask() is not None
        phases.add(len(settings["phases"]))
        surrogates |= {each["surrogate"] for each in settings["phases"] if each["guided"]}
        rules.add(settings["fidelity"])
        assert all("until" in each for each in settings["phases"][:-1])
        mutating = [each["source"] in ("mutation", "cross") for each in settings["phases"]]
        assert [{"changes", "rewiring", "resizing"} <= each.keys() for each in settings["phases"]] == mutating
    assert phases == set(range(1, PHASES + 1))
    assert surrogates == set(SURROGATES) and rules == {"full", "halving", "median", "curve"}


@pytest.mark.parametrize("known", [EVOLUTION, BAYESIAN, BOTH, HALVING])
def test_familiar_strategies_are_points_of_it(known: dict[str, object]) -> None:
    space = Compositions()
    point = space.architecture(**decisions_of(known))
    made, wanted = settings_of(point), dict(known)
    assert made["start"] == wanted["start"] and made["fidelity"] == wanted.get("fidelity", "full")
    for own, given in zip(made["phases"], known["phases"], strict=True):  # type: ignore[call-overload]
        assert {name: own[name] for name in given} == given
    assert len(list(space.known())) == 4


PARTS = ("source", "guided", "surrogate", "acquisition")


def test_numbers_alone_are_open_in_a_fixed_structure() -> None:
    space, rng = strategies_space("bayesian"), random.Random(0)
    made = [settings_of(space.sample(rng)) for _ in range(20)]
    parts = {(*(each["phases"][0][part] for part in PARTS), each["replacement"], each["fidelity"]) for each in made}
    assert parts == {("mixed", 1.0, "gp", "ei", "oldest", "full")}
    assert len({each["phases"][0]["pool"] for each in made}) > 10
    with pytest.raises(ConfigError, match="there is no structure 'evolve'; there is bayesian, evolution"):
        strategies_space("evolve")


def test_gain_is_the_share_of_random_searchs_regret_that_is_saved() -> None:
    (task,) = tasks_of(["digits-cells"], 25)
    protocol = task.protocol
    regrets = [
        task.regret(RandomSearch(protocol.table.space, FIRST_SEED + seed, protocol.objective)) for seed in range(30)
    ]
    assert float(sum(regrets)[0]) / 30 == pytest.approx(float(task.random[0]))  # type: ignore[index]
    run = play(Composed(protocol.table.space, FIRST_SEED + 3, protocol.objective, **EVOLUTION), protocol)
    seen = protocol.seen[-1][run.rows]
    chosen = run.rows[max(range(len(seen)), key=lambda place: (seen[place], -place))]
    wanted = 1.0 - abs(protocol.best - float(protocol.scores[chosen])) / float(task.random[0])
    assert task.gain(EVOLUTION, 3) == pytest.approx(wanted)


def test_a_short_training_counts_as_it_is_long_but_a_fifth_at_least() -> None:
    (task,) = tasks_of(["digits-cells"], 10)
    protocol = task.protocol
    made = replace(task.setup, strategies={"composed": dict(HALVING)})
    run = play(made.strategy("composed", protocol, 0), protocol)
    assert 10 < run.levels.count(0) <= 50 and 9.0 < sum(run.seconds) <= 10.0
    lengths = [protocol.levels[level].epochs for level in run.levels]
    assert set(lengths) == {1, 4, 16}
    assert {round(spent, 4) for spent in run.seconds} == {0.2, 0.05, 0.75}  # each goes on from the one before
    assert set(run.levels[:4]) == {0}
    whole = play(RandomSearch(protocol.table.space, 0, protocol.objective), protocol)
    assert len(whole.rows) == 10 and set(whole.seconds) == {1.0}
    assert -5.0 < task.gain(HALVING, 0) < 1.0


def test_where_there_is_one_length_queries_are_counted(tmp_path: Path) -> None:
    table = write(tmp_path / "macro.csv", MACRO_HEADER, macro_rows(5))
    (task,) = tasks_of([str(table)], 10)
    assert task.protocol.queries == 10 and task.protocol.seconds is None
    assert task.describe()["queries"] == 10


def test_a_longer_judgement_goes_on_from_a_shorter_one() -> None:
    judging = Judging(tasks_of(["digits-cells"], 10))
    point = Compositions().architecture(**decisions_of(EVOLUTION))
    short, long = (judging(Proposal(point, budget=budget)) for budget in (2.0, 4.0))
    (gains,) = judging.gains.values()
    assert len(gains) == 4
    assert short["gain"] == pytest.approx(sum(gains[:2]) / 2)
    assert long["gain"] == pytest.approx(sum(gains) / 4)
    assert long["runs"] == 4.0


def recorded(judging: Judging, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs that it makes from now on."""
    played, once = list[Run](), judging.runs.play

    def play(settings: Mapping[str, object], runs: Sequence[Run]) -> list[float]:
        played.extend(runs)
        return once(settings, runs)

    monkeypatch.setattr(judging.runs, "play", play)
    return played


GUIDED = {"source": "mixed", "guided": 1.0, "pool": 20, "draws": 3}
BRED = {"source": "mutation", "draws": 3}
DRAWN = {"source": "random", "draws": 3}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"phases": [GUIDED], "population": 5}, {"phases": [GUIDED], "population": 50, "replacement": "worst"}),
        ({"phases": [DRAWN], "population": 5}, {"phases": [{**DRAWN, "draws": 9}], "replacement": "none"}),
        (
            {"phases": [BRED], "population": 5, "replacement": "none"},
            {"phases": [BRED], "population": 9, "replacement": "none"},
        ),
        (
            {"phases": [{**GUIDED, "until": 0.5}, {**DRAWN, "until": 0.4}, BRED]},
            {"phases": [{**GUIDED, "until": 0.5}, BRED]},
        ),
    ],
)
def test_what_does_not_act_changes_no_run_and_is_not_played_again(
    one: Mapping[str, object], other: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    judging = Judging(tasks_of(["digits-cells"], 25))
    once, played = judging.runs.play, recorded(judging, monkeypatch)
    points = [Compositions().architecture(**decisions_of(each)) for each in (one, other)]
    assert settings_of(points[0]) != settings_of(points[1])
    assert once(settings_of(points[0]), [(0, 3)]) == once(settings_of(points[1]), [(0, 3)])
    assert judging(Proposal(points[0], budget=2.0)) == judging(Proposal(points[1], budget=2.0))
    assert len(played) == 2


@pytest.mark.parametrize("changed", [{"population": 5}, {"replacement": "worst"}, {"phases": [{**BRED, "draws": 9}]}])
def test_what_acts_is_another_strategy(changed: Mapping[str, object]) -> None:
    points = [Compositions().architecture(**decisions_of({"phases": [BRED], **each})) for each in ({}, changed)]
    one, other = (acting(settings_of(point)) for point in points)
    assert one != other


def test_processes_give_what_one_gives_and_a_run_that_fails_is_told() -> None:
    tasks = tasks_of(["digits-cells"], 10)
    one, several = Gains(tasks, 0), Gains(tasks, 2)
    try:
        runs = [(0, seed) for seed in range(3)]
        assert several.play(EVOLUTION, runs) == one.play(EVOLUTION, runs)
        with pytest.raises(BenchmarkError, match="there is no"):
            several.play({**EVOLUTION, "fidelity": "guess"}, runs[:1])  # no other run is left behind, to meet the kill
        several._players[0]._process.kill()
        with pytest.raises(BenchmarkError, match=r"was lost \(exit code -9\)"):
            for _ in range(9):  # until it is that one's turn
                several.play(EVOLUTION, runs)
        assert len(several.play(EVOLUTION, runs)) == 3
    finally:
        several.close()
    assert all(player._process.poll() is not None for player in several._players)


def test_a_resumed_search_takes_up_the_runs_that_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, point = tasks_of(["digits-cells"], 10), Compositions().architecture(**decisions_of(EVOLUTION))
    first = Judging(tasks)
    trials = [
        Trial(0, Proposal(point, budget=2.0), Report(first(Proposal(point, budget=2.0))), 1.0),
        Trial(1, Proposal(point, budget=6.0), Report({}, error="lost"), 2.0),
    ]
    again = Judging(tasks)
    again.take_up(trials)
    played = recorded(again, monkeypatch)
    assert again(Proposal(point, budget=3.0)) == first(Proposal(point, budget=3.0))
    assert played == [(0, 2)]


def test_the_search_finds_a_strategy_that_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["meta-search", "digits-cells", "--queries", "10", "--fixed", "evolution", "--out", str(tmp_path / "a")]
    assert main([*words, "--trials", "6", "--workers", "0"]) == 2
    assert "--workers 0: one at least" in capsys.readouterr().err
    assert main([*words, "--trials", "6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    learned = json.loads((tmp_path / "a" / "learned.json").read_text())
    assert learned["settings"] == found["settings"]
    assert learned["provenance"]["tables"][0]["table"] == "digits_cells"
    made = make_strategy("composed", tiny_space(), settings={"file": found["file"]})
    assert made.ask() is not None
    assert main([*words, "--trials", "6"]) == 2  # there is a study
    assert main([*words, "--trials", "8", "--resume", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["judged"] >= found["judged"]


def test_what_cannot_be_searched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no table to score strategies on"):
        meta_search([], out=tmp_path / "a", budget=Budget.of(trials=1))
    with pytest.raises(BenchmarkError, match="is named twice"):
        meta_search(["digits-cells"] * 2, out=tmp_path / "b", budget=Budget.of(trials=1), queries=10)
    assert not (tmp_path / "b").exists() or not list((tmp_path / "b").glob("learned.json"))
    assert main(["meta-search", "digits-cells"]) == 2
