"""What is compared: ways to get a network for a task, each in the words of `azora search`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from azora.automl.comparing.scaling import Scale
from azora.automl.pacing import FINAL_EPOCHS
from azora.errors import ConfigError
from azora.methods import METHODS
from azora.methods.one_shot import CELLS
from azora.settings import closest
from azora.strategies.registry import STRATEGIES

RANDOM, FULL, IN_CELLS = "random", "random-full", "random-cells"
SCALED = "scaled-bottlenecks"
CHECKED = 3.0  # epochs after which a network that was written by hand is judged on validation, for the record


@final
@dataclass(frozen=True)
class System:
    """One contender. What is not said is as `azora search` has it.

    Args:
        by_hand: a person decided the network: it is judged once, and trained for all the time that is left.
        trials: judgements of the search, where the strategy would go on.
        patient: whether one judgement may take as long as the whole budget; where there is no other, it must.
        searched: the space that is searched, and its settings, once they are known for a task.
    """

    name: str
    about: str
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    space: str = "auto"
    space_settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: bool = True
    trials: int | None = None
    patient: bool = False
    by_hand: bool = False
    searched: str = ""

    @property
    def random(self) -> bool:
        """Whether it is random search with trainings as long as its time suggests, in whatever space."""
        return self.strategy == RANDOM and not self.settings and not self.by_hand

    def words(self) -> list[str]:
        """The words that `azora search TASK --budget TIME` has behind it for this system."""
        words = ["--strategy", self.strategy]
        if self.space != "auto":
            words += ["--space", self.space]
        for prefix, settings in (("", self.settings), ("space.", self.space_settings)):
            for name, value in settings.items():
                words += ["--set", f"{prefix}{name}={json.dumps(value)}"]
        words += [] if self.recipe else ["--no-recipe"]
        return words + ([] if self.trials is None else ["--trials", str(self.trials)])


def _residual() -> System:
    """Three stages of two residual blocks (He et al., 2016), as narrow as small pictures want it."""
    one = {
        "depths": [2], "widths": [[16], [32], [64]], "kernels": [3], "expansions": [1], "blocks": ["residual"],
        "resolutions": [1.0],
    }  # fmt: skip
    about = "by hand: three stages of two residual blocks, 16, 32 and 64 channels (He et al. 2016)"
    return _by_hand("resnet", about, "stages", one)


def scaled(scale: Scale) -> System:
    """Inverted bottlenecks scaled as EfficientNet is (Tan & Le, 2019)."""
    about = f"by hand: inverted bottlenecks with excitation, {scale} (Sandler et al. 2018, Tan & Le 2019)"
    return _by_hand(SCALED, about, "stages", scale.settings())


def _by_hand(
    name: str, about: str, space: str, one: Mapping[str, Any], strategy: str = "random", trials: int | None = None
) -> System:
    """The network that a space with the settings `one` holds alone, or that is the first of `trials`."""
    epochs = {"epochs": CHECKED}
    return System(name, about, strategy, epochs, space, one, recipe=False, trials=trials, patient=True, by_hand=True)


def _of_azora(name: str, strategy: str, **settings: Any) -> System:
    summary = METHODS[strategy].summary if strategy in METHODS else STRATEGIES[strategy].summary
    return System(name, f"{strategy}: {summary}", strategy, settings)


def systems() -> dict[str, System]:
    """Those that are compared unless others are named. The scaled one is of the smallest scale here."""
    full = f"random search whose every network is trained for {FINAL_EPOCHS} epochs"
    cells = "random search in the cells that spos and differentiable search; above random is what these cells are worth"
    perceptron = "by hand: two hidden layers of 128 and 64, batch normalisation, dropout 0.1"
    found = [
        _of_azora(RANDOM, "random"),
        System(FULL, full, "random", {"epochs": float(FINAL_EPOCHS)}, patient=True),
        _of_azora("reinforce", "reinforce"),
        _of_azora("genetic", "genetic"),
        _of_azora("differentiable", "darts-"),
        _of_azora("spos", "spos"),
        System(IN_CELLS, cells, "random", space="cells", space_settings=CELLS),
        _residual(),
        scaled(Scale(0)),
        # Its first proposal is the first of the space's familiar networks, and there is no second.
        _by_hand("perceptron", perceptron, "mlp", {}, "evolution", trials=1),
    ]
    return {system.name: system for system in found}


def find_systems(names: Sequence[str]) -> list[System]:
    """The systems called so, each once and random search first, for all others are compared with it; without names the
    usual ones. The name of any strategy for one objective and of any method will do.

    Raises:
        ConfigError: an unknown name; the nearest is suggested.
    """
    usual = systems()
    able = [name for name, entry in STRATEGIES.items() if entry.single and not entry.recalls]
    known = list(dict.fromkeys([*usual, *able, *METHODS]))
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no system {name!r} to compare; {closest(name, known)}")
    wanted = dict.fromkeys([RANDOM, *(names or usual)])
    return [usual[name] if name in usual else _of_azora(name, name) for name in wanted]
