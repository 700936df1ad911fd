"""What figures hang on."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from azora.bench import Setup, compare, registry, writing
from azora.bench.writing import provenance
from azora.cores import usable_cores


def test_figures_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: A Processor 9000\n\nprocessor\t: 1\nmodel name\t: Another\n")
    monkeypatch.setattr(writing, "PROCESSORS", file)
    monkeypatch.setattr(writing, "commit", lambda: "0123456789ab+")
    told = provenance()
    assert list(told) == ["processor", "cores", "python", "torch", "commit"]
    assert (told["processor"], told["cores"], told["commit"]) == ("A Processor 9000", usable_cores(), "0123456789ab+")
    assert json.loads(json.dumps(told)) == told


def test_where_no_file_names_the_processor_the_platform_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert provenance()["processor"] == "riscv64"


def test_a_table_is_known_by_its_hash_whether_a_name_or_a_path_found_it(
    macro_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.BENCHMARKS, "small", macro_file)
    found = compare(Setup(str(macro_file), {"random": {}}, queries=2), runs=2)
    writing.write(found, tmp_path / "path", 0.0)
    writing.write(replace(found, setup=replace(found.setup, table="small")), tmp_path / "name", 0.0)
    hashes = [json.loads((tmp_path / way / "bench.json").read_text())["table_sha256"] for way in ("path", "name")]
    assert hashes == [hashlib.sha256(macro_file.read_bytes()).hexdigest()] * 2


def test_all_rules_are_told_and_the_memory_by_its_hash(macro_file: Path, tmp_path: Path) -> None:
    memory, found = tmp_path / "memory.json", compare(Setup(str(macro_file), {"random": {}}, queries=2), runs=2)
    memory.write_text("[]", encoding="utf-8")
    setup = replace(found.setup, cost="ms", limit="25%", floor=80.0, memory=str(memory), recall=50)
    writing.write(replace(found, setup=setup), tmp_path / "out", 0.0)
    about = json.loads((tmp_path / "out" / "bench.json").read_text())
    told = [about["protocol"][name] for name in ("cost", "limit", "floor", "memory", "recall")]
    assert told == ["ms", "25%", 80.0, str(memory), 50]
    assert about["memory_sha256"] == hashlib.sha256(b"[]").hexdigest()


def test_the_version_of_torch_is_told_without_importing_it() -> None:
    code = "import sys; from azora.bench import writing; print(writing.provenance()['torch'], 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[0] != "None" and told[1] == "False"
