"""What strategies take to ask and to be told, on nb201 with made-up scores: no network is built, no table is read.

`python benchmarks/speed/asking.py [SEED]` prints JSON. Each strategy has been told 1,000 observations; then asks and
tells are timed in blocks, and milliseconds of one (ask and tell together) are given: the median and the least of the
blocks by the clock on the wall, and the least by this process's own (`processor_ms`), for a machine that others use
gives it turns. Of `bayesian` with each surrogate, the ask alone. `evolution` also runs from nothing: asks and tells a
second, the most of several runs. With `OMP_NUM_THREADS=1` a second of the process is a second of one core.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from azora.bench.writing import provenance
from azora.networks.nb201 import NB201, OPERATIONS
from azora.space import Architecture
from azora.strategies import (
    Affordable,
    Bayesian,
    Genetic,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    Strategy,
)
from azora.tasks import Signature
from azora.trial import Report

TOLD = 1_000
BLOCKS, ASKS = 20, 20  # of reinforce two updates a block
THOUGHTS = 4
RUNS, TRIALS = 15, 1_500
CHEAP: dict[str, Callable[..., Strategy]] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "genetic": Genetic,
    "local": LocalSearch,
    "reinforce": Reinforce,
}
SURROGATES = ("gp", "ensemble", "trees")


def nb201() -> NB201:
    return NB201(Signature("classification", (3, 32, 32), 10))


def score(architecture: Architecture) -> Report:
    """Made up: an operation is worth something at each edge, and a little is noise."""
    worth = sum(OPERATIONS.index(value) * place for place, value in enumerate(architecture.values(), 1))
    return Report({"accuracy": worth / 84 + int(architecture.key[:4], 16) / 655_360}, seconds=1.0)


SCORES = {architecture.key: score(architecture) for architecture in nb201()}  # beforehand: they are not timed


def turn(strategy: Strategy) -> None:
    proposal = strategy.ask()
    if proposal is None:
        raise RuntimeError("the space is used up")
    strategy.tell(proposal, SCORES[proposal.architecture.key])


def begun(make: Callable[..., Strategy], seed: int, **settings: str) -> Strategy:
    """With a space of its own: none finds keys that another has computed."""
    strategy = make(nb201(), seed, **settings)
    strategy.fit(Affordable(float(TOLD)))
    return strategy


class Watch:
    """Seconds by the clock on the wall and by the process's own, a pair for each time that it ran."""

    def __init__(self) -> None:
        self.laps: list[tuple[float, float]] = []

    def __enter__(self) -> None:
        self.since = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.laps.append((time.perf_counter() - self.since[0], time.process_time() - self.since[1]))

    def figures(self, per: int) -> dict[str, float]:
        """Milliseconds of one of `per` in a lap."""
        wall, own = ([1e3 * lap[clock] / per for lap in self.laps] for clock in (0, 1))
        return {
            "ms": round(statistics.median(wall), 3),
            "least_ms": round(min(wall), 3),
            "processor_ms": round(min(own), 3),
        }


def cheap(make: Callable[..., Strategy], seed: int) -> dict[str, float]:
    """Milliseconds of an ask and its tell after 1,000 of them."""
    strategy, watch = begun(make, seed), Watch()
    for _ in range(TOLD):
        turn(strategy)
    for _ in range(BLOCKS):
        with watch:
            for _ in range(ASKS):
                turn(strategy)
    return watch.figures(ASKS)


def thinking(surrogate: str, seed: int) -> dict[str, float]:
    """Milliseconds of an ask of `bayesian` that was shown 1,000 observations of random search."""
    strategy, guesses, watch = begun(Bayesian, seed, surrogate=surrogate), begun(RandomSearch, seed), Watch()
    for _ in range(TOLD):
        if (guess := guesses.ask()) is not None:
            strategy.replay([("asked", guess), ("told", guess, SCORES[guess.architecture.key])])
    for _ in range(THOUGHTS):
        with watch:
            proposal = strategy.ask()
        if proposal is not None:
            strategy.tell(proposal, SCORES[proposal.architecture.key])
    return watch.figures(1)


def from_nothing(seed: int) -> dict[str, float]:
    """Asks and tells of evolution a second, over the first so many."""
    watch = Watch()
    for run in range(RUNS):
        strategy = begun(RegularizedEvolution, seed + run)
        with watch:
            for _ in range(TRIALS):
                turn(strategy)
    figures = watch.figures(TRIALS)
    return {"per_s": round(1e3 / figures["least_ms"]), "per_processor_s": round(1e3 / figures["processor_ms"])}


def main() -> None:
    seed, on = int(sys.argv[1]) if len(sys.argv) > 1 else 0, provenance()
    found = {
        "benchmark": "asking",
        "seed": seed,
        "told": TOLD,
        "ask_and_tell": {name: cheap(make, seed) for name, make in CHEAP.items()},
        "bayesian": {surrogate: thinking(surrogate, seed) for surrogate in SURROGATES},
        "evolution_from_0": from_nothing(seed),
        "commit": on["commit"],
        "machine": on,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
