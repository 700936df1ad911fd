"""How a network is trained: the settings, and the space of them that is searched beside the architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, final

from azora.space import Categorical, Choice, Option, Real, Space, When
from azora.tasks import Signature
from azora.tasks.preparation import ENCODINGS, IMPUTATIONS, SCALINGS


@dataclass(frozen=True)
class RecipeSettings:
    """One way to train.

    Args:
        optimiser: "sgd" (with Nesterov's momentum 0.9) or "adamw".
        learning_rate: the rate after warm-up.
        weight_decay: of weights; biases and normalisations are left alone.
        batch_size: rows a step.
        label_smoothing: share of the target spread over all classes.
        augmentation: from 0 (none) to 1: in every other batch, pictures are turned by up to 20 degrees, stretched by up
            to a fifth and moved by up to an eighth; in the others, a square of up to half is blanked. Over the first
            ten epochs it grows to this.
        flip: whether pictures are mirrored at random.
        warmup: epochs until the rate is reached.
        scaling, encoding, imputation: how a table is prepared (see `azora.tasks.Preparation`).
    """

    optimiser: str = "sgd"
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    batch_size: int = 64
    label_smoothing: float = 0.05
    augmentation: float = 0.5
    flip: bool = False
    warmup: float = 0.25
    scaling: str = SCALINGS[0]
    encoding: str = ENCODINGS[0]
    imputation: str = IMPUTATIONS[0]

    @classmethod
    def default(cls, signature: Signature) -> RecipeSettings:
        """What serves most networks for tasks of this shape."""
        if signature.pictures:
            return cls(flip=signature.flips and signature.shape[0] == 3)
        return cls("adamw", 3e-3, 1e-2, 64, 0.0, 0.0)


@final
class Recipe(Space):
    """Optimiser, rate, decay, batch, label smoothing and warm-up; for pictures augmentation and mirroring too, for
    tables how numbers are scaled, words encoded and holes filled.

    The ranges are those in which most networks of the shipped spaces train well: a recipe search must not cost more in
    failures than it brings.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        sgd, adamw = (When("optimiser", ("sgd",)),), (When("optimiser", ("adamw",)),)
        choices: list[Choice] = [
            Categorical("optimiser", ("sgd", "adamw")),
            Real("learning_rate", 0.03, 0.3, log=True, when=sgd),
            Real("learning_rate_adamw", 1e-3, 1e-2, log=True, when=adamw),
            Real("weight_decay", 5e-5, 2e-3, log=True, when=sgd),
            Real("weight_decay_adamw", 1e-3, 1e-1, log=True, when=adamw),
            Categorical("batch_size", (32, 64, 128)),
            Categorical("warmup", (0.1, 0.25, 0.5)),
        ]
        if signature.kind == "classification":
            choices.append(Categorical("label_smoothing", (0.0, 0.05, 0.1)))
        if signature.pictures:
            choices.append(Categorical("augmentation", (0.25, 0.5, 0.75, 1.0)))
        if signature.flips:
            choices.append(Categorical("flip", (False, True)))
        if signature.raw:
            choices.append(Categorical("scaling", SCALINGS))
        if "words" in signature.traits:
            choices.append(Categorical("encoding", ENCODINGS))
        if "holes" in signature.traits:
            choices.append(Categorical("imputation", IMPUTATIONS))
        super().__init__("recipe", choices)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """The task's default settings."""
        default = RecipeSettings.default(self.signature)
        values = {each.name: getattr(default, each.name) for each in fields(default)}
        ending = "_adamw" if default.optimiser == "adamw" else ""
        rates = {f"{name}{ending}": values.pop(name) for name in ("learning_rate", "weight_decay")}
        return [{name: value for name, value in {**values, **rates}.items() if name in self.choices}]

    def settings(self, decisions: Mapping[str, Any]) -> RecipeSettings:
        """The settings that an architecture of this space stands for; what it leaves open is the task's default."""
        default = RecipeSettings.default(self.signature)
        named = {name.removesuffix("_adamw"): value for name, value in decisions.items()}
        return RecipeSettings(
            **{each.name: named.get(each.name, getattr(default, each.name)) for each in fields(default)}
        )
