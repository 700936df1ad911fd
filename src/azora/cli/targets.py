"""`azora target`: what networks cost on a device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azora.cli.progress import bar
from azora.cli.reading import LabelWord
from azora.clock import parse_seconds, show_seconds
from azora.errors import ConfigError

if TYPE_CHECKING:
    from azora.hardware import TargetFile

target = typer.Typer(help="Measure a device, and predict what networks cost there.", add_completion=False)

Spec = Annotated[str, typer.Argument(help="torch-cpu, onnxruntime:threads=1,precision=int8, command:PROGRAM {model} …")]
SpaceWord = Annotated[str, typer.Option(help="The space whose networks it is for, or module:Name of your own.")]
SetWord = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the space.")]
TaskWord = Annotated[str, typer.Option(help="The task whose inputs the networks take.")]
OutWord = Annotated[Path | None, typer.Option(help="The file to write (default: where searches look for it).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@target.command()
def build(
    name: Spec,
    space: SpaceWord = "auto",
    settings: SetWord = None,
    task: TaskWord = "digits",
    label: LabelWord = None,
    measurements: Annotated[int, typer.Option(help="Networks to measure, at most.")] = 100,
    check: Annotated[int, typer.Option(help="Networks not seen that the predictor is checked on, each twice.")] = 20,
    budget: Annotated[str, typer.Option(help="Time for all of it: what does not fit is not measured.")] = "10m",
    seed: Annotated[int, typer.Option(help="Of the choice of networks.")] = 0,
    out: OutWord = None,
    as_json: AsJson = False,
) -> int:
    """Measure networks of a space on a target, fit a predictor, check it on others, and write it to a file."""
    from azora.cli.searching import read_settings
    from azora.hardware.making import make_target_file

    if check < 0:
        raise ConfigError(f"--check {check} must be at least 0")
    with bar() as seen:
        file, made = make_target_file(
            name, task, space, read_settings(settings or []), label=label, measurements=measurements, check=check,
            seconds=parse_seconds(budget), seed=seed, out=out, seen=seen,
        )  # fmt: skip
    _tell(made, file, as_json)
    return 0


@target.command()
def show(
    file: Annotated[Path | None, typer.Argument(help="A predictor's file (default: list those there are).")] = None,
    as_json: AsJson = False,
) -> int:
    """Show a predictor: its device, and how well it predicts; or list the predictors there are."""
    from azora.hardware.files import ENDING, TargetFile, folder

    if file is not None:
        _tell(TargetFile.load(file), file, as_json)
        return 0
    found = sorted(folder().glob(f"*{ENDING}"))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder()), "files": [str(each) for each in found]}))
    else:
        for each in found:
            typer.echo(str(each))
        if not found:
            typer.echo(f"no predictors in {folder()}; azora target build writes one")
    return 0


@target.command()
def transfer(
    old: Annotated[list[Path], typer.Argument(help="Predictors' files of other devices, all of one space and input.")],
    to: Annotated[
        str | None, typer.Option(metavar="TARGET", help="The new device (default: the first's runtime, here).")
    ] = None,
    measurements: Annotated[int, typer.Option(help="Networks to measure on the new device.")] = 10,
    check: Annotated[int, typer.Option(help="Networks not seen that the predictor is checked on, each twice.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the choice of networks.")] = 0,
    out: OutWord = None,
    as_json: AsJson = False,
) -> int:
    """Adapt predictors of other devices to a new one, with few measurements there."""
    from azora.hardware.making import transfer_target_file

    with bar() as seen:
        file, made = transfer_target_file(
            old, to, measurements=measurements, check=check, seed=seed, out=out, seen=seen
        )
    _tell(made, file, as_json)
    return 0


def _tell(made: TargetFile, file: Path, as_json: bool) -> None:
    figures = _figures(made, file)
    typer.echo(json.dumps(figures) if as_json else "\n".join(_lines(made, figures)))


def _figures(made: TargetFile, file: Path) -> dict[str, Any]:
    table = made.predictor.additive
    return {
        "file": str(file),
        "target": made.spec,
        "space": dict(made.about),
        "input": list(made.signature.shape),
        "versions": dict(made.versions),
        "device": dict(made.fingerprint),
        "measured": len(made.predictor.rows),
        "kept": made.predictor.kept,
        **({"earlier": True} if made.is_earlier else {}),
        **({} if table is None else {"r2": round(table.r2, 4)}),
        **{
            name: made.facts[name]
            for name in ("errors", "validation", "unchecked", "ended", "skipped", "repeated", "seconds", "from")
            if name in made.facts
        },
    }


def _lines(made: TargetFile, figures: dict[str, Any]) -> Iterator[str]:
    from azora.hardware.measurement import repeats

    times = [measured.latency.median for _, measured in made.predictor.rows]
    where = made.fingerprint.get("processor") or made.fingerprint.get("command") or "a device"
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    yield f"{'target':<18}{made.spec}, {versions}"
    yield f"{'device':<18}{where}"
    yield f"{'networks':<18}{made.about['name']}, inputs {' × '.join(map(str, made.signature.shape))}"
    yield f"{'measured':<18}{len(times)} networks, {min(times):.3g} to {max(times):.3g} ms"
    if made.predictor.additive is None:
        yield f"{'predicted':<18}from {len(made.predictor.others)} other devices' predictors"
    else:
        r2 = made.predictor.additive.r2
        yield f"{'kept':<18}{made.predictor.kept}; the additive table explains {r2:.1%} of the variance"
    if checked := figures.get("validation"):
        yield (
            f"{'not seen':<18}{checked['networks']} networks: Spearman {checked['spearman']:.3f},"
            f" {checked['within']:.0%} within 10 %, mean error {checked['error']:.1%}"
        )
        yield (
            f"{'measured again':<18}Spearman {checked['again_spearman']:.3f}, {checked['again_within']:.0%} within"
            f" 10 %, mean difference {checked['again_error']:.1%}: no predictor can be better than that"
        )
        if made.is_earlier:
            yield f"{'':<18}by an earlier version of azora, which counted networks otherwise; this one fits it anew"
    else:
        why = figures.get("unchecked", "no time for it, or --check below 3")
        yield f"{'not seen':<18}not checked on networks that it has not seen: {why}"
    if "ended" in figures:
        yield f"{'ended early':<18}{figures['ended']}; what was measured until then is in it"
    if skipped := figures.get("skipped"):
        yield f"{'left out':<18}{len(skipped)} networks that could not be run: {skipped[0]}"
    if "repeated" in figures:
        yield f"{'varied':<18}{repeats(figures['repeated'])}"
    if "seconds" in figures:
        yield f"{'time':<18}{show_seconds(figures['seconds'])}"
    yield f"{'file':<18}{figures['file']}"
