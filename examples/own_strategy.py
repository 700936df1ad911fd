"""A strategy of your own: `propose` says what to try, `learn` hears what came of it.

`azora search digits --strategy own_strategy:GreedyWalk` uses it too, from the folder that holds this file. A package
offers it by name with `[project.entry-points."azora.strategies"]` and `greedy-walk = "own_strategy:GreedyWalk"` in its
pyproject.toml.
"""

import azora
from azora.strategies import Strategy
from azora.trial import Proposal


class GreedyWalk(Strategy):
    """Step from the best network so far to a neighbour."""

    def __init__(self, space, seed=0, objective=None):
        super().__init__(space, seed, objective)
        self.best, self.score = None, float("-inf")

    def propose(self, rng):
        architecture = self.space.sample(rng) if self.best is None else self.space.mutate(self.best, rng)
        return Proposal(architecture, origin="a step")

    def learn(self, proposal, report):
        if self.objective.score(report) > self.score:
            self.best, self.score = proposal.architecture, self.objective.score(report)


if __name__ == "__main__":
    limits = ["macs=500k"]  # small networks, to be quick
    result = azora.search(
        "digits", strategy="own_strategy:GreedyWalk", trials=4, limits=limits, out="runs/own_strategy"
    )
    print(f"{result.judged} networks judged, {result.test_accuracy:.3f} on the test split")
