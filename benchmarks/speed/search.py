"""Speed of whole searches on digits: to the first finished trial, and networks judged a minute after that.

`python benchmarks/speed/search.py [SEED]` prints JSON; it takes a minute and a half.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from azora.bench.writing import provenance

BUDGET = 75


def events(file: Path) -> list[dict[str, Any]]:
    """What a study's journal holds."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("select body from events order by id").fetchall()
    connection.close()
    return [json.loads(body) for (body,) in rows]


def main() -> None:
    seed, on = sys.argv[1] if len(sys.argv) > 1 else "0", provenance()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "azora", "search", "digits", "--budget", f"{BUDGET}s", "--seed", seed]
        command += ["--out", f"{folder}/out", "--no-memory", "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = [event for event in events(Path(folder) / "out" / "study.db") if event["kind"] == "told"]
    first, last = told[0]["elapsed"], told[-1]["elapsed"]
    figures = json.loads(done.stdout)
    found = {
        "benchmark": "search",
        "seed": int(seed),
        "seconds_to_first_trial": first,
        "judged_per_minute": round(60 * (figures["judged"] - 1) / (last - first), 1),
        "trials_per_minute": round(60 * (len(told) - 1) / (last - first), 1),
        "workers": figures["workers"],
        "commit": on["commit"],
        "machine": on,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
