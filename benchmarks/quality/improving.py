"""What `azora improve` promises, measured on scikit-learn's digits: no promotions by luck, recovery from a shift, five
cycles that nobody watches with a regression in one of them, and new classes at a tenth of a search's cost.

`python benchmarks/quality/improving.py luck|coins|drift|cycles|classes [--seeds 3] [--trials 300] [--networks 4]
[--look 8] [--space auto] [--out FILE]` prints JSON. `--networks` is how many the search that finds the first model
judges, `--look` the seconds of a look. Seconds are those of a processor and not of the wall's clock, so that other work
on the machine changes nothing. Rows that accuracies are told of are kept aside: no search and no look sees any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy.ndimage import rotate
from scipy.stats import beta
from sklearn.datasets import load_digits

from azora.automl.run import run
from azora.bench.writing import provenance
from azora.export.bundle import WEIGHTS, read_bundle, write_bundle
from azora.improving import cycle, improve, level_of, paired_test
from azora.job import Job
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Task, from_arrays
from azora.tasks.array import Array
from azora.training import RecipeSettings, Training, fit, outputs

ASIDE = 397  # rows of digits that accuracies are told of


def luck(words: argparse.Namespace) -> dict[str, Any]:
    """How often the rule promotes what is no better: two networks of one accuracy by construction, since a coin says
    for each row whose answer is the deployed one's. Each trial is the life of a model: ten looks in a row on held-out
    rows drawn anew."""
    digits, y = load_digits(return_X_y=True)
    rng, chosen = np.random.default_rng(0), np.arange(len(y)) % 3 == 0
    wrong = [_wrong(digits, y, chosen, seed) for seed in (0, 1)]
    one, other = (each[~chosen] for each in wrong)
    ever = first = 0
    for _ in range(words.trials):
        for look in range(10):
            rows = rng.choice(len(one), 400)
            coin = rng.random(400) < 0.5
            old, new = np.where(coin, one[rows], other[rows]), np.where(coin, other[rows], one[rows])
            if paired_test("classification", old, new) < level_of(look):
                ever, first = ever + 1, first + (look == 0)
                break
    return {
        "accuracies": [1 - float(one.mean()), 1 - float(other.mean())], "disagree": float((one != other).mean()),
        "one_look": _share(first, words.trials), "ten_looks": _share(ever, words.trials),
    }  # fmt: skip


def _wrong(x: Array, y: Array, chosen: Array, seed: int) -> Array:
    from sklearn.linear_model import LogisticRegression

    some = np.flatnonzero(chosen)[np.random.default_rng(seed).permutation(int(chosen.sum()))[:150]]
    return (LogisticRegression(max_iter=300).fit(x[some] / 16, y[some]).predict(x / 16) != y).astype(float)


def coins(words: argparse.Namespace) -> dict[str, Any]:
    """The same of all of `improve`, on labels that are coins, of which no network is right more often than any other. A
    tenth of a second of training is enough here, so the least that a challenger gets is lowered for the occasion."""
    cycle.LEAST_SECONDS = 0.05
    counts: dict[str, int] = {}
    for trial in range(-1, words.trials):
        with tempfile.TemporaryDirectory() as scratch:
            model = _deployed(Path(scratch), _coins(200, 2 * trial + 10), epochs=2)
            what = improve(model, _coins(500, 2 * trial + 11), 0.5 if trial >= 0 else 30.0, seed=trial)
        if trial < 0:  # the first one waits for imports
            continue
        tested = "tested and " if "p" in what.facts else ""
        counts[tested + what.what] = counts.get(tested + what.what, 0) + 1
    bad = sum(count for what, count in counts.items() if "promoted" in what or "rolled back" in what)
    return {"outcomes": counts, "promoted": _share(bad, words.trials)}


def _coins(rows: int, seed: int) -> Task:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    return from_arrays(x, np.array(["heads", "tails"])[np.arange(rows) % 2], name="coins", seed=seed)


def _deployed(folder: Path, task: Task, epochs: float) -> Path:
    space = make_space("mlp", task.signature)
    architecture = space.parse(dict(space.familiar()[0]))
    training = Training(
        space.build(As(architecture)), task.train, task.signature, task.scaling, RecipeSettings.default(task.signature)
    )
    training.finish(epochs=epochs)
    write_bundle(
        folder / "model", training.judging_network(), task.signature, task.scaling,
        space={"name": "mlp", "settings": {}}, architecture=architecture.to_json(), facts={}, onnx=None, card="",
    )  # fmt: skip
    return folder / "model"


def _share(count: int, trials: int) -> dict[str, Any]:
    """With the upper end of the one-sided 95 % interval of Clopper & Pearson."""
    return {
        "promoted": count, "trials": trials, "share": count / trials,
        "upper": float(beta.ppf(0.95, count + 1, trials - count)) if count < trials else 1.0,
    }  # fmt: skip


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
        outcome = improve(model, from_arrays(_turned(x[part], angle), y[part], seed=seed), words.look, seed=place)
        drifted = any(each["drifted"] for each in outcome.analysis.drift or ())
        looks.append({
            "angle": angle, "what": outcome.what, "drifted": drifted,
            "change": outcome.facts.get("change"), "p": outcome.facts.get("p"),
            "accuracy": _accuracy(model, _turned(aside[0], angle), aside[1]),
        })  # fmt: skip
    return {"before": told["upright"], "after_the_shift": told["turned"], "looks": looks}


def cycles(words: argparse.Namespace) -> dict[str, Any]:
    """Five looks at digits that turn by 25 degrees more each time; what is promoted in the third is spoiled at once."""
    return _seeds(words, _cycles)


def _cycles(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
    x, y, aside = _dealt(seed)
    model = _searched(x[:400], y[:400], scratch, words.networks, words.space, seed)
    looks = []
    for place in range(5):
        part, angle = slice(400 + 200 * place, 600 + 200 * place), 25 * (place + 1)
        before, spoiled = (model / WEIGHTS).read_bytes(), list[Path]()

        def spoil(folder: Path, place: int = place, spoiled: list[Path] = spoiled) -> None:
            if place == 2:
                _spoil(folder)
                spoiled.append(folder)

        task = from_arrays(_turned(x[part], angle), y[part], seed=seed)
        was = _accuracy(model, _turned(aside[0], angle), aside[1])
        outcome = improve(model, task, words.look, seed=place, promoted=spoil)
        looks.append({
            "angle": angle, "what": outcome.what, "why": outcome.facts.get("why"), "spoiled": bool(spoiled),
            "put_back_whole": (model / WEIGHTS).read_bytes() == before if spoiled else None,
            "accuracy_before": was, "accuracy": _accuracy(model, _turned(aside[0], angle), aside[1]),
        })  # fmt: skip
    return {"looks": looks}


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
    outcome = improve(model, from_arrays(x[700:], y[700:], seed=seed), whole / 10, seed=seed)
    took, improved, searched = _spent() - begun, _accuracy(model, *aside), _accuracy(anew, *aside)
    return {
        "what": outcome.what, "change": outcome.facts.get("change"), "improved": improved, "searched": searched,
        "share_of_accuracy": improved / searched, "share_of_cost": took / whole, "seconds": [took, whole],
    }  # fmt: skip


def _spent() -> float:
    """Seconds of processors, of this process and of those that it has ended."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _seeds(words: argparse.Namespace, one: Callable[[argparse.Namespace, int, Path], Any]) -> dict[str, Any]:
    found = {}
    for seed in range(words.seeds):
        scratch = Path(tempfile.mkdtemp())
        try:
            found[str(seed)] = one(words, seed, scratch)
        finally:
            shutil.rmtree(scratch)
    return {"networks_of_search": words.networks, "seconds_of_look": words.look, "space": words.space, "seeds": found}


