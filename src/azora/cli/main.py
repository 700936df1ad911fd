"""The entry point: dispatch, exit codes and one-line errors."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from azora import __version__
from azora.cli.adapting import adapt
from azora.cli.benching import bench
from azora.cli.comparing import compare
from azora.cli.discovering import discover
from azora.cli.ending import Ending, ended_by_signals
from azora.cli.full_disk import full_disk
from azora.cli.improving import history, improve, rollback
from azora.cli.looking import show, spaces, strategies, tasks
from azora.cli.meta_searching import meta_search
from azora.cli.remembering import memory
from azora.cli.scoring import scorecard
from azora.cli.searching import search
from azora.cli.specialising import specialise
from azora.cli.targets import target
from azora.cli.using import export, predict, profile
from azora.errors import AzoraError

MISTAKE, FAULT, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    name="azora",
    help="Designs neural networks: give it data, a device and a budget.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    search, discover, show, predict, export, profile, specialise, improve, rollback, history, bench, meta_search,
    compare, scorecard, spaces, strategies, tasks,
):  # fmt: skip
    app.command()(command)
app.add_typer(target, name="target")
app.add_typer(adapt, name="adapt")
app.add_typer(memory, name="memory")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"azora {__version__}")
        raise typer.Exit


@app.callback()
def _azora(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Designs neural networks: give it data, a device and a budget; it returns a trained network of its own design."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 2 (the user's to mend), 1 (ours), 130 (interrupted), or 128 and the
    number of the signal that ended it."""
    with ended_by_signals() as ending:
        code = _do(arguments, ending)
    return ending.code(code)


def _do(arguments: list[str] | None, ending: Ending) -> int:
    try:
        asked = sys.argv[1:] if arguments is None else arguments
        code = app(asked or ["--help"], standalone_mode=False)
        return MISTAKE if not asked else int(code) if isinstance(code, int) else 0
    except typer.TyperException as error:
        return _say(" ".join(error.format_message().split()), MISTAKE)
    except AzoraError as error:
        return _say(" ".join(str(error).split()), MISTAKE)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        return FAULT
    except Exception as error:
        if told := full_disk(error):
            return _say(told, MISTAKE)
        # A terminal that has closed cannot be told of it: what fails then is nobody's fault.
        return FAULT if ending.signal else _say(_our_fault(error), FAULT)


def _say(message: str, code: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        print(f"azora: {message}", file=sys.stderr, flush=True)
    return code


def _our_fault(error: Exception) -> str:
    """One line for the terminal; the traceback goes where it can be sent from."""
    handle, name = tempfile.mkstemp(prefix="azora-", suffix=".log")
    with open(handle, "w", encoding="utf-8") as file:
        file.write(f"azora {__version__}\n{' '.join(sys.argv)}\n{traceback.format_exc()}")
    return f"{type(error).__name__}: {error}. This is a fault in azora: please report it with {Path(name)}"


def run() -> None:
    """The console script. It finds modules in the folder where it is called, as `python -m azora` does; last, so that
    no file there takes the place of a library's."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)
    sys.exit(main())
