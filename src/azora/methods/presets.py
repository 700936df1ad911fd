"""Differentiable methods by name: a relaxation, a training, and when to stop, put together as published.

Rates of the logits and the length of a training are sized to the budget; what is published beside them is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from azora.networks.relaxation import Relaxation
from azora.training.mixture_settings import MixtureSettings, Stage


@dataclass(frozen=True)
class Preset:
    """A published method."""

    settings: MixtureSettings
    summary: str
    source: str
    advice: str


PRESETS: Mapping[str, Preset] = {
    "darts": Preset(
        MixtureSettings(),
        "weighs all options by a softmax whose logits learn from other rows than the weights do",
        "Liu et al. 2019",
        "to compare with: it is known to drift to skips; its cured kin below are better",
    ),
    "darts2": Preset(
        MixtureSettings(order=2),
        "darts, with the gradient taken through the weights' next step",
        "Liu et al. 2019",
        "to compare with: a step costs four of darts",
    ),
    "gdas": Preset(
        MixtureSettings(Relaxation("gumbel"), frozen=0.2),
        "runs one drawn path a step, the gradient goes straight through the draw",
        "Dong & Yang 2019",
        "when time is short: a step costs what a single network costs",
    ),
    "pc-darts": Preset(
        MixtureSettings(Relaxation(channels=4, edges=True), rate=0.1, frozen=0.3),
        "mixes a quarter of the channels, and weighs the inputs of a node too",
        "Xu et al. 2020",
        "on spaces of cells whose nodes choose their inputs",
    ),
    "p-darts": Preset(
        MixtureSettings(
            stages=(
                Stage(),
                Stage(options=5, deeper=1, drop=0.2, anew=True),
                Stage(options=3, deeper=2, drop=0.4, anew=True),
            ),
            frozen=0.4,
            most_skips=2,
        ),
        "three stages, each begun anew with fewer options and a deeper network; two skips in a cell at most",
        "Chen et al. 2019",
        "when the network that is shipped is deeper than the one that is searched",
    ),
    "drnas": Preset(
        MixtureSettings(
            # Theirs has no edges; where channels go by, noise won without them.
            Relaxation("dirichlet", channels=4, edges=True),
            spread=1e-3,
            stages=(Stage(), Stage(options=4, channels=2)),
            frozen=0.4,
        ),
        "draws the weights from a Dirichlet distribution that learns; two stages, the second with the best options;"
        " weighs the inputs of a node too",
        "Chen et al. 2021",
        "on spaces of cells",
    ),
    "fair-darts": Preset(
        MixtureSettings(Relaxation("sigmoid"), certainty=10.0),
        "weighs every option by itself, by a sigmoid that is driven to 0 or 1",
        "Chu et al. 2020",
        "when options should not compete",
    ),
    "darts-": Preset(
        MixtureSettings(Relaxation(skip=1.0)),
        "a skip beside every choice that has one, which fades, so that the skip among the options does not win for"
        " what it gives all others",
        "Chu et al. 2021",
        "when searches end in skips",
    ),
    "r-darts": Preset(
        MixtureSettings(stop="eigenvalue", adapt=True),
        "darts, with more decay of the weights as soon as the loss's curvature by the logits grows",
        "Zela et al. 2020",
        "when searches end in skips, and there is time for many epochs",
    ),
    "beta-darts": Preset(
        MixtureSettings(beta=50.0),
        "darts, with logits held together by a weight that grows",
        "Ye et al. 2022",
        "when searches end in skips",
    ),
    "fbnet": Preset(
        MixtureSettings(
            Relaxation("gumbel-soft", temperature=(5.0, 0.09), cooling="exponential"),
            share=0.2,
            rate=0.1,
            decay=1e-4,
            logits_betas=(0.9, 0.999),
            logits_decay=5e-4,
            frozen=0.11,
            cost="macs",
        ),
        "Gumbel's softmax over blocks, with the cost of what is drawn in the loss",
        "Wu et al. 2019",
        "on stages with per_block=true and candidates=true, which are its default, under a limit",
    ),
    "proxyless": Preset(
        MixtureSettings(
            Relaxation("binary"),
            logits_betas=(0.0, 0.999),
            logits_decay=0.0,
            frozen=0.33,
            every=2,
            cost="macs",
            cost_form="power-ratio",
            cost_power=0.3,
        ),
        "runs one path, and a second one beside it when logits learn; the expected cost is in the loss",
        "Cai et al. 2019",
        "on stages with per_block=true and candidates=true, which are its default, under a limit",
    ),
}
