"""The file that ships: written, measured where it will run, and compared with what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from azora.automl.last_training import LOOKS, TOLERANCE
from azora.automl.shipping import ship
from azora.cores import torch_threads
from azora.errors import AzoraError, BundleError, TargetError, UnsteadyError
from azora.export.formats import FORMATS, Session
from azora.export.onnx import OnnxSession
from azora.hardware import Measured, Target, find_target, measure_calls
from azora.hardware.command_target import Command
from azora.hardware.onnx_target import OnnxRuntime
from azora.hardware.torch_targets import Cuda, TorchCpu
from azora.job import Job
from azora.tasks import Signature, Split, evaluate
from azora.tasks.array import Array
from azora.trial import COUNTED, Limit

FOLDER = "deploy"


def deploy(job: Job, form: str, figures: Mapping[str, Any], test: Split | None = None) -> dict[str, Any]:
    """Write the file that the job's target runs into OUT/deploy, and measure it there.

    Args:
        figures: of the search, as `result.json` has them.
        test: the rows that the network was just judged by; the file is judged by the same reading of them.

    Returns:
        What `ship` found; `test_…` of the file; `on_target` (its `spec`, `latency_ms` and `spread`, where it could be
        measured); `beyond`, a line for each limit that the file does not keep; `holds`, whether it is known to keep
        them all or nobody can tell here; and `notes` for the reader.

    Raises:
        AzoraError: the file cannot be written.
    """
    folder = job.out / FOLDER
    folder.mkdir(exist_ok=True)
    found = dict(ship(job.out, form, folder / f"model{FORMATS[form].suffix}", job.task).figures)
    file = Path(found["file"])
    found |= {} if test is None else _tested(form, file, job.task.signature, test)
    limits = () if job.reward else job.limits  # a reward aims at its limit
    measured, failed, notes = None, False, list[str]()
    if (about := figures.get("target")) is not None:
        target = _here(about)
        if target is None:
            notes.append(f"files cannot be measured on {about['spec']} from here: the one that ships was not")
        else:
            one = np.random.default_rng(0).random((1, *job.task.signature.raw_shape), dtype=np.float32)
            try:
                measured = _measure(target, form, file, one, limits)
                found["on_target"] = _told(target, measured)
            except TargetError as error:
                failed = True
                notes.append(f"the file that ships could not be measured: {error}")
    beyond = [*_beyond(limits, figures, measured), *([found["beyond_size"]] if "beyond_size" in found else [])]
    unknown = failed and any(limit.quantity == "latency" for limit in limits)
    return {**found, "beyond": beyond, "holds": not beyond and not unknown, "notes": [*notes, *beyond, *_lost(found)]}


def measure_file(target: Target, form: str, file: Path, one: Array) -> Measured:
    """A file of this form on the target that runs such files, as it is.

    Args:
        one: a raw input, (1, *shape).

    Raises:
        TargetError: the target cannot run it, or what comes back is no measurement.
    """
    if isinstance(target, Command):
        return target.measure_file(file)
    try:
        with _opened(target, form, file) as session:
            return Measured(measure_calls(lambda: session.run(one)), file.stat().st_size)
    except BundleError as error:
        raise TargetError(f"{target.spec}: {error}") from error


@contextmanager
def _opened(target: Target, form: str, file: Path) -> Iterator[Session]:
    """The file in the target's runtime, with as many threads as it has there."""
    if isinstance(target, OnnxRuntime):
        yield OnnxSession(file, target.threads)
    else:
        with torch_threads(target.threads if isinstance(target, TorchCpu) else 1):
            yield FORMATS[form].open(file)


def _here(about: Mapping[str, Any]) -> Target | None:
    """The target of a search, if files can be measured on it from here: it is this device, and no CUDA device, for
    which the files are not loaded."""
    try:
        target = find_target(about["spec"])
        here = dict(target.fingerprint()) == dict(about["device"])
    except AzoraError:
        return None
    return target if here and not isinstance(target, Cuda) else None


def _measure(target: Target, form: str, file: Path, one: Array, limits: Sequence[Limit]) -> Measured:
    """The quickest of some measurements, or the first within the limit: the machine may have had other work.

    Raises:
        TargetError: none of them could be made.
    """
    most = min((limit.most for limit in limits if limit.quantity == "latency"), default=float("inf"))
    found, failed = list[Measured](), list[TargetError]()
    for _ in range(LOOKS):
        try:
            found.append(measure_file(target, form, file, one))
        except UnsteadyError as error:
            failed.append(error)
            continue
        except TargetError as error:  # the device has gone: what was measured before is not lost for it
            failed.append(error)
            break
        if found[-1].latency.median <= most * (1.0 + TOLERANCE):
            break
    if not found:
        raise failed[-1]
    return min(found, key=lambda each: each.latency.median)


def _beyond(limits: Sequence[Limit], figures: Mapping[str, Any], measured: Measured | None) -> Iterator[str]:
    """A line for each limit but that of size, of which `ship` tells, that is not kept."""
    costs = {name: float(figures["parameters" if name == "params" else name]) for name in COUNTED}
    if measured is not None:
        costs["latency"] = measured.latency.median
    for limit in limits:
        cost = costs.get(limit.quantity, 0.0)
        if cost > limit.most * (1.0 + (TOLERANCE if limit.quantity == "latency" else 0.0)):
            yield (
                f"the file that ships has {limit.quantity} {limit.show(cost)}, {cost / limit.most - 1:.1%} beyond the"
                f" limit {limit}"
            )


def _tested(form: str, file: Path, signature: Signature, test: Split) -> dict[str, float]:
    answers = FORMATS[form].open(file).run(test.x.astype(np.float32))
    return {f"test_{name}": value for name, value in evaluate(signature, answers, test.y).items()}


def _lost(found: Mapping[str, Any]) -> list[str]:
    if found.get("within", True):
        return []
    return [f"the file that ships costs {found['drop']:.2f} points, more than {found['most_drop']:g}"]


def _told(target: Target, measured: Measured) -> dict[str, Any]:
    latency = measured.latency
    return {"spec": target.spec, "latency_ms": round(latency.median, 4), "spread": round(latency.spread, 4)}
