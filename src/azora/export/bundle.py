"""The model folder: weights, what they mean, an ONNX file, and a card for the reader."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from azora import __version__
from azora.errors import AzoraError, BundleError
from azora.export.checks import check_folder, check_names, check_size, check_weights
from azora.export.place import put
from azora.networks.decide import As
from azora.networks.registry import lasting, make_read_space
from azora.tasks import Scaling, Signature

FORMAT = 1
BYTES = (0.0, 255.0)
WEIGHTS, ABOUT, ONNX, CARD = "weights.safetensors", "model.json", "model.onnx", "README.md"
WRITES = "a search writes one (azora search … --out …)"
CARRIED = "search.json"  # of a model that carries its own search


@dataclass(frozen=True)
class Bundle:
    """A network and all that is needed to use it; `values` are what black and white were in the data that it was
    trained on, `about` is model.json whole."""

    network: nn.Module
    signature: Signature
    scaling: Scaling
    values: tuple[float, float]
    about: Mapping[str, Any]
    folder: Path


def write_bundle(
    folder: Path,
    network: nn.Module,
    signature: Signature,
    scaling: Scaling,
    *,
    space: Mapping[str, Any],
    architecture: Mapping[str, Any],
    facts: Mapping[str, Any],
    onnx: Path | None,
    card: str,
    carried: str | None = None,
) -> None:
    """Write `folder`, or nothing: it is made beside its place and then moved there, replacing an older one. Of a link
    to a folder the link stays, and what it leads to is replaced.

    Args:
        space: `{"name", "settings"}` of the space of networks.
        architecture: `Architecture.to_json()`.
        facts: what else the reader of model.json should know (figures, seeds, versions).
        onnx: a file to move in, where the network could be written as one.
        card: text of README.md.
        carried: text of search.json (`azora.meta.carried.Carried.to_text`), for a model that carries its own search.
    """
    folder = folder.resolve()
    _clear_beside(folder)
    space = lasting(space, signature)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        # Copies, because the format holds no tensor twice, and a network may use one in two places. Written here,
        # because files that the library writes are for their owner alone.
        weights = {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
        (part / WEIGHTS).write_bytes(save(weights))
        if onnx is not None:
            shutil.move(onnx, part / ONNX)
        about = {
            **_made_by(space),
            "architecture": dict(architecture),
            "signature": signature.to_json(),
            "scaling": scaling.to_json(),
            "sha256": {name: sha256(part / name) for name in (WEIGHTS, ONNX) if (part / name).is_file()},
            **facts,
        }
        about |= _carry(part / CARRIED, carried)
        (part / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (part / CARD).write_text(card, encoding="utf-8")
        put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _clear_beside(folder: Path) -> None:
    """Take away what processes have left that were killed while they wrote `folder`."""
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        if left.is_symlink():
            left.unlink()
        elif left.is_dir():  # files are of an export, such as to model.onnx
            shutil.rmtree(left)


def _carry(file: Path, carried: str | None) -> dict[str, str]:
    if carried is None:
        return {}
    file.write_text(carried, encoding="utf-8")
    return {"carried": sha256(file)}


def _made_by(space: Mapping[str, Any]) -> dict[str, Any]:
    imports = [space["name"]] if ":" in space["name"] else []
    versions = {"format": FORMAT, "azora": __version__, "torch": torch.__version__}
    return {**versions, "space": dict(space), "imports": imports}


def read_bundle(folder: Path) -> Bundle:
    """The network in `folder`, its weights checked. Runs no code from it: a space of the user's own is imported from
    where Python finds it.

    Raises:
        BundleError: something is missing, damaged, of a newer format, or not what model.json says.
    """
    about = read_about(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BundleError(f"{folder} has no {WEIGHTS}")
    check_weights(weights)
    if sha256(weights) != about["sha256"].get(WEIGHTS):
        raise BundleError(f"{weights} is not the file that {ABOUT} describes: its SHA-256 differs")
    try:
        signature = Signature.from_json(about["signature"])
        space = make_read_space(str(about["space"]["name"]), signature, **about["space"]["settings"])
        network = space.build(As(space.parse(about["architecture"])))
        network.load_state_dict(load_file(weights))
        scaling = Scaling.from_json(about["scaling"])
        _check_sizes(signature, scaling)
        low, high = (float(value) for value in about.get("values", BYTES))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BundleError(f"{folder} does not hold together: {str(error).splitlines()[0]}") from error
    except BundleError:
        raise
    except AzoraError as error:
        raise BundleError(f"{folder} cannot be rebuilt: {error}") from error
    return Bundle(network.eval(), signature, scaling, (low, high), about, folder)


def _check_sizes(signature: Signature, scaling: Scaling) -> None:
    columns, classifies = signature.shape[0], signature.kind == "classification"
    if scaling.table is not None:
        table = scaling.table.table
        if signature.raw != len(table.columns) or signature.shape != (table.width,):
            raise ValueError(f"the network takes {signature.shape} of {signature.raw} columns, the table gives others")
    elif signature.raw:
        raise ValueError("a table is to be prepared and nothing says how")
    elif not len(scaling.mean) == len(scaling.spread) == columns:
        raise ValueError(f"scaling is of {len(scaling.mean)} channels or columns, the input has {columns}")
    if classifies and len(signature.classes) != signature.outputs:
        raise ValueError(f"{len(signature.classes)} classes are named, the network has {signature.outputs} outputs")
    if not classifies and not len(scaling.target_mean) == len(scaling.target_spread) == signature.outputs:
        raise ValueError(f"scaling is of {len(scaling.target_mean)} targets, the network has {signature.outputs}")


def read_about(folder: Path) -> dict[str, Any]:
    """model.json, checked for what every bundle has.

    Raises:
        BundleError: there is none, or it is damaged or of a newer format.
    """
    file = folder / ABOUT
    if not file.is_file():
        raise BundleError(f"{folder} holds no model: there is no {ABOUT} in it; {WRITES}")
    check_folder(folder, (ABOUT, WEIGHTS, ONNX, CARRIED))
    check_size(file)
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{file} cannot be read: {error}") from error
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise BundleError(f"{file} is not a model description")
    if about["format"] > FORMAT:
        raise BundleError(f"{file} has format {about['format']}, this azora reads up to {FORMAT}; use a newer azora")
    for name, kind in (
        ("space", dict),
        ("architecture", dict),
        ("signature", dict),
        ("scaling", dict),
        ("sha256", dict),
    ):
        if not isinstance(about.get(name), kind):
            raise BundleError(f"{file} lacks {name!r}")
    check_names(file, about["sha256"], (WEIGHTS, ONNX))
    return about


def read_carried(bundle: Bundle) -> str | None:
    """The text of search.json, which `azora.meta.carried.Carried.from_text` reads; None, where there is none.

    Raises:
        BundleError: it is not the file that model.json describes.
    """
    file, described = bundle.folder / CARRIED, bundle.about.get("carried")
    if not file.is_file():
        if described is not None:
            raise BundleError(f"{bundle.folder} has lost its {CARRIED}, which {ABOUT} describes")
        return None
    check_size(file)
    if sha256(file) != described:
        raise BundleError(f"{file} is not the file that {ABOUT} describes: its SHA-256 differs")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BundleError(f"{file} cannot be read: {error}") from error


def sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
