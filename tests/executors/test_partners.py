"""Several processes on one training."""

from __future__ import annotations

import errno
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from azora.automl.setting import Setting
from azora.evaluation.mixing import settings_to_json, start_mixing
from azora.evaluation.sharing import start_sharing
from azora.evaluation.trained import start_training
from azora.executors.child import start_child
from azora.executors.partners import Partners
from azora.executors.workplace import joint_space
from azora.job import Job
from azora.networks.relaxation import Relaxation
from azora.space import Architecture
from azora.tasks import Task
from azora.training import SharedTraining, Training
from azora.training.mixture_settings import MixtureSettings, Stage
from azora.training.paths import Paths, Shrinking, Uniform


@pytest.fixture
def setting(stripes: Task, tmp_path: Path) -> Setting:
    job = Job.parse(
        task=stripes, trials=1, out=tmp_path / "out", space_settings={"stages": 2, "widths": [8], "depths": [1]}
    )
    return Setting.of(job)


@pytest.fixture
def architecture(setting: Setting) -> Architecture:
    part = setting.space.constrain(None, "", **{"recipe.batch_size": 32, "recipe.optimiser": "sgd"})
    return part.sample(random.Random(0))


def make(setting: Setting, architecture: Architecture) -> Training:
    return start_training(setting.space, architecture, setting.data, 0, "float32", "cpu")


@pytest.fixture
def partners(setting: Setting, architecture: Architecture, tmp_path: Path) -> Iterator[Partners]:
    setting.data.save(tmp_path / "data")
    setup = {
        "space": dict(setting.space_about),
        "architecture": architecture.to_json(),
        "data": str(tmp_path / "data"),
        "seed": 0,
        "precision": "float32",
        "folder": str(tmp_path),
    }
    made = Partners(setup, 2, tmp_path)
    yield made
    made.close()


def joined(partners: Partners, training: Training) -> None:
    deadline = time.monotonic() + 60
    while training.link is None and time.monotonic() < deadline:
        training.link = partners.join(training)
        time.sleep(0.05)
    assert training.link is partners


def test_together_they_add_up_to_the_gradient_of_the_whole_batch(
    setting: Setting, architecture: Architecture, partners: Partners
) -> None:
    alone, together = make(setting, architecture), make(setting, architecture)
    for each in (alone, together):
        # Normalisations see a part of the batch alone; with fixed statistics the sum of the parts is the whole.
        each.advance(1)
    joined(partners, together)
    x, y = together.batches.batch(together.step, together.recipe)
    loss = together._shared_gradients(x, y, 0.0)
    assert torch.isfinite(loss)
    halves = []
    for half in (0, 1):
        alone._gradients(x.tensor_split(2)[half], y.tensor_split(2)[half])
        share = len(x.tensor_split(2)[half]) / len(x)
        halves.append([share * p.grad.clone() for p in alone.network.parameters() if p.grad is not None])
    expected = [first + second for first, second in zip(*halves, strict=True)]
    found = [p.grad for p in together.network.parameters() if p.grad is not None]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_training_shared_from_its_first_step_learns(
    setting: Setting, architecture: Architecture, partners: Partners
) -> None:
    training = make(setting, architecture)
    training.advance(1)
    joined(partners, training)
    training.finish(epochs=12)
    assert training.link is partners
    assert training.loss < 0.65


def test_when_a_partner_dies_the_leader_goes_on_alone(
    setting: Setting, architecture: Architecture, partners: Partners
) -> None:
    training = make(setting, architecture)
    joined(partners, training)
    for process, _ in partners._processes:
        os.kill(process.pid, signal.SIGKILL)
    begun = time.monotonic()
    training.finish(epochs=3, join=lambda: partners.join(training))
    assert training.link is None
    assert training.epochs == pytest.approx(3, abs=0.5)
    assert time.monotonic() - begun < 20


