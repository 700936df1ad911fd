"""The scorecard, of folders that are written here as searches and comparisons write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from azora.automl.comparing.runs import Record
from azora.automl.scoring.adapting import extensions, specialisations
from azora.automl.scoring.card import UNMEASURED, scorecard, to_markdown
from azora.automl.scoring.measures import Factor, cost_to, together
from azora.automl.scoring.reading import Searched, find_searches, read_searched
from azora.automl.scoring.words import shortest_command
from azora.cli.main import main
from azora.errors import StudyError
from azora.study import SqlJournal
from azora.study.folder import JOURNAL

CELLS = {"name": "cells", "settings": {}, "recipe": True}
ABOUT = {
    "task": "digits", "data": "d0", "space": CELLS, "strategy": "random", "settings": {}, "evaluator": "trained",
    "objective": "accuracy:max", "limits": [], "seed": 0, "baseline": None,
}  # fmt: skip
FULL = {"settings": {"epochs": 20.0}}
Judged = Sequence[tuple[float, float, float | None]]
"""(elapsed, score, epochs)"""


def study(folder: Path, judged: Judged, about: Mapping[str, Any] | None = None, **result: Any) -> Path:
    """A finished search: it starts for 2 seconds, searches until 100, trains until 130, and has written at 133."""
    folder.mkdir(parents=True)
    journal = SqlJournal(folder / JOURNAL)
    events: list[dict[str, Any]] = [
        {"kind": "created", "elapsed": 0.5, "about": {**ABOUT, **(about or {})}},
        {"kind": "opened", "elapsed": 0.5},
        {"kind": "phase", "elapsed": 2.0, "name": "search:sharing"},
        {"kind": "phase", "elapsed": 5.0, "name": "search"},
    ]
    for number, (elapsed, score, epochs) in enumerate(judged):
        report = {"metrics": {"accuracy": score}, "seconds": 3.0, "error": None, "detail": {}}
        proposal = {"architecture": {"key": str(number)}, "budget": epochs, "origin": ""}
        events.append({"kind": "asked", "elapsed": elapsed, "number": number, "proposal": proposal})
        events.append({"kind": "told", "elapsed": elapsed, "number": number, "report": report})
    events += [{"kind": "phase", "elapsed": 100.0, "name": "final"}, {"kind": "finished", "elapsed": 133.0}]
    for event in events:
        journal.append(event)
    journal.close()
    figures = {"test_accuracy": 0.9, "validation_accuracy": 0.8, "judged": len(judged), **result}
    (folder / "result.json").write_text(json.dumps(figures))
    return folder


def compared(out: Path, system: str, judged: Judged, about: Mapping[str, Any] | None = None, **result: Any) -> Path:
    """The same as a comparison's run with seed 0."""
    folder = study(out / system / "seed-0", judged, about, **result)
    Record(system, 0, [], [{"wall": 140.0, "processor": 250.0, "load": [0, 1], "exit": 0}]).write(
        folder.with_name("seed-0.json")
    )
    return folder


def read(folder: Path) -> Searched:
    found = read_searched(folder)
    assert found is not None
    return found


def test_search_cost_counts_all_phases_of_a_search_and_nothing_else(tmp_path: Path) -> None:
    found = read(study(tmp_path / "a", [(10.0, 0.5, 1.0), (20.0, 0.4, 1.0), (42.0, 0.7, 3.0)]))
    assert found.curve == [(8.0, 0.5), (40.0, 0.7)]
    assert (found.search, found.deployed, found.shortest) == (98.0, 133.0, 1.0)
    assert cost_to(found, 0.6) == 40.0 and cost_to(found, 0.71) is None


def test_what_shared_weights_alone_have_judged_reaches_nothing(tmp_path: Path) -> None:
    found = read(study(tmp_path / "a", [(10.0, 0.99, 0.0), (20.0, 0.4, 1.0)]))
    assert found.curve == [(18.0, 0.4)] and found.shortest == 1.0


def test_a_lower_loss_is_a_better_score(tmp_path: Path) -> None:
    about = {"objective": "loss:min"}
    found = read(study(tmp_path / "a", [(10.0, 0.5, 1.0)], about, test_loss=0.3))
    assert found.test == -0.3 and not found.objective.maximise


def times(number: float, bound: str = "") -> Factor:
    return Factor(pytest.approx(number), bound)


