"""What networks cost on the job's target: predicted while searching, measured before and after the last training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from azora.errors import ConfigError, TargetError
from azora.hardware import Deployable, Measured, Measuring, Predictor, TargetFile, build_predictor, find_target
from azora.hardware.files import ENDING, default_file
from azora.job import Job
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Architecture, Product, Space
from azora.tasks import Scaling, SearchData
from azora.trial import ON_TARGET, Limit, Trial

FILE = f"predictor{ENDING}"  # in a study's folder: what a later session goes on with
SHARE, MOST_SECONDS = 0.12, 120.0  # of the budget, for measuring networks where nobody has before
HURRIED = 5  # of the quickest are still measured when there is no time left
BRIEFLY = 0.1  # seconds of one network's answers: many networks tell more than a few that are well known
MEASUREMENTS, FEWER = 60, 30  # networks then; where there is no clock
NETWORK = "network"


@final
class Pricing:
    """A target's predictor for a search's space.

    Args:
        space: of the search: networks, or networks and recipes.
        file: the predictor, of the space's networks.
        seconds: that making it took just now.
    """

    def __init__(self, space: Space, file: TargetFile, seconds: float = 0.0) -> None:
        self.space, self.file, self.seconds = space, file, seconds
        self.predictor: Predictor = file.predictor

    def __call__(self, architecture: Architecture) -> Mapping[str, float]:
        """`latency` (ms) and `size` (bytes), as predicted."""
        network = self.network_of(architecture)
        return {"latency": self.predictor.latency(network), "size": self.predictor.size(network)}

    def measure(self, deployable: Deployable) -> Measured:
        """On the target itself.

        Raises:
            TargetError: it is not here, or cannot run the network.
        """
        return find_target(self.file.spec).measure(deployable)

    def untrained(self, architecture: Architecture, scaling: Scaling) -> Deployable:
        """An architecture's network, with random weights: they change no cost."""
        with torch.random.fork_rng(devices=[]):
            network = self.predictor.space.root.build(As(self.network_of(architecture))).eval()
        return self.deployable(network, architecture, scaling)

    def deployable(self, network: nn.Module, architecture: Architecture, scaling: Scaling) -> Deployable:
        """An architecture's network, as the target takes it."""
        return Deployable(network, self.file.signature, scaling, self.network_of(architecture))

    @property
    def has_files(self) -> bool:
        """Whether the target runs files, so that they have a size."""
        return any(measured.bytes for _, measured in self.predictor.rows)

    @property
    def here(self) -> bool:
        """Whether networks can be measured again."""
        return self.file.is_here

    def network_of(self, architecture: Architecture) -> Architecture:
        """The architecture without its recipe."""
        root = self.space.root
        if isinstance(root, Product) and NETWORK in root.parts:
            return root.project(architecture, NETWORK)
        return architecture


def check_target(job: Job) -> None:
    """Refuse, before data is read, a target that there is not, and what would need one.

    Raises:
        ConfigError, TargetError: with the reason.
    """
    on_target = [limit for limit in job.limits if limit.quantity in ON_TARGET]
    wanted = [each.metric for each in job.objectives if each.metric in ON_TARGET]
    if job.target is None:
        if on_target or wanted:
            what = f"limit {on_target[0]}" if on_target else f"objective {wanted[0]}"
            raise ConfigError(f"{what} is of a device: say which, such as --target onnxruntime")
        return
    if job.target.endswith(".json"):
        TargetFile.load(Path(job.target))
    else:
        find_target(job.target).versions()


