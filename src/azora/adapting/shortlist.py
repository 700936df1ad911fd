"""Which architecture is left: a few are trained for a while, and the one with the least loss then goes on.

What a mixture says of options is good for a shortlist and not for a choice: its weights rank networks poorly, above all
the best ones (Yu et al., 2020), and it knows no costs. All go on from the shared weights for the same time, so that one
that takes longer makes fewer steps; the familiar network among them bounds what a bad choice can lose. MetaNAS (Elsken
et al., 2020) takes the strongest options.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch

from azora.adapting.episodes import Episode, Episodes
from azora.adapting.learner import Learner, State
from azora.space import Architecture

NEAR = 2  # architectures beside the favoured one
JUDGED = 50  # tasks by which they are judged
JUDGING = 1 / 3  # at most, of the time that they train
FIRST = 2**40  # number of the first of these tasks: no meta-training comes so far


@final
@dataclass(frozen=True)
class Tried:
    """An architecture that was trained for a while.

    Args:
        steps: that it made of the meta-training.
        loss: mean cross-entropy of the tasks' query rows, in nats.
    """

    architecture: Architecture
    steps: int
    loss: float


def shortlist(learner: Learner) -> list[Architecture]:
    """What the meta-learned logits favour; this with the runner-up where the two are closest, a choice at a time; and
    the space's first familiar network. Those that lack a choice are left out."""
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
    wanted = [favoured, *near, next(space.known(), None)]
    return list(dict.fromkeys(each for each in wanted if each is not None and options.keys() <= each.keys()))


def trial(
    learner: Learner,
    few: Sequence[Architecture],
    step: Callable[[float], object],
    episodes: Episodes,
    share: Callable[[], float],
    length: float,
) -> list[Tried]:
    """Train each of a few architectures from what was meta-learned, and go on with the best: options of the others are
    taken out, and weights and moments are those that its training ended with.

    Args:
        step: makes a step of the meta-training, of which a share is done.
        episodes: what tasks are drawn from.
        share: of the meta-training that is done.
        length: of all trainings, as such a share.
    """
    start, ends, steps = learner.state(), list[State](), list[int]()
    for architecture in few:
        learner.load_state(start)
        learner.choose(architecture)
        begun, made = share(), 0
        while (now := share()) < min(begun + length / len(few), 1.0):
            step(now)
            made += 1
        ends.append(learner.state())
        steps.append(made)
    losses = _judged(learner, ends, episodes, share, length * JUDGING)
    best = min(range(len(ends)), key=lambda place: (math.isnan(losses[place]), losses[place]))
    learner.load_state(ends[best])
    return [Tried(*each) for each in zip(few, steps, losses, strict=True)]


def judging(episode: Episode) -> Episode:
    """The task with the second half of its support rows as query rows, where it has none."""
    if len(episode.x_query) > 0:
        return episode
    shots = len(episode.x) // episode.ways
    cut = episode.ways * (shots - shots // 2)
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
