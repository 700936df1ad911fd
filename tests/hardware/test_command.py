"""A program that prints milliseconds is a target, and whatever it does instead is one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from azora.errors import TargetError, UnsteadyError
from azora.hardware import Deployable, Measured
from azora.hardware.command_target import MORE_RUNS, RUNS, Command

COUNT = 'echo run >> "$0.runs"\nrun=$(wc -l < "$0.runs")\n'


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "measure.sh"


def measured(script: Path, text: str, network: Deployable, timeout: float = 20.0, retries: int = 0) -> Measured:
    """What a shell script measures; `run` in it is the number of the run."""
    script.write_text(COUNT + text + "\n")
    return Command(f"sh {script} {{model}}", timeout, retries).measure(network)


def runs(script: Path) -> int:
    return len(script.with_name(f"{script.name}.runs").read_text().splitlines())


def test_the_last_number_counts_and_the_file_is_a_network(script: Path, network: Deployable) -> None:
    found = measured(script, 'head -c 12 "$1" | grep -q pytorch && echo "run $run of 3: 4.2$run ms"', network)
    assert found.latency.median == 4.22
    assert found.latency.runs == RUNS == runs(script) and not found.latency.repeated
    assert found.bytes > 1000


def test_a_program_may_go_to_another_folder(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(b"a network")
    script.write_text('cd / && wc -c < "$1"\n')
    assert Command(f"sh {script} {{model}}", retries=0).measure_file(Path("model.onnx")).latency.median == 9.0


@pytest.mark.parametrize(
    ("printed", "ms"),
    [
        ("5.25", 5.25),
        ("5ms", 5.0),
        ("latency=1.5e-2 ms", 0.015),
        ("int8 on arm64 v8.2: 3.5 ms p99", 3.5),
        ("3.5 ms for /tmp/azora-8ab9/model8.onnx", 3.5),
        ("7\n\nmean: 2.5 (ms)\n", 2.5),
        (".5", 0.5),
        ("warm-up 3 runs, mean (4)", 4.0),
        ("mean 1,234.5 ms", 1234.5),
        ("12,345,678", 12345678.0),
        ("0.5,1.25,200.5", 200.5),
        ("12,3.5", 3.5),
        ("min,mean,max: 12,34,56", 56.0),
        ("1,5 s of warm-up, mean 12.5 ms", 12.5),
    ],
)
def test_numbers_are_read_from_what_people_print(script: Path, network: Deployable, printed: str, ms: float) -> None:
    script.with_name("printed").write_text(printed)
    assert measured(script, f"cat {script.with_name('printed')}", network).latency.median == ms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo done", "printed no milliseconds above zero: 'done'"),
        ("true", "printed no milliseconds above zero: ''"),
        ("echo 0", "printed no milliseconds above zero: '0'"),
        ("echo -3.5", "printed no milliseconds above zero: '-3.5'"),
        ("echo 1e999", "printed no milliseconds above zero: '1e999'"),
        ("echo nan inf", "printed no milliseconds above zero: 'nan inf'"),
        ("printf 'ms \\377\\376 none'", "printed no milliseconds above zero"),
        ("echo 12,5 ms", "printed what may be one number or two: '12,5 ms'; print milliseconds with a point before"),
        ("echo latency 1.234,5 ms", "printed what may be one number or two: 'latency 1.234,5 ms'"),
        ("echo min,max: 12,3456.", "printed what may be one number or two: 'min,max: 12,3456.'"),
        ("echo 1,5e-3", "printed what may be one number or two: '1,5e-3'"),
        ("echo warned >&2; echo 'no device found' >&2; exit 3", "sh ended with 3: no device found"),
        ("echo 'no such model'; exit 1", "sh ended with 1: no such model"),
        ("exit 4", "sh ended with 4: nothing said"),
        ("kill -9 $$", "sh ended with -9: nothing said"),
    ],
)
def test_what_is_no_measurement_is_one_line(script: Path, network: Deployable, text: str, said: str) -> None:
    with pytest.raises(TargetError) as told:
        measured(script, text, network)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_what_hangs_is_ended_with_all_that_it_started(script: Path, network: Deployable) -> None:
    begun = time.monotonic()
    with pytest.raises(TargetError, match=r"sh gave no answer in 0\.5s; is the device there"):
        measured(script, 'sleep 30 & echo $! > "$0.sleeper"\nwait; echo 3', network, timeout=0.5)
    assert time.monotonic() - begun < 10
    sleeper = Path("/proc") / script.with_name(f"{script.name}.sleeper").read_text().strip() / "cmdline"
    for _ in range(100):
        if not sleeper.is_file() or not sleeper.read_bytes():  # gone, or nobody has asked how it ended
            break
        time.sleep(0.01)
    else:
        pytest.fail("what it started still runs")


def test_a_program_does_not_read_what_is_typed(script: Path, network: Deployable) -> None:
    assert measured(script, "cat; echo 2", network).latency.median == 2.0


def test_what_fails_is_begun_again_as_often_as_is_said(script: Path, network: Deployable) -> None:
    failing = 'test "$run" -gt 2 || exit 1\necho 3'
    assert measured(script, failing, network, retries=2).latency.median == 3.0
    assert runs(script) == RUNS + 2
    script.with_name(f"{script.name}.runs").unlink()
    with pytest.raises(TargetError, match="sh ended with 1"):
        measured(script, failing, network, retries=1)
    assert runs(script) == 2


def test_numbers_that_vary_are_repeated_and_then_believed(script: Path, network: Deployable) -> None:
    found = measured(script, 'test "$run" -eq 2 && echo 9 || echo 3', network)
    assert runs(script) == RUNS + MORE_RUNS
    assert (found.latency.median, found.latency.outliers, found.latency.repeated) == (3.0, 1, True)


def test_numbers_that_go_on_varying_are_refused(script: Path, network: Deployable) -> None:
    with pytest.raises(TargetError, match=r"sh gave 3, 2, 3, 2.* ms for one network: they vary by 40%, more than 30%"):
        measured(script, "echo $((2 + run % 2))", network)
    assert runs(script) == RUNS + MORE_RUNS


def test_numbers_of_which_a_third_is_twice_as_large_are_refused(script: Path, network: Deployable) -> None:
    with pytest.raises(UnsteadyError, match="they vary by 100%, more than 30%"):
        measured(script, "test $((run % 3)) -eq 2 && echo 20 || echo 10", network)


def test_a_program_that_is_not_there_is_told_before_anything_is_written(network: Deployable) -> None:
    target = Command("nosuchprogram {model}")
    for asked in (target.versions, lambda: target.measure(network)):
        with pytest.raises(TargetError, match="there is no program 'nosuchprogram' to measure with"):
            asked()


def test_a_program_that_cannot_be_started_is_told(script: Path, network: Deployable) -> None:
    script.write_text("#!/nosuch/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(TargetError, match=r"measure\.sh cannot be started: No such file"):
        Command(f"{script} {{model}}").measure(network)


def test_quotes_work_as_in_a_shell_and_nothing_else_does(tmp_path: Path, network: Deployable) -> None:
    (folder := tmp_path / "two words").mkdir()
    (folder / "it's.sh").write_text("test \"$2\" = 'a; b $HOME' && echo 2 || echo 7\n")
    command = Command(f"sh \"{folder}/it's.sh\" --model={{model}} 'a; b $HOME'")
    assert command.measure(network).latency.median == 2.0


def test_the_device_is_known_by_its_command(script: Path) -> None:
    one, other = Command("sh a {model}"), Command("sh b {model}")
    assert one.versions() == {"command": "sh a {model}"} != other.versions()
    assert one.fingerprint() != other.fingerprint()
