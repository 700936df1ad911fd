"""What strategies gain by advice of what is counted without training: a warm start, and a filter.

`python benchmarks/quality/advice.py TABLE.csv.gz … [--runs 30] [--seed 0] [--workers 2]` plays each strategy of `azora
bench` with and without advice, random search beside them, and prints JSON: by table and variant the mean score and the
half of its 95 % interval at 25, 50, 100 and 150 queries, and Wilcoxon's p against random search at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from azora.bench import Setup, compare
from azora.bench.writing import provenance

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("evolution", {}),
    ("evolution", {"warm": True}),
    ("evolution", {"warm": "params"}),
    ("evolution", {"warm": "macs"}),
    ("evolution", {"filter": True}),
    ("evolution", {"filter": True, "draws": 10}),
    ("evolution", {"warm": True, "filter": True}),
    ("genetic", {}),
    ("genetic", {"warm": True}),
    ("genetic", {"filter": True}),
    ("local", {}),
    ("local", {"warm": True}),
]
PLACES = (25.0, 50.0, 100.0, 150.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    words = parser.parse_args()
    found, on = dict[str, Any](), provenance()
    for table in words.tables:
        told = found[Path(table).name] = {}
        for name, settings in VARIANTS:
            setup = Setup(table, {"random": {}, name: settings}, queries=150)
            comparison = compare(setup, runs=words.runs, seed=words.seed, workers=words.workers)
            for each, title in (
                ("random", "random"),
                (name, " ".join([name, *(f"{k}={v}" for k, v in settings.items())])),
            ):
                line: dict[str, Any] = {}
                for place in PLACES:
                    figure = comparison.figures[each][place]
                    half = None if figure.low is None else round(figure.mean - figure.low, 3)
                    line[f"{place:g}"] = [round(figure.mean, 3), half]
                p = comparison.beside[each].p
                told[title] = {**line, "p": None if p is None else float(f"{p:.2g}")}
            print(table, title, told[title], file=sys.stderr, flush=True)
    print(json.dumps({"runs": words.runs, "seed": words.seed, "on": on, "tables": found}, indent=1))


if __name__ == "__main__":
    main()
