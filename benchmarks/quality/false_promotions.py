"""Whether `azora improve` promotes by luck.

`python benchmarks/quality/false_promotions.py luck|coins [--trials 400] [--out runs/improving]` prints JSON: how many
of the trials promoted what is no better, with the upper end of the one-sided 95 % interval. `luck` is of the rule
alone, on scikit-learn's digits; `coins` of all of `azora improve`. What came of a trial of `coins` is kept in the
folder `--out` at once, and not tried again; what another commit, processor or setting left there is refused. A trial
that ended with an error of azora's is no trial: errors are counted apart (so that more are tried than
the three hundred that are to be told of), and the exit code is 1 where more than 5 % of
all are. Seconds are those of a processor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from keeping import refuse_others, write
from scipy.stats import beta
from sklearn.datasets import load_digits

from azora.bench.writing import provenance
from azora.export.bundle import write_bundle
from azora.improving import cycle, level_of, paired_test
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Task, from_arrays
from azora.tasks.array import Array
from azora.training import RecipeSettings, Training
from improving import by_the_processor, looked, printed

LEAST, SECONDS = 0.05, 0.5  # of training, and of a look
ROWS, NEW, EPOCHS = 200, 500, 2  # rows and epochs of the deployed network, and rows of a look
ERRORS = 0.05  # of trials, at most
TESTED = "tested and "


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
    cycle.LEAST_SECONDS = LEAST
    file = words.out / "coins.json"
    told = _kept(file)
    known: dict[str, str] = told["trials"]
    _coin(-1)  # waits for imports
    for trial in range(words.trials):
        if str(trial) not in known:
            known[str(trial)] = _coin(trial)
            write(file, told)
    return {**_counted([known[str(trial)] for trial in range(words.trials)]), "on": told["on"]}


def _kept(file: Path) -> dict[str, Any]:
    """What was tried already, with the same settings, at the same commit and on the same processor.

    Raises:
        SystemExit: it was another.
    """
    on = provenance()
    told = {"least": LEAST, "seconds": SECONDS, "rows": ROWS, "new": NEW, "epochs": EPOCHS}
    asked = {**told, "commit": on["commit"], "processor": on["processor"]}
    if not file.is_file():
        return {"asked": asked, "on": on, "trials": {}}
    there: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    refuse_others(file, there.get("asked", {}), asked)
    return there


def _counted(outcomes: Sequence[str]) -> dict[str, Any]:
    """What promoted or was rolled back, of all trials that ended without an error, and of those that were tested."""
    ended = [what for what in outcomes if what != "error"]
    tested = [what for what in ended if what.startswith(TESTED)]
    return {
        "outcomes": dict(Counter(outcomes)), "errors": len(outcomes) - len(ended),
        "promoted": _promoted(ended), "promoted_of_tested": _promoted(tested),
    }  # fmt: skip


def _promoted(outcomes: Sequence[str]) -> dict[str, Any]:
    return _share(sum("promoted" in what or "rolled back" in what for what in outcomes), len(outcomes))


def _coin(trial: int) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        model = _deployed(Path(scratch), _coins(ROWS, 2 * trial + 10), EPOCHS)
        seconds = SECONDS if trial >= 0 else 30.0
        what = looked(model, _coins(NEW, 2 * trial + 11), seconds, seed=max(0, trial))
    return TESTED + what["what"] if what["p"] is not None else str(what["what"])


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
        "promoted": count, "trials": trials, "share": count / trials if trials else None,
        "upper": float(beta.ppf(0.95, count + 1, trials - count)) if count < trials else 1.0,
    }  # fmt: skip


PARTS = {"luck": luck, "coins": coins}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=list(PARTS))
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("runs/improving"))
    words = parser.parse_args()
    by_the_processor()
    found = printed(words.what, partial(PARTS[words.what], words))
    return int(found.get("errors", 0) > ERRORS * words.trials)


if __name__ == "__main__":
    sys.exit(main())
