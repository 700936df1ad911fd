"""Every example runs, as a reader would run it, and so does the README's."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = {"arrays", "from_csv", "from_folder", "own_evaluator", "own_space", "own_strategy", "resuming", "with_sklearn"}
"""Whole searches."""
DAILY = ["arrays", "own_space"]
"""Those of them that run every day, in the process of the test and with a short last training."""
EXAMPLES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])
    for path in sorted((ROOT / "examples").glob("*.py"))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    assert len(example.read_text().splitlines()) < 60
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=110, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.usefixtures("in_process", "brief")
@pytest.mark.parametrize("name", DAILY)
def test_example_searches(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))  # as Python does for a script
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_the_own_space_is_under_forty_lines() -> None:
    assert len((ROOT / "examples" / "own_space.py").read_text().splitlines()) <= 40


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    quick = code.replace('budget="60s"', 'trials=2, limits=["macs=500k"]')
    assert quick != code
    done = subprocess.run([sys.executable, "-c", quick], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr


def test_the_readme_names_only_commands_and_options_that_exist() -> None:
    from azora.cli.main import app

    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    text = (ROOT / "README.md").read_text()
    shell = "".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL))
    for line in re.findall(r"^azora .*$", shell, flags=re.MULTILINE):
        assert line.split()[1] in known, line
