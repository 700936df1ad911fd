"""Any program that runs a model's file somewhere and prints milliseconds: adb, ssh, a vendor's tool."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from azora.errors import BundleError, ConfigError, TargetError, UnsteadyError
from azora.export.draft import draft_onnx
from azora.export.executorch import write_executorch
from azora.hardware.measurement import SECONDS, Measurement, summarise
from azora.hardware.target import Deployable, Measured, Target, here
from azora.scratch import scratch_folder

ONNX, PTE = "{model}", "{pte}"
RUNS, MORE_RUNS, MOST_SPREAD = 3, 7, 0.3
TIMEOUT, RETRIES = 60.0, 1
# None inside of a word or a path, such as the 8 of "int8" or of "/tmp/azora-8f/".
# Thousands may be apart by commas, but of five digits the first is no thousand.
NUMBER = re.compile(r"(?<![\w./+-])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@final
class Command(Target):
    """A program of the user's. It gets the path of an ONNX file for `{model}`, or of an ExecuTorch file for `{pte}`,
    and prints milliseconds: the last number of its output counts. No shell is between; quotes work as in one.

    It is run three times for a network, and seven times more where those vary by more than 30 %; where the middle half
    of all still does, the network is refused.

    Args:
        command: the program and its arguments, `{model}` or `{pte}` among them.
        timeout: seconds that one run may take.
        retries: how often a run that failed is begun again.

    Raises:
        ConfigError: there is no `{model}` and no `{pte}` in it, or quotes that do not end.
    """

    name = "command"

    def __init__(self, command: str, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        if not timeout > 0 or not isinstance(retries, int) or retries < 0:
            raise ConfigError(f"command: timeout={timeout} must be above 0 and retries={retries} a number from 0 up")
        if ONNX not in command and PTE not in command:
            raise ConfigError(f"command {command!r} has no {ONNX} (an ONNX file) and no {PTE} in it to measure")
        if ONNX in command and PTE in command:
            raise ConfigError(f"command {command!r} asks for {ONNX} and for {PTE}; one file is measured")
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"command {command!r} cannot be read: {str(error).lower()}") from error
        self.command, self.timeout, self.retries = command, timeout, retries

    @property
    def spec(self) -> str:
        told = ("timeout", self.timeout, TIMEOUT), ("retries", self.retries, RETRIES)
        settings = ",".join(f"{name}={value}" for name, value, usual in told if value != usual)
        return ":".join(filter(None, [self.name, settings, self.command]))

    def measure(self, deployable: Deployable, seconds: float = SECONDS) -> Measured:
        self.versions()
        with scratch_folder() as folder:
            file = folder / ("model.pte" if PTE in self.command else "model.onnx")
            write = write_executorch if PTE in self.command else draft_onnx
            try:
                write(deployable.network, deployable.signature, deployable.scaling, file)
            except BundleError as error:
                raise TargetError(f"{self.spec}: {error}") from error
            return self.measure_file(file)

    def measure_file(self, file: Path) -> Measured:
        """A file as it is, such as the one that ships.

        Raises:
            TargetError: as `measure` does.
        """
        file = file.resolve()  # the program may go to another folder
        times = [self._run(file) for _ in range(RUNS)]
        if _varies(times):
            times += [self._run(file) for _ in range(MORE_RUNS)]
        return Measured(self._summary(times), file.stat().st_size)

    def versions(self) -> Mapping[str, str]:
        if shutil.which(self._words[0]) is None:
            raise TargetError(f"there is no program {self._words[0]!r} to measure with; install it, or name its path")
        return {"command": self.command}

    def fingerprint(self) -> Mapping[str, Any]:
        return {"command": self.command, "host": dict(here())}

    def _summary(self, times: list[float]) -> Measurement:
        # Of all: where a third takes twice as long, none of them is an accident.
        quarters = statistics.quantiles(times, n=4)
        spread = (quarters[2] - quarters[0]) / statistics.median(times)
        if spread > MOST_SPREAD:
            told = ", ".join(f"{each:.3g}" for each in times)
            raise UnsteadyError(
                f"{self._words[0]} gave {told} ms for one network: they vary by {spread:.0%}, more than"
                f" {MOST_SPREAD:.0%}; let it repeat more often, or keep the device quiet"
            )
        return replace(summarise(times), repeated=len(times) > RUNS)

    def _run(self, file: Path) -> float:
        """Milliseconds of one run.

        Raises:
            TargetError: it failed as often as it may, or printed no time.
        """
        words = [word.replace(ONNX, str(file)).replace(PTE, str(file)) for word in self._words]
        for left in range(self.retries, -1, -1):
            try:
                return self._once(words)
            except TargetError:
                if not left:
                    raise
        raise AssertionError("a loop that returns or raises")

    def _once(self, words: list[str]) -> float:
        name = self._words[0]
        try:
            code, out, said = _run_alone(words, self.timeout)
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"{name} gave no answer in {self.timeout:g}s; is the device there? (timeout=… gives it more)"
            ) from None
        except OSError as error:
            raise TargetError(f"{name} cannot be started: {error.strerror or error}") from error
        if code:
            last = (said.strip() or out.strip() or "nothing said").splitlines()[-1]
            raise TargetError(f"{name} ended with {code}: {last[:200]}")
        return self._milliseconds(out)

    def _milliseconds(self, text: str) -> float:
        numbers, shown = list(NUMBER.finditer(text)), " ".join(text.split())[-80:]
        if not numbers or not 0 < (found := float(numbers[-1][0].replace(",", ""))) < float("inf"):
            raise TargetError(f"{self._words[0]} printed no milliseconds above zero: {shown!r}")
        if _in_two_ways(text, numbers[-1]):
            raise TargetError(
                f"{self._words[0]} printed what may be one number or two: {shown!r}; print milliseconds with a point"
                " before their decimals"
            )
        return found


def _in_two_ways(text: str, last: re.Match[str]) -> bool:
    """Whether the comma before the last number may be a decimal one: no decimals follow it, and no other comma tells
    that they are between numbers."""
    if re.search(r"\.\d", last[0]) or (digits := re.search(r"[\d.,]*\d,$", text[: last.start()])) is None:
        return False
    return digits[0].count(",") == 1


def _run_alone(words: list[str], timeout: float) -> tuple[int, str, str]:
    """The exit code and what was printed. What hangs ends with all that it has started: a shell's ssh as well."""
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, said = process.communicate(timeout=timeout)
        except BaseException:  # Ctrl-C does not reach another session
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, said


def _varies(times: list[float]) -> bool:
    return max(times) - min(times) > MOST_SPREAD * statistics.median(times)
