"""Searches by shared weights, killed or interrupted in each of their phases. Minutes, so they are marked slow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from azora.automl.reading import read_events
from azora.errors import AzoraError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BUDGET, LATE = 60.0, 6.0  # seconds; and by how many it may be missed
AFTER = 20.0  # for what comes after the clock (test rows, ONNX file, report), on a machine that is slow and busy
SHARING, INHERITING, SEARCH, FINAL = PHASES = ("search:sharing", "search:inheriting", "search", "final")
WORDS = ["--strategy", "spos", "--budget", f"{BUDGET:g}s", "--seed", "0"]
LITTLE = [
    "--set",
    "space.nodes=2",
    "--set",
    "space.widths=[8,16]",
]  # so that all phases have time where others work too


def start(out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "azora", "search", "digits", "--out", str(out), "--json", "--quiet"]
    return subprocess.Popen(
        [*command, *WORDS, *LITTLE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def events(folder: Path) -> list[dict[str, Any]]:
    """Of a journal that may not be there yet."""
    try:
        return [dict(event) for event in read_events(folder)]
    except AzoraError:
        return []


def steps(out: Path) -> int:
    try:
        with safe_open(out / "one_shot" / "shared.safetensors", "pt") as file:
            return int(file.get_tensor("step"))
    except OSError:
        return 0


def begun(out: Path, phase: str) -> bool:
    """Whether the phase is under way, and something has come of it."""
    names = [event["name"] for event in events(out) if event["kind"] == "phase"]
    if not names or names[-1] != phase:
        return False
    match phase:
        case "search:sharing":
            return steps(out) > 0
        case "search:inheriting":
            return told(out / "one_shot") >= 5
        case "search":
            return told(out) >= 1
        case _:
            return True


def told(folder: Path) -> int:
    return sum(event["kind"] == "told" for event in events(folder))


def until(out: Path, phase: str, process: subprocess.Popen[str]) -> None:
    latest = time.monotonic() + BUDGET
    while not begun(out, phase):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < latest, f"no {phase}"
        time.sleep(0.1)
    time.sleep(1.0)


def sessions(out: Path) -> Iterator[list[str]]:
    """The phases that each session entered."""
    names: list[str] = []
    for event in events(out):
        if event["kind"] == "opened" and names:
            yield names
            names = []
        if event["kind"] == "phase":
            names.append(event["name"])
    yield names


@pytest.mark.parametrize("phase", PHASES)
def test_after_a_kill_it_goes_on_in_the_phase(phase: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out)
    until(out, phase, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    trained, worked = steps(out), max(event["elapsed"] for event in events(out))
    judged, tried = told(out / "one_shot"), told(out)

    clock = time.monotonic()
    process = start(out, "--resume")
    least = trained
    while process.poll() is None:
        if (now := steps(out)) > 0:
            least = min(least, now)
        time.sleep(0.1)
    printed, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert time.monotonic() - clock < BUDGET - worked + LATE + AFTER
    figures = json.loads(printed)
    assert figures["seconds"] < BUDGET + LATE
    assert figures["test_accuracy"] > 0.9

    first, second = sessions(out)
    assert first == list(PHASES[: PHASES.index(phase) + 1])
    assert second == list(PHASES[PHASES.index(phase) :])
    assert least == trained  # no weights were put down that had learned less
    spent = figures["one_shot"]["seconds"]
    if phase in (SEARCH, FINAL):
        assert told(out / "one_shot") == judged
    assert told(out / "one_shot") >= judged and figures["trials"] >= tried
    for folder in (out, out / "one_shot"):
        asked = {event["number"]: event["proposal"] for event in events(folder) if event["kind"] == "asked"}
        known = [event["number"] for event in events(folder) if event["kind"] == "told" and not event.get("known")]
        twice = Counter((json.dumps(asked[number]["architecture"]), asked[number]["budget"]) for number in known)
        assert max(twice.values()) == 1
    shares = next(event["measures"] for event in events(out) if event["kind"] == "measured")["phases"]
    for name, seconds in spent.items():
        assert seconds < shares[name] + LATE
    assert [path.name for path in (out / "one_shot").iterdir()] == ["study.db"]


@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_ends_with_the_best_there_is(phase: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out)
    until(out, phase, process)
    process.send_signal(signal.SIGINT)
    printed, err = process.communicate(timeout=2 * BUDGET)
    assert process.returncode == 130, err
    figures = json.loads(printed)
    assert figures["test_accuracy"] > 0.85 and figures["seconds"] < BUDGET + LATE
    budgets = [event["proposal"]["budget"] for event in events(out) if event["kind"] == "asked"]
    assert (budgets == [0.0]) == (phase in (SHARING, INHERITING))
    kept = (out / "one_shot" / "shared.safetensors").is_file()
    assert kept == (phase in (SHARING, INHERITING))  # phases that are not finished can be gone on with


@pytest.mark.parametrize("phase", (SHARING, INHERITING))
def test_a_second_interrupt_stops_at_once_and_the_weights_are_kept(phase: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out)
    until(out, phase, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    clock = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - clock < 6
    trained = steps(out)
    assert trained > 0
    process = start(out, "--resume")
    printed, err = process.communicate(timeout=2 * BUDGET)
    assert process.returncode == 0, err
    assert json.loads(printed)["test_accuracy"] > 0.9
    first, second = sessions(out)
    # The second may have come after the last training began, which waits where there is time to search.
    assert second[0] == phase or (second[0] == FINAL and FINAL in first)


def test_an_interrupt_before_the_first_weights_leaves_nothing_when_it_is_the_second(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out)
    latest = time.monotonic() + 40
    while not (out / "one_shot" / "study.db").is_file() and time.monotonic() < latest:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not out.exists() or steps(out) > 0


def test_a_finished_search_goes_on_with_a_larger_budget_and_shares_no_weights_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = start(out).communicate(timeout=2 * BUDGET)
    judged = told(out / "one_shot")
    more, err = start(out, "--resume", "--budget", f"{BUDGET + 30:g}s").communicate(timeout=2 * BUDGET)
    assert err == ""
    before, after = json.loads(first), json.loads(more)
    # The share of the last training grows with the budget, and may take all that is new.
    assert after["trials"] >= before["trials"] and told(out / "one_shot") == judged
    assert BUDGET < after["seconds"] < BUDGET + 30 + LATE
    assert list(sessions(out))[-1] == [SEARCH, FINAL]
    assert after["one_shot"]["seconds"] == before["one_shot"]["seconds"]
