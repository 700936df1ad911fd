"""Options are told apart by the losses of the single paths that they are on."""

from __future__ import annotations

import torch
from tests.adapting.tiny import space, two

from azora.adapting.evidence import Evidence
from azora.adapting.settings import ANNEALED
from azora.networks.mixture import Relaxed


def test_logits_are_the_mean_differences_from_the_step_s_mean_loss_by_hand() -> None:
    evidence = Evidence(Relaxed(space(), ANNEALED))
    assert not evidence.logits(1.0).any()
    evidence.add([two("conv_3x3", "conv_3x3"), two("skip_connect", "conv_3x3")], [1.0, 3.0])
    evidence.add([two("conv_3x3", "max_pool_3x3"), two("conv_3x3", "skip_connect")], [12.0, 14.0])
    means = torch.tensor([-1 / 3, 0, 0, 1, 0, 0, -1, 1])  # conv, depthwise, pool, skip; of the first layer, then second
    torch.testing.assert_close(evidence.logits(2.0), -2 * means / means.std())
