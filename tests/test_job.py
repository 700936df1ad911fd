"""The words of a job."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from azora.automl.setting import check_names
from azora.errors import AzoraError, ConfigError
from azora.job import Job


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"budget": ""}, "budget '' is not a duration"),
        ({"budget": 0}, "budget '0' must be above zero"),
        ({"budget": 0, "trials": 3}, "budget '0' must be above zero"),
        ({"trial_timeout": ""}, "time limit '' is not a duration"),
        ({"trial_timeout": 0}, "time limit 0 is not a duration"),
        ({"worker_memory": ""}, "memory '' is not an amount"),
    ],
)
def test_nothing_is_not_for_ever(words: dict[str, Any], said: str) -> None:
    with pytest.raises(AzoraError, match=said):
        Job.parse(task="digits", **words)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_are_those_that_all_generators_take(seed: int) -> None:
    with pytest.raises(ConfigError, match=f"seed={seed} must be at least 0 and below 4294967296"):
        Job.parse(task="digits", seed=seed)
    assert Job.parse(task="digits", seed=2**32 - 1).seed == 2**32 - 1


def test_without_a_budget_there_is_one_unless_judgements_are_counted() -> None:
    assert Job.parse(task="digits").budget == 300.0
    assert Job.parse(task="digits", trials=3).budget is None
    assert Job.parse(task="digits", trials=3, budget="1m").budget == 60.0


def test_a_device_that_is_not_there_is_said_before_anything_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_names(Job.parse(task="digits"))
    with pytest.raises(ConfigError, match=r"device cuda is not there: torch .* finds 0 CUDA devices"):
        check_names(Job.parse(task="digits", device="cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=2**33))
    check_names(Job.parse(task="digits", device="cuda:1"))
    with pytest.raises(ConfigError, match=r"device cuda:2 is not there: torch .* finds 2 CUDA devices"):
        check_names(Job.parse(task="digits", device="cuda:2"))


def test_numbers_of_numpy_and_single_words_are_what_they_look_like() -> None:
    words: dict[str, Any] = {"worker_memory": 4_000_000_000, "limits": "params=200k", "beside": "runs/r"}
    job = Job.parse(task="digits", seed=np.int64(3), workers=np.int64(2), trials=np.int32(5), **words)
    assert json.dumps([job.seed, job.workers, job.trials]) == "[3, 2, 5]"
    assert job.worker_memory == 4_000_000_000
    assert [limit.quantity for limit in job.limits] == ["params"]
    assert job.beside == (Path("runs/r"),)


@pytest.mark.parametrize("words", [{"seed": 1.5}, {"workers": "two"}, {"trials": 2.0}])
def test_what_is_no_whole_number_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        Job.parse(task="digits", **words)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("limit", "a search has no word 'limit'; did you mean 'limits'?"),
        ("objectives", "did you mean 'objective'?"),
        ("label", r"a search has no word 'label'; how data is read is said by reading={'label': …}"),
        ("skip_bad", "reading={'skip_bad': …}"),
    ],
)
def test_words_that_no_search_has_are_told_in_one_line(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("{", r"\{").replace("?", r"\?")):
        Job.parse(task="digits", **{word: "x"})
