"""What `azora improve` promises, measured: recovery from a shift, unattended cycles with regressions among them, new
classes at less than a tenth of a search's cost, and a whole cycle on real pictures; that it promotes nothing by luck is
measured by `false_promotions.py`.

`python benchmarks/quality/improving.py drift|cycles|classes [--seeds 3] [--networks N] [--look 8] [--space auto]
[--out runs/improving]` is of scikit-learn's digits, `… reweighted|fashion FILE.npz [--look 60, 600] [--budget 60s]` of
the pictures in a file, such as Fashion-MNIST. Prints JSON. `--networks` is how many the search that finds the first
model judges (4; of `fashion`: what `--budget` allows), `--look` the seconds of a look. A look of `classes` has a
tenth of what a search took, less three seconds for what it writes, which comes on top; `--networks` is 100 there.
Seconds are those of a processor and not of the wall's clock, so that other work on the machine changes nothing; but
`--budget`, of the search of `fashion`, is by the wall's clock. Rows that accuracies are told of are kept aside: no
search and no look sees any of them.

What was measured of a seed is kept in the folder `--out` at once, and what is there with the same settings is not
measured again. A look that ends with an error of azora's is an outcome, `error`, of which `classes` tells no shares.
`cycles` ends with exit code 1 where a regression could not be injected, because nothing was promoted, or was not rolled
back.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from keeping import kept
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

from azora.automl.run import run
from azora.bench.writing import provenance
from azora.errors import AzoraError
from azora.export.bundle import WEIGHTS, read_bundle, write_bundle
from azora.improving import Versions, cycle, improve
from azora.job import Job
from azora.tasks import Task, from_arrays, read_npz
from azora.tasks.array import Array
from azora.training import fit, outputs

ASIDE = 397  # rows of digits that accuracies are told of
LOOK, LOOKS = 8.0, {"reweighted": 60.0, "fashion": 600.0}  # seconds of a look, unless others are asked for
# Networks of a search, unless others are asked for; a hundred took 100 to 165 s of an AMD EPYC, two hundred 510 s.
FEW, NETWORKS = 4, {"classes": 100}
WRITING = 3.0  # seconds at most that a look writes for, after its time
LOOKED, COMMON = 1_300, 9  # pictures of a look; of half of the classes there are so many times as many
HELD = 3 / 8  # of the pictures of a look are held out: differences of a few points want many rows
Rows = tuple[Array, Array]


def looked(model: Path, task: Task, seconds: float, **words: Any) -> dict[str, Any]:
    """What a look came to; an error of azora's is an outcome."""
    try:
        outcome = improve(model, task, seconds, **words)
    except AzoraError as error:
        return {"what": "error", "why": str(error), "change": None, "p": None, "drifted": None}
    facts = {name: outcome.facts.get(name) for name in ("why", "change", "p", "level")}
    return {"what": outcome.what, **facts, "drifted": any(each["drifted"] for each in outcome.analysis.drift or ())}


def drift(words: argparse.Namespace) -> dict[str, Any]:
    """Digits arrive upright for two looks, and turned by 45 degrees for two more."""
    return _seeds(words, _drift)


