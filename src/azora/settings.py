"""The constructor is the schema: build by name and settings, and read the settings back."""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, TypeVar

from azora.errors import ConfigError

T = TypeVar("T")
JSON = Any  # what `json.dumps` takes; Python's typing cannot say it shorter


def closest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(names) or 'none'}"


def construct(kind: Callable[..., T], settings: Mapping[str, JSON], **context: Any) -> T:
    """Call `kind` with the settings, and with those of `context` that its signature names.

    Raises:
        ConfigError: a setting that the signature does not name, or a value that the constructor refuses.
    """
    parameters = inspect.signature(kind).parameters
    title = getattr(kind, "__name__", repr(kind))
    free = {name for name in parameters if name not in context}
    for name in settings:
        if name not in parameters:
            raise ConfigError(f"{title} has no setting {name!r}; {closest(name, free)}")
    supplied = {name: value for name, value in context.items() if name in parameters}
    for name, parameter in parameters.items():
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if not optional and name not in settings and name not in supplied:
            raise ConfigError(f"{title} needs a setting {name!r}")
    try:
        return kind(**{**supplied, **settings})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{title}: {error}") from error


def check_whole(least: int, **settings: JSON) -> None:
    """Raises ConfigError where a setting is no whole number, or one below `least`."""
    for name, value in settings.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name}={value!r} must be a whole number, at least {least}")


def check_finite(**settings: JSON) -> None:
    """Raises ConfigError where a setting is no number, or one that is not finite."""
    for name, value in settings.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ConfigError(f"{name}={value!r} must be a finite number")


def given(**settings: JSON) -> dict[str, JSON]:
    """Those that are not None: what is left open needs no check."""
    return {name: value for name, value in settings.items() if value is not None}


def settings_of(thing: object) -> dict[str, JSON]:
    """The JSON values that `thing` was constructed with: its attributes named as its constructor's parameters are."""
    names = inspect.signature(type(thing)).parameters
    found = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {name: plain(value) for name, value in found.items() if _is_json(value)}


def plain(value: JSON) -> JSON:
    """`value` as JSON gives it back: tuples become lists, paths words, and numbers of numpy Python's."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    import numpy as np  # the command line starts without it, and hears of no such values

    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, PurePath) else value


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_json(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def describe(thing: object) -> dict[str, JSON]:
    """`{"kind": "module:Name", "settings": {…}}`, from which another process can construct the same."""
    kind = thing if inspect.isfunction(thing) else type(thing)
    settings = {} if inspect.isfunction(thing) else settings_of(thing)
    return {"kind": f"{kind.__module__}:{kind.__qualname__}", "settings": settings}


def resolve(path: str) -> Any:
    """What `module:Name` names.

    Raises:
        ConfigError: the module cannot be imported or has no such name.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"{path!r} is not of the form module:Name")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        # Whatever a user's module raises on import is the user's to mend, and is one line.
        raise ConfigError(f"{path!r}: importing {module} failed: {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{path!r}: {module} has no {name!r}; {closest(part, _public(found))}")
        found = getattr(found, part)
    return found


def _public(module: object) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def home() -> Path:
    """Where azora keeps what outlives a search: AZORA_HOME, or `azora` in the user's data directory."""
    if said := os.environ.get("AZORA_HOME"):
        return Path(said)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "azora"
