"""Few-shot adaptation on Omniglot: meta-learned weights and logits against the one without the other.

`python benchmarks/quality/fewshot.py DATA.npz [--methods metanas base fixed scratch scratch-base found]
[--seconds 300] [--seed 0] [--work runs/fewshot] [--out benchmarks/results/fewshot] [--on test]`. DATA.npz holds
`x_train`, `y_train` (characters to meta-train on) and `x_test`, `y_test` (other characters). A tenth of the first are
held out for choices (`--on validation`); episodes of `--on test` are of the second alone.

`metanas` and `base` are the styles of `azora.adapting`. `fixed` meta-trains the weights of one architecture
(`conv_3x3` everywhere, the network that such methods are compared by) by Reptile, for as many seconds of the
processor. `scratch` and `scratch-base` adapt, from new weights for every task, the architecture that `metanas` and
`base` favour, in as many steps as did better on tasks of held-out characters. For insight, `found` is `fixed` with the
architecture that `metanas` favours: what finding it cost, and what it is worth.

A meta-training is one for tasks of 1 and of 5 shots, has 10 shots, and ends in the folder `--work`; each evaluation is
a JSON file in `--out`, whose `commit` is that of the meta-training. What is there already with the same settings is not
done again, what is there with others ends the run. `--summary` prints a table of what is there, and paired differences
of evaluations of one commit. Intervals within a line are over episodes of one meta-training; where there are several
seeds (each is a run of its own, by `--seed`), their mean difference is printed with a t interval over seeds beside.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from keeping import as_json, refuse_others, write
from scipy.stats import t

from azora.adapting import Adapting, AdaptingSettings, Episodes, Layers, load_adapting, save_adapting
from azora.adapting.folder import ABOUT
from azora.bench.writing import commit, provenance
from azora.networks.complexity import parameters
from azora.networks.decide import As
from azora.settings import describe
from azora.space import Architecture
from azora.tasks import Scaling, Signature, Split, read_npz
from azora.tasks.array import Array

METHODS = ("metanas", "base", "fixed", "scratch", "scratch-base", "found")
WAYS, TRAIN_SHOTS, QUERIES = 5, 10, 15
WIDTH = 32
VALIDATION = 100  # characters
STEPS = {
    "metanas": (10,), "base": (10,), "fixed": (10,), "scratch": (30, 100), "scratch-base": (30, 100), "found": (10,),
}  # fmt: skip
"""Of an adaptation; where there are several, tasks of held-out characters decide."""
CHOOSING = 100  # such tasks
FIXED = "conv_3x3"
BY_SUPPORT = 100  # episodes that are judged with the support rows' statistics as well
EPISODES = 600  # unless others are asked for, which the names of files say
SAME = (
    "on", "ways", "queries", "shots", "seed", "episodes", "meta_training_seconds", "adaptation_steps", "width",
    "settings",
)  # fmt: skip
"""What an evaluation hangs on, beside the commit and the machine."""
PAIRED = ("on", "shots", "meta_training_seconds", "episodes", "commit", "seed")
"""What two evaluations share that can be compared; all but commit and seed, and settings, is what seeds share."""
SEARCHED = {"scratch": "metanas", "scratch-base": "base", "found": "metanas"}
"""Whose architecture a method takes."""
COMPARED = {
    "metanas": ("fixed", "scratch", "found"), "base": ("fixed", "scratch-base"), "found": ("fixed",),
}  # fmt: skip
"""What differences are printed from: of the two styles their ablations."""
Rows = tuple[Array, Array]


def characters(file: Path) -> tuple[dict[str, Rows], Scaling]:
    """Rows to meta-train on, to choose by, and to judge by; three sets of characters."""
    arrays = read_npz(file)
    parts = {
        part: (arrays[f"x_{part}"].transpose(0, 3, 1, 2).copy(), arrays[f"y_{part}"]) for part in ("train", "test")
    }
    x, y = parts["train"]
    chosen = np.random.default_rng(0).permutation(np.unique(y))[:VALIDATION]
    held = np.isin(y, chosen)
    rows = {"train": (x[~held], y[~held]), "validation": (x[held], y[held]), "test": parts["test"]}
    return rows, Scaling.of(Split(*rows["train"]), regression=False)


def everywhere(space: Layers, operation: str) -> Architecture:
    return space.architecture(**dict.fromkeys(space.choices, operation))


def made(method: str, scaling: Scaling, words: argparse.Namespace, found: Architecture | None = None) -> Adapting:
    """What is meta-trained; `found` is the architecture of the method of that name."""
    signature = Signature("classification", (1, 28, 28), WAYS, tuple(f"class {way}" for way in range(WAYS)))
    space = Layers(signature, WIDTH)
    settings = AdaptingSettings.of("fixed" if method == "found" else method)
    return Adapting(space, scaling, settings, everywhere(space, FIXED) if method == "fixed" else found, words.seed)


def meta_trained(
    method: str, rows: Rows, scaling: Scaling, words: argparse.Namespace
) -> tuple[Adapting, dict[str, Any]]:
    """From `--work`, or trained and put there; with the facts of the training, whenever that was."""
    folder = words.work / f"{method}-{words.seconds:g}s-seed{words.seed}"
    searched = meta_trained(SEARCHED[method], rows, scaling, words)[0] if method == "found" else None
    adapting = made(method, scaling, words, searched and searched.favoured())
    wanted = asked(adapting, words)
    if (folder / ABOUT).is_file():
        facts: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["facts"]
        refuse_others(folder, facts.get("asked", {}), wanted)
        return load_adapting(folder), facts
    episodes = Episodes(*rows, WAYS, TRAIN_SHOTS, 0, scaling, seed=words.seed, turns=True)
    of, begun, said = words.commit, time.process_time(), [0.0]

    def seen(share: float, loss: float) -> None:
        if share >= said[0]:
            said[0] += 0.1
            print(
                f"{method} {share:.0%} {adapting.done} steps, loss {loss:.3f}, {adapting.taken_out} out",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    adapting.learn(episodes, words.seconds, clock=time.process_time, seen=seen)
    seconds = round(time.process_time() - begun, 1)
    tried = [
        {**each.architecture, "steps": each.steps, "loss": round(each.loss, 4), "rounds": each.rounds}
        for each in adapting.tried
    ]
    facts = {"seconds": seconds, "taken_out": adapting.taken_out, "tried": tried, "commit": of, "asked": wanted}
    save_adapting(adapting, folder, facts)
    return adapting, facts


def asked(adapting: Adapting, words: argparse.Namespace) -> dict[str, Any]:
    """All that a meta-training hangs on, as JSON has it."""
    fixed = adapting.learner.architecture
    told = {
        "settings": asdict(adapting.settings), "space": describe(adapting.learner.space), "ways": WAYS,
        "shots": TRAIN_SHOTS, "architecture": fixed and fixed.to_json(), "scaling": adapting.scaling.to_json(),
        "seconds": words.seconds, "seed": words.seed,
    }  # fmt: skip
    return as_json(told)


def from_scratch(adapting: Adapting, number: int) -> Adapting:
    """New weights for the architecture that is favoured."""
    settings, space = AdaptingSettings.of("fixed"), adapting.learner.space
    return Adapting(space, adapting.scaling, settings, adapting.favoured(), seed=number)


def chosen_steps(method: str, adapting: Adapting, episodes: Episodes, count: int) -> int:
    """Of an adaptation, the number with which most answers are correct."""
    if len(STEPS[method]) == 1:
        return STEPS[method][0]
    told = {steps: judged(method, adapting, episodes, count, steps) for steps in STEPS[method]}
    return max(told, key=lambda steps: sum(told[steps]["correct"]))


def judged(method: str, adapting: Adapting, episodes: Episodes, count: int, steps: int) -> dict[str, Any]:
    """Correct answers of every episode, with both kinds of statistics, and what the networks are."""
    found: dict[str, list[int]] = {"query": [], "support": []}
    architectures, decided, sizes = Counter[Architecture](), [], []
    begun = time.process_time()
    for number in range(count):
        episode = episodes.draw(number)
        learner = from_scratch(adapting, number) if method.startswith("scratch") else adapting
        network = learner.adapt(episode, steps, seed=number)
        for statistics, correct in found.items():
            if statistics == "support" and number >= BY_SUPPORT:
                continue
            told = network.logits(episode.x_query, statistics).argmax(1)
            correct.append(int((told == episode.y_query).sum()))
        architectures[network.architecture] += 1
        decided.append(network.decided)
        sizes.append(parameters(network.network))
    rows = len(episode.y_query)
    return {
        "transductive": figures(found["query"], rows),
        "by_support_statistics": figures(found["support"], rows),
        "architectures": len(architectures),
        "most_common": [
            {"tasks": tasks, **dict(each)} for each, tasks in architectures.most_common(3)
        ],
        "parameters": round(float(np.mean(sizes))),
        "decided": round(float(np.mean([each > 0.99 for each in decided])), 3),
        "adapted_in": steps,
        "seconds_of_processor": round(time.process_time() - begun, 1),
        "correct": found["query"],
    }  # fmt: skip


def figures(correct: list[int], rows: int) -> dict[str, Any]:
    """Mean accuracy over episodes in %, and the half-width of its 95 % interval."""
    each = 100 * np.array(correct) / rows
    return {"accuracy": round(float(each.mean()), 2), "half": round(half(each), 2)}


def half(each: Array) -> float:
    return float(1.96 * each.std(ddof=1) / math.sqrt(len(each)))


def about(
    method: str, adapting: Adapting, facts: dict[str, Any], shots: int, words: argparse.Namespace
) -> dict[str, Any]:
    return {
        "method": method,
        "on": words.on,
        "ways": WAYS,
        "queries": QUERIES,
        "shots": shots,
        "episodes": words.episodes,
        "seed": words.seed,
        "meta_training_seconds": words.seconds,
        "meta_steps": 0 if method.startswith("scratch") else adapting.done,
        "tried": facts["tried"],
        "adaptation_steps": STEPS[method],
        "width": WIDTH,
        "settings": asdict(adapting.settings),
        "favoured": dict(adapting.favoured()),
        "prior": {name: {k: round(v, 3) for k, v in of.items()} for name, of in adapting.prior().items()},
        "parameters_of_favoured": parameters(adapting.learner.space.build(As(adapting.favoured()))),
        "commit": facts["commit"],
        "machine": {**provenance(), "threads": 1},
    }


def summary(folder: Path) -> None:
    """A line for every evaluation, with paired differences from the ablations; then these over several seeds."""
    cells = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    cells.sort(
        key=lambda each: (each["on"], each["shots"], METHODS.index(each["method"]), each["seed"], each["episodes"])
    )
    for cell in cells:
        line = f"{cell['on']:<11}{cell['shots']}-shot  {cell['method']:<12} seed {cell['seed']} "
        line += f"{cell['meta_steps']} steps {cell['episodes']} episodes "
        line += f"{cell['transductive']['accuracy']:6.2f} ± {cell['transductive']['half']:.2f}"
        line += f"  (support statistics {cell['by_support_statistics']['accuracy']:6.2f})"
        for other in paired(cell, cells):
            points = apart(cell, other)
            line += f"  {points.mean():+.2f} ± {half(points):.2f} {other['method']}"
        print(line)
    for line in over_seeds(cells):
        print(line)


def paired(cell: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What an evaluation can be compared with, episode by episode."""
    others = [each for each in cells if all(cell[name] == each[name] for name in PAIRED)]
    return [each for each in others if each["method"] in COMPARED.get(cell["method"], ())]