def test_a_partner_that_hangs_is_left_behind(
    setting: Setting, architecture: Architecture, partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azora.executors import partners as module

    monkeypatch.setattr(module, "PATIENCE", 0.5)
    training = make(setting, architecture)
    joined(partners, training)
    for process, _ in partners._processes:
        os.kill(process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    training.finish(epochs=2, join=lambda: partners.join(training))
    assert training.link is None
    assert time.monotonic() - begun < 20


def test_a_partner_that_cannot_start_is_not_waited_for(
    setting: Setting, architecture: Architecture, tmp_path: Path
) -> None:
    training = make(setting, architecture)
    lost = Partners({"space": {}, "architecture": {}, "data": "nowhere", "folder": str(tmp_path)}, 2, tmp_path)
    deadline = time.monotonic() + 30
    while lost._processes and time.monotonic() < deadline:
        assert lost.join(training) is None
        time.sleep(0.1)
    assert not lost._processes


def alone(partners: Partners, training: Training) -> None:
    """Nobody joins, nobody is left behind, and the training goes on."""
    deadline = time.monotonic() + 60
    while partners._processes and time.monotonic() < deadline:
        assert partners.join(training) is None
        time.sleep(0.05)
    assert not partners._processes
    training.finish(epochs=1, join=lambda: partners.join(training))
    assert training.link is None and training.epochs == pytest.approx(1, abs=0.5)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_for_safetensors(*_: object) -> None:
    raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("name", "instead"),
    [("azora.executors.partners.save_file", full_for_safetensors), ("os.posix_fallocate", full)],
    ids=["state", "gradients"],
)
def test_without_room_for_what_is_exchanged_the_leader_trains_alone(
    setting: Setting, architecture: Architecture, partners: Partners, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, name: str, instead: Callable[..., None],
) -> None:  # fmt: skip
    monkeypatch.setattr(name, instead)
    alone(partners, make(setting, architecture))
    assert not (tmp_path / "gradients").exists() and not (tmp_path / "state.safetensors").exists()


def test_without_room_for_their_data_the_leader_trains_alone(
    setting: Setting, architecture: Architecture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("azora.tasks.task.save_file", full_for_safetensors)
    partners = Partners({"data": str(tmp_path / "final")}, 2, tmp_path, setting.data)
    assert not partners._processes and not (tmp_path / "final").exists()
    alone(partners, make(setting, architecture))


def test_others_join_however_many_files_are_open(
    many_files: None, setting: Setting, architecture: Architecture, partners: Partners
) -> None:
    training = make(setting, architecture)
    training.advance(1)
    joined(partners, training)
    training.finish(epochs=2)
    assert training.link is partners


def test_where_the_system_has_too_few_processes_the_leader_trains_alone(
    setting: Setting, architecture: Architecture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def once(module: str) -> tuple[subprocess.Popen[bytes], int]:
        if started:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        process, answers = start_child(module)
        started.append(process)
        return process, answers

    monkeypatch.setattr("azora.executors.partners.start_child", once)
    alone(Partners({"data": "nowhere"}, 3, tmp_path), make(setting, architecture))
    assert started[0].returncode is not None


def test_what_is_exchanged_has_its_room_on_the_disk(
    setting: Setting, architecture: Architecture, partners: Partners, tmp_path: Path
) -> None:
    """And the size of this training, whatever an earlier one left."""
    (tmp_path / "gradients").write_bytes(b"left")
    training = make(setting, architecture)
    joined(partners, training)
    about = (tmp_path / "gradients").stat()
    assert about.st_size == 2 * 4 * training.numbers
    assert about.st_blocks * 512 >= about.st_size


def test_others_are_given_their_data(setting: Setting, architecture: Architecture, tmp_path: Path) -> None:
    setup = {
        "space": dict(setting.space_about), "architecture": architecture.to_json(), "seed": 0, "precision": "float32",
        "folder": str(tmp_path), "data": str(tmp_path / "final"),
    }  # fmt: skip
    partners = Partners(setup, 2, tmp_path, setting.data)
    try:
        joined(partners, make(setting, architecture))
    finally:
        partners.close()


# Shared weights ----------------------------------------------------------------------------------------------------

ABOUT = {"kind": "borrowed", "epochs": 12, "distils": False, "kernel_transforms": False, "recipe": {"batch_size": 32}}


def of_shared_weights(setting: Setting, folder: Path, paths: Paths | None = None) -> tuple[SharedTraining, Partners]:
    """A training of shared weights and a partner that has joined it."""
    paths = paths or Uniform(setting.space)
    training = start_sharing(setting.space, setting.data, ABOUT, 0, "float32", "cpu", paths)
    setting.data.save(folder / "data")
    setup = {
        "space": dict(setting.space_about), "shared": ABOUT, "data": str(folder / "data"), "seed": 0,
        "precision": "float32", "folder": str(folder),
    }  # fmt: skip
    made = Partners(setup, 2, folder)
    deadline = time.monotonic() + 60
    while training.link is None and time.monotonic() < deadline:
        training.link = made.join(training)
        time.sleep(0.05)
    assert training.link is made
    return training, made


def test_shared_weights_are_trained_together_until_the_partner_dies(setting: Setting, tmp_path: Path) -> None:
    training, partners = of_shared_weights(setting, tmp_path)
    try:
        assert not training.advance(4, join=lambda: partners.join(training))
        assert training.link is partners and training.epochs == 4
        for process, _ in partners._processes:
            os.kill(process.pid, signal.SIGKILL)
        begun = time.monotonic()
        assert training.advance(join=lambda: partners.join(training))
        assert training.link is None and training.epochs == 12
        assert time.monotonic() - begun < 20
        assert math.isfinite(training.loss)
    finally:
        partners.close()


def test_a_mixture_is_trained_together_in_stages_that_grow(stripes: Task, tmp_path: Path) -> None:
    """Nobody is left behind where a stage is deeper and on more channels than the one in which all joined."""
    about: dict[str, Any] = {"name": "nb201", "settings": {"width": 8, "depth": 1}, "recipe": False}
    stages = Stage(), Stage(options=3, channels=1, deeper=1)
    mixed = {
        "kind": "mixed", "epochs": 6.0, "target": None, "numbers": {}, "limited": False,
        "settings": settings_to_json(MixtureSettings(Relaxation(channels=4), stages=stages, batch_size=16)),
    }  # fmt: skip
    space, data = joint_space(about, stripes.signature), stripes.search_data
    data.save(tmp_path / "data")
    training = start_mixing(space, data, mixed, 0, "float32")
    setup = {
        "space": about, "shared": mixed, "data": str(tmp_path / "data"), "seed": 0, "precision": "float32",
        "folder": str(tmp_path),
    }  # fmt: skip
    partners = Partners(setup, 2, tmp_path)
    try:
        deadline = time.monotonic() + 60
        while training.link is None and time.monotonic() < deadline:
            training.link = partners.join(training)
            time.sleep(0.05)
        assert training.link is partners and training.stage == 0
        assert training.advance(join=lambda: partners.join(training))
        assert training.stage == 1 and training.link is partners and math.isfinite(training.loss)
    finally:
        partners.close()


def check_gradients(setting: Setting, training: SharedTraining) -> None:
    """What all make of the next batch together is what the leader makes of its halves, one after the other."""
    drawn = training.paths.draw(random.Random(0), 1.0)
    x, y = training.batches.batch(training.step, training.recipe)
    alone = start_sharing(setting.space, setting.data, ABOUT, 0, "float32", "cpu", training.paths)
    alone.load_state(training.state_tensors())
    halves = []
    for half in (0, 1):
        alone._gradients(x.tensor_split(2)[half], y.tensor_split(2)[half], drawn)
        halves.append([part.clone() / 2 for part in alone.optimiser.gradients()])
    training._linked_gradients(x, y, drawn, 0.0)
    for found, *parts in zip(training.optimiser.gradients(), *halves, strict=True):
        torch.testing.assert_close(found, sum(parts), rtol=1e-4, atol=1e-6)


def test_shared_weights_add_up_to_the_gradient_of_the_whole_batch(setting: Setting, tmp_path: Path) -> None:
    training, partners = of_shared_weights(setting, tmp_path)
    try:
        check_gradients(setting, training)
    finally:
        partners.close()


def test_all_of_them_sort_channels_when_widths_are_opened(stripes: Task, tmp_path: Path) -> None:
    settings = {"widths": [[4, 8], [8, 16]], "depths": [1, 2], "blocks": ["inverted"], "expansions": [2, 4]}
    job = Job.parse(task=stripes, trials=1, out=tmp_path / "out", space="stages", space_settings=settings)
    setting = Setting.of(job)
    training, partners = of_shared_weights(setting, tmp_path, Shrinking(setting.space))
    training.paths.distils = False  # the partner was told so
    try:
        assert not training.advance(10, join=lambda: partners.join(training))
        assert training.share > training.widens and training.link is partners
        check_gradients(setting, training)
    finally:
        partners.close()
