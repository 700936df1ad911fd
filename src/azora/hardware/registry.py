"""Targets by what the command line calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from azora.errors import ConfigError
from azora.hardware.command_target import Command
from azora.hardware.executorch_target import Executorch
from azora.hardware.onnx_target import OnnxRuntime
from azora.hardware.table_target import TableTarget
from azora.hardware.target import Target
from azora.hardware.torch_targets import Cuda, TorchCpu
from azora.settings import closest, construct, resolve

TARGETS: Mapping[str, Callable[..., Target]] = {
    each.name: each for each in (TorchCpu, OnnxRuntime, Executorch, Cuda, Command, TableTarget)
}
OPTIONS = re.compile(r"(?:(?:timeout|retries)=[\d.]+,?)+:")


def find_target(spec: str) -> Target:
    """`onnxruntime:threads=1,precision=int8`, `command:PROGRAM {model}`, `table:FILE:COLUMN`, or a class of one's own,
    `package.module:Name:setting=1`.

    Raises:
        ConfigError: there is no such target, or it has no such setting.
    """
    name, _, rest = spec.partition(":")
    if name == Command.name:
        # `command:timeout=5,retries=2:PROGRAM {model}`: what comes before the program are settings.
        options = OPTIONS.match(rest)
        words = options[0].rstrip(":").rstrip(",") if options else ""
        return construct(Command, {**_settings(spec, words), "command": rest[len(options[0]) if options else 0 :]})
    if name == TableTarget.name:
        return TableTarget(rest)
    if name in TARGETS:
        return construct(TARGETS[name], _settings(spec, rest))
    kind, _, settings = rest.partition(":")
    if "." in name or (kind and not re.search(r"[=,]", kind)):
        found = resolve(f"{name}:{kind}")
        if isinstance(found, type) and issubclass(found, Target):
            return construct(found, _settings(spec, settings))
        raise ConfigError(f"{spec!r} is no azora.hardware.Target")
    raise ConfigError(f"there is no target {spec!r}; {closest(name, TARGETS)}")


def _settings(spec: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"target {spec!r}: {part!r} is not of the form name=value")
        found[name] = _number(value)
    return found


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
