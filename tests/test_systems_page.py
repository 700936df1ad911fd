"""What docs/systems.md says is there: modules, tests, commands with their options, strategies and settings."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from azora.automl.comparing.systems import find_systems
from azora.automl.reward import FORMS
from azora.cli.main import app
from azora.cli.searching import _settings
from azora.methods import METHODS, find_method
from azora.networks.registry import make_space
from azora.proxies import find_proxies
from azora.proxies.registry import PROXIES
from azora.strategies.registry import STRATEGIES, make_strategy
from azora.tasks import Signature
from azora.trial import Limit, Objective

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
WORDS = list(dict.fromkeys(re.findall(r"`([^`\n]+)`", PAGE)))
MODULES = [word for word in WORDS if re.fullmatch(r"[a-z_/]+\.py", word)]
TESTS = [word for word in WORDS if word.startswith("tests/")]
COMMANDS = [word for word in WORDS if word.startswith("azora ")]
PICTURES = Signature("classification", (1, 8, 8), 10)
COLUMNS = 5  # of every table: system, code, command, test, what differs


def options(words: Sequence[str], name: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == name]


@cache
def commands() -> Mapping[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


@cache
def names_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef))


def test_the_page_is_read() -> None:
    assert len(MODULES) > 25 and len(TESTS) > 50 and len(COMMANDS) > 45


@pytest.mark.parametrize("module", MODULES)
def test_modules_exist(module: str) -> None:
    assert (ROOT / "src" / "azora" / module).is_file()


@pytest.mark.parametrize("test", TESTS)
def test_tests_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_of(ROOT / file)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_their_options_exist(command: str) -> None:
    words = shlex.split(command)
    asked = commands()[words[1]]
    asked = getattr(asked, "commands", {}).get(" ".join(words[2:3]), asked)
    known = {name for parameter in asked.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("azora search")])
def test_what_a_search_is_told_can_be_meant(command: str) -> None:
    words = shlex.split(command)
    name = next(iter(options(words, "--strategy")), "halving")
    of_strategy, of_space = _settings(options(words, "--set"))
    space = make_space(next(iter(options(words, "--space")), "auto"), PICTURES, **of_space)
    zero_cost = "zero-cost" in options(words, "--evaluator")
    wanted = options(words, "--objective")
    if zero_cost:
        assert find_proxies(wanted)
    if name in METHODS:
        assert find_method(name, of_strategy) is not None
    elif STRATEGIES[name].extra is None:  # what is not installed everywhere is not made
        objectives = [Objective.parse(each) for each in wanted] or [Objective()]
        make_strategy(name, space, objectives=objectives, settings=of_strategy)
    assert all(Limit.parse(each).most > 0 for each in options(words, "--limit"))
    assert set(options(words, "--reward")) <= FORMS.keys()


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("azora compare")])
def test_what_a_comparison_is_told_can_be_meant(command: str) -> None:
    assert len(find_systems(options(shlex.split(command), "--systems"))) > 1


def test_nothing_that_azora_has_is_left_out() -> None:
    told = {name for command in COMMANDS for name in options(shlex.split(command), "--strategy")} | {"halving"}
    assert told == STRATEGIES.keys() | METHODS.keys()
    scored = {name for command in COMMANDS for name in options(shlex.split(command), "--objective")}
    advised = [each for command in COMMANDS for each in options(shlex.split(command), "--set") if "warm=" in each]
    assert scored | {name for each in advised for name in each.partition("=")[2].split(",")} >= PROXIES.keys()


def test_every_line_says_all() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and "`" in line]
    assert lines and all(len(line.strip("|").split("|")) == COLUMNS for line in lines)
    for line in lines:
        _, code, command, test, _ = line.strip("|").split("|")
        assert "`" in code and "`tests/" in test and ("`azora " in command or "none" in command), line
