"""Channels of shared weights in training, brought into the order of their importance."""

from __future__ import annotations

from azora.networks.importance import sort_by_importance
from azora.networks.shared_weights import SharedWeights
from azora.training.averaged import Averaged
from azora.training.shared_optimiser import SharedOptimiser


def sort_channels(shared: SharedWeights, optimiser: SharedOptimiser, averaged: Averaged | None) -> None:
    """Put the channels that a block alone sees into the order of their importance, before networks begin to take the
    first ones of them (Cai et al., 2020); momentum and average go with their weights.

    The networks that have all channels of their blocks compute what they did before. Sorting twice is sorting once.
    """
    followers = [{name.removeprefix("whole."): moment for name, moment in optimiser.moments.items()}]
    if averaged is not None:
        means = averaged.shared.whole
        followers.append({**dict(means.named_parameters()), **dict(means.named_buffers())})
        averaged.shared.changed()
    sort_by_importance(shared.whole, *followers)
    shared.changed()
