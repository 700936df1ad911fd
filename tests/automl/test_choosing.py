"""Which strategy a search that is to choose one takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.automl.advice import Advice
from azora.automl.choosing import choose_strategy
from azora.automl.discover import discover
from azora.errors import SpaceError
from azora.job import Job
from azora.meta import Judgement, Knowledge, Record, describe_task
from azora.meta.evidence import FILE, Experience, Situation, read_evidence, write_evidence
from azora.meta.features import SCALES
from azora.methods import METHODS
from azora.strategies.registry import STRATEGIES
from azora.tasks import Task, from_arrays


@pytest.fixture(autouse=True)
def _no_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None come with azora, where a test does not say so."""
    monkeypatch.setattr("azora.meta.evidence.FILE", tmp_path / "none.json")


def test_what_comes_with_azora_is_whole() -> None:
    """Each case has every strategy, and a task's features as a search has them; no data set is alone."""
    cases = read_evidence(FILE)
    (names,) = {frozenset(case.scores) for case in cases}
    assert names <= {*STRATEGIES, *METHODS} and {"halving", "spos"} <= names, "by which rules compare"
    assert all(SCALES.keys() <= case.situation.features.keys() for case in cases)
    assert len({case.data for case in cases}) >= 5 and all(case.data for case in cases)
    assert len({(case.task, case.situation.seconds) for case in cases}) == len(cases)
    assert all(0 <= score <= 1 for case in cases for own in case.scores.values() for score in own)


