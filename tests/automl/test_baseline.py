"""Random search beside a search, in the same folder and at equal cost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import azora
from azora.automl.baseline import compared, split, statement
from azora.automl.reading import read_events, read_out
from azora.automl.run import run
from azora.automl.watching import Sight, Watcher
from azora.cli.main import main
from azora.errors import ConfigError, StudyError
from azora.fronts import front_ranks, hypervolume
from azora.job import Job
from azora.strategies.baseline import random_in_place_of
from azora.strategies.registry import make_strategy
from azora.strategies.strategy import Affordable
from azora.study import SqlJournal, Study
from azora.tasks import Task
from azora.testing.strategy_contract import tiny_space
from azora.trial import Objective, Proposal, Report

SMALL: dict[str, Any] = {"widths": [4, 8], "depths": [1], "stages": 2}
WORDS: dict[str, Any] = {
    "workers": 1, "space_settings": SMALL, "strategy": "evolution", "strategy_settings": {"epochs": 1},
    "baseline": "random",
}  # fmt: skip


class Killed(BaseException):
    """Stands for a process that ends."""


class Kills(Watcher):
    """Ends the process at the third judgement of the baseline."""

    def __init__(self) -> None:
        self.seen, self.notes = 0, list[str]()

    def note(self, said: str) -> None:
        self.notes.append(said)

    def see(self, sight: Sight) -> None:
        self.seen += sight.phase.startswith("random")
        if self.seen == 3:
            raise Killed


def judged(out: Path) -> list[str]:
    told = {event["number"] for event in read_events(out) if event["kind"] == "told"}
    asked = {event["number"]: event["proposal"] for event in read_events(out) if event["kind"] == "asked"}
    return [asked[number]["architecture"]["key"] for number in sorted(told)]


@pytest.mark.slow
def test_half_is_random_search_and_a_kill_in_it_loses_nothing(stripes: Task, tmp_path: Path) -> None:
    out, watch = tmp_path / "out", Kills()
    with pytest.raises(Killed):
        run(Job.parse(task=stripes, trials=11, out=out, **WORDS), watch=watch)
    assert watch.notes == [
        "half of the search is the strategy's, then half is random search's: 6 and 5 judgements at most"
    ]
    before = judged(out / "baseline")
    assert (len(judged(out)), len(before)) == (6, 3)
    result = azora.search(stripes, trials=11, out=out, resume=True, **WORDS)
    after = judged(out / "baseline")
    assert after[:3] == before
    assert len(after) == len(set(after)) == 5
    assert (result.trials, result.baseline["trials"], result.baseline["cost"]) == (6, 5, 5.0)
    assert result.key in judged(out)
    assert not (out / "baseline" / "checkpoints").exists()
    page, seen = (out / "report.html").read_text(encoding="utf-8"), read_out(out)
    assert "Against random search, at equal cost" in page
    assert "random search beside it" in page  # where the time went
    assert seen.figures["baseline"]["trials"] == 5
    assert "beside it, random search: 5 trials, 0 failed" in seen.text()
    assert "after 5 judgements each" in result.summary()


@pytest.mark.slow
def test_a_search_by_the_clock_gives_both_the_same_time(stripes: Task, tmp_path: Path) -> None:
    out = tmp_path / "out"
    figures = azora.search(stripes, budget="60s", out=out, **{**WORDS, "workers": 2}).figures
    beside = figures["baseline"]
    ends = {event["name"]: event["elapsed"] for event in read_events(out) if event["kind"] == "phase"}
    assert list(ends) == ["search", "baseline", "final"]
    searching = ends["baseline"] - ends["search"]
    assert beside["unit"] == "seconds"
    assert 0.5 * searching < beside["cost"] < searching + 0.5  # the less, the longer its workers took to start
    assert figures["seconds"] < 63
    assert [line["at"] for line in beside["at"]] == pytest.approx([beside["cost"] * part / 4 for part in (1, 2, 3, 4)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "randm"], "there is no baseline 'randm'; did you mean 'random'?"),
        (["--baseline", "random", "--strategy", "random"], "random search already"),
        (["--baseline", "random", "--trials", "1"], "trials=1 leaves none for the baseline"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "digits", "--out", str(tmp_path / "out"), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_study_with_a_baseline_is_not_gone_on_with_without(brief: None, stripes: Task, tmp_path: Path) -> None:
    azora.search(stripes, trials=4, out=tmp_path / "out", **WORDS)
    with pytest.raises(StudyError, match="with baseline 'random', not baseline None"):
        azora.search(stripes, trials=4, out=tmp_path / "out", resume=True, **{**WORDS, "baseline": None})


@pytest.mark.parametrize(
    ("name", "settings", "random_search"),
    [
        ("evolution", {"epochs": 4}, ("random", {"epochs": 4})),
        ("bayesian", {}, ("random", {"epochs": 30.0})),
        ("halving", {}, ("halving", {"inner": "random", "lowest": 1.0, "eta": 3, "rungs": 5})),
        ("halving", {"inner": "random", "rungs": 3}, ("random", {"epochs": 9.0})),
        ("bohb", {"rungs": 2}, ("hyperband", {"inner": "random", "lowest": 1.0, "eta": 3, "rungs": 2})),
        ("hyperband", {"rungs": 2}, ("random", {"epochs": 3.0})),
        (
            "stopping",
            {"longest": 8},
            ("stopping", {"inner": "random", "rule": "median", "lowest": 1.0, "longest": 8.0}),
        ),
    ],
)
def test_random_search_trains_as_the_strategy_trains(
    name: str, settings: dict[str, Any], random_search: tuple[str, dict[str, Any]]
) -> None:
    strategy = make_strategy(name, tiny_space(), settings=settings)
    strategy.fit(Affordable(2000.0))
    assert random_in_place_of(strategy) == random_search
    make_strategy(random_search[0], tiny_space(), settings=random_search[1])  # its settings are settings


def test_random_search_is_compared_with_nothing() -> None:
    with pytest.raises(ConfigError, match="random search already"):
        random_in_place_of(make_strategy("random", tiny_space(), settings={}))
    with pytest.raises(ConfigError, match="random search already"):
        random_in_place_of(make_strategy("halving", tiny_space(), settings={"inner": "random"}, lengths=False))


def test_the_split_is_said_in_what_is_shared_out() -> None:
    job = Job.parse(task="digits", budget="60s", baseline="random")
    assert split(job) == (None, None)
    assert "about 10s each" in statement(job, 20.0)
    job = Job.parse(task="digits", trials=9, baseline="random")
    assert split(job) == (5, 4)
    assert statement(job, None).endswith("5 and 4 judgements at most")
    assert split(Job.parse(task="digits", trials=9)) == (9, None)


def study(folder: Path, reports: list[dict[str, float] | None]) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    space, rng = tiny_space(), random.Random(0)
    made = Study(SqlJournal(folder / "study.db"), space)
    made.create({"strategy": "random", "settings": {}})
    made.enter("search")
    for metrics in reports:
        number = made.asked(Proposal(space.sample(rng), 1.0))
        made.told(number, Report(error="no") if metrics is None else Report(metrics))
    made.enter("over")
    made.close()
    return made


def told(scores: list[float | None]) -> list[dict[str, float] | None]:
    return [None if score is None else {"loss": score} for score in scores]


def test_regret_is_from_the_best_of_both_at_equal_cost(tmp_path: Path) -> None:
    search = study(tmp_path, told([0.5, 0.3, None, 0.2, 0.1]))
    study(tmp_path / "baseline", told([0.4, 0.6, 0.3, 0.25]))
    found = compared(tmp_path, tiny_space(), search, [Objective("loss", maximise=False)], by_time=False)
    assert (found["cost"], found["search"], found["random"]) == (4.0, 0.2, 0.25)  # 0.1 came too late
    assert found["curves"] == {
        "search": [(1.0, 0.5), (2.0, 0.3), (4.0, 0.2)],
        "random": [(1.0, 0.4), (3.0, 0.3), (4.0, 0.25)],
    }
    assert found["level_at"] == 4.0
    assert [line["regret_random"] for line in found["at"]] == pytest.approx([0.2, 0.2, 0.1, 0.05])
    assert [line["search"] for line in found["at"]] == [0.5, 0.3, 0.3, 0.2]


def test_of_several_objectives_it_is_the_volume(tmp_path: Path) -> None:
    search = study(tmp_path, [{"accuracy": 0.5, "macs": 10.0}, {"accuracy": 0.9, "macs": 30.0}])
    study(tmp_path / "baseline", [{"accuracy": 0.5, "macs": 50.0}, {"accuracy": 0.7, "macs": 30.0}])
    objectives = [Objective("accuracy"), Objective("macs", maximise=False)]
    found = compared(tmp_path, tiny_space(), search, objectives, by_time=False)
    assert found["metric"] == "hypervolume"
    assert found["search"] == pytest.approx(0.4 * 20)  # above an accuracy of 0.5 and below 50 operations
    assert found["random"] == pytest.approx(0.2 * 20)


def test_the_volume_of_three_objectives_is_that_of_all_points_by_the_front_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, names = random.Random(0), ("accuracy", "macs", "latency")
    rows = [{name: float(rng.randrange(1, 9)) for name in names} for _ in range(60)]
    made = study(tmp_path, rows[:40])
    study(tmp_path / "baseline", rows[20:])
    objectives = [Objective("accuracy"), Objective("macs", maximise=False), Objective("latency", maximise=False)]
    points = [[objective.score(Report(row)) for objective in objectives] for row in rows]
    worst = [min(column) for column in zip(*points, strict=True)]
    handed = list[Sequence[Sequence[float]]]()

    def seen(front: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
        handed.append(front)
        return hypervolume(front, reference)

    monkeypatch.setattr("azora.automl.baseline.hypervolume", seen)
    found = compared(tmp_path, tiny_space(), made, objectives, by_time=False)
    assert found["search"] == pytest.approx(hypervolume(points[:40], worst))
    assert found["random"] == pytest.approx(hypervolume(points[20:], worst))
    for name, some in (("search", points[:40]), ("random", points[20:])):
        for cost, value in found["curves"][name]:
            assert value == pytest.approx(hypervolume(some[: int(cost)], worst))
    assert all(set(front_ranks(front)) == {0} for front in handed) and len(handed) < 80


def test_where_one_judged_nothing_there_is_nothing_to_say(tmp_path: Path) -> None:
    search = study(tmp_path, told([0.5]))
    assert compared(tmp_path, tiny_space(), search, [Objective("loss", maximise=False)], by_time=False) == {}
    study(tmp_path / "baseline", told([None]))
    assert compared(tmp_path, tiny_space(), search, [Objective("loss", maximise=False)], by_time=False) == {}