def find_pricing(
    wanted: str,
    space: Space,
    about: Mapping[str, Any],
    data: SearchData,
    *,
    kept: Path | None = None,
    seconds: float | None = None,
    seed: int = 0,
) -> Pricing:
    """The predictor that an earlier session `kept`, that `wanted` names, that `azora target build` has written, or one
    from measurements that are made now.

    Args:
        wanted: a target, or a predictor's file.
        space: of the search.
        about: `{"name", "settings"}` of the space's networks.
        seconds: for measuring now; None: thirty networks, however long they take.

    Raises:
        TargetError: it is for another space, input or runtime, or nothing can be measured.
    """
    if kept is not None and kept.is_file():
        return Pricing(space, TargetFile.load(kept))
    if wanted.endswith(".json"):
        found = TargetFile.load(Path(wanted))
        found.check(about, data.signature)
        return Pricing(space, found)
    target, networks = find_target(wanted), make_space(about["name"], data.signature, **about["settings"])
    built = default_file(target, networks, about, data.signature)
    if built.is_file():
        found = TargetFile.load(built)
        if found.is_here and dict(found.versions) == dict(target.versions()):
            return Pricing(space, found)
    begun = time.monotonic()
    measuring = Measuring(target, networks, seconds, BRIEFLY)
    try:
        predictor = build_predictor(measuring, FEWER if seconds is None else MEASUREMENTS, seed, brief=True)
    finally:
        measuring.close()
    spent = time.monotonic() - begun
    facts = {"seconds": round(spent, 1), "skipped": measuring.failures}
    return Pricing(space, TargetFile.of(target, about, predictor, facts), spent)


def seconds_for(budget: float | None) -> float | None:
    """What of a budget may go into measuring."""
    return None if budget is None else min(SHARE * budget, MOST_SECONDS)


def holding(
    pricing: Pricing, limits: Sequence[Limit], ranked: Sequence[Trial], scaling: Scaling, seconds: float = MOST_SECONDS
) -> Trial:
    """The first of these trials whose network, measured on the target, is within the limits: predictions may be a
    little wrong. What cannot be measured there, because an operator of it is not known for example, gives place too.
    After `seconds` the order is no longer theirs: those that are predicted to be the quickest are next.

    Raises:
        TargetError: none of them is; the least that was measured is named, or why none could be.
    """
    lowest: dict[str, float] = {}
    known: dict[str, Measured | None] = {}  # a network may have been trained with several recipes
    failed: TargetError | None = None
    end, left = time.monotonic() + seconds, list(ranked)
    hurried = False
    while left:
        if not hurried and time.monotonic() > end:
            left.sort(key=lambda trial: pricing(trial.proposal.architecture)["latency"])
            left, hurried = left[:HURRIED], True
        trial = left.pop(0)
        network = pricing.network_of(trial.proposal.architecture)
        if network.key not in known:
            known[network.key] = None
            try:
                known[network.key] = pricing.measure(pricing.untrained(trial.proposal.architecture, scaling))
            except TargetError as error:
                failed = error
        if (measured := known[network.key]) is None:
            continue
        if beyond(limits, measured) is None:
            return trial
        for name, value in costs_of(measured).items():
            lowest[name] = min(value, lowest.get(name, value))
    if failed is not None and not lowest:
        raise failed
    raise nothing_holds(pricing, limits, lowest)


def costs_of(measured: Measured) -> dict[str, float]:
    """`latency` (ms) and `size` (bytes)."""
    return {"latency": measured.latency.median, "size": float(measured.bytes)}


def beyond(limits: Sequence[Limit], measured: Measured, tolerance: float = 0.0) -> Limit | None:
    """The first limit that what was measured does not meet, if there is one."""
    found = costs_of(measured)
    for limit in limits:
        if limit.quantity in ON_TARGET and found[limit.quantity] > limit.most * (1.0 + tolerance):
            return limit
    return None


def nothing_holds(pricing: Pricing, limits: Sequence[Limit], found: Mapping[str, float]) -> TargetError:
    """The error for when nothing holds the limits on the target; `found` has the least of each quantity there, and is
    empty where all that held was beyond them after its training."""
    said = " and ".join(str(limit) for limit in limits if limit.quantity in ON_TARGET)
    if not found:
        return TargetError(f"no network that was judged holds {said} on {pricing.file.spec} once it is trained")
    told = ", ".join(
        f"{limit.quantity} {limit.show(found[limit.quantity])}" for limit in limits if limit.quantity in found
    )
    return TargetError(
        f"no network that was judged holds {said} on {pricing.file.spec}; the least that was measured there is {told}"
    )