def _drift(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    x, y, aside = _dealt(seed)
    model = _searched(x[:500], y[:500], scratch, words.networks, words.space, seed)
    told = {"upright": _accuracy(model, *aside), "turned": _accuracy(model, _turned(aside[0], 45), aside[1])}
    looks = []
    for place in range(4):
        part = slice(500 + 225 * place, 725 + 225 * place)
        angle = 0 if place < 2 else 45
        task = from_arrays(_turned(x[part], angle), y[part], seed=seed)
        found = looked(model, task, words.look, seed=place)
        looks.append({"angle": angle, **found, "accuracy": _accuracy(model, _turned(aside[0], angle), aside[1])})
    return {"before": told["upright"], "after_the_shift": told["turned"], "looks": looks}


def cycles(words: argparse.Namespace) -> dict[str, Any]:
    """Five looks at digits that turn by 25 degrees more each time, twice: what is promoted first from the second one on
    is a regression, once by weights that are spoiled on disk, once by labels of the rows that are asked after it."""
    return _seeds(words, _cycles)


def _cycles(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    x, y, aside = _dealt(seed)
    found = _searched(x[:400], y[:400], scratch, words.networks, words.space, seed)
    told = {}
    for regression in ("weights", "labels"):
        model = scratch / regression / "model"
        shutil.copytree(found, model)
        looks: list[dict[str, Any]] = []
        for place in range(5):
            part, angle = slice(400 + 200 * place, 600 + 200 * place), 25 * (place + 1)
            turned = _turned(aside[0], angle)
            due = regression if place and not any(each["injected"] for each in looks) else None
            was = _accuracy(model, turned, aside[1])
            look = _injected(model, _turned(x[part], angle), y[part], due, words.look, place)
            looks.append({"angle": angle, **look, "before": was, "accuracy": _accuracy(model, turned, aside[1])})
        injected = [each for each in looks if each["injected"]]
        rolled = bool(injected) and all(each["what"] == "rolled back" and each["put_back_whole"] for each in injected)
        told[regression] = {"injected": bool(injected), "rolled_back": rolled, "looks": looks}
    return told


def _injected(model: Path, x: Array, y: Array, regression: str | None, look: float, place: int) -> dict[str, Any]:
    """A look at 200 rows, of which 40 are held out; what it promotes is made a regression where one is due."""
    before, promoted = (model / WEIGHTS).read_bytes(), list[Path]()

    def after(folder: Path) -> None:
        promoted.append(folder)
        if regression == "weights":
            _spoil(folder)

    labels = y[160:].copy()
    if regression == "labels":  # every other row, which the second look asks, is as the deployed model says
        labels[1::2] = _answers(model, x[160:]).astype(labels.dtype)[1::2]
    task = from_arrays(x[:160], y[:160], x_test=x[160:], y_test=labels, seed=place)
    found = looked(model, task, look, seed=place, promoted=after)
    injected = regression is not None and bool(promoted)
    whole = (model / WEIGHTS).read_bytes() == before
    return {**found, "injected": injected, "put_back_whole": whole if injected else None}


def _spoil(folder: Path) -> None:
    bundle = read_bundle(folder)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in bundle.network.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.5 * parameter.std(correction=0) + 0.05))
    write_bundle(
        folder, bundle.network, bundle.signature, bundle.scaling, space=bundle.about["space"],
        architecture=bundle.about["architecture"], facts={}, onnx=None, card="",
    )  # fmt: skip


def classes(words: argparse.Namespace) -> dict[str, Any]:
    """A model of the digits 0 to 7 meets all ten: improved in a tenth of the time of a search on all rows."""
    return _seeds(words, _classes)


