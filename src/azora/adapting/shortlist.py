"""Which architecture is left: a few are trained for a while, again and again the better half of them goes on, and then
the best.

What a mixture says of options is good for a shortlist and not for a choice: its weights rank networks poorly, above all
the best ones (Yu et al., 2020), and it knows no costs. All go on from the shared weights for the same time, so that one
that takes longer makes fewer steps; familiar networks among them bound what a bad choice can lose. A first round is
short and favours what is quick, so the better half is told apart over twice as long (successive halving: Jamieson and
Talwalkar, 2016). MetaNAS (Elsken et al., 2020) takes the strongest options.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import final

import torch

from azora.adapting.episodes import Episode, Episodes
from azora.adapting.learner import Learner, State
from azora.space import Architecture

NEAR = 2  # architectures beside the favoured one
MOST = 8  # architectures in all
JUDGED = 100  # tasks by which they are judged, each time
JUDGING = 1 / 3  # at most, of the time that they train
FIRST = 2**40  # number of the first of these tasks: no meta-training comes so far


@final
@dataclass(frozen=True)
class Tried:
    """An architecture that was trained for a while.

    Args:
        steps: that it made of the meta-training.
        loss: mean cross-entropy of the tasks' query rows, in nats, when it was judged last.
        rounds: that it was in.
    """

    architecture: Architecture
    steps: int
    loss: float
    rounds: int = 1


def shortlist(learner: Learner) -> list[Architecture]:
    """What the meta-learned logits favour; this with the runner-up where the two are closest, a choice at a time; and
    the space's first familiar networks. Those that lack a choice are left out."""
    assert learner.relaxed is not None
    learner.restore()
    favoured, space, options = learner.derived(), learner.space, learner.relaxed.options
    beside = []
    for name, values in options.items():
        if name in favoured:
            logits = learner.meta_logits[learner.relaxed.logits.spans[name]].tolist()
            own = values.index(favoured[name])
            gap, place = min((logits[own] - logit, at) for at, logit in enumerate(logits) if at != own)
            beside.append((gap, {**favoured, name: values[place]}))
    beside.sort(key=lambda each: each[0])
    near = [space.admitted(decisions) for _, decisions in beside[:NEAR]]
    wanted = [favoured, *near, *islice(space.known(), MOST)]
    whole = dict.fromkeys(each for each in wanted if each is not None and options.keys() <= each.keys())
    return list(whole)[:MOST]


def trial(
    learner: Learner,
    few: Sequence[Architecture],
    step: Callable[[float], object],
    episodes: Episodes,
    share: Callable[[], float],
    length: float,
) -> list[Tried]:
    """Train each of a few architectures from what was meta-learned, in rounds of equal time from each of which the
    better half goes on, and leave the best: options of the others are taken out, and weights and moments are those that
    its training ended with.

    Args:
        step: makes a step of the meta-training, of which a share is done.
        episodes: what tasks are drawn from.
        share: of the meta-training that is done.
        length: of all trainings, as such a share.
    """
    start, rounds = learner.state(), max(1, math.ceil(math.log2(len(few))))
    tried = {architecture: Tried(architecture, 0, math.inf, 0) for architecture in few}
    left, states = list(few), dict.fromkeys(few, start)
    for _ in range(rounds):
        for architecture in left:
            learner.load_state(states[architecture])
            learner.choose(architecture)
            steps = _trained(step, share, length / rounds / len(left))
            states[architecture] = learner.state()
            tried[architecture] = replace(tried[architecture], steps=tried[architecture].steps + steps)
        losses = _judged(learner, [states[each] for each in left], episodes, share, length / rounds * JUDGING)
        for architecture, loss in zip(left, losses, strict=True):
            tried[architecture] = replace(tried[architecture], loss=loss, rounds=tried[architecture].rounds + 1)
        left.sort(key=lambda each: (math.isnan(tried[each].loss), tried[each].loss))
        left = left[: (len(left) + 1) // 2]
    learner.load_state(states[left[0]])
    return list(tried.values())


def _trained(step: Callable[[float], object], share: Callable[[], float], length: float) -> int:
    """Steps that were made in such a share of the meta-training."""
    begun, made = share(), 0
    while (now := share()) < min(begun + length, 1.0):
        step(now)
        made += 1
    return made


def judging(episode: Episode) -> Episode:
    """Where the task has no query rows: with a quarter of its support rows as such, and the others as query rows. Of
    fewer rows networks are told apart better, and a new task has fewer than those of the meta-training."""
    if len(episode.x_query) > 0:
        return episode
    shots = len(episode.x) // episode.ways
    cut = episode.ways * max(1, shots // 4)
    return replace(episode, x=episode.x[:cut], y=episode.y[:cut], x_query=episode.x[cut:], y_query=episode.y[cut:])


def _judged(
    learner: Learner, ends: Sequence[State], episodes: Episodes, share: Callable[[], float], length: float
) -> list[float]:
    """The mean query loss of each, over the same tasks: as many as there is time for, and `JUDGED` at most."""
    sums, count, until = [0.0] * len(ends), 0, min(share() + length, 1.0)
    while count < JUDGED and (count == 0 or share() < until):
        episode = judging(episodes.draw(FIRST + count))
        for place, end in enumerate(ends):
            learner.load_state(end)
            learner.adapt(episode, learner.settings.steps, torch.Generator().manual_seed(count))
            sums[place] += learner.query_loss(episode)
        count += 1
    return [each / count for each in sums]
