"""Predictors in files: what was measured, of what, where and with which versions."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from azora import __version__
from azora.errors import AzoraError, TargetError
from azora.hardware.command_target import Command
from azora.hardware.features import FEATURES
from azora.hardware.predictor import REGRESSORS, TRANSFER, Predictor
from azora.hardware.registry import find_target
from azora.hardware.table_target import TableTarget
from azora.hardware.target import Measured, Target
from azora.networks.complexity import signature_of
from azora.networks.registry import lasting, make_read_space
from azora.settings import home, plain
from azora.space import Space
from azora.tasks import Signature

FORMAT = 1
ENDING = ".target.json"
MOST_BYTES = 50_000_000
OWN = (
    "format", "target", "unit", "space", "signature", "versions", "fingerprint", "kept", "measured", "others",
)  # fmt: skip


@final
@dataclass(frozen=True)
class TargetFile:
    """A predictor and what it is for.

    Args:
        spec: the target's, as `find_target` takes it.
        about: `{"name", "settings"}` of the space.
        signature: of the networks' inputs and outputs.
        versions: of the runtime that measured.
        fingerprint: of the device.
        facts: for the reader: validation, errors by regressor, what was left out, when.
    """

    spec: str
    about: Mapping[str, Any]
    signature: Signature
    versions: Mapping[str, str]
    fingerprint: Mapping[str, Any]
    predictor: Predictor
    facts: Mapping[str, Any]

    @classmethod
    def of(
        cls, target: Target, about: Mapping[str, Any], predictor: Predictor, facts: Mapping[str, Any] | None = None
    ) -> TargetFile:
        """What was just measured on `target`."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        table = predictor.additive
        own = {
            "azora": __version__,
            "features": FEATURES,
            "when": when,
            "additive": table and table.to_json(),
            "errors": dict(predictor.errors),
        }
        signature = signature_of(predictor.space)
        return cls(
            target.spec,
            lasting(about, signature),
            signature,
            dict(target.versions()),
            dict(target.fingerprint()),
            predictor,
            {**own, **(facts or {})},
        )

    def save(self, file: Path) -> Path:
        """Write `file`, whole or not at all.

        Raises:
            TargetError: it cannot be written.
        """
        part = part_of(check_place(file))
        data = {
            "format": FORMAT,
            "target": self.spec,
            "unit": "ms",
            "space": dict(self.about),
            "signature": self.signature.to_json(),
            "versions": dict(self.versions),
            "fingerprint": dict(self.fingerprint),
            **self.facts,
            **_to_json(self.predictor),
        }
        try:
            part.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            part.replace(file)
        except OSError as error:
            raise TargetError(f"{file} cannot be written: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return file

    @classmethod
    def load(cls, file: Path) -> TargetFile:
        """What `save` wrote, fitted again: equal measurements give equal predictions.

        Raises:
            TargetError: there is no such file, or it is damaged, or of a newer format.
        """
        data = _read(file)
        try:
            spec, versions, device = data["target"], dict(data["versions"]), dict(data["fingerprint"])
            if not isinstance(spec, str):
                raise ValueError(f"{spec!r} is no target")
            signature = Signature.from_json(data["signature"])
            name, settings = str(data["space"]["name"]), dict(data["space"]["settings"])
            predictor = _read_predictor(make_read_space(name, signature, **settings), data)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise TargetError(f"{file} does not hold together: {type(error).__name__}: {error}") from error
        except AzoraError as error:
            raise TargetError(f"{file} is of a space that cannot be made: {error}") from error
        facts = {name: value for name, value in data.items() if name not in OWN}
        return cls(spec, {"name": name, "settings": settings}, signature, versions, device, predictor, facts)

    def check(self, about: Mapping[str, Any], signature: Signature, advice: str = "build it again") -> None:
        """Refuse another space, another input, or another version of the runtime. Where the runtime is missing, so is
        the device: there networks are chosen by predictions alone.

        Args:
            advice: for who has another version.

        Raises:
            TargetError: with what it is for, and what was asked.
        """
        mine = {"name": self.about["name"], "settings": dict(self.about["settings"])}
        if mine != lasting(about, signature):
            raise TargetError(
                f"the predictor for {self.spec} is for the space {_shown(mine)}, this search is in {_shown(about)};"
                f" build one for it: azora target build {shlex.quote(self.spec)} --space {about['name']}{_words(about)}"
                " --task …"
            )
        if self.signature.shape != signature.shape or self.signature.outputs != signature.outputs:
            raise TargetError(
                f"the predictor for {self.spec} is for inputs of {_shape(self.signature)}, this task has"
                f" {_shape(signature)}; build one with --task"
            )
        try:
            found = dict(find_target(self.spec).versions())
        except AzoraError:
            return
        if found != dict(self.versions):
            raise TargetError(
                f"the predictor for {self.spec} was measured with {_pairs(self.versions)}, here is {_pairs(found)};"
                f" {advice}"
            )

    @property
    def is_earlier(self) -> bool:
        """Whether its errors and its validation are of a predictor that an earlier version of azora fitted to the same
        measurements by other features: the one that is read here may be better or worse."""
        return self.facts.get("features") != FEATURES

    @property
    def is_here(self) -> bool:
        """Whether the device is the one that this runs on, so that networks can be measured again."""
        try:
            return dict(find_target(self.spec).fingerprint()) == dict(self.fingerprint)
        except AzoraError:
            return False


def _to_json(predictor: Predictor) -> dict[str, Any]:
    """Its measurements, and those of the devices that it was transferred from."""
    return {
        "kept": predictor.kept,
        "measured": [
            {"architecture": architecture.to_json(), **measured.to_json()} for architecture, measured in predictor.rows
        ],
        "others": [_to_json(each) for each in predictor.others],
    }


def _read_predictor(space: Space, data: Mapping[str, Any]) -> Predictor:
    others = [_read_predictor(space, each) for each in data.get("others", ())]
    rows = [(space.parse(each["architecture"]), Measured.from_json(each)) for each in data["measured"]]
    for _, measured in rows:
        if not 0 < measured.latency.median < math.inf:
            raise ValueError(f"{measured.latency.median} ms were measured")
    if (kept := data["kept"]) not in ({TRANSFER} if others else REGRESSORS):
        raise ValueError(f"it was fitted by {kept!r}, which this azora does not know")
    return Predictor(space, rows, kept, others=others)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise TargetError(f"there is no predictor {file}; azora target build writes one")
    if file.stat().st_size > MOST_BYTES:
        raise TargetError(f"{file} has {file.stat().st_size:,} bytes, more than any predictor")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(f"{file} cannot be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise TargetError(f"{file} is no predictor of azora's")
    if data["format"] > FORMAT:
        raise TargetError(f"{file} has format {data['format']}, this azora reads up to {FORMAT}; use a newer azora")
    return data


def _shown(about: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in about["settings"].items())
    return f"{about['name']} ({settings})" if settings else str(about["name"])


def _words(about: Mapping[str, Any]) -> str:
    """The settings of a space, as the command line takes them."""
    settings = {name: plain(value) for name, value in about["settings"].items()}
    words = [
        f"{name}={value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"
        for name, value in settings.items()
    ]
    return "".join(f" --set {shlex.quote(word)}" for word in words)


def _shape(signature: Signature) -> str:
    return f"{' × '.join(map(str, signature.shape))} and {signature.outputs} outputs"


def _pairs(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def check_place(file: Path) -> Path:
    """`file`, where it can be written: its folder is made, and a part of it written and taken away.

    Raises:
        TargetError: it is a folder, or nothing can be written there.
    """
    try:
        if file.is_dir():
            raise TargetError(f"{file} cannot be written: it is a folder; name the file, such as {file / 'a'}{ENDING}")
        file.parent.mkdir(parents=True, exist_ok=True)
        part_of(file).touch()
        part_of(file).unlink()
    except OSError as error:
        raise TargetError(f"{file} cannot be written: {error.strerror or error}") from error
    return file


def part_of(file: Path) -> Path:
    """Where this process writes it until it is whole."""
    return file.with_name(f".{file.name}.{os.getpid()}.part")


def is_file_name(target: str) -> bool:
    """Whether what is called a target is the name of a predictor's file. A program's words may end as one, and a
    table's name."""
    return target.endswith(".json") and target.partition(":")[0] not in (Command.name, TableTarget.name)


def folder() -> Path:
    """Where predictors are kept."""
    return home() / "targets"


def default_file(target: Target, space: Space, about: Mapping[str, Any], signature: Signature) -> Path:
    """The file of a target, a space and an input, in `folder()`."""
    import hashlib

    kept = lasting(about, signature)
    told = [target.spec, kept["settings"], list(signature.shape), signature.outputs]
    told += [kept["name"]] if ":" in kept["name"] else []  # two classes of the user's may have one `space.name`
    mark = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
    return folder() / f"{target.name}-{space.name}-{mark}{ENDING}"
