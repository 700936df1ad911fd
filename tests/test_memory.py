"""Free memory is what the machine has and the control groups of this process leave to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from azora.memory import free_memory

MB = 2**20
MACHINE = f"MemTotal: {8000 * 1024} kB\nMemFree: {100 * 1024} kB\nMemAvailable: {6000 * 1024} kB\n"
UNLIMITED_V1 = 9223372036854771712


def made(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"proc/meminfo": MACHINE, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v2(folder: str, limit: int | str, used: int, inactive: int = 0) -> dict[str, str]:
    """A group of version 2, in MB."""
    most = limit if isinstance(limit, str) else str(limit * MB)
    told = {"memory.max": most, "memory.current": str(used * MB)}
    told["memory.stat"] = f"anon {used * MB}\nactive_file {7 * MB}\ninactive_file {inactive * MB}\n"
    return {f"sys/fs/cgroup{folder}/{name}": f"{text.strip()}\n" for name, text in told.items()}


def v1(folder: str, limit: int, used: int, inactive: int = 0) -> dict[str, str]:
    """A group of version 1, in bytes."""
    told = {"memory.limit_in_bytes": str(limit), "memory.usage_in_bytes": str(used)}
    told["memory.stat"] = f"inactive_file 1\ntotal_inactive_file {inactive}\n"
    return {f"sys/fs/cgroup/memory{folder}/{name}": f"{text.strip()}\n" for name, text in told.items()}


def test_without_groups_it_is_what_the_machine_has(tmp_path: Path) -> None:
    assert free_memory(made(tmp_path, {})) == 6000 * MB


def test_where_nobody_tells_it_is_four_gigabytes(tmp_path: Path) -> None:
    assert free_memory(tmp_path) == 4 * 2**30
    assert free_memory(made(tmp_path, {"proc/meminfo": "MemFree: 5 kB\nMemAvailable: much kB\n"})) == 4 * 2**30


def test_a_container_has_its_limit_less_what_it_uses_and_cannot_give_up(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", **v2("", 1000, 400, 150)}
    assert free_memory(made(tmp_path, files)) == 750 * MB


@pytest.mark.parametrize(("outer", "inner", "free"), [(2000, 500, 400), (300, 500, 200), ("max", 500, 400)])
def test_of_nested_groups_the_one_with_least_left_counts(
    tmp_path: Path, outer: int | str, inner: int, free: int
) -> None:
    files = {"proc/self/cgroup": "0::/batch/job/step\n", **v2("/batch", outer, 100), **v2("/batch/job", inner, 100)}
    assert free_memory(made(tmp_path, {**files, **v2("/batch/job/step", "max", 50)})) == free * MB


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert free_memory(made(tmp_path, {"proc/self/cgroup": "0::/a\n", **v2("/a", "max", 100)})) == 6000 * MB
    files = {"proc/self/cgroup": "4:memory:/a\n0::/\n", **v1("/a", UNLIMITED_V1, 100 * MB)}
    assert free_memory(made(tmp_path / "v1", files)) == 6000 * MB


def test_a_limit_above_what_the_machine_has_left_is_no_promise(tmp_path: Path) -> None:
    assert free_memory(made(tmp_path, {"proc/self/cgroup": "0::/a\n", **v2("/a", 7500, 100)})) == 6000 * MB


def test_groups_of_version_one(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "5:cpu,cpuacct:/b\n4:hugetlb,memory:/a/b\n0::/\n", **v1("", UNLIMITED_V1, 900 * MB)}
    files |= {**v1("/a", 800 * MB, 300 * MB, 100 * MB), **v1("/a/b", 900 * MB, 100 * MB)}
    assert free_memory(made(tmp_path, files)) == 600 * MB


@pytest.mark.parametrize("path", ["/docker/0123", "/../../system.slice/0123"])
def test_a_container_that_sees_its_own_group_as_the_top(tmp_path: Path, path: str) -> None:
    """Its path is told as outside, where it has another name."""
    first = {"proc/self/cgroup": f"4:memory:{path}\n", **v1("", 700 * MB, 100 * MB)}
    assert free_memory(made(tmp_path / "v1", first)) == 600 * MB
    second = {"proc/self/cgroup": f"0::{path}\n", **v2("", 700, 100)}
    assert free_memory(made(tmp_path / "v2", second)) == 600 * MB


def test_where_both_versions_are_in_use(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "4:memory:/a\n0::/a\n", **v1("/a", UNLIMITED_V1, 0), **v2("/unified/a", 600, 100)}
    assert free_memory(made(tmp_path, files)) == 500 * MB


def test_more_than_the_limit_is_nothing_left(tmp_path: Path) -> None:
    assert free_memory(made(tmp_path, {"proc/self/cgroup": "0::/\n", **v2("", 100, 130)})) == 0


@pytest.mark.parametrize("told", ["0::\n", "nonsense\n", "0\n\n4:memory\n", "4:memory:/a\n0::/a\n"])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, told: str) -> None:
    files = {"proc/self/cgroup": told, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "soon\n"}
    root = made(tmp_path, files)
    (root / "sys/fs/cgroup/a/memory.max").mkdir(parents=True)  # not a file
    assert free_memory(root) == 6000 * MB


def test_a_group_that_does_not_say_what_it_could_give_up(tmp_path: Path) -> None:
    root = made(tmp_path, {"proc/self/cgroup": "0::/\n", **v2("", 1000, 400, 150)})
    (root / "sys/fs/cgroup/memory.stat").unlink()
    assert free_memory(root) == 600 * MB


def test_this_machine_has_some() -> None:
    assert free_memory() > 2**20