def test_what_comes_with_azora_speaks_of_short_searches_of_small_pictures_alone(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azora.meta.evidence.FILE", FILE)
    case = max(read_evidence(FILE), key=lambda case: case.situation.seconds)
    monkeypatch.setattr("azora.automl.choosing.describe_task", lambda data: case.situation.features)
    words = {"task": stripes, "out": tmp_path, "workers": 1, "strategy": "auto"}
    short = choose_strategy(Job.parse(**words, budget=f"{case.situation.seconds:g}s"), stripes)
    assert short.strategy in case.scores and "by " in short.why and f"on {case.task} within" in short.why
    for other in ({"budget": "1h"}, {"budget": "60s", "space": "stages"}):
        assert "the most alike" not in choose_strategy(Job.parse(**words, **other), stripes).why


def searched(
    task: Task, name: str, strategy: str, outcome: float, *, space: str = "cells × recipe", **facts: Any
) -> Record:
    """A search of other rows, for a task just like this one."""
    told = {"strategy": strategy, "budget": 60.0, "workers": 1, "test": name, "outcome": outcome, **facts}
    features = describe_task(task.search_data)
    of = {"name": space, "fingerprint": "f"}
    return Record(f"{name} {strategy}", name, features, of, "accuracy", True, [Judgement({"a": 1}, 0.9)], told)


def job_for(task: Task, out: Path, records: list[Record], **words: Any) -> Job:
    with Knowledge(out / "memory.db") as memory:
        for record in records:
            memory.remember(record)
    words = {"budget": "60s", "workers": 1, "strategy": "auto", "knowledge": out / "memory.db", **words}
    return Job.parse(task=task, out=out / "out", **words)


def test_what_was_best_on_tasks_like_it_is_taken(stripes: Task, tmp_path: Path) -> None:
    records = [
        searched(stripes, name, strategy, outcome)
        for name in ("one", "two", "three")
        for strategy, outcome in (("halving", 0.8), ("evolution", 0.9), ("gone", 0.95), ("os:system", 0.99))
    ]
    advice = choose_strategy(job_for(stripes, tmp_path, records), stripes)
    assert advice.strategy == "evolution"  # of what azora has: a memory names nothing that is then imported
    assert "by 3 cases" in advice.why and "number 1 of 2" in advice.why


def test_cases_that_come_with_azora_count_with_those_of_the_memory_and_without_one(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"halving": (0.8, 0.81), "evolution": (0.9, 0.91)}
    like = Situation(describe_task(stripes.search_data), "cells", 60.0)
    shipped = [Experience(name, like, scores, name) for name in ("one", "two")]
    file = tmp_path / "evidence.json"
    monkeypatch.setattr("azora.meta.evidence.FILE", file)
    alone = Job.parse(task=stripes, out=tmp_path, budget="60s", workers=1, strategy="auto")
    assert "leave time to train many" in choose_strategy(alone, stripes).why, "none come with it"

    file.write_text(write_evidence(shipped), encoding="utf-8")
    advice = choose_strategy(alone, stripes)
    assert advice.strategy == "evolution" and "by 2 cases" in advice.why
    untrained = choose_strategy(replace(alone, evaluator="zero-cost"), stripes)
    assert "leave time to train many" in untrained.why, "they are of trained networks"
    pairs = (("halving", 0.9), ("evolution", 0.8))
    records = [searched(stripes, str(number), *each) for number in range(4) for each in pairs]
    both = choose_strategy(job_for(stripes, tmp_path / "memory", records), stripes)
    assert both.strategy == "halving" and "by 6 cases" in both.why


@pytest.mark.parametrize(("spec", "taken"), [(None, "evolution"), ("there", "optuna")])
def test_what_needs_a_package_that_is_not_installed_is_not_taken(
    spec: str | None, taken: str, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        searched(stripes, name, strategy, outcome)
        for name in ("one", "two", "three")
        for strategy, outcome in (("halving", 0.8), ("evolution", 0.9), ("optuna", 0.95))
    ]
    monkeypatch.setattr("azora.automl.choosing.find_spec", lambda name: spec)
    assert choose_strategy(job_for(stripes, tmp_path, records), stripes).strategy == taken


def test_strategies_that_never_met_are_not_compared(stripes: Task, tmp_path: Path) -> None:
    """Who brings a space of its own has other opponents: that it beat those says nothing of the others here."""
    scores = {"halving": (0.8, 0.8, 0.95), "evolution": (0.9, 0.9, 0.9), "random": (0.7, 0.7, 0.7)}
    met = [
        searched(stripes, str(place), strategy, own[place]) for strategy, own in scores.items() for place in range(3)
    ]
    apart = [
        replace(searched(stripes, f"apart {place}", *each), space={"name": "cells × recipe", "fingerprint": "own"})
        for place in range(3)
        for each in (("darts-", 0.9), ("gdas", 0.8))
    ]
    both = choose_strategy(job_for(stripes, tmp_path / "both", [*met, *apart]), stripes)
    assert both.strategy == "evolution" and "by 3 cases" in both.why
    alone = choose_strategy(job_for(stripes, tmp_path / "alone", apart), stripes)
    assert alone.strategy == "halving" and "leave time to train many" in alone.why, "what they would take was not tried"


def test_the_same_rows_read_otherwise_are_not_heard(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pictures in another size the test rows have another digest."""
    scores = {"halving": 0.8, "evolution": 0.9}
    records = [
        replace(searched(stripes, stripes.name, *each, test=f"of {size} pixels"), id=f"{size} {each[0]}")
        for size in range(16, 64, 8)
        for each in scores.items()
    ]
    ruled = "leave time to train many"
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "1", records), stripes).why
    elsewhere = [replace(each, task="another") for each in records]
    assert choose_strategy(job_for(stripes, tmp_path / "2", elsewhere), stripes).strategy == "evolution"
    like = Situation(describe_task(stripes.search_data), "cells", 60.0)
    shipped = [Experience(stripes.name, like, {name: (at,) for name, at in scores.items()})] * 4
    monkeypatch.setattr("azora.automl.choosing.shipped_cases", lambda: shipped)
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "3", []), stripes).why


def test_rules_speak_where_memory_says_too_little(stripes: Task, tmp_path: Path) -> None:
    pairs = (("halving", 0.8), ("evolution", 0.9))
    one = [searched(stripes, "one", *each) for each in pairs]
    same = [searched(stripes, "one", *each, test=stripes.test_digest) for each in pairs]
    elsewhere = [searched(stripes, str(n), *each, space="mlp") for n in range(4) for each in pairs]
    enough = [searched(stripes, str(n), *each) for n in range(4) for each in pairs]
    ruled = "leave time to train many"
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "0", []), stripes).why
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "1", one), stripes).why
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "2", same * 4), stripes).why
    assert ruled in choose_strategy(job_for(stripes, tmp_path / "3", elsewhere), stripes).why
    two = job_for(stripes, tmp_path / "4", enough, objective=["accuracy", "macs:min"])
    assert choose_strategy(two, stripes).strategy == "pareto"
    counted = job_for(stripes, tmp_path / "5", enough, budget=None, trials=3)
    assert "judgements are counted" in choose_strategy(counted, stripes).why
    assert choose_strategy(job_for(stripes, tmp_path / "6", enough), stripes).strategy == "evolution"


def test_what_goes_on_keeps_its_strategy_and_its_search_teaches_others(stripes: Task, tmp_path: Path) -> None:
    words = {"budget": None, "trials": 1, "knowledge": tmp_path / "memory.db"}
    first = discover(job_for(stripes, tmp_path, [], **words, seed=1))
    assert first.figures["advice"]["strategy"] == "halving"
    on = job_for(stripes, tmp_path, [], **words, seed=1, resume=True)
    assert choose_strategy(on, stripes).why == "the search was begun with it"
    asked = job_for(stripes, tmp_path, [], strategy="random")
    assert choose_strategy(asked, stripes).why == "it was asked for"
    with Knowledge(tmp_path / "memory.db") as memory:
        (record,) = memory.records()
    assert record.facts["outcome"] == pytest.approx(first.figures["test_accuracy"])
    assert (record.facts["workers"], record.facts["limits"], record.facts["settings"]) == (1, [], {})
    assert (record.facts["amounts"], record.facts["target"]) == ([], None)
    assert (record.facts["data"], record.facts["test"]) == (stripes.digest, stripes.test_digest)


def test_the_test_rows_are_known_again_whatever_the_seed_of_the_search(stripes: Task) -> None:
    rows, y = (
        np.concatenate([stripes.train.x, stripes.validation.x]),
        np.concatenate([stripes.train.y, stripes.validation.y]),
    )
    first, second = (from_arrays(rows, y, seed=seed) for seed in (0, 1))
    assert first.digest != second.digest and first.test_digest == second.test_digest


def test_space_and_limits_have_a_say_in_the_rules(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruled(**words: Any) -> Advice:
        job = Job.parse(task=stripes, out=tmp_path, workers=1, strategy="auto", **words)
        return choose_strategy(replace(job, budget=0.4), stripes)

    assert ruled().strategy == "spos"
    small = ruled(limits=["macs=100k"])
    assert small.strategy == "halving" and "times the usual multiply-accumulates, leave time to train" in small.why
    own = ruled(space="cells", space_settings={"widths": [4], "depths": [1]})
    assert own.strategy == "halving" and "times the usual multiply-accumulates, leave time to train" in own.why
    aimed = ruled(limits=["macs=100k"], reward="hard")
    assert aimed.strategy == "halving" and aimed.why.endswith(
        "no weights can be shared: limits are aimed at by a reward"
    )
    assert ruled(space="cells").strategy == "spos"

    def refuse(*words: Any) -> None:
        raise SpaceError("its GRU cannot be sliced")

    monkeypatch.setattr("azora.methods.spos.Spos.check", refuse)
    packed = ruled(space="cells")
    assert packed.strategy == "halving" and packed.why.endswith("no weights can be shared: its GRU cannot be sliced")
    assert ruled().strategy == "spos", "it has a space of its own"