def _dealt(seed: int) -> tuple[Array, Array, tuple[Array, Array]]:
    """Digits in random order, as pictures (N, 8, 8), and the rows that are kept aside."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    x, y = digits.images[order].astype(np.float32), digits.target[order]
    return x[ASIDE:], y[ASIDE:], (x[:ASIDE], y[:ASIDE])


def _turned(x: Array, angle: float) -> Array:
    turned: Array = rotate(x, angle, axes=(2, 1), reshape=False, order=1) if angle else x
    return turned


def _searched(x: Array, y: Array, out: Path, networks: int, space: str, seed: int) -> Path:
    words = {"workers": 1, "seed": seed, "policy": {}, "space": space, "trials": networks}
    run(Job.parse(task=from_arrays(x, y, seed=seed), out=out / "out", **words))
    return out / "out" / "model"


def _accuracy(model: Path, x: Array, y: Array) -> float:
    bundle = read_bundle(model)
    said = outputs(bundle.network, x.reshape(-1, *bundle.signature.raw_shape), bundle.signature, bundle.scaling)
    return float(np.mean([bundle.signature.classes[each] for each in said.argmax(1)] == y.astype(str)))


PARTS = {"luck": luck, "coins": coins, "drift": drift, "cycles": cycles, "classes": classes}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--look", type=float, default=8.0)
    parser.add_argument("--space", default="auto")
    parser.add_argument("--out", type=Path)
    words = parser.parse_args()
    torch.set_num_threads(1)
    clock = SimpleNamespace(monotonic=time.process_time, perf_counter=time.process_time)
    cycle.time = fit.time = clock  # type: ignore[assignment]
    on, begun = provenance(), time.monotonic()
    found = PARTS[words.what](words)
    machine = {**on, "threads": 1, "load": round(os.getloadavg()[0], 1)}
    about = {"commit": on["commit"], "machine": machine, "wall_seconds": round(time.monotonic() - begun, 1)}
    text = json.dumps({"what": words.what, **found, **about}, indent=1)
    if words.out is not None:
        words.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
