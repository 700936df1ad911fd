"""Versions of a model whose files are damaged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.improving.made import blobs, deployed, weights

from azora.cli.main import main
from azora.errors import BundleError
from azora.export.bundle import ABOUT, WEIGHTS
from azora.improving import Versions
from azora.improving.versions import PROMOTING


def test_a_model_whose_weights_are_damaged_is_had_back(tmp_path: Path) -> None:
    """Its description can be read, and names the version that it was."""
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    model, first = versions.model, versions.keep()
    one = weights(model)
    deployed(tmp_path, blobs(300, 0), epochs=2)
    second = versions.keep()
    versions.note("promoted", {"from": first, "to": second})
    two = weights(model)
    (model / WEIGHTS).write_bytes(two[:-1] + bytes([two[-1] ^ 1]))
    assert versions.roll_back() == second and weights(model) == two
    assert versions.history()[-1] | {"when": ""} == {
        "when": "", "what": "rolled back", "from": "damaged-0001", "to": second, "why": "it could not be read",
    }  # fmt: skip
    assert weights(versions.folder / "damaged-0001") != two
    (model / WEIGHTS).write_bytes(b"")
    assert versions.roll_back(first) == first and weights(model) == one
    (model / WEIGHTS).unlink()
    assert versions.roll_back() == first and weights(model) == one
    assert versions.numbers() == [first, second]


def test_damaged_weights_are_no_version(tmp_path: Path) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    (versions.model / WEIGHTS).write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be read, and no version of it is kept that can"):
        versions.roll_back()
    assert (versions.model / WEIGHTS).is_file()  # nothing was moved
    assert versions.keep() == "damaged-0001" and versions.numbers() == []


def test_a_model_folder_may_be_a_link(tmp_path: Path) -> None:
    real = tmp_path / "kept" / "first"
    real.mkdir(parents=True)
    (tmp_path / "model").symlink_to(real)
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    one = weights(versions.model)
    for epochs in (2, 3):
        with versions.promoting() as before:
            deployed(tmp_path, blobs(300, 0), epochs=epochs)
            versions.note("promoted", {"from": before, "to": versions.keep()})
    assert versions.roll_back() == "0002" and versions.roll_back() == "0001"
    assert weights(real) == weights(versions.model) == one
    (real / WEIGHTS).write_bytes(b"")
    assert versions.roll_back() == "0001" and weights(real) == one
    assert versions.model.is_symlink() and not (versions.folder / "damaged-0001").is_symlink()
    assert [each.name for each in real.parent.iterdir()] == ["first"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "model", "model.versions"]


@pytest.mark.parametrize("text", ["{", None])
def test_what_was_interrupted_is_put_back_where_there_is_no_model_left(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    before = weights(versions.model)
    with contextlib.suppress(KeyboardInterrupt), versions.promoting():
        raise KeyboardInterrupt
    description = versions.model / ABOUT
    description.unlink() if text is None else description.write_text(text, encoding="utf-8")
    words = ["improve", str(versions.model), "--data", "digits"]
    assert main([*words, "--dry-run"]) == 2 and (versions.folder / PROMOTING).is_file()  # such a look changes nothing
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "version 0001 is back" in said and "the model takes 8" in said
    assert weights(versions.model) == before and not (versions.folder / PROMOTING).is_file()
