"""Latency predictors on published measurements: 15,625 cells on 21 devices.

`python benchmarks/quality/latency.py nb201_latency.csv.gz [--measured 100] [--few 10] [--runs 3] [--out FILE]` prints
JSON: for each device Spearman's correlation with its measured latencies, on networks that were not looked at, of a
predictor that has seen 100 networks of the device ("alone"), and of those that have seen 10 and the other devices.
"device" leaves out the device alone, "family" all of its name too (the same GPU at another batch size), which is the
honest one. Of the others there are predictors, each of 100 networks measured on its own device, as `azora target
transfer` has them. "device_known" and "family_known" are given what the others take for every cell, measured, in place
of what their predictors say: nobody has that of a new space, and it is what better predictors could bring at most.
`--out` is written after each run, and runs that it has are not run again.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from supernet_rank import about

from azora.bench.notation import nb201
from azora.bench.sheet import read_header, read_sheet
from azora.hardware.build import agreement
from azora.hardware.choosing import POOL
from azora.hardware.features import Features
from azora.hardware.measurement import Measurement
from azora.hardware.predictor import Predictor, logarithms_of
from azora.hardware.target import Measured
from azora.hardware.transfer import Adapted, Others
from azora.networks.nb201 import NB201
from azora.space import Architecture
from azora.strategies.surrogates import Array
from azora.tasks import Signature

JUDGED = 600  # cells not seen that predictors are judged by
ERROR = "error_alone"  # in a run, beside the correlations: the mean relative error


@dataclass(frozen=True)
class Published:
    """Milliseconds (cells, devices), the devices' names, and each cell's decisions."""

    times: Array
    names: Sequence[str]
    points: Sequence[Sequence[str]]
    space: NB201
    features: Features

    @classmethod
    def read(cls, table: Path) -> Published:
        sheet = read_sheet(table)
        names = [name for name in read_header(table) if name.startswith("lat_ms_")]
        space = NB201(Signature("classification", (3, 32, 32), 10), 16, 5)
        times = np.stack([sheet.numbers(name) for name in names], axis=1)
        return cls(times, names, nb201(sheet, "arch").points, space, Features(space))

    def cell(self, row: int) -> Architecture:
        return self.space.architecture(**dict(zip(self.space.choices, self.points[row], strict=True)))


def family(column: str) -> str:
    """`lat_ms_titanx_32` and `lat_ms_titanx_1` are one device."""
    return re.sub(r"_(1|32|256)$", "", column)


def run_of(table: Published, run: int, measured: int, few: int) -> dict[str, dict[str, float]]:
    """By kind of predictor and by device."""
    order = np.random.default_rng(run).permutation(len(table.points))
    seen, pool, judged = order[:measured], order[: max(POOL, measured)], order[-JUDGED:]
    cells = [table.cell(row) for row in seen]
    predictors = [
        Predictor(
            table.space,
            [
                (cell, Measured(Measurement(float(table.times[row, place]))))
                for cell, row in zip(cells, seen, strict=True)
            ],
            features=table.features,
        )
        for place in range(len(table.names))
    ]
    rows = np.concatenate([pool, judged])
    predicted = logarithms_of(predictors, [table.cell(row) for row in rows])
    found = _alone(table, judged, np.exp(predicted[len(pool) :]))
    times = table.times[rows]
    for kind, logs in (("", predicted), ("_known", np.log(times))):
        for leave in ("device", "family"):
            found[leave + kind] = {
                name: _adapted(logs[:, _kept(table.names, place, leave)], times[:, place], len(pool), few)
                for place, name in enumerate(table.names)
            }
    return found


def _alone(table: Published, judged: Array, predicted: Array) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {"alone": {}, ERROR: {}}
    for place, name in enumerate(table.names):
        spearman, _, error = agreement(predicted[:, place], table.times[judged, place])
        found["alone"][name], found[ERROR][name] = round(spearman, 4), round(error, 4)
    return found


def _kept(names: Sequence[str], place: int, leave: str) -> list[int]:
    """The other devices, with those of its family or without."""
    mine = names[place]
    return [
        other
        for other, name in enumerate(names)
        if other != place and (leave == "device" or family(name) != family(mine))
    ]


def _adapted(logs: Array, times: Array, pool: int, few: int) -> float:
    """Of the first so many cells some are measured on the new device, by the rest it is judged.

    Args:
        logs: (cells, devices), of the others.
        times: (cells,) on the new one.
    """
    others = Others.of(logs[:pool])
    chosen = others.choose(logs[:pool], few)
    adapted = Adapted.fit(others, logs[chosen], times[chosen])
    return round(agreement(adapted(logs[pool:])[0], times[pool:])[0], 4)


def summary(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """By kind the mean of all devices and runs, the lowest device, and each device's runs."""
    found: dict[str, Any] = {}
    for kind in runs[0]:
        devices = {name: [run[kind][name] for run in runs] for name in runs[0][kind]}
        mean = round(statistics.mean(value for values in devices.values() for value in values), 4)
        if kind == ERROR:
            found["mean_error_alone"] = mean
            continue
        lowest = min((statistics.mean(values), name) for name, values in devices.items())
        found[kind] = {"mean": mean, "lowest": lowest, "devices": devices}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--measured", type=int, default=100)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    words, on = parser.parse_args(), about()
    asked = {"measured": words.measured, "few": words.few}
    kept = (
        json.loads(words.out.read_text()) if words.out is not None and words.out.is_file() else {**asked, "by_run": []}
    )
    if {name: kept[name] for name in asked} != asked:
        parser.error(f"{words.out} has runs of {kept['measured']} and {kept['few']} measurements; name another file")
    runs, seconds = kept["by_run"][: words.runs], kept.get("seconds", 0.0)
    table = Published.read(words.table)
    while len(runs) < words.runs:
        begun = time.monotonic()
        runs.append(run_of(table, len(runs), words.measured, words.few))
        seconds = round(seconds + time.monotonic() - begun, 1)
        if words.out is not None:
            words.out.write_text(told({**asked, "seconds": seconds, **on}, runs))
    print(told({**asked, "seconds": seconds, **on}, runs), end="")


def told(asked: Mapping[str, Any], runs: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    return json.dumps({**asked, "runs": len(runs), **summary(runs), "by_run": runs}, indent=1) + "\n"


if __name__ == "__main__":
    main()
