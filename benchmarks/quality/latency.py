"""Latency predictors on published measurements: 15,625 cells on 21 devices.

`python benchmarks/quality/latency.py nb201_latency.csv.gz [--measured 100] [--few 10] [--runs 3]` prints JSON: for each
device Spearman's correlation with its measured latencies, on networks that were not looked at, of a predictor that has
seen 100 networks of the device, and of one that has seen 10 and the latencies of the other devices. "device" leaves out
the device alone, "family" all of its name too (the same GPU at another batch size), which is the honest one.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from pathlib import Path

import numpy as np
from supernet_rank import about

from azora.bench.notation import nb201
from azora.bench.sheet import read_header, read_sheet
from azora.hardware.build import agreement
from azora.hardware.choosing import POOL
from azora.hardware.features import Features
from azora.hardware.measurement import Measurement
from azora.hardware.predictor import Predictor
from azora.hardware.target import Measured
from azora.hardware.transfer import Adapted, Others
from azora.networks.nb201 import NB201
from azora.tasks import Signature

JUDGED = 600  # cells not seen that predictors are judged by


def family(column: str) -> str:
    """`lat_ms_titanx_32` and `lat_ms_titanx_1` are one device."""
    return re.sub(r"_(1|32|256)$", "", column)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--measured", type=int, default=100)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    words, on = parser.parse_args(), about()
    begun = time.monotonic()
    sheet = read_sheet(words.table)
    columns = [name for name in read_header(words.table) if name.startswith("lat_ms_")]
    times = np.stack([sheet.numbers(name) for name in columns], axis=1)
    space = NB201(Signature("classification", (3, 32, 32), 10), 16, 5)
    points = nb201(sheet, "arch").points
    names, features = list(space.choices), Features(space)
    found: dict[str, dict[str, list[float]]] = {"alone": {}, "device": {}, "family": {}}
    errors: dict[str, list[float]] = {}
    for run in range(words.runs):
        rng = np.random.default_rng(run)
        order = rng.permutation(len(points))
        seen, judged, pool = order[: words.measured], order[-JUDGED:], order[: max(POOL, words.measured)]
        cells = {row: space.architecture(**dict(zip(names, points[row], strict=True))) for row in (*seen, *judged)}
        for place, name in enumerate(columns):
            rows = [(cells[row], Measured(Measurement(float(times[row, place])))) for row in seen]
            predictor = Predictor(space, rows, features=features)
            predicted = predictor.predict([cells[row] for row in judged])[0]
            spearman, _, error = agreement(predicted, times[judged, place])
            found["alone"].setdefault(name, []).append(round(spearman, 4))
            errors.setdefault(name, []).append(round(error, 4))
            for leave in ("device", "family"):
                kept = [
                    other
                    for other, title in enumerate(columns)
                    if (family(title) != family(name) if leave == "family" else other != place)
                ]
                logs = np.log(times[:, kept])
                others = Others.of(logs[pool])
                few = pool[others.choose(logs[pool], words.few)]
                adapted = Adapted.fit(others, logs[few], times[few, place])
                spearman = agreement(adapted(logs[judged])[0], times[judged, place])[0]
                found[leave].setdefault(name, []).append(round(spearman, 4))
    summary = {
        kind: {
            "mean": round(statistics.mean(value for values in devices.values() for value in values), 4),
            "lowest": min((statistics.mean(values), name) for name, values in devices.items()),
            "devices": devices,
        }
        for kind, devices in found.items()
    }
    text = json.dumps(
        {
            "measured": words.measured, "few": words.few, "runs": words.runs, **summary,
            "mean_error_alone": round(statistics.mean(value for values in errors.values() for value in values), 4),
            "seconds": round(time.monotonic() - begun, 1), **on,
        },
        indent=1,
    )  # fmt: skip
    if words.out is not None:
        words.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
