"""Selection by what a mixture loses without an option, and not by what the option weighs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import final

from azora.evaluation.mixing import Favoured
from azora.networks.derivation import NONE, Derivation, Strengths
from azora.space import Subset
from azora.training.fit_mixture import MixtureTraining

TUNED = 10  # steps of the weights after every decision
LOSER = 1e-6  # what a loser's weight is multiplied by


@final
class Perturbation:
    """DARTS-PT (Wang et al., 2021): of every choice, in a random order, that option stays without which the mixture
    does worst; after each, which is run with a weight of 1 from then on, the weights learn for a few steps. Then of
    every node's inputs those go whose loss costs least; `none` is not kept on these. What is tried is only left out,
    and the others weigh what they did, as in the authors' code.

    Args:
        judge: of few rows: it is asked once for every option.
        over: whether there is no more time: what is open then is decided by the weights.
    """

    def __init__(
        self, training: MixtureTraining, judge: Favoured, seed: int = 0, over: Callable[[], bool] = lambda: False
    ) -> None:
        self.training, self.judge, self.over = training, judge, over
        self.rng = random.Random(f"{seed} perturbation")
        self.relaxed = training.relaxed
        self.decided = 0  # choices, as far as there was time

    def strengths(self, derivation: Derivation) -> Strengths:
        """What the options weigh when the others of every choice have lost: what is derived of them is what is left, as
        far as it is allowed."""
        strengths = {name: weights.clone() for name, weights in self.training.strengths().items()}
        names = list(self.relaxed.options)
        self.rng.shuffle(names)
        try:
            for name in names:
                if self.over():
                    break
                self._decide(name, derivation, strengths)
            self._drop_inputs(derivation, strengths)
        finally:
            self.relaxed.taken.clear()
            self.relaxed.left_out.clear()
        return strengths

    def _decide(self, name: str, derivation: Derivation, strengths: Strengths) -> None:
        values = self.relaxed.options[name]
        # On a node's inputs `none` is not derived; anywhere else it is an option, such as of normalisations.
        tried = [place for place, value in enumerate(values) if value != NONE or name not in derivation.edges]
        without = {place: self._score({name: frozenset({place})}) for place in tried}
        kept = min(tried, key=lambda place: without[place])
        self.relaxed.taken[name] = kept
        for place in range(len(values)):
            if place != kept:
                strengths[name][place] *= LOSER
        self.decided += 1
        self.training.tune(TUNED)

    def _drop_inputs(self, derivation: Derivation, strengths: Strengths) -> None:
        for subset, names in derivation.inputs.items():
            choice = derivation.space.choices[subset]
            assert isinstance(choice, Subset)
            left = [name for name in names if name in self.relaxed.options]
            decided = sum(name not in left and derivation.held[name] != NONE for name in names)  # and stays
            while len(left) > max(0, choice.high - decided) and not self.over():
                without = {
                    name: self._score({name: frozenset(range(len(self.relaxed.options[name])))}) for name in left
                }
                least = max(left, key=lambda name: without[name])
                self.relaxed.left_out[least] = frozenset(range(len(self.relaxed.options[least])))
                strengths[least].mul_(LOSER**2)
                left.remove(least)
                self.training.tune(TUNED)

    def _score(self, without: dict[str, frozenset[int]]) -> tuple[float, float]:
        """How the mixture does without these options: accuracy (or what is judged), and in a tie the loss."""
        kept = dict(self.relaxed.left_out)
        self.relaxed.left_out |= {name: out | kept.get(name, frozenset()) for name, out in without.items()}
        try:
            found = self.judge.settled()
        finally:
            self.relaxed.left_out.clear()
            self.relaxed.left_out.update(kept)
        return self.judge.sign * found[self.judge.metric], -found.get("loss", 0.0)