def lines(*folders: Path) -> dict[str, Any]:
    return {line.system: line for line in scorecard(find_searches(folders))}


def test_the_factor_against_fully_trained_random_search(tmp_path: Path) -> None:
    compared(tmp_path, "random-full", [(42.0, 0.6, 20.0), (82.0, 0.8, 20.0)], FULL)
    compared(tmp_path, "genetic", [(10.0, 0.6, 3.0), (12.0, 0.8, 3.0)], {"strategy": "genetic"})
    compared(tmp_path, "spos", [(22.0, 0.9, 3.0)], {"strategy": "spos"})
    compared(tmp_path, "enas", [(12.0, 0.7, 3.0)], {"strategy": "enas"})
    found = lines(tmp_path)
    assert found["genetic"].own == times(80 / 10) and found["genetic"].randoms == times(80 / 10)
    # Random search never reached 0.9, so it would have cost more than all of its 98 seconds.
    assert found["spos"].own == times(98 / 20, "≥") and found["spos"].randoms == times(80 / 20)
    # This one never reached random search's best.
    assert found["enas"].own == times(80 / 10) and found["enas"].randoms == times(80 / 98, "<")
    assert found["random-full"].own is None


def test_random_search_with_short_trainings_is_no_yardstick_of_cost(tmp_path: Path) -> None:
    compared(tmp_path, "random", [(42.0, 0.6, 3.0)])
    compared(tmp_path, "genetic", [(10.0, 0.6, 3.0)], {"strategy": "genetic"}, test_accuracy=0.93)
    found = lines(tmp_path)
    assert found["genetic"].own is None
    assert found["genetic"].random.mean == pytest.approx(0.03) and found["random"].random is None


def test_other_rows_do_not_compare(tmp_path: Path) -> None:
    compared(tmp_path, "random-full", [(42.0, 0.6, 20.0)], {**FULL, "data": "d1"})
    compared(tmp_path, "genetic", [(10.0, 0.6, 3.0)], {"strategy": "genetic"})
    assert lines(tmp_path)["genetic"].own is None


def test_the_best_network_by_hand_is_the_measure(tmp_path: Path) -> None:
    compared(tmp_path, "resnet", [(10.0, 0.6, 3.0)], FULL, test_accuracy=0.95)
    compared(tmp_path, "scaled-bottlenecks", [(10.0, 0.6, 3.0)], FULL, test_accuracy=0.97)
    compared(tmp_path, "genetic", [(10.0, 0.6, 3.0)], {"strategy": "genetic"}, test_accuracy=0.96)
    found = lines(tmp_path)
    assert found["genetic"].hand.mean == pytest.approx(-0.01)
    # A network by hand that `random` trains is no random search.
    assert found["genetic"].own is None and found["genetic"].random is None and found["resnet"].hand is None


def test_bounds_stay_bounds() -> None:
    assert together([Factor(2.0), Factor(8.0)]) == times(4.0)
    assert together([Factor(2.0), Factor(8.0, "≥")]) == times(4.0, "≥")
    assert together([Factor(2.0, "<"), Factor(8.0, "≥")]) is None and together([]) is None


def test_a_search_from_memory_beside_the_same_without(tmp_path: Path) -> None:
    genetic = {"strategy": "genetic"}
    cold = study(tmp_path / "cold", [(42.0, 0.8, 3.0)], genetic)
    warm = study(tmp_path / "warm", [(12.0, 0.85, 3.0)], genetic, recalled=[{"task": "other"}])
    by_folder = {line.folders[0]: line for line in scorecard(find_searches([cold, warm]))}
    assert by_folder[str(warm)].memory == times(4.0) and by_folder[str(cold)].memory is None


