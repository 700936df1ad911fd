"""The benchmark of few-shot adaptation takes up a meta-training of the same settings alone, with its own commit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

from azora.adapting import Adapting
from azora.tasks import Scaling

fewshot = script("fewshot")
ROWS = (np.zeros((100, 1, 28, 28), np.uint8), np.arange(100) // 10)


def test_a_meta_training_is_taken_up_with_its_commit_and_not_with_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = list[float]()

    def learn(self: Adapting, episodes: Any, seconds: float, **words: Any) -> None:
        learned.append(seconds)

    monkeypatch.setattr(Adapting, "learn", learn)
    monkeypatch.setattr(fewshot, "WIDTH", 4)
    monkeypatch.setattr(fewshot, "commit", lambda: "then")
    words = argparse.Namespace(work=tmp_path, seconds=3.0, seed=0, on="test", episodes=600)
    scaling = Scaling((100.0,), (60.0,))
    _, facts = fewshot.meta_trained("metanas", ROWS, scaling, words)
    monkeypatch.setattr(fewshot, "commit", lambda: "now")
    again, kept = fewshot.meta_trained("metanas", ROWS, scaling, words)
    assert learned == [3.0] and kept == facts
    cell = fewshot.about("metanas", again, kept, 5, words)
    assert (cell["commit"], cell["shots"], cell["width"]) == ("then", 5, 4)
    monkeypatch.setattr(fewshot, "WIDTH", 8)
    with pytest.raises(SystemExit, match="metanas-3s-seed0 was made with other space; name another"):
        fewshot.meta_trained("metanas", ROWS, scaling, words)
    monkeypatch.setattr(fewshot, "WIDTH", 4)
    with pytest.raises(SystemExit, match="was made with other scaling"):
        fewshot.meta_trained("metanas", ROWS, Scaling((1.0,), (60.0,)), words)
    fewshot.refuse_others(tmp_path, cell, {name: cell[name] for name in fewshot.SAME})
    with pytest.raises(SystemExit, match="other adaptation_steps"):
        fewshot.refuse_others(tmp_path, cell, {"adaptation_steps": 99})
