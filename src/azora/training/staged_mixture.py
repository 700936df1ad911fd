"""A mixture with all that its training keeps: rows, optimisers, stages, and where it stands."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from azora.networks.choice_costs import COUNTED, ChoiceCosts, choice_costs
from azora.networks.derivation import NONE, Derivation
from azora.networks.masked import maskable
from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import Gate, Moment
from azora.networks.shapes_only import ShapesOnly
from azora.space import Option, Space
from azora.tasks import Scaling, Signature, Split
from azora.training.batches import Batches
from azora.training.fit_shared import RECALIBRATION_ROWS
from azora.training.logit_optimiser import LogitOptimiser
from azora.training.mixture_loss import check_costs
from azora.training.mixture_settings import MixtureSettings
from azora.training.mode import Mode
from azora.training.optimiser import Optimiser
from azora.training.recipe import RecipeSettings
from azora.training.seeding import seed_draws

FEWEST = 64  # rows to measure normalisations on

Kept = Mapping[str, tuple[Option, ...]]


class StagedMixture:
    """What of a `azora.training.fit_mixture.MixtureTraining` is no step: see there."""

    def __init__(
        self,
        space: Space,
        split: Split,
        signature: Signature,
        scaling: Scaling,
        settings: MixtureSettings,
        epochs: float,
        *,
        seed: int = 0,
        mode: Mode | None = None,
        device: str = "cpu",
        target: float | None = None,
        limited: bool = False,
    ) -> None:
        self.space, self.signature, self.settings, self.seed = space, signature, settings, seed
        self.mode, self.device = mode or Mode(), device
        self.recipe = _recipe(settings, signature)
        self.scaling = scaling.taking(self.recipe.scaling, self.recipe.encoding, self.recipe.imputation)
        first, second = _parted(split, settings.share, seed)
        self.batches = self._batches(second, seed)
        self.logits_batches = self._batches(first, seed + 1)
        self.steps = max(1, round(epochs * self.batches.steps))
        self.step, self.share, self.seconds, self.loss = 0, 0.0, 0.0, math.nan
        self.halvings, self.decay_factor = 0, 1.0
        self.target, self.limited = target, limited
        self.costs: ChoiceCosts | None = None
        self.masked = maskable(space) if settings.masked else ()
        self.stage = 0
        self._enter(0, {})

    @property
    def epochs(self) -> float:
        """Epochs of the weights' rows since the beginning."""
        return self.step / self.batches.steps

    @cached_property
    def numbers(self) -> int:
        """How many numbers the gradients of a step have, at most: in any stage, whichever options are left.

        Other processes join in one stage and stay in the next, which may be deeper or on more channels.
        """
        with ShapesOnly():
            stages = [self._made(stage, {}) for stage in range(len(self.settings.stages))]
        return max(_gradients(made) for made in stages)

    @property
    def progress(self) -> float:
        """Of the stage, 0 to 1."""
        return min(1.0, self.share * len(self.settings.stages) - self.stage)

    @property
    def length(self) -> float:
        """Of the search, as a share of a published one's steps; 1 at most, and here."""
        return 1.0

    def strengths(self) -> dict[str, Tensor]:
        """What the options weigh (see `Relaxed.strengths`)."""
        return self.relaxed.strengths()

    def entropy(self) -> float:
        """Mean over choices of the entropy of what their options weigh, as a share of the most there can be."""
        found = []
        for name in self.relaxed.options:
            each = self.relaxed.strengths()[name]
            each = each / each.sum().clamp_min(1e-12)
            found.append(float(-(each * each.clamp_min(1e-12).log()).sum()) / math.log(len(each)))
        return sum(found) / len(found)

    def ranking(self) -> dict[str, list[int]]:
        """Of every choice the options that have something to learn (all, where fewer than two have), the strongest
        first (Liang et al., 2019)."""
        strengths, found = self.strengths(), dict[str, list[int]]()
        for module in self.relaxed.modules():
            if isinstance(module, Mixed):
                able = [place for place, each in enumerate(module.values()) if any(True for _ in each.parameters())]
                able = able if len(able) > 1 else list(range(len(module)))
                weights = strengths[module.choice].tolist()
                found[module.choice] = sorted(able, key=weights.__getitem__, reverse=True)
        masked = {name: strengths[name].argsort(descending=True).tolist() for name in self.relaxed.options}
        return {**masked, **found}

    def generator(self, step: int, learns: bool = False) -> torch.Generator:
        """Of the draws of a step."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 2 + learns)

    def harden(self, factor: float) -> None:
        """Train on with so many times the decay of the weights."""
        self.decay_factor *= factor
        self.optimiser.decay = self.settings.decay * self.decay_factor

    def calibration(self, rows: int = RECALIBRATION_ROWS, size: int = 384) -> list[Tensor]:
        """Batches of the weights' rows as they are, to measure normalisations on: the same every time, and no more than
        a quarter of an epoch, after each of which it is done twice."""
        numbers = self.batches.some(min(rows, max(FEWEST, len(self.batches.x) // 4)))
        size = min(size, len(numbers))
        return [self.batches.plain(numbers[at : at + size]) for at in range(0, len(numbers) - size + 1, size)]

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name: copies, which going on does not change."""
        state = {f"relaxed.{name}": value for name, value in self.relaxed.state_dict().items()}
        state |= {f"moments.{name}": value for name, value in self.optimiser.state().items()}
        state |= {f"adam.{name}": value for name, value in self.logit_optimiser.state().items()}
        state["logits"] = self.relaxed.logits.values
        state |= {
            name: torch.tensor(float(getattr(self, name)), dtype=torch.float64)
            for name in ("step", "share", "loss", "stage", "halvings", "decay_factor")
        }
        state |= self._costs_state()
        kept = json.dumps({name: list(values) for name, values in self.kept.items()}).encode()
        state["kept"] = torch.tensor(list(kept), dtype=torch.uint8)
        return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another space.
        """
        kept = json.loads(bytes(state["kept"].tolist()).decode())
        stage = int(state["stage"])
        if stage != self.stage:
            self._enter(stage, {name: tuple(values) for name, values in kept.items()})
        parts: dict[str, dict[str, Tensor]] = {"relaxed": {}, "moments": {}, "adam": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.relaxed.load_state_dict(parts["relaxed"])
        with torch.no_grad():
            self.relaxed.logits.values.copy_(state["logits"])
        self.optimiser.load(parts["moments"])
        self.logit_optimiser.load(parts["adam"])
        self.step, self.share, self.loss = int(state["step"]), float(state["share"]), float(state["loss"])
        self.halvings, self.decay_factor = int(state["halvings"]), float(state["decay_factor"])
        self.optimiser.decay = self.settings.decay * self.decay_factor
        if self.costs is not None:
            tables, fixed = {name: state[f"costs.{name}"].clone() for name in self.costs.options}, state["costs_fixed"]
            self.costs = replace(self.costs, fixed=float(fixed), options=tables)  # factors are counted
            self.target = float(state["target"])

    # Inside -----------------------------------------------------------------------------------------------------

    def _advance_stage(self) -> None:
        """Enter the stage that the schedule has reached."""
        reached = min(len(self.settings.stages) - 1, int(self.share * len(self.settings.stages)))
        if reached > self.stage:
            self._enter(reached, self._strongest(self.settings.stages[reached].options))

    def _strongest(self, count: int) -> Kept:
        """Of every choice the options that go on; where there are limits the cheapest beside them, for of the others
        alone nothing might be allowed."""
        found, strengths = dict(self.kept), self.strengths()
        cheapest = self._cheapest(strengths) if self.limited else {}
        for name, values in self.relaxed.options.items():
            if 0 < count < len(values):
                best = {*strengths[name].argsort(descending=True)[:count].tolist(), *cheapest.get(name, ())}
                found[name] = tuple(values[place] for place in sorted(best))
        return found

    def _cheapest(self, strengths: Mapping[str, Tensor]) -> dict[str, set[int]]:
        """Of every choice the options that cost least, the strongest of those that cost as much; `none` is no input of
        a node."""
        edges = Derivation(self.space, self.relaxed.options).edges
        found: dict[str, set[int]] = {name: set() for name in self.relaxed.options}
        for quantity in COUNTED:
            tables = choice_costs(self.space, quantity, self.signature.shape, self.kept, self.masked).options
            for name, values in self.relaxed.options.items():
                able = [place for place, value in enumerate(values) if value != NONE or name not in edges]
                ranks = list(zip(tables[name].tolist(), (-strengths[name]).tolist(), strict=True))
                found[name].add(min(able, key=ranks.__getitem__))
        return found

    def _enter(self, stage: int, kept: Kept) -> None:
        """Begin a stage; weights that fit into its network, and logits of options that are left, are taken along, where
        it does not begin anew."""
        before: Relaxed | None = getattr(self, "relaxed", None)
        self.stage, self.kept = stage, kept
        made = self._made(stage, kept).to(self.device)
        if self.mode.channels_last:
            made = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if before is not None and not self.settings.stages[stage].anew:
            made.take(before)
        self.relaxed: Relaxed = made
        self.optimiser = Optimiser(self.relaxed, self.recipe)
        self.optimiser.decay = self.settings.decay * self.decay_factor
        values = self.relaxed.logits.values
        self.logit_optimiser = LogitOptimiser(values, self.settings.logits_betas, self.settings.logits_decay)
        self.costs = self._costs(kept)
        if self.costs is not None and self.target is None:
            with torch.no_grad():
                flat = replace(made.relaxation, spread=0.0, channels=1)
                even = Relaxed(self.space, flat, kept=kept, masked=self.masked)
                self.target = float(self.costs.expected(even.strengths()))
        if self.costs is not None:
            check_costs(self.settings, self.costs.least(), self.target or 0.0)

    def _made(self, stage: int, kept: Kept) -> Relaxed:
        """The mixture of a stage, before it learns."""
        relaxation, deeper = self.settings.relaxation_of(stage), self.settings.stages[stage].deeper
        return Relaxed(self.space, relaxation, seed=self.seed, kept=kept, deeper=deeper, masked=self.masked)

    def _costs_state(self) -> dict[str, Tensor]:
        """What a cost in the loss goes by: of latencies, which are not measured twice alike, too."""
        if self.costs is None:
            return {}
        numbers = {"costs_fixed": self.costs.fixed, "target": self.target or 0.0}
        found = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
        return found | {f"costs.{name}": table for name, table in self.costs.options.items()}

    def _costs(self, kept: Kept) -> ChoiceCosts | None:
        if not self.settings.cost:
            return None
        return choice_costs(self.space, self.settings.cost, self.signature.shape, kept, self.masked)

    def _draw(self, *, learns: bool, step: int, held: Mapping[str, Gate] | None = None) -> None:
        """The gates of a pass, and its dropout: the same in every pass of one step; or those of paths that are held."""
        seed_draws((self.seed * 1_000_003 + step) % 2**63, self.device)
        self.relaxed.draw(Moment(self.progress, learns, self.generator(step, learns), self.length), held)

    def _loss(self, x: Tensor, y: Tensor, *, exact: bool = False) -> Tensor:
        """Of the mixture as it is drawn; `exact` in single precision, which differences of losses need, in any mode."""
        with nullcontext() if exact else self.mode.cast(self.device):
            outputs = self.relaxed(x)
        if self.signature.kind == "regression":
            return nn.functional.mse_loss(outputs.float(), y)
        return nn.functional.cross_entropy(outputs.float(), y)

    def _batches(self, split: Split, seed: int) -> Batches:
        return Batches(
            split, self.signature, self.scaling, self.settings.batch_size, mode=self.mode, seed=seed, device=self.device
        )


def _gradients(relaxed: Relaxed) -> int:
    """How many numbers the larger gradient has: that of the weights, or that of the logits."""
    weights = sum(each.numel() for each in relaxed.parameters() if each.requires_grad)
    return max(weights, relaxed.logits.values.numel())


def _recipe(settings: MixtureSettings, signature: Signature) -> RecipeSettings:
    default = RecipeSettings.default(signature)
    return replace(
        default,
        optimiser="sgd",
        learning_rate=settings.rate,
        weight_decay=settings.decay,
        batch_size=settings.batch_size,
        label_smoothing=0.0,
        augmentation=0.0,
    )


def _parted(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """The logits' rows and the weights'."""
    order = np.random.default_rng(seed).permutation(len(split))
    count = min(len(split) - 1, max(1, round(share * len(split))))
    first, second = np.sort(order[:count]), np.sort(order[count:])
    return Split(split.x[first], split.y[first]), Split(split.x[second], split.y[second])
