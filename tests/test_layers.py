"""Imports point down, nothing that only looks imports torch, and ARCHITECTURE.md says the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "azora"

# From the ground up; modules of one line do not import each other. The page draws some of these lines as one floor.
FLOORS = [
    {"errors"},
    {"settings", "clock", "cores", "memory", "scratch", "machine", "fronts"},
    {"space"},
    {"tasks", "operations", "optuna"},
    {"trial"},
    {"networks"},
    {"training"},
    {"proxies"},
    {"evaluation", "strategies", "study"},
    {"executors"},
    {"loop"},
    {"export", "methods", "report", "meta"},
    {"model", "job", "bench"},
    {"hardware"},
    {"automl", "improving", "adapting"},
    {"cli", "testing"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
HEAVY = {
    "operations", "networks", "training", "proxies", "evaluation", "export", "hardware", "methods", "model", "automl",
    "improving", "adapting", "testing",
}  # fmt: skip
LIGHT = LEVEL.keys() - HEAVY
IN_WORKERS = {"azora.executors.partners", "azora.executors.worker", "azora.executors.workplace"}
WHEN_MADE = {"azora.strategies.controller"}  # imported by the constructor of what needs it


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.name != "__init__.py")


def floor_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(text: str) -> Iterator[str]:
    """The parts of azora that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which floor they reach"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("azora."))


def test_imports_point_downwards() -> None:
    wrong = list[str]()
    for path in files():
        here = floor_of(path)
        # `azora.__version__` and the like are names of the package itself, which stands on no floor.
        reached = {name for name in imported(path.read_text(encoding="utf-8")) if name in LEVEL and name != here}
        if above := sorted(name for name in reached if LEVEL[name] >= LEVEL[here]):
            wrong.append(f"{module(path)} may not import {', '.join(above)}: only what stands on lower floors")
    assert not wrong, "\n".join(wrong)


def test_every_module_has_its_floor() -> None:
    assert {floor_of(path) for path in files()} <= LEVEL.keys()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import azora.loop", ["loop"]),
        ("from azora import cli", ["cli"]),
        ("from azora.space.space import Space", ["space"]),
        ("def late():\n    from azora.study import Study", ["study"]),
        ("import numpy", []),
    ],
)
def test_imports_are_found_in_every_form(text: str, found: list[str]) -> None:
    assert list(imported(text)) == found


def test_the_page_draws_the_floors_in_this_order() -> None:
    rows = re.findall(r"^\| \d \| (`.*`) \|$", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.MULTILINE)
    drawn = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert set().union(*drawn) == LEVEL.keys()
    for lower, upper in zip(drawn, drawn[1:], strict=False):
        assert max(LEVEL[name] for name in lower) < min(LEVEL[name] for name in upper)


def test_what_does_not_train_does_not_import_torch() -> None:
    light = {module(path) for path in files() if floor_of(path) in LIGHT} - IN_WORKERS - WHEN_MADE
    code = f"import sys, {', '.join(sorted(light))}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "False", found.stderr
