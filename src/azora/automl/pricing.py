"""What networks cost on the job's target: predicted while searching, measured before and after the last training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from azora.automl.nearest import Nearest
from azora.errors import ConfigError, TargetError
from azora.hardware import Deployable, Measured, Measuring, Predictor, Target, TargetFile, build_predictor, find_target
from azora.hardware.build import facts_of
from azora.hardware.files import ENDING, default_file, is_file_name
from azora.hardware.measurement import repeats
from azora.hardware.predictor import Row
from azora.job import Job
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Architecture, Option, Product, Space
from azora.tasks import Scaling, SearchData, Signature
from azora.trial import ON_TARGET, Limit, Trial

FILE = f"predictor{ENDING}"  # in a study's folder: what a later session goes on with
SHARE, MOST_SECONDS = 0.12, 120.0  # of the budget, for measuring networks where nobody has before
HURRIED = 5  # of the quickest are still measured when there is no time left
BRIEFLY = 0.1  # seconds of one network's answers: many networks tell more than a few that are well known
MEASUREMENTS, FEWER = 60, 30  # networks then; where there is no clock
NETWORK = "network"

Decisions = tuple[tuple[str, Option], ...]


@final
class Pricing:
    """A target's predictor for a search's space.

    Args:
        space: of the search: networks, or networks and recipes.
        file: the predictor, of the space's networks.
        seconds: that making it took just now.
        notes: for the reader, of how it was come by.
    """

    def __init__(self, space: Space, file: TargetFile, seconds: float = 0.0, notes: Sequence[str] = ()) -> None:
        self.space, self.file, self.seconds, self.notes = space, file, seconds, notes
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

    def check_files(self, asked: Sequence[str]) -> None:
        """Refuse what is `asked` of sizes of files where the target has none: such limits would always hold.

        Raises:
            ConfigError: with the first of it.
        """
        _check_files(asked, self.file.spec, self.predictor.rows)

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
    limits = on_target(job.limits)
    wanted = [each.metric for each in job.objectives if each.metric in ON_TARGET]
    if job.target is None:
        if limits or wanted:
            what = f"limit {limits[0]}" if limits else f"objective {wanted[0]}"
            raise ConfigError(f"{what} is of a device: say which, such as --target onnxruntime")
        return
    if is_file_name(job.target):
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
    asked: Sequence[str] = (),
) -> Pricing:
    """The predictor that an earlier session `kept`, that `wanted` names, that `azora target build` has written, or one
    from measurements that are made now.

    Args:
        wanted: a target, or a predictor's file.
        space: of the search.
        about: `{"name", "settings"}` of the space's networks.
        seconds: for measuring now; None: thirty networks, however long they take.
        asked: of sizes of files, as `Pricing.check_files` takes it: where the target has none, the first networks that
            are measured now tell.

    Raises:
        ConfigError: what is `asked` is of files, and there are none.
        TargetError: it is for another space, input or runtime, or nothing can be measured. What an earlier session
            measured itself is refused on another device, too: its networks were judged by what they cost there.
    """
    if kept is not None and kept.is_file():
        return Pricing(space, _kept(wanted, kept, about, data.signature))
    if is_file_name(wanted):
        found = TargetFile.load(Path(wanted))
        found.check(about, data.signature)
        return Pricing(space, found)
    target, networks = find_target(wanted), make_space(about["name"], data.signature, **about["settings"])
    built, notes = default_file(target, networks, about, data.signature), list[str]()
    if built.is_file():
        found = TargetFile.load(built)
        if (why := _unfit(found, target, about, data.signature)) is None:
            return Pricing(space, found)
        notes.append(f"{built} {why}: networks were measured here anew")
    begun = time.monotonic()
    predictor, facts, said = _measured(target, networks, seconds, seed, asked)
    spent = time.monotonic() - begun
    made = TargetFile.of(target, about, predictor, {"seconds": round(spent, 1), **facts})
    return Pricing(space, made, spent, [*notes, *said])


def _measured(
    target: Target, networks: Space, seconds: float | None, seed: int, asked: Sequence[str]
) -> tuple[Predictor, dict[str, Any], list[str]]:
    """A predictor from what is measured now, and what is to be told of that: in its file, and to the reader."""
    measuring = Measuring(target, networks, seconds, BRIEFLY)
    most, notes = FEWER if seconds is None else MEASUREMENTS, list[str]()
    try:
        predictor = build_predictor(
            measuring, most, seed, lambda *_: _check_files(asked, target.spec, measuring.rows), brief=True
        )
    finally:
        measuring.close()
    facts = facts_of(measuring)
    if "repeated" in facts:
        notes.append(f"{target.spec}: {repeats(facts['repeated'])}")
    if "ended" in facts:
        count = len(predictor.rows)
        notes.append(f"{target.spec} ended the measuring after {count} networks, which will do: {facts['ended']}")
    return predictor, facts, notes


def _check_files(asked: Sequence[str], spec: str, rows: Sequence[Row]) -> None:
    if asked and rows and not any(measured.bytes for _, measured in rows):
        raise ConfigError(f"{asked[0]}: {spec} has no files whose size could be limited or compared")


def _unfit(found: TargetFile, target: Target, about: Mapping[str, Any], signature: Signature) -> str | None:
    """Why a search cannot go by a predictor that has the name of its own; None where it can."""
    if not found.is_here or dict(found.versions) != dict(target.versions()):
        return f"is of another device or version of {target.spec}"
    try:
        found.check(about, signature)
    except TargetError:
        return "is for another space or input"
    return None


def _kept(wanted: str, kept: Path, about: Mapping[str, Any], signature: Signature) -> TargetFile:
    """What an earlier session of the same search went by, where it still holds."""
    found = TargetFile.load(kept)
    found.check(about, signature, "go on with that version, or begin another search")
    if not is_file_name(wanted) and not found.is_here:
        raise TargetError(
            f"this search has measured {found.spec} on another device, as {kept} tells; go on there, or begin another"
            " search here"
        )
    return found


def seconds_for(budget: float | None) -> float | None:
    """What of a budget may go into measuring."""
    return None if budget is None else min(SHARE * budget, MOST_SECONDS)


def holding(
    pricing: Pricing, nearest: Nearest, ranked: Sequence[Trial], scaling: Scaling, seconds: float = MOST_SECONDS
) -> Trial:
    """The first of these trials whose network, measured on the target, is within the limits: predictions may be a
    little wrong. What cannot be measured there, because an operator of it is not known for example, gives place too.
    After `seconds` the order is no longer theirs: those that are predicted to be the quickest are next.

    Args:
        nearest: to the limits; it is shown what is beyond them.

    Raises:
        TargetError: none of them is; what came nearest is told, or why none could be measured.
    """
    # A network may have been trained with several recipes. By decisions and not by key: cells of one key may differ in
    # what they cost (see `azora.networks.complexity.cost`).
    known: dict[Decisions, Measured | None] = {}
    failed: TargetError | None = None
    end, left = time.monotonic() + seconds, list(ranked)
    hurried = False
    while left:
        if not hurried and time.monotonic() > end:
            left.sort(key=lambda trial: pricing(trial.proposal.architecture)["latency"])
            left, hurried = left[:HURRIED], True
        trial = left.pop(0)
        network = pricing.network_of(trial.proposal.architecture)
        decisions = tuple(network.items())
        if decisions not in known:
            known[decisions] = None
            try:
                known[decisions] = pricing.measure(pricing.untrained(trial.proposal.architecture, scaling))
            except TargetError as error:
                failed = error
        if (measured := known[decisions]) is None:
            continue
        if beyond(nearest.limits, measured) is None:
            return trial
        nearest.see(costs_of(measured))
    raise nothing_holds(pricing, nearest, failed)


def on_target(limits: Sequence[Limit]) -> list[Limit]:
    """Those that are of what a network costs on the target."""
    return [limit for limit in limits if limit.quantity in ON_TARGET]


def costs_of(measured: Measured) -> dict[str, float]:
    """`latency` (ms) and `size` (bytes)."""
    return {"latency": measured.latency.median, "size": float(measured.bytes)}


def limits_of_files(limits: Sequence[Limit]) -> list[str]:
    """Those that are of the size of the target's files, in words."""
    return [f"limit {limit}" for limit in limits if limit.quantity == "size"]


def beyond(limits: Sequence[Limit], measured: Measured, tolerance: float = 0.0) -> Limit | None:
    """The first limit that what was measured does not meet, if there is one."""
    found = costs_of(measured)
    over = (limit for limit in on_target(limits) if found[limit.quantity] > limit.most * (1.0 + tolerance))
    return next(over, None)


def nothing_holds(pricing: Pricing, nearest: Nearest, failed: TargetError | None = None) -> TargetError:
    """The error for when nothing holds the limits on the target.

    Args:
        nearest: to them of what was measured there.
        failed: the last reason why something could not be measured.
    """
    if not nearest.costs:
        said = f"no network that was judged holds {nearest} on {pricing.file.spec} once it is trained"
        return failed or TargetError(said)
    said = f"no network that was judged holds {nearest} on {pricing.file.spec}; {nearest.told('measured there')}"
    return TargetError(said if failed is None else f"{said}; others could not be measured: {failed}")
