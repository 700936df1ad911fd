"""Which number format and memory layout is chosen."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.errors import ConfigError
from azora.tasks import Signature, Task
from azora.training import MODES, Mode, RecipeSettings, choose_mode, fastest_mode
from azora.training import mode as modes
from azora.training.batches import Batches

PICTURES = Signature("classification", (3, 8, 8), 2)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "azora" / "modes.json"


def test_the_fastest_is_chosen_once_and_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def speeds(signature: Signature, *more: object) -> dict[str, float]:
        measured.append(signature)
        return {"float32": 1.0, "bf16": 2.0, "float32-channels-last": 3.0, "bf16-channels-last": 1.5}

    monkeypatch.setattr(modes, "speeds", speeds)
    assert choose_mode("measure", PICTURES) == choose_mode("measure", PICTURES) == Mode(channels_last=True)
    assert len(measured) == 1
    cache.write_text("{ not json")
    assert choose_mode("measure", PICTURES).channels_last
    assert len(measured) == 2
    assert list(json.loads(cache.read_text()).values()) == ["float32-channels-last"]


def test_all_four_are_really_measured(cache: Path) -> None:
    found = modes.speeds(PICTURES, seconds=0.01)
    assert set(found) == set(MODES)
    assert min(found.values()) > 0


def test_one_network_is_measured_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    class Counted(torch.nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            steps.append(len(x))
            return super().forward(x)

    assert fastest_mode(PICTURES, "cpu", lambda: Counted(3, 4, 3), 16, brief=True) in MODES.values()
    assert steps == [16] * 8  # each of the four once to get ready and once by the clock


def test_the_device_that_works_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the current one, which is the first."""
    waited = list[object]()

    class Anywhere(torch.nn.Conv2d):
        def to(self, *args: Any, **kwargs: Any) -> Any:
            return self

    draw = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, device: draw(*shape))
    monkeypatch.setattr(Mode, "cast", lambda mode, device: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: waited.append(device))
    modes._trainer(Mode(), PICTURES, "cuda:1", lambda: Anywhere(3, 4, 3), 4)()
    assert waited == ["cuda:1"]


def test_rows_are_not_measured_and_a_name_is_taken_as_it_is(cache: Path) -> None:
    assert choose_mode("measure", Signature("classification", (5,), 2)) == Mode()
    assert choose_mode("bf16", PICTURES) == Mode(bf16=True)
    assert not cache.exists()
    with pytest.raises(ConfigError, match="did you mean 'float32'"):
        choose_mode("flot32", PICTURES)


@pytest.mark.parametrize("name", MODES)
def test_a_convolution_sees_the_layout_that_was_chosen_whatever_the_channels(name: str, stripes: Task) -> None:
    mode = Mode.parse(name)
    batches = Batches(stripes.train, stripes.signature, stripes.scaling, 16, mode=mode)
    convolution = torch.nn.Conv2d(1, 4, 3, padding=1)  # as shared weights lie, whatever the mode
    for x in (batches.batch(0, RecipeSettings())[0], batches.batch(1, RecipeSettings())[0], batches.plain(slice(8))):
        assert convolution(x).is_contiguous(memory_format=torch.channels_last) == mode.channels_last
    if mode.channels_last:
        convolution = convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert convolution(x).is_contiguous(memory_format=torch.channels_last) == mode.channels_last
