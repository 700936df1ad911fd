"""What was meta-learned, in a folder: safetensors and JSON, and no pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from azora import __version__
from azora.adapting.adapting import Adapting
from azora.adapting.learner import Learner
from azora.adapting.settings import AdaptingSettings
from azora.errors import AzoraError, BundleError
from azora.export.bundle import FORMAT
from azora.export.checks import check_folder, check_size, check_weights
from azora.export.place import put
from azora.networks.registry import make_read_space
from azora.networks.relaxation import Relaxation
from azora.settings import describe
from azora.tasks import Scaling, Signature

WEIGHTS, ABOUT = "adapting.safetensors", "adapting.json"
LOGITS = "logits"


def save_adapting(adapting: Adapting, folder: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write what `load_adapting` reads, both files at one stroke; what else is in the folder stays. `facts` is for the
    reader of the JSON file.

    Raises:
        BundleError: the folder cannot be written.
    """
    learner, space = adapting.learner, describe(adapting.learner.space)
    about = {
        "format": FORMAT,
        "azora": __version__,
        "space": {"name": space["kind"], "settings": space["settings"]},
        "signature": adapting.signature.to_json(),
        "scaling": adapting.scaling.to_json(),
        "settings": asdict(adapting.settings),
        "architecture": learner.architecture and learner.architecture.to_json(),
        "seed": adapting.seed,
        "done": adapting.done,
        "facts": dict(facts or {}),
    }
    try:
        _replace(folder.resolve(), save(_tensors(learner)), json.dumps(about, indent=1) + "\n")
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {error.strerror or error}") from error


def _replace(folder: Path, weights: bytes, about: str) -> None:
    """Put a folder with these files where `folder` is: weights of one state beside a description of another would be
    read back without complaint."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        if folder.exists():  # a model that was made of it may lie in it
            shutil.copytree(folder, part, symlinks=True, ignore=partial(_own, folder), copy_function=_link)
        part.mkdir(parents=True, exist_ok=True)
        (part / WEIGHTS).write_bytes(weights)
        (part / ABOUT).write_text(about, encoding="utf-8")
        put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _own(folder: Path, at: str, names: list[str]) -> list[str]:
    """The two files that are written anew."""
    return [WEIGHTS, ABOUT] if Path(at) == folder else []


def _link(source: str, to: str) -> str:
    """A file under a second name, which costs nothing; a copy, where the system has no such names."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)
    return to


def load_adapting(folder: Path) -> Adapting:
    """What `save_adapting` wrote. Runs no code from the folder.

    Raises:
        BundleError: there is nothing of the kind, or it is damaged or of a newer format.
    """
    about = _about(folder)
    try:
        signature = Signature.from_json(about["signature"])
        space = make_read_space(str(about["space"]["name"]), signature, **about["space"]["settings"])
        given = dict(about["settings"])
        if given["frozen"] >= given["decided"] and 1 not in (given["frozen"], given["decided"]):
            given["decided"] = 1.0  # earlier versions allowed it; what was learned stays as it is
        relaxation = {name: _pair(value) for name, value in given.pop("relaxation").items()}
        settings = AdaptingSettings(**given, relaxation=Relaxation(**relaxation))
        architecture = None if about["architecture"] is None else space.parse(about["architecture"])
        adapting = Adapting(space, Scaling.from_json(about["scaling"]), settings, architecture, int(about["seed"]))
        adapting.done = int(about["done"])
        _load(adapting.learner, load_file(folder / WEIGHTS))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BundleError(f"{folder} does not hold together: {str(error).splitlines()[0]}") from error
    except BundleError:
        raise
    except AzoraError as error:
        raise BundleError(f"{folder} cannot be rebuilt: {error}") from error
    return adapting


def _about(folder: Path) -> dict[str, Any]:
    for file in (folder / ABOUT, folder / WEIGHTS):
        if not file.is_file():
            raise BundleError(f"{folder} holds nothing that azora adapt learned: there is no {file.name} in it")
    check_folder(folder, (ABOUT, WEIGHTS))
    check_size(folder / ABOUT)
    check_weights(folder / WEIGHTS)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / ABOUT} cannot be read: {error}") from error
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise BundleError(f"{folder / ABOUT} does not describe what azora adapt learned")
    if about["format"] > FORMAT:
        raise BundleError(f"{folder} has format {about['format']}, this azora reads up to {FORMAT}; use a newer azora")
    return about


def _pair(value: Any) -> Any:
    """A setting after JSON made a list of a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _names(learner: Learner) -> list[str]:
    """Of all that the optimiser has, in its order."""
    names = [name for name, _ in learner.network.named_parameters()]
    return [*names, *([LOGITS] if learner.relaxed is not None else [])]


def _tensors(learner: Learner) -> dict[str, Tensor]:
    names, meta = _names(learner), [*learner.meta, learner.meta_logits]
    tensors = {f"meta.{name}": each for name, each in zip(names, meta, strict=False)}
    for name, of in zip(names, learner.moments(), strict=True):
        tensors |= {f"{kind}.{name}": value for kind, value in of.items()}
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}


@torch.no_grad()
def _load(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    names, meta = _names(learner), [*learner.meta, learner.meta_logits]
    still = {name for name, each in learner.network.named_parameters() if not each.requires_grad}
    for name, each in zip(names, meta, strict=False):
        if name not in still or f"meta.{name}" in tensors:  # folders of earlier versions lack what did not learn
            each.copy_(tensors[f"meta.{name}"])
    kinds = ("step", "exp_avg_sq")
    learner.load_moments(
        [{kind: tensors[at] for kind in kinds if (at := f"{kind}.{name}") in tensors} for name in names]
    )
    learner.settle()
    learner.restore()
