"""The phase in which a mixture is trained, an epoch at a time."""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Mapping
from typing import Any, final

import torch

from azora.errors import BudgetError, ConfigError, SpaceError, StudyError
from azora.evaluation.earlier_states import EarlierStates
from azora.evaluation.mixing import Favoured, settings_from_json, start_mixing
from azora.evaluation.sharing import load_state, save_about, save_state
from azora.executors.inline import InlineExecutor
from azora.executors.partners import Partners
from azora.loop import Budget, search
from azora.methods.method import Work
from azora.methods.numbers import fitting_numbers, held_numbers, time_of
from azora.methods.phases import partners_of, seen
from azora.networks.choice_costs import COUNTED, ChoiceCosts, choice_costs
from azora.networks.derivation import Derivation, Strengths
from azora.networks.masked import maskable
from azora.space import Architecture, Space
from azora.strategies.differentiable import Differentiable
from azora.study import Study
from azora.training import TrainingDiverged
from azora.training.early_stop import APART, eigenvalue_grew, ranking_is_stable, too_many_skips
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings
from azora.trial import Proposal

RELAXING = "relaxing"
WANTED, FEWEST = 12.0, 2.0  # epochs that a mixture should have, and must
LEAST_PART = 0.25  # of the rows: where two epochs of all do not fit, those of fewer do
HASTE = 0.9  # of the time that a part of the rows is chosen by
UNENDING = 1e6  # epochs of a schedule of which only the first steps are made
HARDER, MOST_DECAY = 3.0, 0.0243  # by how much the decay grows, and up to what (Zela et al., 2020)


