"""What was meta-learned is kept in a folder, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from tests.adapting.tiny import STYLES, adapting, episodes, state

from azora.adapting import load_adapting, save_adapting
from azora.adapting.folder import ABOUT, WEIGHTS
from azora.errors import BundleError


@pytest.mark.parametrize("style", [*STYLES, "fixed"])
def test_what_was_saved_adapts_as_before(style: str, tmp_path: Path, soon: None) -> None:
    one, episode = adapting(style), episodes().draw(9)
    one.learn(episodes(queries=0), steps=4)
    assert one.learner.decided
    save_adapting(one, tmp_path / "learned", {"seconds": 1.5})
    there = load_adapting(tmp_path / "learned")
    assert there.done == 4
    assert there.settings == one.settings
    assert there.favoured() == one.favoured()
    first, second = (each.adapt(episode, 5).logits(episode.x_query) for each in (one, there))
    assert torch.equal(first, second)


def test_folders_that_lack_what_did_not_learn_are_read(tmp_path: Path) -> None:
    """Earlier versions kept nothing of the scales and shifts inside of options: they are 1 and 0."""
    one, file = adapting(), tmp_path / WEIGHTS
    one.learn(episodes(queries=0), steps=1)
    save_adapting(one, tmp_path)
    still = {f"meta.{name}" for name, each in one.learner.network.named_parameters() if not each.requires_grad}
    kept = load(file.read_bytes())
    assert still < kept.keys()
    left = {name: each for name, each in kept.items() if name not in still}
    file.write_bytes(save(left))
    assert torch.equal(state(load_adapting(tmp_path)), state(one))
    file.write_bytes(save({name: each for name, each in left.items() if name != "meta.stem.0.weight"}))
    with pytest.raises(BundleError, match="does not hold together"):
        load_adapting(tmp_path)


def test_weights_and_their_description_are_replaced_at_one_stroke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, folder = adapting(), tmp_path / "learned"
    save_adapting(one, folder)
    (folder / "model").mkdir()
    (folder / "model" / ABOUT).write_text("of something else")
    before = (folder / WEIGHTS).read_bytes()
    one.learn(episodes(queries=0), steps=1)

    def full(self: Path, *words: Any, **more: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(BundleError, match="cannot be written: No space left on device"):
            save_adapting(one, folder)
    assert (folder / WEIGHTS).read_bytes() == before and load_adapting(folder).done == 0
    save_adapting(one, folder)
    assert (folder / WEIGHTS).read_bytes() != before and load_adapting(folder).done == 1
    assert (folder / "model" / ABOUT).read_text() == "of something else"
    assert [each.name for each in tmp_path.iterdir()] == ["learned"]


def test_what_is_no_folder_of_ours_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"there is no {ABOUT}"):
        load_adapting(tmp_path)
    one = adapting()
    save_adapting(one, tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:100])
    with pytest.raises(BundleError):
        load_adapting(tmp_path)
    save_adapting(one, tmp_path)
    text = (tmp_path / ABOUT).read_text()
    (tmp_path / ABOUT).write_text(text.replace("azora.adapting.layers:Layers", "subprocess:run"))
    with pytest.raises(BundleError, match="which is no class of"):
        load_adapting(tmp_path)
    (tmp_path / ABOUT).write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(BundleError, match="newer azora"):
        load_adapting(tmp_path)
