"""What the packages export: all of it exists, is said once, and has a docstring."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import azora

SOURCE = Path(azora.__file__).parent
PACKAGES = sorted(".".join(path.parent.relative_to(SOURCE.parent).parts) for path in SOURCE.rglob("__init__.py"))


@pytest.mark.parametrize("name", PACKAGES)
def test_all_names_what_a_package_offers(name: str) -> None:
    package = importlib.import_module(name)
    names = list(getattr(package, "__all__", ()))
    assert len(names) == len(set(names))
    assert not [each for each in names if not hasattr(package, each)]
    offered = {
        each
        for each, value in vars(package).items()
        if not each.startswith("_") and each != "annotations" and not inspect.ismodule(value)
    }
    assert offered <= set(names)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_offered_is_described(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__doc__
    things = {each: getattr(package, each) for each in getattr(package, "__all__", ())}
    assert not [
        each
        for each, thing in things.items()
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and not thing.__doc__
    ]


def test_the_package_is_typed_and_has_a_version() -> None:
    assert (SOURCE / "py.typed").is_file()
    assert all(part.isdigit() for part in azora.__version__.split("."))