def describe(
    work: Work, networks: Space, settings: Mapping[str, Any], epochs: float, target: float | None
) -> dict[str, Any]:
    """What `start_mixing` is to be given: numbers held so that enough epochs fit into the phase's time; where not two
    fit of any, those of a part of the rows.

    Raises:
        SpaceError: nothing in the space can be mixed.
        BudgetError: not two epochs of the least part fit.
        ConfigError: the first steps diverge at the settings' rates, or a cost has no logarithm.
    """
    ways = held_numbers(networks, work.seed, maskable(networks) if settings["masked"] else ())
    about = {
        "kind": "mixed", "settings": dict(settings), "epochs": epochs, "target": target,
        "limited": networks.rules != networks.root.rules,
    }  # fmt: skip
    if not work.seconds:
        return {**about, "numbers": dict(ways[len(ways) // 3].numbers)}
    seconds = work.left(RELAXING)
    train, look = _epoch_seconds(work, {**about, "numbers": dict(ways[0].numbers)})
    if FEWEST * (train + look) > seconds:
        part = (HASTE * seconds / FEWEST - look) / train
        if part < LEAST_PART:
            least = FEWEST * (LEAST_PART * train + look) / HASTE
            raise BudgetError(
                f"{seconds:.0f}s for the mixture are too short for two epochs of it, which take {least:.0f}s here with"
                f" {LEAST_PART:.0%} of the rows: give a budget {least / max(1e-9, seconds):.1f} times as long, or a"
                " smaller space"
            )
        work.note(f"an epoch of the mixture sees {part:.0%} of the rows: two of all take {FEWEST * train:.0f}s here")
        return {**about, "numbers": dict(ways[0].numbers), "part": part}
    return {**about, "numbers": dict(fitting_numbers(ways, work.left(RELAXING), train + look, WANTED))}


def _epoch_seconds(work: Work, about: Mapping[str, Any]) -> tuple[float, float]:
    """What an epoch of a mixture whose logits learn takes, by as many steps as one of the logits comes with, and what a
    look at what it favours does."""
    about = {**about, "settings": {**about["settings"], "frozen": 0.0}, "epochs": UNENDING}
    training = start_mixing(work.space, work.data, about, work.seed, work.precision, work.device)
    every = training.settings.every
    try:
        step = time_of(lambda: training.advance((training.step + every) / training.batches.steps)) / every
    except TrainingDiverged as error:
        raise ConfigError(str(error)) from None
    begun = time.perf_counter()
    look = Favoured(training, work.data, work.objective.metric)
    look(Proposal(Derivation(training.space, training.relaxed.options).strongest(training.strengths())))
    looked = time.perf_counter() - begun
    work.study.alive()
    processes = max(1, min(2, work.workers)) if training.settings.order == 1 else 1
    return step * training.batches.steps / processes, looked


@final
class Mixing:
    """A mixture in training for a `Differentiable` strategy, put down in the work's folder after every epoch.

    Args:
        networks: of the work's space, those with the usual recipe.
        about: as `start_mixing` has it.
        study: of what each epoch favours.
        share: of the phase's time, for the training; the rest is for what comes after it.
    """

    def __init__(self, work: Work, networks: Space, about: Mapping[str, Any], study: Study, share: float = 1.0) -> None:
        self.work, self.study, self.about, self.share = work, study, about, share
        self.part = networks.constrain(None, "numbers are held while modules are mixed", **about["numbers"])
        self.settings: MixtureSettings = settings_from_json(about["settings"])
        self.training: MixtureTraining = start_mixing(
            work.space, work.data, about, work.seed, work.precision, work.device
        )
        self.partners: Partners | None = None
        self.recent = EarlierStates(work.folder, APART + 1)
        self.stopped = ""
        self.undone = 0  # epochs, since the beginning, that were gone back from
        # What was seen up to this epoch is of logits that did not learn, of another stage, or of another decay.
        self.looked_from = 0
        self.rankings: list[int] = []  # of the options, after each epoch from there on
        self._tables: dict[tuple[str, int], ChoiceCosts] = {}
        save_about(about, work.folder)
        if (state := load_state(work.folder)) is not None:
            self.training.load_state(state)
            self.undone, self.looked_from = int(state["undone"]), int(state["looked_from"])
            self.recent.take_up(state["recent"].tolist())
            self.rankings = state["rankings"].tolist()

    def learn(self, epoch: int) -> bool:
        training = self.training
        if self._trained >= epoch - self.undone:
            return True  # before a kill, and no rule had stopped it
        if self.stopped or self._stops(epoch - 1):
            return False
        if training.share >= 1.0 or self.work.stop.is_set():
            return False
        if self.partners is None:
            # A second-order step is made by one process.
            one = self.settings.order > 1
            self.partners = partners_of(self.work, self.about, self.settings.batch_size, able=not one)
        partners, stage, step, target = self.partners, training.stage, training.step, self._trained + 1
        try:
            over = training.advance(
                target,
                clock=(lambda: min(1.0, self.work.gone(RELAXING) / self.share)) if self.work.seconds else None,
                watch=seen(self.work, RELAXING, "training the mixture"),
                join=lambda: partners.join(training),
            )
        except TrainingDiverged as error:
            raise StudyError(str(error)) from None
        if training.epochs < target - 1e-9 and not (over and training.step > step):
            return False  # interrupted, or the time was over before a step
        self.work.study.alive()
        if not training.learned or training.stage != stage:
            self._look_from(epoch - 1 if training.learned else epoch)
        if training.learned:
            self.rankings.append(zlib.crc32(json.dumps(training.ranking()).encode()))
        self._put_down(epoch)
        return True

    def favoured(self) -> Architecture:
        return self.derive(self.training.strengths())

    def derive(self, strengths: Strengths) -> Architecture:
        """The strongest architecture that is allowed, by whichever table of costs leads to one.

        Raises:
            SpaceError: none does; what it says is by the table of what is limited.
        """
        failure: SpaceError | None = None
        for quantity in sorted(COUNTED, key=self._limits, reverse=True):
            try:
                return self.derivation(quantity).strongest(strengths)
            except SpaceError as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def derivation(self, quantity: str = COUNTED[0]) -> Derivation:
        """Of the options that are left, by this table of costs."""
        relaxed = self.training.relaxed
        key = (quantity, self.training.stage)
        if key not in self._tables:
            self._tables[key] = choice_costs(
                self.part, quantity, self.training.signature.shape, relaxed.kept, self.training.masked
            )
        return Derivation(self.part, relaxed.options, self._tables[key], self.settings.most_skips)

    def close(self) -> None:
        """End the other processes."""
        if self.partners is not None:
            self.partners.close()
            self.partners = None

    # Inside -----------------------------------------------------------------------------------------------------

    def _limits(self, quantity: str) -> bool:
        return any(quantity in rule.reason for rule in self.part.rules)

    @property
    def _trained(self) -> int:
        """Whole epochs in which the mixture, as it stands, has learned."""
        return math.floor(self.training.epochs + 1e-9)

    def _look_from(self, epoch: int) -> None:
        """Rules look at what is seen after this epoch."""
        self.looked_from = epoch
        self.rankings.clear()

    def _put_down(self, epoch: int) -> None:
        """The state after an epoch, and where it may be gone back to from here, those of the last epochs."""
        state = self.training.state_tensors()
        written = not self.settings.adapt or self.recent.add(epoch, state)
        beside = {
            "undone": torch.tensor(self.undone),
            "looked_from": torch.tensor(self.looked_from),
            "recent": torch.tensor(self.recent.epochs, dtype=torch.int64),
            "rankings": torch.tensor(self.rankings, dtype=torch.int64),
        }
        if not (written and save_state({**state, **beside}, self.work.folder)):
            raise StudyError(
                f"the mixture cannot be written into {self.work.folder}: make room and go on with --resume"
            )
        self.recent.tidy()

    def _stops(self, seen: int) -> bool:
        """Whether a rule of the settings says that it was long enough, after so many epochs; where they adapt, it goes
        on otherwise."""
        rule, trials = self.settings.stop, [trial for trial in self.study.trials if trial.report.ok]
        if rule == "never" or seen == self.looked_from:
            return False
        epochs = round(self.training.epochs / max(1e-9, self.training.share))
        told = [trial.report.metrics for trial in trials if (trial.proposal.budget or 0) > self.looked_from]
        if rule == "eigenvalue":
            stops = eigenvalue_grew([abs(each["eigenvalue"]) for each in told], epochs)
        elif rule == "skips":
            stops = bool(told) and too_many_skips(int(told[-1]["skips"]))
        else:
            stops = ranking_is_stable(self.rankings, epochs)
        if stops and self.settings.adapt and self._harden(seen):
            return False
        if stops:
            self.stopped = rule
        return stops

    def _harden(self, seen: int) -> bool:
        """Go back some epochs of those seen, and on with a larger decay, where it can still be raised and there is time
        left."""
        more = self.training.settings.decay * self.training.decay_factor * HARDER
        if more > MOST_DECAY or self.training.share >= 1.0:
            return False
        self.close()  # the other processes stand elsewhere now: new ones begin where this one does
        self.training.link = None
        if len(self.recent) > APART and (state := self.recent.oldest()) is not None:
            share = self.training.share
            self.training.load_state(state)
            self.training.share = max(share, self.training.share) if self.work.seconds else self.training.share
            self.undone = seen - self._trained
        self.training.harden(HARDER)
        self._tables.clear()  # a stage that is entered once more may have other options
        self.recent.clear()
        self._look_from(seen)
        return True


def relax(work: Work, mixing: Mixing, study: Study) -> None:
    """Train the mixture to the end of its phase, and look at what it favours after every epoch."""
    strategy = Differentiable(mixing.part, work.seed, work.objective, learning=mixing)
    executor = InlineExecutor(Favoured(mixing.training, work.data, work.objective.metric))
    search(strategy, executor, study, Budget(None, stop=work.stop))
