"""The steps of `azora target build` and `azora target transfer`, from names to a file."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from azora.errors import TargetError
from azora.hardware.build import Measuring, Seen, Validation, build_predictor, facts_of, keeping, unseen, validate
from azora.hardware.choosing import POOL, draw_distinct
from azora.hardware.command_target import Command
from azora.hardware.files import TargetFile, check_place, default_file
from azora.hardware.predictor import FEWEST, POOL_SEED, Predictor, logarithms_of
from azora.hardware.registry import find_target
from azora.hardware.transfer import Others
from azora.networks.registry import default_space, make_space
from azora.tasks import Reading, Signature, load_task

LEAST_TRANSFER = 3
CHECKING = 0.35  # share of the time that is kept for networks not seen, which are measured twice
PACE = 0.9  # share of the time that is shared out among the networks: the rest is for slow ones
FITTING = 30.0  # seconds that are kept for it: without them, networks not seen would have none in a short time


def make_target_file(
    spec: str,
    task: str,
    space: str,
    settings: Mapping[str, Any],
    *,
    label: str | None = None,
    measurements: int = 100,
    check: int = 20,
    seconds: float | None = None,
    seed: int = 0,
    out: Path | None = None,
    seen: Seen = unseen,
) -> tuple[Path, TargetFile]:
    """Measure, fit, check, write.

    Raises:
        AzoraError: something cannot be found, or the target cannot measure.
    """
    begun = time.monotonic()
    if measurements < FEWEST:
        raise TargetError(f"--measurements {measurements}: a predictor needs {FEWEST} at least")
    target = find_target(spec)
    target.versions()  # what is missing is told before anything is measured
    signature = load_task(task, seed=0, reading=Reading.of({"label": label} if label else {})).signature
    name = default_space(signature) if space == "auto" else space
    networks, about = make_space(name, signature, **settings), {"name": name, "settings": dict(settings)}
    place = check_place(out or default_file(target, networks, about, signature))  # nothing that was measured is lost
    slot = _slot(None if seconds is None else seconds - FITTING, measurements + 2 * check)
    first = None if seconds is None else (1 - CHECKING) * seconds
    with closing(Measuring(target, networks, first, slot=slot)) as measuring:
        predictor = build_predictor(measuring, measurements, seed, seen)
        left = None if seconds is None else seconds - (time.monotonic() - begun)
        slot = _slot(left, 2 * check)
        with closing(Measuring(target, networks, left, fewest=0, beside=measuring, slot=slot)) as checking:
            checked = measuring.ended or _checked(checking, predictor, check, seed, seen)
    made = TargetFile.of(target, about, predictor, _facts(checked, [measuring, checking], begun))
    return made.save(place), made


def transfer_target_file(
    old: Sequence[Path],
    to: str | None,
    *,
    measurements: int = 10,
    check: int = 20,
    seed: int = 0,
    out: Path | None = None,
    seen: Seen = unseen,
) -> tuple[Path, TargetFile]:
    """Measure few networks on a new device, mix the predictions of others, check, write.

    Raises:
        AzoraError: a file is none, they are not of one space and input, the target cannot measure, or nobody says which
            it is and the first file's is a program.
    """
    begun = time.monotonic()
    if measurements < LEAST_TRANSFER:
        raise TargetError(f"--measurements {measurements}: a transfer needs {LEAST_TRANSFER} at least")
    files = _of_one_kind(old)
    first = files[0]
    target = find_target(to or first.spec)
    if to is None and isinstance(target, Command):
        raise TargetError(
            f"{old[0]} was measured by a program ({target.command}), and no program that a file names is started"
            " unasked; say with --to what is to measure here"
        )
    target.versions()
    others, networks = [each.predictor for each in files], first.predictor.space
    place = check_place(out or default_file(target, networks, first.about, first.signature))
    pool = draw_distinct(networks, POOL, random.Random(POOL_SEED))
    logs = logarithms_of(others, pool)
    chosen = Others.of(logs).choose(logs, measurements)
    with closing(Measuring(target, networks)) as measuring:
        with keeping(measuring, lambda: len(measuring.rows) >= LEAST_TRANSFER):
            measuring([pool[place] for place in chosen], "measuring", seen)
        if len(rows := measuring.rows) < LEAST_TRANSFER:
            why = measuring.failures[-1] if measuring.failures else f"{networks.name} has no more than {len(pool)}"
            raise TargetError(
                f"{target.spec}: {len(rows)} networks could be measured, {LEAST_TRANSFER} at least are wanted; {why}"
            )
        predictor = Predictor(networks, rows, others=others)
        with closing(Measuring(target, networks, beside=measuring)) as checking:
            checked = measuring.ended or _checked(checking, predictor, check, seed, seen)
        facts = _facts(checked, [measuring, checking], begun)
    sources = [{"target": each.spec, "device": dict(each.fingerprint)} for each in files]
    made = TargetFile.of(target, first.about, predictor, {**facts, "from": sources})
    return made.save(place), made


def _of_one_kind(old: Sequence[Path]) -> list[TargetFile]:
    files = [TargetFile.load(each) for each in old]
    for file, each in zip(old, files, strict=True):
        if each.about != files[0].about or _sides(each.signature) != _sides(files[0].signature):
            raise TargetError(f"{file} is for another space, input or output than {old[0]}; give files of one kind")
    return files


def _slot(seconds: float | None, networks: int) -> float:
    """Seconds for each of so many networks; 0 or less where there is no end, nothing to measure, or no time."""
    return PACE * seconds / networks if seconds is not None and networks else 0.0


def _sides(signature: Signature) -> tuple[tuple[int, ...], int]:
    return signature.shape, signature.outputs


def _checked(measuring: Measuring, predictor: Predictor, check: int, seed: int, seen: Seen) -> Validation | str | None:
    """What `validate` finds, or why the target ended it: what was measured for the predictor is good, and is kept."""
    try:
        return validate(measuring, predictor, check, seed, seen)
    except TargetError as error:
        return str(error)


def _facts(checked: Validation | str | None, measurings: Sequence[Measuring], begun: float) -> dict[str, Any]:
    return {
        "validation": checked.to_json() if isinstance(checked, Validation) else None,
        **({"unchecked": checked} if isinstance(checked, str) else {}),
        **facts_of(*measurings),
        "seconds": round(time.monotonic() - begun, 1),
    }
