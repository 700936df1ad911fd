"""Shared weights and their training, from a description that another process or a later session has too."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from azora.errors import StudyError
from azora.evaluation.inherited import Inherited
from azora.networks.hypernetwork import Hypernetwork
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture, Space
from azora.tasks import SearchData
from azora.training import Paths, RecipeSettings, SharedTraining, choose_mode
from azora.training.fit_shared import RECALIBRATION_ROWS
from azora.trial import Proposal

WEIGHTS = "shared.safetensors"  # the file in a method's folder
PART = f"{WEIGHTS}.part"  # of a process that was killed while it wrote
ABOUT = "shared.json"
EARLIER = "state-{}.safetensors"  # of the end of an epoch, where a training may go back (`earlier_states`)


@final
class Heard:
    """No paths of one's own: another process draws them, and says which."""

    def __init__(self, distils: bool) -> None:
        self.distils = distils

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        raise RuntimeError("the leading process draws the networks of a step")


def start_sharing(
    space: Space,
    data: SearchData,
    about: Mapping[str, Any],
    seed: int,
    precision: str,
    device: str = "cpu",
    paths: Paths | None = None,
) -> SharedTraining:
    """The training of shared weights that `about` describes, before its first step.

    Args:
        space: one that shared weights were found to hold; its limits are not looked at, so that every process holds the
            same weights.
        about: `{"kind", "epochs", "distils", "recipe"}`, and of the kind "borrowed" `"kernel_transforms"`, of the kind
            "written" (by a hypernetwork) `"bases"` and `"hidden"`; `recipe` has the settings that are not the default's
            of shared weights (SGD at 0.1, no augmentation, no label smoothing). `"ema"` may be there, and
            `"calibration"` (see `calibration_of`).
        precision: a mode's name.
        paths: that draw the networks of a step; None where another process does.
    """
    shared: SharedWeights | Hypernetwork
    if about["kind"] == "written":
        shared = Hypernetwork(space.root, seed, about["bases"], about["hidden"])
    else:
        shared = SharedWeights(space.root, seed, kernel_transforms=about["kernel_transforms"], checked=True)
    recipe = RecipeSettings(**{"augmentation": 0.0, "label_smoothing": 0.0, **about["recipe"]})
    return SharedTraining(
        shared,
        data.train,
        data.signature,
        data.scaling,
        recipe,
        paths or Heard(about["distils"]),
        about["epochs"],
        seed=seed,
        mode=choose_mode(precision, data.signature, device),
        device=device,
        ema=about.get("ema"),
    )


@final
class Stored:
    """Judges by the shared weights that lie in a folder, with `Inherited`.

    Args:
        space: of the architectures that are judged.
        folder: of `save_about` and `save_state`.
        precision: a mode's name.

    Raises:
        StudyError: the folder holds no shared weights.
    """

    def __init__(
        self,
        space: Space,
        data: SearchData,
        folder: Path,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "float32",
        metric: str = "accuracy",
        also: Sequence[str] = (),
    ) -> None:
        state = load_state(folder)
        if state is None:
            raise StudyError(f"{folder} holds no shared weights; go on with --resume, which trains them")
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        training = start_sharing(space, data, about, seed, precision, device)
        training.load_state(state)
        self._judge = Inherited(
            training.judged,
            data,
            calibration_of(training, about) or None,
            training.scaling,
            training.mode,
            device,
            metric,
            also,
        )

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Raises SpaceError when the architecture cannot borrow."""
        return self._judge(proposal)


def calibration_of(training: SharedTraining, about: Mapping[str, Any], least: int = 0) -> list[Tensor]:
    """The batches of 384 rows on which networks are recalibrated before they are judged: as many as `about` says (one,
    where it says nothing), `least` at least; none for the statistics of the rows that are judged."""
    batches = max(least, about.get("calibration", 1))
    return training.calibration(batches * RECALIBRATION_ROWS) if batches else []


def save_about(about: Mapping[str, Any], folder: Path) -> None:
    """Say what weights the folder is to hold (see `start_sharing`)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).write_text(json.dumps(dict(about)), encoding="utf-8")


def save_state(state: dict[str, Tensor], folder: Path, name: str = WEIGHTS) -> bool:
    """Put a training's state down, at once or not at all, and say which. One process alone may write."""
    part = folder / PART
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, part)
        part.replace(folder / name)
        return True
    except (OSError, SafetensorError):
        with contextlib.suppress(OSError):
            part.unlink()
        return False


def forget(folder: Path) -> None:
    """Remove the weights that lie in the folder, if there are any."""
    for path in (folder / WEIGHTS, folder / PART, folder / ABOUT, *folder.glob(EARLIER.format("*"))):
        path.unlink(missing_ok=True)


def load_state(folder: Path, name: str = WEIGHTS) -> dict[str, Tensor] | None:
    """What `save_state` put down, or None."""
    try:
        return load_file(folder / name)
    except (OSError, SafetensorError):
        return None
