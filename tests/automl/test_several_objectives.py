"""A search for accuracy and cost at once."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

import azora
from azora.automl.setting import Setting
from azora.errors import ConfigError
from azora.fronts import knee
from azora.job import Job
from azora.networks.complexity import cost
from azora.tasks import Task
from azora.trial import Proposal, Report

SMALL = {"widths": [4, 8], "depths": [1], "stages": 2}


def test_a_front_comes_out_and_its_best_by_the_first_objective_is_shipped(
    brief: None, stripes: Task, tmp_path: Path
) -> None:
    result = azora.search(
        stripes, trials=24, workers=1, space_settings=SMALL, strategy="pareto",
        objective=["accuracy", "macs:min", "f1"], out=tmp_path / "out",
    )  # fmt: skip
    assert result.objectives == ["accuracy", "macs", "f1"]
    best = max(each["accuracy"] for each in result.front)
    assert result.validation_accuracy == best
    for one in result.front:
        assert not any(
            other["accuracy"] > one["accuracy"] and other["macs"] < one["macs"] and other["f1"] > one["f1"]
            for other in result.front
        )
    assert result.hypervolume >= 0
    assert re.search(r"^front +[0-9a-f]{16}: accuracy [01]", result.summary(), re.MULTILINE)
    written = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert {each["key"] for each in written["front"]} == {each["key"] for each in result.front}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Table of the front" in page and f"dominates a volume of {result.hypervolume:.4g} " in page
    points = [(each["accuracy"], -each["macs"], each["f1"]) for each in result.front]
    place = knee(points)
    assert result.knee == (None if place is None else result.front[place]["key"])
    for told, mark in ((page, f"{result.knee} (knee)"), (result.summary(), f"its knee              {result.knee}: ")):
        assert (mark in told) is (place is not None)
    assert f"its hypervolume       {result.hypervolume:.4g}" in result.summary()


@pytest.mark.parametrize(
    ("objectives", "said"),
    [
        (["accuracy", "macz"], "objective 'macz' is none of classification; did you mean 'macs'"),
        (["macs:min", "accuracy"], "objective 'macs' is none of classification"),
        (["accuracy", "accuracy:min"], "each may be named once"),
    ],
)
def test_what_cannot_be_searched_for_is_said(objectives: list[str], said: str, stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        azora.search(stripes, trials=2, strategy="pareto", objective=objectives, out=tmp_path / "out")


def test_a_proxy_stands_alone_beside_what_is_counted(stripes: Task, tmp_path: Path) -> None:
    words = {"trials": 2, "strategy": "pareto", "evaluator": "zero-cost"}
    with pytest.raises(ConfigError, match="zero-cost gives one proxy, naswot, and no synflow; there is"):
        azora.search(stripes, objective=["naswot", "synflow"], out=tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()


def test_what_an_evaluator_does_not_count_is_counted_for_it(stripes: Task, tmp_path: Path) -> None:
    words = {"evaluator": "devices:larger_is_better", "strategy": "pareto", "space": "mlp"}
    setting = Setting.of(Job.parse(task=stripes, objective=["accuracy", "macs:min"], out=tmp_path / "out", **words))
    proposal = Proposal(setting.space.sample(random.Random(0)))
    found = setting.complete(proposal, Report({"accuracy": 0.5})).metrics
    assert found == {"accuracy": 0.5, "macs": cost(setting.space, proposal.architecture)["macs"]}
    assert setting.complete(proposal, Report({"accuracy": 0.5, "macs": 7.0})).metrics["macs"] == 7.0
