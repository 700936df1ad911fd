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
    words = argparse.Namespace(work=tmp_path, seconds=3.0, seed=0, on="test", episodes=600, commit="then")
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


def test_what_was_found_is_trained_as_the_fixed_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Adapting, "learn", lambda self, *words, **more: None)
    monkeypatch.setattr(fewshot, "WIDTH", 4)
    monkeypatch.setattr(fewshot, "commit", lambda: "then")
    words = argparse.Namespace(work=tmp_path, seconds=3.0, seed=0, on="test", episodes=600, commit="then")
    scaling = Scaling((100.0,), (60.0,))
    found, facts = fewshot.meta_trained("found", ROWS, scaling, words)
    searched, _ = fewshot.meta_trained("metanas", ROWS, scaling, words)
    assert found.settings.style == "fixed" and found.favoured() == searched.favoured()
    assert facts["asked"]["architecture"] == searched.favoured().to_json()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["found-3s-seed0", "metanas-3s-seed0"]


def test_held_out_tasks_choose_how_long_new_weights_are_adapted(monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(method: str, adapting: Any, episodes: Any, count: int, steps: int) -> dict[str, Any]:
        return {"correct": [steps, count]}

    monkeypatch.setattr(fewshot, "judged", judged)
    assert fewshot.chosen_steps("scratch", None, None, 5) == 100
    assert fewshot.chosen_steps("metanas", None, None, 5) == 10


def test_each_style_is_compared_with_its_own_ablations() -> None:
    same = {"on": "test", "shots": 5, "meta_training_seconds": 9.0, "episodes": 3, "commit": "now", "seed": 0}
    cells = [{**same, "method": method} for method in fewshot.METHODS]
    others = {cell["method"]: [each["method"] for each in fewshot.paired(cell, cells)] for cell in cells}
    assert others["metanas"] == ["fixed", "scratch", "found"] and others["base"] == ["fixed", "scratch-base"]
    assert others["found"] == ["fixed"] and not others["fixed"] and not others["scratch-base"]


def test_differences_are_of_one_commit_and_are_told_over_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = {"on": "test", "shots": 5, "meta_training_seconds": 9.0, "episodes": 3, "meta_steps": 7}
    figures = {"accuracy": 90.0, "half": 1.0}
    correct = {"metanas": ([60, 63, 66], [66, 69, 72]), "fixed": ([60, 60, 60], [60, 60, 60])}
    for method, seeds in correct.items():
        for seed, answers in enumerate(seeds):
            cell = {**same, "method": method, "seed": seed, "commit": "now", "correct": answers}
            cell |= {"transductive": figures, "by_support_statistics": figures}
            fewshot.write(tmp_path / f"{method}-{seed}.json", cell)
    fewshot.write(tmp_path / "scratch-0.json", {**cell, "method": "scratch", "seed": 0, "commit": "then"})
    fewshot.summary(tmp_path)
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and "+4.00 ± 4.53 fixed" in lines[0] and "scratch" not in lines[0]
    # The means of the seeds are 4 and 12 points: 8 ± 12.71 · 5.66 / √2.
    assert last.endswith("at now: +8.00 ± 50.82 over 2 seeds (over 3 episodes ± 4.53, 4.53)")


@pytest.mark.parametrize(("rate", "said"), [(0.1, ["at later, now: +8.00 ± 50.82 over 2 seeds"]), (0.2, [])])
def test_seeds_of_several_commits_are_put_together_where_settings_are_the_same(rate: float, said: list[str]) -> None:
    same = {"on": "test", "shots": 5, "meta_training_seconds": 9.0, "episodes": 3}
    cells = [
        {**same, "method": method, "seed": seed, "commit": commit, "correct": answers, "settings": {"rate": asked}}
        for seed, commit, asked in ((0, "now", 0.1), (1, "later", rate))
        for method, answers in (("metanas", [60 + 6 * seed, 63 + 6 * seed, 66 + 6 * seed]), ("fixed", [60, 60, 60]))
    ]
    assert [line.partition("9 s ")[2].partition(" (")[0] for line in fewshot.over_seeds(cells)] == said