def test_words_are_those_of_the_shortest_command() -> None:
    assert shortest_command({**ABOUT, "strategy": "halving"}) == ["search", "digits", "--budget", "TIME"]
    own = {"name": "cells", "recipe": True, "settings": {"operations": ["x"]}}
    told = shortest_command({**ABOUT, "space": own, "limits": ["macs=1e+06"], "settings": {"epochs": 3}})
    assert told[4:] == [
        "--strategy", "random", "--set", "epochs=3", "--space", "cells", "--set", 'space.operations=["x"]',
        "--limit", "macs=1e+06",
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", ["spos", "darts-", "fbnet", "ofa", "smash"])
def test_a_methods_own_space_is_no_word(strategy: str) -> None:
    from azora.methods import find_method
    from azora.settings import plain
    from azora.tasks import Signature

    method = find_method(strategy, {})
    found = None if method is None else method.space(Signature("classification", (1, 8, 8), 10))
    assert found is not None
    space = {"name": found[0], "settings": plain(dict(found[1])), "recipe": True}
    assert len(shortest_command({**ABOUT, "strategy": strategy, "space": json.loads(json.dumps(space))})) == 6


def test_what_was_specialised_and_extended(tmp_path: Path) -> None:
    folder = study(tmp_path / "a", [(10.0, 0.8, 1.0)], {"strategy": "ofa"})
    made = folder / "specialised" / "macs-1M"
    made.mkdir(parents=True)
    figures = {"limits": {"macs": 1e6}, "seconds": 4.0, "tuned_epochs": 0.0, "validation_accuracy": 0.75}
    (made / "model.json").write_text(json.dumps({"figures": figures}))
    versions = folder / "model.versions"
    for number, classes in (("0001", "ab"), ("0002", "abc"), ("0003", "abcd")):
        (versions / number).mkdir(parents=True)
        (versions / number / "model.json").write_text(json.dumps({"signature": {"classes": list(classes)}}))
    history = [
        {"what": "promoted", "from": "0001", "to": "0002", "test_loss": 0.1, "deployed_test_loss": 0.4},
        {"what": "promoted", "from": "0002", "to": "0003", "test_loss": 0.2, "deployed_test_loss": 0.3},
        {"what": "rolled back", "from": "0003", "to": "0002"},
        {"what": "promoted", "from": "0002", "to": "0003", "why": "and interrupted before the second look"},
        {"what": "rolled back", "from": "0003", "to": "0002"},
        {"what": "kept"},
    ]
    (versions / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history) + '{"what')
    (limited,) = specialisations(read(folder))
    assert limited.kept == pytest.approx(-0.05) and limited.seconds == 4.0
    (extended,) = extensions(read(folder))
    assert (extended.classes, extended.fresh, extended.loss, extended.before) == (3, 1, 0.1, 0.4)
    table = to_markdown(scorecard(find_searches([folder])))
    assert "macs 1e+06: 4.0 s, -0.0500" in table and "1 more, 3 in all: 0.4000 → 0.1000" in table


def test_studies_inside_of_studies_and_unfinished_ones_are_not_lines(tmp_path: Path) -> None:
    outer = study(tmp_path / "a", [(10.0, 0.8, 1.0)])
    study(outer / "baseline", [(10.0, 0.8, 1.0)])
    (study(tmp_path / "b", [(10.0, 0.8, 1.0)]) / "result.json").unlink()
    assert [each.folder for each in find_searches([tmp_path, outer])] == [outer]


def test_what_is_not_in_the_folders_is_not_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path / "a", [(10.0, 0.8, 1.0)])
    assert main(["scorecard", str(tmp_path)]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row.count(UNMEASURED) == 8 and "| 133.0 s | accuracy 0.9000 |" in row
    assert main(["scorecard", str(tmp_path), "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["lines"]
    assert line["processor"] is None and line["own"] is None and line["words"] == 6


def test_nothing_to_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StudyError, match="is no folder"):
        find_searches([tmp_path / "none"])
    assert main(["scorecard", str(tmp_path)]) == 2
    assert "no finished search in" in capsys.readouterr().err


def test_a_search_is_held_against_random_search_of_its_own_seed(tmp_path: Path) -> None:
    """Where the splits are given, all seeds have the same rows."""
    for seed, score in ((0, 0.80), (1, 0.90)):
        about = {"seed": seed, "data": "given"}
        study(tmp_path / "random" / f"seed-{seed}", [(42.0, 0.6, 3.0)], about, test_accuracy=score)
        study(
            tmp_path / "genetic" / f"seed-{seed}", [(42.0, 0.7, 3.0)], {**about, "strategy": "genetic"},
            test_accuracy=score + 0.01,
        )  # fmt: skip
    lines = scorecard([read(folder) for folder in sorted(tmp_path.glob("*/seed-*"))])
    above = [line.random.mean for line in lines if line.random is not None]
    assert above == pytest.approx([0.01, 0.01])