def apart(cell: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
    """Points of accuracy between two evaluations, by episode."""
    return 100 * (np.array(cell["correct"]) - np.array(other["correct"])) / (WAYS * QUERIES)


def over_seeds(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where there are several seeds: mean differences with 95 % of Student's t over seeds, and what one seed would say
    by its episodes. The two of a difference are of one commit; seeds may be of several, which are named, where both had
    the same settings."""
    found: dict[tuple[Any, ...], dict[int, tuple[Array, str]]] = defaultdict(dict)
    for cell in cells:
        for other in paired(cell, cells):
            settings = json.dumps([cell.get("settings"), other.get("settings")], sort_keys=True)
            alike = (*(cell[name] for name in PAIRED[:-2]), cell["method"], other["method"], settings)
            found[alike][cell["seed"]] = apart(cell, other), cell["commit"]
    lines = []
    for (on, shots, seconds, episodes, method, other, _), seeds in found.items():
        if len(seeds) > 1:
            means = np.array([points.mean() for points, _ in seeds.values()])
            wide = float(t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
            within = ", ".join(f"{half(points):.2f}" for points, _ in seeds.values())
            commits = ", ".join(sorted({of for _, of in seeds.values()}))
            line = f"{on:<11}{shots}-shot  {method} above {other} after {seconds:g} s at {commits}: "
            line += f"{means.mean():+.2f} ± {wide:.2f} over {len(means)} seeds"
            lines.append(f"{line} (over {episodes} episodes ± {within})")
    return lines


def file_of(words: argparse.Namespace, method: str, shots: int) -> Path:
    """Where an evaluation is kept."""
    episodes = "" if words.episodes == EPISODES else f"-{words.episodes}episodes"
    return words.out / f"{words.on}-{method}-{shots}shot-{words.seconds:g}s-seed{words.seed}{episodes}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--on", choices=("validation", "test"), default="test")
    parser.add_argument("--work", type=Path, default=Path("runs/fewshot"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fewshot"))
    parser.add_argument("--summary", action="store_true")
    words = parser.parse_args()
    words.commit = commit()  # of the code that this process has, whatever is committed while it runs
    if words.summary:
        summary(words.out)
        return
    torch.set_num_threads(1)
    words.out.mkdir(parents=True, exist_ok=True)
    rows, scaling = characters(words.data)
    for method in words.methods:
        of = SEARCHED[method] if method.startswith("scratch") else method
        adapting, facts = meta_trained(of, rows["train"], scaling, words)
        for shots in words.shots:
            file = file_of(words, method, shots)
            cell = as_json(about(method, adapting, facts, shots, words))
            if file.is_file():
                there = json.loads(file.read_text(encoding="utf-8"))
                refuse_others(file, there, {name: cell[name] for name in SAME})
                continue
            # Of one seed for all methods, so that differences can be taken episode by episode.
            episodes = Episodes(*rows[words.on], WAYS, shots, QUERIES, scaling, seed=1_000_000 + words.seed)
            held = Episodes(*rows["validation"], WAYS, shots, QUERIES, scaling, seed=2_000_000 + words.seed)
            steps = chosen_steps(method, adapting, held, min(CHOOSING, words.episodes))
            cell |= judged(method, adapting, episodes, words.episodes, steps)
            write(file, cell)
            print(method, shots, cell["transductive"], cell["decided"], cell["most_common"][:1], flush=True)


if __name__ == "__main__":
    main()
