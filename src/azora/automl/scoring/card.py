"""The scorecard as one table: a line for each system of a comparison, and for each search by itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

from azora.automl.comparing.summary import Estimate
from azora.automl.scoring.adapting import Extension, Specialisation, extensions, specialisations
from azora.automl.scoring.measures import (
    AIMS,
    Factor,
    above,
    factors,
    from_memory,
    to_own_best,
    to_randoms_best,
    together,
)
from azora.automl.scoring.reading import Searched

UNMEASURED = "not measured"
HEAD = (
    "task", "system", "runs", "words", "to a deployed model", "test", "above random", "above by hand",
    "search cost to its own best", "to random's best", "searching", "processor", "judged", "another limit",
    "new classes", "from memory",
)  # fmt: skip


@final
@dataclass(frozen=True)
class Line:
    """One line of the scorecard; what the folders do not tell is None or empty.

    Args:
        words: of the shortest command line that asks for it.
        deployed: mean seconds to written model files.
        test, random, hand: test score, and signed differences from random search and from the best network that a
            person decided, on the same rows.
        own, randoms: see `measures.factor`, against fully trained random search.
        searching, processor, judged: means; seconds, seconds, networks.
        memory: how many times less search cost to the best that the same search reached without a memory.
    """

    task: str
    system: str
    folders: Sequence[str]
    words: int
    deployed: float
    metric: str
    test: Estimate | None
    random: Estimate | None
    hand: Estimate | None
    own: Factor | None
    randoms: Factor | None
    searching: float
    processor: float | None
    judged: float
    limits: Sequence[Specialisation]
    classes: Sequence[Extension]
    memory: Factor | None


def scorecard(found: Sequence[Searched]) -> list[Line]:
    """A line for each system of each comparison, and for each search that stands alone."""
    groups = dict.fromkeys(searched.group for searched in found)
    return [_line([searched for searched in found if searched.group == group], found) for group in groups]


def _line(some: Sequence[Searched], found: Sequence[Searched]) -> Line:
    first, sign = some[0], 1 if some[0].objective.maximise else -1
    processor = [each.processor for each in some]
    known = [each for each in processor if each is not None]
    by_hand = first.by_hand
    return Line(
        task=first.group[0],
        system=first.name,
        folders=[str(each.folder) for each in some],
        words=first.words,
        deployed=statistics.mean(each.deployed for each in some),
        metric=first.objective.metric,
        test=Estimate.of([sign * each.test for each in some if each.test is not None]),
        random=None if first.random else above(some, found, lambda other: other.random, statistics.mean),
        hand=None if by_hand else above(some, found, lambda other: other.by_hand, max),
        # A network by hand was not searched for, so there is no search whose cost could be less.
        own=None if by_hand else together(factors(some, found, to_own_best)),
        randoms=None if by_hand else together(factors(some, found, to_randoms_best)),
        searching=statistics.mean(each.search for each in some),
        processor=statistics.mean(known) if known and len(known) == len(processor) else None,
        judged=statistics.mean(each.result["judged"] for each in some),
        limits=[made for each in some for made in specialisations(each)],
        classes=[made for each in some for made in extensions(each)],
        memory=together(from_memory(some, found)),
    )


def to_json(lines: Sequence[Line]) -> dict[str, Any]:
    """One object: the lines, and what was aimed at."""
    return {"aims": list(AIMS), "lines": [asdict(line) for line in lines]}


def to_markdown(lines: Sequence[Line]) -> str:
    """The table, and what its columns mean."""
    rows = [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *map(_cells, lines))]
    return "\n".join([*rows, "", *MEANING]) + "\n"


MEANING = (
    "- *words*: of the shortest command line that asks for it, `search` and the data's name included.",
    "- *above random*, *above by hand*: test score minus random search's (trainings as long as its time suggested), and"
    " minus the best network's that a person decided, on the same rows; 95 % by Student's t over seeds.",
    "- *search cost*: seconds of searching that random search with 20 epochs for every network needed for a score on"
    " validation, divided by those of this search; geometric mean over seeds. ≥: random search never got there in"
    " its time, so all of that is the least. <: this search never did. Aimed at: 10, then 100 times.",
    "- *another limit*: `azora specialise`; seconds, and score on validation against the shipped network's. *new"
    " classes*: `azora improve`; loss on the new test rows, from what it was. *from memory*: search cost to the best"
    " that the same search without a memory reached, in times less.",
)


def _cells(line: Line) -> list[str]:
    return [
        line.task,
        line.system,
        str(len(line.folders)),
        str(line.words),
        f"{line.deployed:.1f} s",
        UNMEASURED if line.test is None else f"{line.metric} {line.test.mean:.4f}",
        _estimate(line.random),
        _estimate(line.hand),
        _factor(line.own),
        _factor(line.randoms),
        f"{line.searching:.1f} s",
        UNMEASURED if line.processor is None else f"{line.processor:.0f} s",
        f"{line.judged:.0f}",
        "; ".join(map(_limit, line.limits)) or UNMEASURED,
        "; ".join(map(_extension, line.classes)) or UNMEASURED,
        _factor(line.memory),
    ]


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return UNMEASURED
    ends = "" if found.low is None else f" ({found.low:+.4f} to {found.high:+.4f})"
    return f"{found.mean:+.4f}{ends}"


def _factor(found: Factor | None) -> str:
    return UNMEASURED if found is None else f"{found.bound}{' ' if found.bound else ''}{found.times:.2g} ×"


def _limit(made: Specialisation) -> str:
    within = ", ".join(f"{name} {most:g}" for name, most in made.limits.items())
    tuned = f", {made.tuned:.1f} epochs of tuning" if made.tuned else ""
    return f"{within}: {made.seconds:.1f} s{tuned}, {made.kept:+.4f}"


def _extension(made: Extension) -> str:
    return f"{made.fresh} more, {made.classes} in all: {made.before:.4f} → {made.loss:.4f}, time not recorded"
