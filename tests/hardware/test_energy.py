"""Energy counters: read where there are any, absent where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from azora.hardware import Deployable, Measured, Measurement
from azora.hardware.energy import Rapl
from azora.hardware.torch_targets import TorchCpu
from azora.tasks import Signature

MOST = 1_000_000


def counter(root: Path, name: str, value: int, of: str = "package-0") -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "name").write_text(f"{of}\n", encoding="ascii")
    (folder / "energy_uj").write_text(f"{value}\n", encoding="ascii")
    (folder / "max_energy_range_uj").write_text(f"{MOST}\n", encoding="ascii")
    return folder / "energy_uj"


def spend(file: Path, amount: int) -> None:
    file.write_text(f"{(int(file.read_text(encoding='ascii')) + amount) % MOST}\n", encoding="ascii")


def test_packages_count_once_and_counters_begin_again(tmp_path: Path) -> None:
    one = counter(tmp_path, "intel-rapl:0", 5)
    other = counter(tmp_path, "intel-rapl:1", MOST - 3_000, "package-1")
    part, whole = counter(tmp_path, "intel-rapl:0:0", 0, "core"), counter(tmp_path, "intel-rapl:2", 0, "psys")

    def call() -> None:
        for file, amount in ((one, 2_000), (other, 1_000), (part, 500), (whole, 4_000)):
            spend(file, amount)

    assert Rapl(tmp_path).millijoules(call, seconds=0.0) == pytest.approx(3.0)


def test_where_nothing_can_be_read_there_is_no_energy(tmp_path: Path) -> None:
    assert Rapl(tmp_path / "none").millijoules(lambda: None) is None
    file = counter(tmp_path, "intel-rapl:0", 1)
    assert Rapl(tmp_path).millijoules(lambda: None, seconds=0.0) is None  # a counter that stands still tells nothing
    meter = Rapl(tmp_path)
    assert meter.millijoules(lambda: file.unlink(missing_ok=True), seconds=0.0) is None
    file.write_text("no number", encoding="ascii")
    assert not Rapl(tmp_path).packages


def test_a_target_tells_it_and_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = counter(tmp_path, "intel-rapl:0", 0)
    signature = Signature("classification", (1, 4, 4), 2)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    network.register_forward_hook(lambda *_: spend(file, 7))
    target = TorchCpu()
    monkeypatch.setattr(target, "meter", Rapl(tmp_path), raising=False)
    measured = target.measure(Deployable.bare(network, signature), seconds=0.01)
    assert measured.energy == pytest.approx(0.007)
    assert Measured.from_json(measured.to_json()) == measured
    without = Measured(Measurement(1.0), 10)
    assert "energy" not in without.to_json() and Measured.from_json(without.to_json()) == without
