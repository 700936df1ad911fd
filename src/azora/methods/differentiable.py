"""Differentiable architecture search: a mixture is trained, what it favours is trained for real."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, final

from azora.errors import ConfigError, SpaceError
from azora.evaluation.mixing import Favoured, settings_to_json
from azora.evaluation.perturbation import Perturbation
from azora.executors.inline import judge
from azora.methods.method import PHASE, Method, Work
from azora.methods.mixing import FEWEST, RELAXING, Mixing, describe, relax
from azora.methods.mixture_diagnosis import diagnose_mixture
from azora.methods.numbers import held_numbers
from azora.methods.one_shot import CELLS, UNTRAINED
from azora.methods.phases import of_networks, open_inherited
from azora.methods.presets import PRESETS
from azora.networks.masked import maskable
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import Relaxation
from azora.networks.shapes_only import ShapesOnly
from azora.settings import closest, given
from azora.space import Architecture, Product, Space
from azora.strategies import Strategy
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.halving import SuccessiveHalving
from azora.study import Study
from azora.tasks import SearchData, Signature
from azora.training.early_stop import APART
from azora.training.mixture_loss import check_target
from azora.trial import Objective, Proposal, Report

DERIVATIONS = ("strongest", "sampled", "perturbed")
PERTURBED, PERTURBED_ROWS = 0.3, 256  # share of the phase for that, and rows of search-validation it looks at
OPERATIONS = ("none", *CELLS["operations"])
BLOCKS = {"per_block": True, "candidates": True, "blocks": ["inverted"], "expansions": [1, 3, 6]}  # as Wu et al. search
CONTROLS = 4  # of the shortlist, one in so many is drawn at random: what the mixture favours must beat these
VARIANTS = 3  # with other numbers, of what is favoured at the end


@final
class Differentiable(Method):
    """A method of `azora.methods.presets`: a mixture's logits learn by gradient, what they favour goes on a shortlist
    with draws from them, and with a few random networks of the same numbers that it has to beat; all are trained from
    scratch.

    Numbers (widths, depths, kernels, resolutions) are held while modules are mixed, at what the budget can pay for; on
    the shortlist, and in the evolution that goes on from it, they vary again.

    Args:
        preset: the method's name.
        share: of the time before the last training, for the mixture.
        epochs: of the mixture, where there is no clock; two at least.
        size: networks on the shortlist.
        derive: "strongest": the strongest options at the end, and at earlier epochs; "sampled": draws by the weights;
            "perturbed": the options without which the mixture does worst (Wang et al., 2021: DARTS-PT).
        cost, cost_form, cost_weight, cost_power: what is counted in the loss, and how (see `MixtureSettings`).
        target: of the cost, in its unit; None: what the mixture costs when all options weigh the same. Only where a
            cost is counted.
        masked: whether numbers of channels are mixed too, by masks on the most there may be (Wan et al., 2020:
            FBNetV2); of spaces that say where they narrow what.
        order, rate, logits_rate, batch_size, frozen, beta, noise, temperature, channels, edges, skip, stop, adapt,
            rest: of the preset's settings and relaxation, where they are to be others.

    Raises:
        ConfigError: a setting out of its range, or without the one that it needs: a target without a cost.
    """

    def __init__(
        self,
        preset: str,
        share: float = 0.6,
        epochs: float = 20.0,
        size: int = 12,
        derive: str = "strongest",
        target: float | None = None,
        cost: str | None = None,
        cost_form: str | None = None,
        cost_weight: float | None = None,
        cost_power: float | None = None,
        order: int | None = None,
        rate: float | None = None,
        logits_rate: float | None = None,
        batch_size: int | None = None,
        frozen: float | None = None,
        beta: float | None = None,
        noise: Sequence[float] | None = None,
        temperature: Sequence[float] | None = None,
        channels: int | None = None,
        edges: bool | None = None,
        skip: float | None = None,
        stop: str | None = None,
        adapt: bool | None = None,
        rest: bool | None = None,
        masked: bool | None = None,
    ) -> None:
        if not 0 < share < 1 or not epochs >= FEWEST or not isinstance(size, int) or size < CONTROLS:
            raise ConfigError(
                f"share={share} must be between 0 and 1, epochs={epochs} at least {FEWEST:g}, and size={size} a whole"
                f" number of at least {CONTROLS}"
            )
        if derive not in DERIVATIONS:
            raise ConfigError(f"there is no derive {derive!r}; {closest(derive, DERIVATIONS)}")
        self.name, self.share, self.epochs, self.size, self.derive = preset, share, float(epochs), size, derive
        self.target, settings = target, PRESETS[preset].settings
        relaxed = {
            "noise": _value(noise), "temperature": _value(temperature), "channels": channels, "edges": edges,
            "skip": skip, "rest": rest,
        }  # fmt: skip
        others = {
            "cost": cost, "cost_form": cost_form, "cost_weight": cost_weight, "cost_power": cost_power, "order": order,
            "rate": rate, "logits_rate": logits_rate, "batch_size": batch_size, "frozen": frozen, "beta": beta,
            "stop": stop, "adapt": adapt, "masked": masked,
        }  # fmt: skip
        relaxation: Relaxation = replace(settings.relaxation, **given(**relaxed))
        self.settings = replace(settings, relaxation=relaxation, **given(**others))
        if target is not None:
            check_target(self.settings, target)

    def check(self, space: Space, data: SearchData) -> None:
        networks = _of_one_recipe(space)
        masked = maskable(networks) if self.settings.masked else ()
        if self.settings.masked and not masked:
            raise SpaceError(
                f"{space.name}: no number of channels can be masked, for none is open by which the space narrows its"
                " modules (azora.networks.masked); leave masked out, or search stages or mlp"
            )
        held = networks.constrain(None, "", **held_numbers(networks, 0, masked)[0].numbers)
        with ShapesOnly():
            for stage, about in enumerate(self.settings.stages):
                Relaxed(held, self.settings.relaxation_of(stage), deeper=about.deeper, masked=masked)

    def shares(self) -> Mapping[str, float]:
        return {RELAXING: self.share}

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        if not signature.pictures:
            return None
        if self.name in ("fbnet", "proxyless"):
            return "stages", BLOCKS
        return "cells", CELLS

    def prepare(self, work: Work) -> Strategy:
        networks = of_networks(work.space)
        study = open_inherited(work, networks)
        try:
            if study.result is None:
                self._relax(work, networks, study)
            start = [dict(each) for each in (study.result or {}).get("shortlist", [])]
        finally:
            study.close()
        given = [{name: _value(value) for name, value in each.items()} for each in start]
        return SuccessiveHalving(RegularizedEvolution(work.space, work.seed, work.objective, start=given), work.lowest)

    def diagnose(self, folder: Path, space: Space, study: Study, objective: Objective) -> Mapping[str, Any]:
        found = diagnose_mixture(folder, space, study, objective)
        return {"relaxed": found} if found else {}

    def settle(self, work: Work) -> None:
        study = open_inherited(work, of_networks(work.space))
        try:
            judged, result = [trial for trial in study.trials if trial.report.ok], study.result or {}
            if work.study.best(work.objective) is not None:
                return
            if result.get("judged"):
                _remember(work, study.space.parse(result["shortlist"][0]), Report(result["judged"]))
            elif judged:
                _remember(work, judged[-1].proposal.architecture, judged[-1].report)
        finally:
            study.close()

    # Inside -----------------------------------------------------------------------------------------------------

    def _relax(self, work: Work, networks: Space, study: Study) -> None:
        """The phase of the mixture, or what is left of it."""
        work.study.enter(PHASE + RELAXING)
        about = study.measures.get("about") or describe(
            work, networks, settings_to_json(self.settings), self.epochs, self.target
        )
        if not study.measures:
            study.measured({"about": about})
        mixing = Mixing(work, networks, about, study, 1.0 - PERTURBED * (self.derive == "perturbed"))
        try:
            relax(work, mixing, study)
            if work.stop.is_set():
                favoured = mixing.favoured()
                _remember(work, favoured, _judged(work, mixing, favoured))
                return
            if not study.trials:
                work.note("there was no time for an epoch of the mixture: networks are trained one by one instead")
                study.finish({"epochs": 0.0, "shortlist": []})
                return
            derived = self._derived(work, mixing, study)
            shortlist, controls = self._shortlist(work, mixing, study, derived)
            study.finish(
                {
                    "epochs": round(mixing.training.epochs, 2),
                    "loss": mixing.training.loss,
                    "stopped": mixing.stopped,
                    "numbers": dict(about["numbers"]),
                    "derived": derived.key,
                    "judged": dict(_known(work, mixing, study, derived).metrics),
                    "controls": [each.key for each in controls],
                    "shortlist": [dict(each) for each in shortlist],
                }
            )
        finally:
            mixing.close()

    def _derived(self, work: Work, mixing: Mixing, study: Study) -> Architecture:
        """What the method has found: what is favoured at the end, or where the curvature grew, some epochs before."""
        if self.derive == "perturbed":
            judge = Favoured(mixing.training, work.data, work.objective.metric, rows=PERTURBED_ROWS)
            selection = Perturbation(mixing.training, judge, work.seed, partial(_over, work))
            return mixing.derive(selection.strengths(mixing.derivation()))
        if mixing.stopped == "eigenvalue" and len(study.trials) > APART:
            return study.trials[-1 - APART].proposal.architecture
        return mixing.favoured()

    def _shortlist(
        self, work: Work, mixing: Mixing, study: Study, derived: Architecture
    ) -> tuple[list[Architecture], list[Architecture]]:
        """What is trained, in this order, and which of it are the controls."""
        rng = random.Random(f"{work.seed} shortlist")
        strengths, derivation = mixing.training.strengths(), mixing.derivation()
        wanted = self.size // CONTROLS
        drawn = [derivation.sample(strengths, rng) for _ in range(4 * wanted)]
        earlier = [trial.proposal.architecture for trial in reversed(study.trials)]
        variants = _variants(work, mixing, derived, rng)
        controls = _controls(work, mixing, wanted, rng)
        samples = [each for each in drawn if each is not None]
        lists = [[derived], variants, samples if self.derive == "sampled" else earlier, samples, controls]
        found: dict[str, Architecture] = {}
        for place, (each, most) in enumerate(zip(lists, (1, VARIANTS, wanted, wanted, wanted), strict=True)):
            fresh = {one.key: one for one in each if one.key not in found}
            room = self.size - len(found) - (wanted if place < len(lists) - 1 else 0)
            found |= dict(list(fresh.items())[: max(0, min(most, room))])
        keys = {each.key for each in controls}
        return list(found.values()), [each for each in found.values() if each.key in keys]


def _variants(work: Work, mixing: Mixing, derived: Architecture, rng: random.Random) -> list[Architecture]:
    """The derived network with other numbers."""
    held = {name: value for name, value in derived.items() if name not in mixing.about["numbers"]}
    networks = of_networks(work.space)
    try:
        part = networks.constrain(None, "", **held)
        return [part.sample(rng) for _ in range(3 * VARIANTS)] if mixing.about["numbers"] else []
    except SpaceError:  # nothing else is allowed
        return []


def _controls(work: Work, mixing: Mixing, count: int, rng: random.Random) -> list[Architecture]:
    """Networks by lot, with the numbers that were held: what was derived has them too, so that size is not what the
    comparison is of. With any numbers, where next to nothing with these is allowed."""
    try:
        return [mixing.part.sample(rng) for _ in range(count)]
    except SpaceError:
        return [of_networks(work.space).sample(rng) for _ in range(count)]


def _over(work: Work) -> bool:
    """Whether the phase's time is."""
    return work.stop.is_set() or (bool(work.seconds) and work.left(RELAXING) <= 0)


def _known(work: Work, mixing: Mixing, study: Study, architecture: Architecture) -> Report:
    """What the mixture says of an architecture: when it was favoured last, or now."""
    found = [trial.report for trial in study.trials if trial.report.ok and trial.proposal.architecture == architecture]
    return found[-1] if found else _judged(work, mixing, architecture)


def _judged(work: Work, mixing: Mixing, architecture: Architecture) -> Report:
    judging = Favoured(mixing.training, work.data, work.objective.metric)
    return judge(judging, Proposal(architecture, UNTRAINED))


def _remember(work: Work, architecture: Architecture, report: Report) -> None:
    """Before anything was trained by itself, what the mixture favours is what there is."""
    proposal = Proposal(architecture, UNTRAINED, origin="the mixture")
    work.study.told(work.study.asked(proposal), report)


def _of_one_recipe(space: Space) -> Space:
    return of_networks(space) if isinstance(space.root, Product) else space


def _value(value: Any) -> Any:
    """A decision after JSON made a list of a tuple."""
    return tuple(value) if isinstance(value, list) else value
