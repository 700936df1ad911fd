"""What the benchmark of learned strategies says of runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.quality.scripts import script

learned = script("learned")
REGRETS = {
    "random": {"25": [4.0, 2.0], "50": [2.0, 2.0]},
    "evolution": {"25": [2.0, 1.0], "50": [2.0, 1.0]},
    "bayesian": {"25": [1.0, 1.0], "50": [0.0, 1.0]},
    "ours": {"25": [1.0, 0.5], "50": [0.5, 0.5]},
}


def test_a_gain_is_the_share_of_random_searchs_regret_and_the_mean_over_tables() -> None:
    found = learned.gains({"one": REGRETS, "another": {name: {"25": by["25"]} for name, by in REGRETS.items()}})
    assert found["random"]["25"]["mean"] == 0.0
    assert found["ours"]["25"] == {"mean": 0.75, "half": 0.0}
    assert found["evolution"]["50"] == {"mean": 0.25, "half": None}, "one table has so many networks"


def test_pairs_are_of_one_seed() -> None:
    found = learned.told(REGRETS, ["ours"])
    assert found["above"]["ours"]["evolution"]["25"]["mean"] == 0.75
    assert found["above"]["ours"]["bayesian"]["50"]["mean"] == 0.0
    half = 12.7062 * np.std([-0.5, 0.5], ddof=1) / np.sqrt(2)
    assert found["above"]["ours"]["bayesian"]["50"]["half"] == pytest.approx(half, abs=1e-3)


def test_a_composition_is_played_beside_azoras_own_and_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "learned.json"
    settings = {"phases": [{"source": "mutation"}], "start": 5, "population": 5}
    file.write_text(json.dumps({"settings": settings, "provenance": {"tables": ["another"]}}), encoding="utf-8")
    monkeypatch.setattr(learned, "contestants", lambda *words, **rules: ["random", "evolution", "bayesian"])
    words = ["learned.py", "digits-cells", "--file", f"ours={file}", "--queries", "5", "10", "5000", "--runs", "2"]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    learned.main()
    found = json.loads(capsys.readouterr().out)
    of = found["tables"]["digits-cells"]
    assert list(of["regret"]) == ["random", "evolution", "bayesian", "ours"]
    assert all(list(by) == ["5", "10"] for by in of["regret"].values()), "there are not so many networks"
    assert all(each["mean"] >= 0.0 for by in of["regret"].values() for each in by.values())
    assert found["provenance"] == {"ours": {"tables": ["another"]}}
    monkeypatch.setattr(learned, "compare", lambda *given, **words: pytest.fail("they are there"))
    learned.main()
    assert json.loads(capsys.readouterr().out)["tables"] == found["tables"]


def test_a_table_of_too_few_networks_is_told() -> None:
    with pytest.raises(SystemExit, match="digits-cells has 2251 networks, too few for --queries 5000; say fewer"):
        learned.within("digits-cells", [5000, 6000])
