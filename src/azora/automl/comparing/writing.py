"""What a comparison leaves: one JSON, a table for people, and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from azora.automl.comparing.comparison import Plan
from azora.automl.comparing.plot import to_svg
from azora.automl.comparing.runs import Record
from azora.automl.comparing.summary import ROWS, Estimate, Row, of_run, rows
from azora.clock import show_seconds
from azora.tasks import METRICS

JSON, TABLE, PLOT = "compare.json", "compare.md", "compare.svg"
NONE = "–"
READING = (
    "Intervals are Student's over seeds; where there is one seed, of resamples of the test's rows.",
    "*Above random* is the difference from random search with the same seed. Validation followed the longest",
    "training of the search, which differs between systems: it does not compare. Networks by hand are trained by the",
    "task's usual recipe, and searches search theirs too: what is between them is of both.",
)


def summarise(plan: Plan) -> list[Row]:
    """Of the runs that are finished."""
    runs: dict[str, dict[int, Mapping[str, Any]]] = {}
    failed: dict[str, dict[int, str]] = {}
    for run in plan.runs():
        record, figures = Record.read(run.file), run.figures()
        if record is not None and figures is not None:
            runs.setdefault(run.system.name, {})[run.seed] = of_run(figures, plan.metric, record.sessions)
        elif record is not None and record.error:
            failed.setdefault(run.system.name, {})[run.seed] = record.error
    named = [(system.name, system.about, system.by_hand) for system in plan.systems]
    return rows(named, runs, failed, METRICS[plan.metric].maximise, plan.apart())


def to_json(plan: Plan, found: Sequence[Row]) -> dict[str, Any]:
    """One object, with every run's figures and every system's."""
    asked = plan.asked
    return {
        "data": asked.data,
        "budget": asked.seconds,
        "seeds": asked.seeds,
        "metric": plan.metric,
        "maximise": METRICS[plan.metric].maximise,
        "machines": distinct(found, "machine"),
        "load": load_of(found),
        "azora": distinct(found, "azora"),
        "left_out": dict(plan.left_out),
        "systems": [
            {
                **asdict(row),
                "runs": [{"seed": seed, **run} for seed, run in row.runs.items()],
                "failed": [{"seed": seed, "why": reason} for seed, reason in row.failed.items()],
                "words": system.words(),
                "late": plan.late.get(system.name, 0.0),
            }
            for row, system in zip(found, plan.systems, strict=True)
        ],
    }


def write(plan: Plan, found: Sequence[Row]) -> dict[str, Any]:
    """`compare.json`, `compare.md` and `compare.svg` in OUT; what the first holds."""
    out, told = plan.asked.out, to_json(plan, found)
    texts = {JSON: json.dumps(told, indent=1) + "\n", TABLE: to_markdown(plan, found)}
    if any(row.test for row in found):
        texts[PLOT] = to_svg(found, _title(plan), METRICS[plan.metric].maximise)
    for name, text in texts.items():
        part = out / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(out / name)
    return told


def load_of(found: Sequence[Row]) -> list[float] | None:
    """The least and greatest load of the machine before and after runs; the runs' own processes are in it."""
    loads = [load for row in found for run in row.runs.values() for load in run["load"] or ()]
    return [min(loads), max(loads)] if loads else None


def distinct(found: Sequence[Row], name: str) -> list[str]:
    """What runs have under `name`, each once: a comparison that was gone on with may be of several machines, and of
    several versions of azora."""
    return sorted({str(run[name]) for row in found for run in row.runs.values() if run.get(name) is not None})


def to_markdown(plan: Plan, found: Sequence[Row]) -> str:
    """The table, and how to read it."""
    metric, apart = plan.metric, plan.apart()
    head = (
        "system", f"test {metric}", "by seed", "deviation", "95 % interval", "above random", f"validation {metric}",
        "parameters", "multiply-accumulates", "judged", "seconds", "processor s",
    )  # fmt: skip
    lines = [f"# {_title(plan)}", "", _row(head), "|" + "---|" * len(head), *(_row(_cells(row)) for row in found), ""]
    lines += [*_circumstances(found), *READING, ""]
    lines += [f"- **{row.system}**: {row.about}" for row in found]
    lines += [f"- **{row.system}** {_apart(row, apart[row.system])}" for row in found if row.system in apart]
    lines += [f"- **{name}** is left out: {reason}" for name, reason in plan.left_out.items()]
    lines += [
        f"- **{row.system}** with seed {seed} is not finished: {reason}"
        for row in found
        for seed, reason in row.failed.items()
    ]
    return "\n".join(lines) + "\n"


def _circumstances(found: Sequence[Row]) -> list[str]:
    """The load of the machine, and whether runs of several machines or versions of azora stand side by side."""
    load, lines = load_of(found), list[str]()
    machines, versions = distinct(found, "machine"), distinct(found, "azora")
    where = f" ({'; '.join(machines)})" if machines else ""
    if load is not None:
        lines += [f"Load of the machine{where} before and after runs: {load[0]:g} to {load[1]:g}.", ""]
    for several, said in ((machines, "machines"), (versions, "versions of azora")):
        if len(several) > 1:
            lines += [f"Runs are of several {said} ({'; '.join(several)}): differences may be theirs.", ""]
    return lines


def _apart(row: Row, beside: str | None) -> str:
    """How a search in a space of its own is to be read, `beside` being random search there, if there is one."""
    own = "searches a space of its own: *above random* is of space and strategy together"
    if beside is None or row.alike is None:
        return own
    return f"{own}; above random search in the same space ({beside}) it is {row.alike.mean:+.4f}{_brackets(row.alike)}"


def _title(plan: Plan) -> str:
    seeds = f"{plan.asked.seeds} seed{'s' if plan.asked.seeds > 1 else ''}"
    return f"{plan.asked.data}, {show_seconds(plan.asked.seconds)} each, {seeds}"


def _cells(row: Row) -> list[str]:
    test, above = row.test, row.above
    if test is None:
        return [row.system, "not finished" if row.failed else "not run yet", *[NONE] * 10]
    over = "" if test.over is None or test.over != ROWS else " (rows)"
    return [
        row.system,
        f"{test.mean:.4f}",
        ", ".join(f"{value:.4f}" for value in test.values),
        NONE if test.deviation is None else f"{test.deviation:.4f}",
        _ends(test, "{:.4f} to {:.4f}") + over,
        NONE if above is None else f"{above.mean:+.4f}" + _brackets(above),
        _mean(row, "validation", ".4f"),
        _mean(row, "parameters", ",.0f"),
        _mean(row, "macs", ",.0f"),
        _mean(row, "judged", ",.0f"),
        _mean(row, "seconds", ".1f"),
        _mean(row, "processor", ".0f"),
    ]


def _ends(found: Estimate, form: str) -> str:
    return NONE if found.low is None or found.high is None else form.format(found.low, found.high)


def _brackets(found: Estimate) -> str:
    return "" if found.low is None else f" ({_ends(found, '{:+.4f} to {:+.4f}')})"


def _mean(row: Row, name: str, form: str) -> str:
    mean = row.mean(name)
    return NONE if mean is None else format(mean, form)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
