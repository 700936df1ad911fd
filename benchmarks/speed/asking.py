"""What strategies take to ask and to be told, on nb201 with made-up scores: no network is built, no table is read.

`python benchmarks/speed/asking.py [SEED]` prints JSON. Each strategy has been told 1,000 observations; then asks and
tells are timed in blocks, and the least and the median milliseconds of one (ask and tell together) are given: the machine
may be shared, so the least is the strategy's own. Of `bayesian` with each surrogate, the ask alone. `evolution` also
runs from nothing, as `azora.bench` plays it: asks and tells a second, the most of several runs.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from azora.networks.nb201 import NB201, OPERATIONS
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
from azora.trial import Proposal, Report

TOLD = 1_000
BLOCKS, ASKS = 20, 20  # of reinforce two updates a block
THOUGHTS = 6
RUNS, TRIALS = 15, 1_500
CHEAP: dict[str, Callable[..., Strategy]] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "genetic": Genetic,
    "local": LocalSearch,
    "reinforce": Reinforce,
}
SURROGATES = ("gp", "ensemble", "trees")


def score(proposal: Proposal) -> Report:
    """Made up: an operation is worth something at each edge, and a little is noise."""
    architecture = proposal.architecture
    worth = sum(OPERATIONS.index(value) * place for place, value in enumerate(architecture.values(), 1))
    return Report({"accuracy": worth / 84 + int(architecture.key[:4], 16) / 655_360}, seconds=1.0)


def turn(strategy: Strategy) -> None:
    proposal = strategy.ask()
    if proposal is None:
        raise RuntimeError("the space is used up")
    strategy.tell(proposal, score(proposal))


def begun(make: Callable[..., Strategy], seed: int, **settings: str) -> Strategy:
    """With a space of its own: none finds keys that another has computed."""
    strategy = make(NB201(Signature("classification", (3, 32, 32), 10)), seed, **settings)
    strategy.fit(Affordable(float(TOLD)))
    return strategy


def cheap(make: Callable[..., Strategy], seed: int) -> dict[str, float]:
    """Milliseconds of an ask and its tell after 1,000 of them."""
    strategy, spent = begun(make, seed), []
    for _ in range(TOLD):
        turn(strategy)
    for _ in range(BLOCKS):
        since = time.perf_counter()
        for _ in range(ASKS):
            turn(strategy)
        spent.append(1e3 * (time.perf_counter() - since) / ASKS)
    return {"least_ms": round(min(spent), 3), "ms": round(statistics.median(spent), 3)}


def thinking(surrogate: str, seed: int) -> dict[str, float]:
    """Milliseconds of an ask of `bayesian` that was shown 1,000 observations of random search."""
    strategy, guesses, spent = begun(Bayesian, seed, surrogate=surrogate), begun(RandomSearch, seed), []
    for _ in range(TOLD):
        if (guess := guesses.ask()) is not None:
            strategy.replay([("asked", guess), ("told", guess, score(guess))])
    for _ in range(THOUGHTS):
        since = time.perf_counter()
        proposal = strategy.ask()
        spent.append(1e3 * (time.perf_counter() - since))
        if proposal is not None:
            strategy.tell(proposal, score(proposal))
    return {"ask_least_ms": round(min(spent), 1), "ask_ms": round(statistics.median(spent), 1)}


def from_nothing(seed: int) -> dict[str, float]:
    """Asks and tells of evolution a second, over the first so many; made-up scores are made outside of the clock."""
    paces = []
    for run in range(RUNS):
        strategy = begun(RegularizedEvolution, seed + run)
        spent = 0.0
        for _ in range(TRIALS):
            since = time.perf_counter()
            proposal = strategy.ask()
            spent += time.perf_counter() - since
            if proposal is None:
                raise RuntimeError("the space is used up")
            report = score(proposal)
            since = time.perf_counter()
            strategy.tell(proposal, report)
            spent += time.perf_counter() - since
        paces.append(TRIALS / spent)
    return {"most_per_s": round(max(paces)), "per_s": round(statistics.median(paces))}


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    found = {
        "benchmark": "asking",
        "seed": seed,
        "told": TOLD,
        "ask_and_tell": {name: cheap(make, seed) for name, make in CHEAP.items()},
        "bayesian": {surrogate: thinking(surrogate, seed) for surrogate in SURROGATES},
        "evolution_from_0": from_nothing(seed),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
