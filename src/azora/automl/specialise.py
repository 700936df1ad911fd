"""Networks for many limits out of one training: no network is trained, or only for a short while."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import nn

from azora import __version__
from azora.automl.delivery import network_part
from azora.automl.forms import beyond_size, told_in_eight_bits
from azora.automl.nearest import Nearest
from azora.automl.pricing import beyond, costs_of, find_pricing, limits_of_files, nothing_holds, on_target
from azora.automl.reading import read_events
from azora.automl.setting import Within, find_task
from azora.automl.working import FOLDER
from azora.errors import BundleError, ConfigError, SpaceError, StudyError, TargetError
from azora.evaluation.inherited import Inherited
from azora.evaluation.sharing import ABOUT, calibration_of, load_state, start_sharing
from azora.executors.inline import judge
from azora.executors.workplace import joint_space
from azora.export import export_onnx, write_bundle
from azora.export.bundle import ABOUT as BUNDLE
from azora.export.bundle import read_about
from azora.export.data import read_alike
from azora.hardware import Measured
from azora.methods.phases import ROWS, of_networks
from azora.networks.complexity import cost
from azora.space import Architecture, Space
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.surrogates import Description, NetworkEnsemble, normal_ranks
from azora.study import SqlJournal, Study
from azora.study.folder import JOURNAL
from azora.tasks import Reading, Scaling, SearchData, Task, evaluate
from azora.training import RecipeSettings, Training, TrainingDiverged, outputs
from azora.training.paths import extreme
from azora.trial import Limit, Objective, Proposal, Report

POPULATION, PREDICTED = 100, 2_000  # of the evolution by predictions
DRAWS = 200  # random networks, of which those within the limits are in its first population
LOOKED_AT = 10  # of the best predicted and the best judged each: these are judged by their weights
SECONDS = 8.0  # for the evolution of one network
FEWEST = 8  # judged networks, with fewer of which nothing can be predicted
MEASURING = 60.0  # seconds for networks on a target of which there is no predictor yet
RATE = 0.1  # of the usual learning rate: what is fine-tuned has learned before


@final
@dataclass(frozen=True)
class Specialised:
    """A network taken out of shared weights, in eval mode: what it costs, and how it does on search-validation."""

    network: nn.Module
    scaling: Scaling
    architecture: Architecture
    limits: tuple[Limit, ...]
    cost: Mapping[str, int]
    metrics: Mapping[str, float]
    seconds: float
    tuned: float = 0.0  # epochs of fine-tuning
    measured: Measured | None = None  # on the target
    note: str | None = None  # for the reader, of how the limits are held

    def figures(self) -> dict[str, Any]:
        """What is told of it, as JSON."""
        return {
            "limits": {limit.quantity: limit.most for limit in self.limits},
            "key": self.architecture.key,
            "architecture": dict(self.architecture),
            "parameters": self.cost["params"],
            "macs": self.cost["macs"],
            "memory": self.cost["memory"],
            **({} if self.measured is None else costs_of(self.measured)),
            **{f"validation_{name}": value for name, value in self.metrics.items()},
            "tuned_epochs": self.tuned,
            "seconds": round(self.seconds, 2),
            "notes": [] if self.note is None else [self.note],
        }


@final
class Specialiser:
    """The shared weights that a search has left in a folder, and a predictor of what its networks score by them (Cai et
    al., 2020), learned from those that the search has judged.

    Args:
        out: a search's folder.
        target: a device as `azora.hardware.find_target` takes it, or a predictor's file, for limits of latency and
            size.

    Raises:
        StudyError: the folder holds no study, or one that has kept no shared weights.
        TargetError: the target is not here, or its predictor is for other networks.
    """

    def __init__(self, out: Path, target: str | None = None) -> None:
        self.out, folder = out, out / FOLDER
        begun = [event for event in read_events(out) if event["kind"] == "created"]
        state = load_state(folder)
        if state is None or not (folder / ROWS).is_dir():
            raise StudyError(f"{out} keeps no shared weights; `azora search … --strategy ofa` leaves some")
        self.about = about = begun[0]["about"]
        self.data = SearchData.load(folder / ROWS)
        self.space: Space = joint_space(about["space"], self.data.signature)
        self.networks = of_networks(self.space)
        metric, _, direction = about["objective"].partition(":")
        self.objective = Objective(metric, direction != "min")
        shared = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self.training = start_sharing(self.space, self.data, shared, about["seed"], "float32")
        self.training.load_state(state)
        # Statistics of a validation batch are no part of a network: what is taken out has some that were measured.
        self.calibration = calibration_of(self.training, shared, least=1)
        self.evaluate = Inherited(
            self.training.judged, self.data, self.calibration, self.training.scaling, metric=metric
        )
        self.reports = self._judged(folder)
        self.smallest = extreme(self.networks, -1)
        self._known: dict[str, Report] = {}
        self._describe = Description(self.space)
        self._predictor = self._fitted()
        self.pricing = (
            None
            if target is None
            else find_pricing(target, self.space, about["space"], self.data, seconds=MEASURING, seed=about["seed"])
        )

    def specialise(self, limits: Sequence[Limit]) -> Specialised:
        """The network within `limits` that does best by the shared weights, of those that a search by predictions finds
        and those that were judged before. Nothing is trained.

        Raises:
            SpaceError: no network within the limits was found; what came nearest is told.
            StudyError: none within them can be judged.
        """
        begun = time.monotonic()
        space = self.within(limits)
        found = [each for each in self._by_predictions(space) if space.valid(dict(each)) is not None]
        before = [each for each in self._best_before() if space.valid(dict(each)) is not None]
        candidates = list(dict.fromkeys([*found[:LOOKED_AT], *before[:LOOKED_AT]]))
        if not (able := [each for each in candidates if self.objective.score(self._report(each)) > -math.inf]):
            raise StudyError(
                f"no network within {' and '.join(map(str, limits))} could be judged by {self.out}'s weights"
            )
        ranked = sorted(able, key=lambda each: self.objective.order(self._report(each)), reverse=True)
        best, network, measured = self._holding(ranked, limits)
        return Specialised(
            network,
            self.training.scaling,
            best,
            tuple(limits),
            cost(self.space, best),
            self._report(best).metrics,
            time.monotonic() - begun,
            measured=measured,
            note=None if measured is not None else self._unmeasured(best),
        )

    def _unmeasured(self, architecture: Architecture) -> str | None:
        """What is to be known of a network for a target that is elsewhere."""
        if self.pricing is None:
            return None
        predicted = Limit("latency", self.pricing(architecture)["latency"])
        return (
            f"not measured: {self.pricing.file.spec} was measured on another device, where latency"
            f" {predicted.show(predicted.most)} is predicted"
        )

    def _holding(
        self, ranked: Sequence[Architecture], limits: Sequence[Limit]
    ) -> tuple[Architecture, nn.Module, Measured | None]:
        """The first of these that is within the limits where it will run, taken out of the weights. What cannot be
        measured there gives place to the next.

        Raises:
            TargetError: none is.
        """
        nearest, failed = Nearest(on_target(limits)), None
        for each in ranked:
            network = self.training.judged.recalibrate(each, self.calibration).extract().eval()
            if self.pricing is None or not self.pricing.here:
                return each, network, None
            try:
                measured = self.pricing.measure(self.pricing.deployable(network, each, self.training.scaling))
            except TargetError as error:
                failed = error
                continue
            if beyond(nearest.limits, measured) is None:
                return each, network, measured
            nearest.see(costs_of(measured))
        assert self.pricing is not None
        raise nothing_holds(self.pricing, nearest, failed)

    def within(self, limits: Sequence[Limit]) -> Space:
        """The networks within `limits`.

        Raises:
            SpaceError: neither the smallest network nor any that was judged is; what came nearest is told.
            ConfigError: a limit is of a device, and none is known, or of files, and the target has none.
        """
        if self.pricing is None and (on := on_target(limits)):
            raise ConfigError(f"limit {on[0]} is of a device: say which, such as --target onnxruntime")
        if self.pricing is not None:
            self.pricing.check_files(limits_of_files(limits))
        inside = Within(self.networks, tuple(limits), self.pricing)
        if not any(map(inside, (self.smallest, *self.reports))):
            raise inside.nothing()
        return self.networks.constrain(inside, inside.reason)

    def find(self, task: Any) -> Task:
        """The task, to tune on; a file is read as it was for the search, as far as a model of it tells.

        Raises:
            StudyError: it is not the one that the weights were trained on.
        """
        model = self._model()
        named = isinstance(task, str | Path) and bool(model)
        data = read_alike(model, task, Reading()) if named else find_task(task, self.about["seed"])
        if data.digest != self.about["data"]:
            raise StudyError(
                f"{self.out} is a study of other data than {data.name}; name the task that it was begun with"
            )
        return data

    def tune(self, made: Specialised, task: Any, seconds: float) -> Specialised:
        """`made` after `seconds` of training on search-train of `task`, at a tenth of the usual rate.

        Raises:
            StudyError: the task is not the one that the weights were trained on, or the training diverged.
        """
        begun, data = time.monotonic(), self.find(task)
        signature, split = self.data.signature, data.search_data.train
        usual = RecipeSettings.default(signature)
        recipe = RecipeSettings(**{**vars(usual), "learning_rate": RATE * usual.learning_rate})
        training = Training(made.network, split, signature, self.data.scaling, recipe, seed=self.about["seed"])
        try:
            training.finish(seconds=seconds)
        except TrainingDiverged as error:
            raise StudyError(f"{made.architecture.key} cannot be tuned: {error}; leave --tune out") from None
        network, validation = training.judging_network(), self.data.validation
        answers = outputs(network, validation.x, signature, training.scaling)
        metrics = evaluate(signature, answers, validation.y, {self.objective.metric})
        spent = made.seconds + time.monotonic() - begun
        return Specialised(
            network,
            training.scaling,
            made.architecture,
            made.limits,
            made.cost,
            metrics,
            spent,
            training.epochs,
            made.measured,
            made.note,
        )

    def write(self, made: Specialised, folder: Path) -> dict[str, Any]:
        """A model folder, as a search leaves one; gives the figures in it."""
        known = {"task": self.about["task"], "seed": self.about["seed"], "azora": __version__, "shared": str(self.out)}
        figures = made.figures() | known | self._target()
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.parent / f".{folder.name}.onnx"
        onnx: Path | None = file
        try:
            sample = self.data.validation.x[:64]
            figures["onnx_difference"] = export_onnx(made.network, self.data.signature, made.scaling, file, sample)
            figures["onnx_bytes"] = file.stat().st_size
            if (said := beyond_size(figures, "onnx", figures["onnx_bytes"])) is not None:
                figures["beyond_size"] = said
                figures["notes"].append(said)
        except BundleError as error:
            figures["onnx_error"], onnx = str(error), None
        figures["notes"] += [*(() if self.pricing is None else self.pricing.notes)]
        figures["notes"] += told_in_eight_bits(figures, folder, "validation")
        task = {"name": self.about["task"], "sha256": self.about["data"]}
        facts: dict[str, Any] = {"task": task, "figures": figures}
        if self.data.signature.pictures:
            shipped = self._model()
            facts["values"] = shipped.get("values", self.data.train.values)
            facts["task"] = {**shipped.get("task", {}), **task}  # how its files were read
        write_bundle(
            folder,
            made.network,
            self.data.signature,
            made.scaling,
            space={"name": self.about["space"]["name"], "settings": self.about["space"]["settings"]},
            architecture=network_part(self.space, made.architecture),
            facts=facts,
            onnx=onnx,
            card=_card(figures),
        )
        return figures

    # Inside -----------------------------------------------------------------------------------------------------

    def _model(self) -> Mapping[str, Any]:
        """The description of the model that the search has left; nothing where the last training was killed."""
        folder = self.out / "model"
        return read_about(folder) if (folder / BUNDLE).is_file() else {}

    def _target(self) -> dict[str, Any]:
        """Where the networks will run: by it others know what the limits are of."""
        if self.pricing is None:
            return {}
        file = self.pricing.file
        return {"target": {"spec": file.spec, "device": dict(file.fingerprint)}}

    def _judged(self, folder: Path) -> dict[Architecture, Report]:
        journal = SqlJournal(folder / JOURNAL)
        try:
            study = Study(journal, self.networks)
        finally:
            journal.close()
        return {trial.proposal.architecture: trial.report for trial in study.trials if trial.report.ok}

    def _fitted(self) -> Any:
        if len(self.reports) < FEWEST:
            raise StudyError(
                f"{self.out} has judged {len(self.reports)} networks by shared weights, too few to predict others;"
                " search longer with --resume"
            )
        known = list(self.reports)
        targets = normal_ranks([self.objective.order(self.reports[each]) for each in known])
        return NetworkEnsemble(steps=600).fit(self._describe(known), targets, self._describe.groups(known[0]))

    def _by_predictions(self, space: Space) -> list[Architecture]:
        """What evolution finds by predicted scores, the best predicted first.

        It begins with what was judged and with random networks as far as they are within the limits, and with the
        smallest: within a narrow limit random draws alone would find hardly any.
        """
        rng = random.Random(self.about["seed"])
        drawn = [*self._best_before(), self.smallest, *(self.networks.sample(rng) for _ in range(DRAWS))]
        start = [dict(each) for each in drawn if space.valid(dict(each)) is not None][:POPULATION]
        strategy = RegularizedEvolution(
            space, self.about["seed"], Objective("score"), len(start), ageing=False, crossover=0.5, start=start
        )
        found: dict[Architecture, float] = {}
        begun = time.monotonic()
        for _ in range(PREDICTED):
            if time.monotonic() - begun > SECONDS:
                break
            try:
                proposal = strategy.ask()
            except SpaceError:  # there is nothing more to be drawn within the limits
                break
            if proposal is None:
                break
            score = float(self._predictor.predict(self._describe([proposal.architecture]))[0][0])
            found[proposal.architecture] = score
            strategy.tell(proposal, Report({"score": score}))
        return sorted(found, key=lambda each: found[each], reverse=True)

    def _best_before(self) -> list[Architecture]:
        return sorted(self.reports, key=lambda each: self.objective.order(self.reports[each]), reverse=True)

    def _report(self, architecture: Architecture) -> Report:
        if architecture.key not in self._known:
            self._known[architecture.key] = judge(self.evaluate, Proposal(architecture))
        return self._known[architecture.key]


def _card(figures: Mapping[str, Any]) -> str:
    """The text of the model folder's README.md."""
    limits = ", ".join(str(Limit(name, most)) for name, most in figures["limits"].items())
    lines = [f"| {name} | {value:,.4g} |" for name, value in figures.items() if isinstance(value, int | float)]
    tuned = (
        f"fine-tuned for {figures['tuned_epochs']:.1f} epochs" if figures["tuned_epochs"] else "not trained by itself"
    )
    notes = "".join(f"Note: {note}.\n\n" for note in figures["notes"])
    return (
        f"# {figures['task']}: a network taken out of shared weights by azora\n\n"
        f"It is the best within {limits} that was found in the weights of the search in `{figures['shared']}`; it was"
        f" {tuned}.\nThe validation figures are those by which it was chosen; the test rows were not read.\n\n{notes}"
        "| | |\n|---|---|\n" + "\n".join(lines) + f"\n\nArchitecture `{figures['key']}`:\n\n"
        f"```json\n{json.dumps(figures['architecture'], indent=1)}\n```\n"
    )
