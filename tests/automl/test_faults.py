"""Whole searches whose evaluators misbehave, and whole searches that are killed. Minutes, so they are marked slow."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TESTS = str(Path(__file__).parents[1])
BUDGET = 30.0


def start(out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "azora", "search", "digits", "--out", str(out), "--json", "--quiet", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": TESTS},
    )


def told(out: Path) -> list[dict[str, Any]]:
    """The finished trials in the journal, as (identity, report)."""
    if not (out / "study.db").exists():
        return []
    with sqlite3.connect(out / "study.db") as connection:
        try:
            rows = connection.execute("select body from events order by id").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            return []
    connection.close()
    events = [json.loads(body) for (body,) in rows]
    asked = {event["number"]: event["proposal"] for event in events if event["kind"] == "asked"}
    return [
        {"key": asked[event["number"]]["architecture"]["key"], "budget": asked[event["number"]]["budget"], **event}
        for event in events
        if event["kind"] == "told"
    ]


@pytest.mark.parametrize(
    ("evaluator", "reason"),
    [
        ("raises", "ValueError: no such luck"),
        ("not_a_number", "accuracy is not a finite number"),
        ("exits_hard", "worker ended with exit code 3"),
        ("hoards", "memory"),
        ("sleeps", "no answer in 1 s"),
    ],
)
def test_each_costs_its_trial_only_and_the_budget_holds(evaluator: str, reason: str, tmp_path: Path) -> None:
    words = ["--evaluator", f"evaluators:{evaluator}", "--budget", f"{BUDGET}s"]
    words += ["--trial-timeout", "1s"] if evaluator == "sleeps" else []
    begun = time.monotonic()
    process = start(tmp_path / "out", *words, "--worker-memory", "900MB")
    _, err = process.communicate(timeout=120)
    spent = time.monotonic() - begun
    assert process.returncode == 2
    assert "networks that were tried failed; the first:" in err
    assert "Traceback" not in err
    assert spent < BUDGET + 5
    reports = [trial["report"] for trial in told(tmp_path / "out")]
    assert len(reports) >= 3
    assert all(reason in report["error"].lower() or reason in report["error"] for report in reports)


def test_ten_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    out, rng = tmp_path / "out", random.Random(0)
    words = ["--budget", "60s", "--seed", "0"]
    before = 0
    for kill in range(10):
        process = start(out, *words, *(["--resume"] if (out / "study.db").exists() else []))
        time.sleep(rng.uniform(3.0, 12.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        _kill_orphans_would_be_a_failure(process.pid)
        trials = told(out)
        assert len(trials) >= before, f"kill {kill} lost a trial"
        before = len(trials)
    process = start(out, *words, "--resume")
    printed, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    trials = told(out)
    assert max(Counter((trial["key"], trial["budget"]) for trial in trials).values()) == 1
    figures = json.loads(printed)
    assert figures["trials"] == len(trials) >= before
    assert figures["test_accuracy"] > 0.9


def _kill_orphans_would_be_a_failure(group: int) -> None:
    """Workers are in sessions of their own; they end by themselves when their parent has gone."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [
            folder
            for folder in Path("/proc").glob("[0-9]*")
            if "azora.executors.worker\0" in _command(folder) and f"\0{group}\0" in _command(folder)
        ]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"{len(left)} workers outlived their parent")


def _wait_for_trials(out: Path) -> None:
    deadline = time.monotonic() + 40
    while len(told(out)) < 4 and time.monotonic() < deadline:
        time.sleep(0.5)


def _command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text()
    except OSError:
        return ""


def test_an_interrupt_finishes_with_the_best_so_far_and_a_second_stops_at_once(tmp_path: Path) -> None:
    process = start(tmp_path / "once", "--budget", "40s")
    _wait_for_trials(tmp_path / "once")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert json.loads(printed)["test_accuracy"] > 0.9
    process = start(tmp_path / "twice", "--budget", "60s")
    _wait_for_trials(tmp_path / "twice")
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begun < 5


def test_an_interrupt_before_anything_was_judged_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path / "out", "--budget", "60s", "--evaluator", "evaluators:sleeps")
    time.sleep(12)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted before any network was judged" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"making a small disk needs the right to mount one: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_leaves_a_journal_that_can_be_read_and_gone_on_with(small_disk: Path) -> None:
    out, filler = small_disk / "out", small_disk / "filler"
    words = ["--trials", "60", "--evaluator", "evaluators:well", "--seed", "1"]
    out.mkdir()
    # Room for the journal's first pages and a handful of trials.
    filler.write_bytes(b"x" * (2_000_000 - 170_000))
    _, err = start(out, *words).communicate(timeout=120)
    assert "what is in it is safe: make room and go on with --resume" in err
    assert "Traceback" not in err and err.count("\n") == 1
    before = told(out)
    filler.unlink()
    process = start(out, *words, "--resume")
    _, err = process.communicate(timeout=200)
    assert len(told(out)) == 60 and before == told(out)[: len(before)]


def test_a_clock_that_is_set_back_takes_nothing_from_the_time_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    from azora.study import MemoryJournal, Study
    from azora.testing.strategy_contract import tiny_space

    now = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    for _ in range(5):
        study.alive()
    elapsed = [event["elapsed"] for event in journal.read()]
    assert elapsed == sorted(elapsed) and 0 <= elapsed[-1] < 60