def _classes(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    x, y, aside = _dealt(seed)
    eight = np.flatnonzero(y[:700] < 8)
    model = _searched(x[eight], y[eight], scratch / "eight", words.networks, words.space, seed)
    rows, begun = np.concatenate([eight, np.arange(700, len(x))]), _spent()
    anew = _searched(x[rows], y[rows], scratch / "ten", words.networks, words.space, seed)
    whole, begun = _spent() - begun, _spent()
    look = max(1.0, 0.1 * whole - WRITING)
    print(f"{look:.1f}s of a processor are for the look, a tenth of {whole:.1f} less {WRITING:g}", file=sys.stderr)
    found = looked(model, from_arrays(x[700:], y[700:], seed=seed), look, seed=seed)
    took, improved, searched = _spent() - begun, _accuracy(model, *aside), _accuracy(anew, *aside)
    told = {**found, "improved": improved, "searched": searched, "seconds": [took, whole]}
    if found["what"] == "error":  # nothing was improved
        return told
    return {**told, "share_of_accuracy": improved / searched, "share_of_cost": took / whole}


def reweighted(words: argparse.Namespace) -> dict[str, Any]:
    """Of one half of the classes there are nine times as many pictures as of the other; after two looks it is the other
    way round for two more. Beside it the same with four looks at what does not change."""
    return _seeds(words, _reweighted)


def _reweighted(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    pictures, test = _file(words.data, seed)
    aside = [_weighted(test, half) for half in (0, 1)]  # what is common in the one is rare in the other
    found = _searched(*_part(pictures, 0, 0), scratch, words.networks, words.space, seed)
    told = {}
    for stream, halves in (("shift", (0, 0, 1, 1)), ("none", (0, 0, 0, 0))):
        model = scratch / stream / "model"
        shutil.copytree(found, model)
        start, looks = [_accuracy(model, *rows) for rows in aside], []
        for place, half in enumerate(halves):
            was = _accuracy(model, *aside[half])
            look = looked(model, _held(_part(pictures, place + 1, half), seed), words.look, seed=place)
            looks.append({"half": half, **look, "before": was, "accuracy": _accuracy(model, *aside[half])})
        lucky = [each for each in looks if each["half"] == 0 and each["what"] == "promoted"]
        told[stream] = {
            "before": start[0], "after_the_shift": start[1], "looks": looks,
            "promoted_without_a_shift": len(lucky),
            "of_these_no_better": sum(each["accuracy"] <= each["before"] for each in lucky),
        }  # fmt: skip
    return told


def _part(rows: Rows, place: int, half: int) -> Rows:
    """The pictures of one of five looks (the first is the search's), so many at most, which are in no other."""
    x, y = (np.array_split(each, 5)[place] for each in rows)
    x, y = _weighted((x, y), half)
    return x[:LOOKED], y[:LOOKED]


def _weighted(rows: Rows, half: int) -> Rows:
    """In the order that they have, nine times as many of the classes of one half as of those of the other."""
    x, y = rows
    common = np.isin(y, np.array_split(np.unique(y), 2)[half])
    others = np.flatnonzero(~common)
    few = others[np.linspace(0, len(others) - 1, int(common.sum()) // COMMON).astype(int)]  # all along the rows
    chosen = np.sort(np.concatenate([np.flatnonzero(common), few]))
    return x[chosen], y[chosen]


def fashion(words: argparse.Namespace) -> dict[str, Any]:
    """A model that was found in a short time is improved on new pictures, rolled back, and improved again on others."""
    return _seeds(words, _fashion)


def _fashion(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    (x, y), aside = _file(words.data, seed)
    # Looks have most of the rows: half of what is held out of them is tested, and few rows show little.
    ends = [0, len(y) // 10, 11 * len(y) // 20, len(y)]
    parts = [slice(*each) for each in itertools.pairwise(ends)]
    begun = _clocks()
    model = _searched(x[parts[0]], y[parts[0]], scratch, None, words.space, seed, words.budget)
    steps: list[dict[str, Any]] = [{"step": "search", "seconds": _since(begun), "accuracy": _accuracy(model, *aside)}]
    first = (model / WEIGHTS).read_bytes()
    for place in (1, 2):
        begun = _clocks()
        look = looked(model, _held((x[parts[place]], y[parts[place]]), seed), words.look, seed=place)
        steps.append({"step": "look", **look, "seconds": _since(begun), "accuracy": _accuracy(model, *aside)})
        if place == 1 and look["what"] == "promoted":
            with Versions(model).locked():
                Versions(model).roll_back(None)
            same = (model / WEIGHTS).read_bytes() == first
            steps.append({"step": "rollback", "as_it_was": same, "accuracy": _accuracy(model, *aside)})
    return {"promoted": [each["what"] == "promoted" for each in steps if each["step"] == "look"], "steps": steps}


def _held(rows: Rows, seed: int) -> Task:
    (x, y), held = rows, round(HELD * len(rows[1]))
    return from_arrays(x[held:], y[held:], x_test=x[:held], y_test=y[:held], seed=seed)


def _file(data: Path, seed: int) -> tuple[Rows, Rows]:
    """Pictures (N, H, W) in random order, and the file's test rows."""
    arrays = read_npz(data)
    order = np.random.default_rng(seed).permutation(len(arrays["y_train"]))
    x, aside = (arrays[name][..., 0] for name in ("x_train", "x_test"))
    return (x[order], arrays["y_train"][order]), (aside, arrays["y_test"])


def _spent() -> float:
    """Seconds of processors, of this process and of those that it has ended."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _clocks() -> dict[str, float]:
    return {"processor": _spent(), "wall": time.monotonic()}


def _since(begun: dict[str, float]) -> dict[str, float]:
    """Seconds by each clock."""
    return {name: round(now - begun[name], 1) for name, now in _clocks().items()}


def _seeds(words: argparse.Namespace, one: Callable[[argparse.Namespace, int, Path], Any]) -> dict[str, Any]:
    """Each seed by itself, kept as soon as it is known."""
    names = ("networks", "look", "space", *(("budget",) if words.what == "fashion" else ()))
    asked = {name: getattr(words, name) for name in names}
    if words.data is not None:
        asked["data"] = words.data.name
    seeds = {
        str(seed): kept(words.out / f"{words.what}-seed{seed}.json", asked, partial(_measured, words, one, seed))
        for seed in range(words.seeds)
    }
    return {**asked, "seeds": seeds}


def _measured(
    words: argparse.Namespace, one: Callable[[argparse.Namespace, int, Path], Any], seed: int
) -> dict[str, Any]:
    on, begun = provenance(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        found = one(words, seed, Path(scratch))
    machine = {**on, "threads": 1, "load": round(os.getloadavg()[0], 1)}
    return {"found": found, "machine": machine, "wall_seconds": round(time.monotonic() - begun, 1)}


def _dealt(seed: int) -> tuple[Array, Array, tuple[Array, Array]]:
    """Digits in random order, as pictures (N, 8, 8), and the rows that are kept aside."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    x, y = digits.images[order].astype(np.float32), digits.target[order]
    return x[ASIDE:], y[ASIDE:], (x[:ASIDE], y[:ASIDE])


def _turned(x: Array, angle: float) -> Array:
    turned: Array = rotate(x, angle, axes=(2, 1), reshape=False, order=1) if angle else x
    return turned


def _searched(
    x: Array, y: Array, out: Path, networks: int | None, space: str, seed: int, budget: str | None = None
) -> Path:
    begun, words = _spent(), {"workers": 1, "seed": seed, "policy": {}, "space": space}
    run(Job.parse(task=from_arrays(x, y, seed=seed), out=out / "out", trials=networks, budget=budget, **words))
    print(f"the search took {_spent() - begun:.1f}s of a processor", file=sys.stderr, flush=True)
    return out / "out" / "model"


def _accuracy(model: Path, x: Array, y: Array) -> float:
    return float(np.mean(_answers(model, x) == y.astype(str)))


def _answers(model: Path, x: Array) -> Array:
    """(N,) the names of classes."""
    bundle = read_bundle(model)
    said = outputs(bundle.network, x.reshape(-1, *bundle.signature.raw_shape), bundle.signature, bundle.scaling)
    return np.array(bundle.signature.classes)[said.argmax(1)]


def missing(found: dict[str, Any]) -> list[str]:
    """The regressions of `cycles` that did not happen, or were not rolled back."""
    return [
        f"seed {seed}: {regression} {'was not rolled back' if one['injected'] else 'met no promotion'}"
        for seed, measured in found["seeds"].items()
        for regression, one in measured["found"].items()
        if not one["rolled_back"]
    ]


PARTS = {"drift": drift, "cycles": cycles, "classes": classes, "reweighted": reweighted, "fashion": fashion}


def by_the_processor() -> None:
    """Seconds are those of a processor, on one thread."""
    torch.set_num_threads(1)
    clock = SimpleNamespace(monotonic=time.process_time, perf_counter=time.process_time)
    cycle.time = fit.time = clock  # type: ignore[assignment]


def printed(what: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is found, with where and in how many seconds, printed."""
    on, begun = provenance(), time.monotonic()
    found = find()
    machine = {**on, "threads": 1, "load": round(os.getloadavg()[0], 1)}
    about = {"commit": on["commit"], "machine": machine, "wall_seconds": round(time.monotonic() - begun, 1)}
    print(json.dumps({"what": what, **found, **about}, indent=1))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=list(PARTS))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int)
    parser.add_argument("--look", type=float)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--space", default="auto")
    parser.add_argument("--out", type=Path, default=Path("runs/improving"))
    words = parser.parse_args()
    if (words.data is not None) != (words.what in LOOKS):
        parser.error(f"{' and '.join(LOOKS)} take an .npz file, the others none")
    words.networks = words.networks or NETWORKS.get(words.what, FEW)
    words.look = words.look or LOOKS.get(words.what, LOOK)
    by_the_processor()
    found = printed(words.what, partial(PARTS[words.what], words))
    lost = missing(found) if words.what == "cycles" else []
    for line in lost:
        print(line, file=sys.stderr)
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
