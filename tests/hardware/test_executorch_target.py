"""Files that are written on all cores before anything is timed."""

from __future__ import annotations

import random

import pytest
from torch import Tensor, nn

from azora.errors import TargetError
from azora.hardware import Deployable, find_target
from azora.hardware import executorch_target as module
from azora.hardware.steady import Steady
from azora.hardware.target import TimedTarget
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Signature

SIGNATURE = Signature("classification", (1, 8, 8), 10)


class Unknown(nn.Module):
    """It has no graph, so that there is no file where ExecuTorch is installed either."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, : int(x.sum()) + 10]


def drawn(count: int, seed: int = 0) -> list[Deployable]:
    space, rng = make_space("cells", SIGNATURE), random.Random(seed)
    architectures = [space.sample(rng) for _ in range(count)]
    return [Deployable.bare(space.root.build(As(each)).eval(), SIGNATURE, each) for each in architectures]


def unknown(network: nn.Module) -> list[Deployable]:
    return [Deployable(network, each.signature, each.scaling, each.architecture) for each in drawn(2)]


def executorch() -> module.Executorch:
    target = find_target("executorch")
    assert isinstance(target, module.Executorch)
    return target


def never(*_: object) -> str:
    raise AssertionError("written again")


def test_why_a_file_cannot_be_written_is_told_by_the_other_processes_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    target, networks = executorch(), unknown(nn.RNN(8, 8, batch_first=True))
    target.ready(networks)
    monkeypatch.setattr(module, "_written", never)
    for each in networks:
        with pytest.raises(TargetError, match=r"^executorch:precision=fp32: .*ExecuTorch"), target.load(each):
            pass


def test_a_network_that_only_this_process_knows_is_written_here() -> None:
    target, networks = executorch(), unknown(Unknown())
    target.ready(networks)
    with pytest.raises(TargetError, match=r"^executorch:precision=fp32: .*ExecuTorch"), target.load(networks[0]):
        pass


@pytest.mark.filterwarnings("ignore")  # ExecuTorch's own, of its passes
def test_a_file_is_written_once_and_kept_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("executorch")
    target, networks = executorch(), drawn(3)
    target.ready(networks)
    monkeypatch.setattr(module, "_written", never)
    sizes = []
    for each in [*networks, networks[0]]:
        with target.load(each) as loaded:
            loaded.call()
            sizes.append(loaded.bytes)
    assert sizes[0] == sizes[3] and min(sizes) > 0
    fresh = drawn(1, seed=1)
    with pytest.raises(AssertionError, match="written again"), target.load(fresh[0]):
        pass


@pytest.mark.filterwarnings("ignore")
def test_no_more_files_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("executorch")
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    target, networks = executorch(), drawn(3)
    target.ready(networks)
    assert target._folder is not None
    assert len(target._files) == len(list(target._folder.iterdir())) == 2
    with target.load(networks[0]) as loaded:  # written anew
        loaded.call()


def test_networks_that_take_turns_are_made_ready_together(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    target = find_target("torch-cpu")
    assert isinstance(target, TimedTarget)
    monkeypatch.setattr(target, "ready", lambda deployables: told.append(len(deployables)))
    networks = drawn(3)
    Steady(target, networks[0]).shares(networks, 0.01)
    assert told == [3]
