"""What a search's folder tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azora.automl.reading import read_out
from azora.automl.result import Result
from azora.errors import StudyError
from azora.study import SqlJournal
from azora.study.folder import JOURNAL


def judged(number: int, budget: float | None, score: float) -> list[dict[str, Any]]:
    proposal = {"architecture": {"key": f"key {number}"}, "budget": budget, "origin": "somewhere"}
    report = {"metrics": {"accuracy": score}, "error": ""}
    return [
        {"kind": "asked", "elapsed": 1.0, "number": number, "proposal": proposal},
        {"kind": "told", "elapsed": 2.0, "number": number, "report": report},
    ]


def test_what_was_trained_longest_stands_first_and_what_was_not_trained_last(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / JOURNAL)
    journal.append({"kind": "created", "elapsed": 0.0, "about": {"task": "x"}})
    for number, (budget, score) in enumerate(((0.0, 0.99), (9.0, 0.9), (3.0, 0.95), (9.0, 0.91), (None, 0.5))):
        for event in judged(number, budget, score):
            journal.append(event)
    journal.close()
    assert [each["key"] for each in read_out(tmp_path).best] == [f"key {number}" for number in (4, 3, 1, 2, 0)]


def test_a_result_is_read_by_the_name_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"test_accuracy": 0.5}')
    result = Result.read(str(tmp_path))
    assert (result.out, result.test_accuracy) == (tmp_path, 0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "holds no result: there is no result.json in it"),
        (b'{"test_accuracy": 0.', "result.json cannot be read: "),
        (b"\xff\xfe", "result.json cannot be read: "),
        (b"[1]", "result.json is no result of a search"),
    ],
)
def test_a_result_that_is_missing_or_damaged_is_told_in_one_line(text: bytes | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "result.json").write_bytes(text)
    with pytest.raises(StudyError, match=said) as caught:
        Result.read(tmp_path)
    assert "\n" not in str(caught.value)
