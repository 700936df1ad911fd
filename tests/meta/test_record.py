"""What is kept of searches."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from azora.errors import KnowledgeError
from azora.meta import Judgement, Record, read_records, recall, write_records
from azora.space import Categorical, Integer, Space


def two() -> Space:
    return Space("two", [Categorical("a", (1, 2, 3)), Categorical("b", ("x", "y"))])


def record(**words: Any) -> Record:
    space = two()
    trials = [
        Judgement({"a": 1, "b": "x"}, 0.9, 1.0),
        Judgement({"a": 2, "b": "x"}, 0.5, 3.0, 2.5, {"params": 100.0}),
        Judgement({"a": 3, "b": "y"}, 0.7, 3.0),
        Judgement({"a": 3, "b": "y"}, 0.95, 1.0),
    ]
    given = {
        "id": "1", "task": "one", "features": {"log_rows": 3.0}, "metric": "accuracy", "maximise": True,
        "space": {"name": "two", "fingerprint": space.fingerprint}, "trials": trials, "facts": {"seed": 3},
    }  # fmt: skip
    return Record(**{**given, **words})


def changed(name: str, value: str) -> str:
    """A file in which the first number of this name is another."""
    return re.sub(rf'"{name}": [^,}}]+', f'"{name}": {value}', write_records([record()]), count=1)


def test_records_come_back_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    trained = Judgement({"a": 1, "b": "x"}, 0.6, 9.0, 3.0, others=((1.0, 0.9, 0.5), (3.0, 0.7, 1.0)))
    records = [record(), record(id="2", trials=[*record().trials, trained])]
    file.write_text(write_records(records), encoding="utf-8")
    assert read_records(file) == records
    assert file.read_text(encoding="utf-8").count('"others"') == 1
    found = records[1].remembered(two(), 1.0)
    assert found is not None and dict(found.best(1)[0])["a"] == 1, "what it was trained for longest decides"


def test_what_was_trained_longest_says_most() -> None:
    found = record().remembered(two(), 0.5)
    assert found is not None and found.likeness == 0.5
    assert [dict(each)["a"] for each in found.best(3)] == [3, 2, 1]  # the first was trained briefly alone
    falling = record(maximise=False).remembered(two(), 1.0)
    assert falling is not None and [dict(each)["a"] for each in falling.best(3)] == [2, 3, 1]


def test_another_space_has_nothing_to_say() -> None:
    other = Space("two", [Categorical("a", (1, 2)), Categorical("b", ("x", "y"))])
    assert record().remembered(other, 1.0) is None
    assert record(trials=record().trials[:1]).remembered(two(), 1.0) is None
    later = [*record().trials, Judgement({"a": 9, "b": "x"}, 1.0)]
    found = record(trials=later).remembered(two(), 1.0)
    assert found is not None and len(found.scores) == 3
    whole = Space("whole", [Integer("n", 1, 9)])
    numbers = [Judgement({"n": each}, 0.5) for each in (1, 2, 10**400)]
    found = record(trials=numbers, space={"name": "whole", "fingerprint": whole.fingerprint}).remembered(whole, 1.0)
    assert found is not None and len(found.scores) == 2


def test_the_most_alike_tasks_are_recalled_and_of_one_task_its_longest_search() -> None:
    features = {"log_rows": 3.0, "linear": 0.5}
    few = record(id="3", features=features, trials=record().trials[:2])
    far = record(id="4", task="far", features={"log_rows": 4.0, "linear": 0.7})
    none = record(id="5", task="none", features={"log_rows": 30.0, "linear": 0.5})
    found = recall([few, far, record(features=features), none], features, two())
    assert [(each.task, len(each.scores)) for each in found] == [("one", 3), ("far", 3)]
    assert 0.1 < found[1].likeness < found[0].likeness == 1.0
    assert recall([record()], {**features, "regression": 1.0}, two()) == []


def test_scores_of_another_evaluator_and_rewards_are_not_recalled() -> None:
    """They would stand for the task, being of more networks: one search speaks for each."""
    more = [*record().trials, Judgement({"a": 1, "b": "y"}, 7.0, 9.0)]
    counted = record(id="2", trials=more, facts={"evaluator": "mine:Count"})
    rewarded = record(id="3", trials=more, metric="reward", facts={"evaluator": "trained"})
    look = record(task="look", facts={"strategy": "improve"})
    records, features = [record(facts={"evaluator": "trained"}), counted, rewarded, look], {"log_rows": 3.0}
    assert [(each.task, len(each.scores)) for each in recall(records, features, two())] == [("one", 3), ("look", 3)]
    assert recall([counted, rewarded], features, two()) == []
    (own,) = recall(records, features, two(), "mine:Count")
    assert len(own.scores) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "is no memory of azora's"),
        ('{"format": 1}', "is no memory of azora's"),
        ('{"format": 9, "studies": []}', "has format 9, this azora reads up to 1"),
        ('{"format": 1, "studies": [{"id": "1"}]}', "no record of a search"),
        (
            json.dumps({"format": 1, "studies": [{**record().to_json(), "trials": [{"decisions": {}, "score": "x"}]}]}),
            "no rec",
        ),
        ('{"format": 1, "studies": [7]}', "no record of a search"),
        (changed("score", "NaN"), "the score nan is not a finite number"),
        (changed("budget", "1e999"), "the budget inf is not a finite number"),
        (changed("seconds", "-Infinity"), "the time -inf is not a finite number"),
        (changed("seconds", '0, "others": [{"budget": 1, "score": NaN}]'), "the score nan is not a finite number"),
        (changed("seconds", '0, "others": 7'), "no record of a search"),
        (changed("params", "NaN"), "the cost params nan is not a finite number"),
        (changed("log_rows", "NaN"), "the log_rows nan is not a finite number"),
        (changed("seed", "NaN"), "no record of a search"),
        (changed("a", "NaN"), "no record of a search"),
        (changed("score", "1" + "0" * 400), "no record of a search"),
        ("[" * 9_999, "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=said) as caught:
        read_records(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(KnowledgeError, match="cannot be read"):
        read_records(tmp_path / "missing.json")
