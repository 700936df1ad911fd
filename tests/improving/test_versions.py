"""Versions of a model whose files are damaged."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.improving.made import BRIEF, blobs, deployed, weights

from azora.cli.main import main
from azora.errors import BundleError
from azora.export.bundle import ABOUT, WEIGHTS, Bundle, read_bundle
from azora.improving import Versions, improve
from azora.improving.cycle import _tries
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


def interrupted(folder: Path) -> tuple[Versions, list[bytes]]:
    """Three models, of which the third was put in place of the second and not looked at; and their weights."""
    versions, found = Versions(deployed(folder, blobs(300, 0), epochs=1)), list[bytes]()
    for epochs in (1, 2):
        deployed(folder, blobs(300, 0), epochs=epochs)
        versions.keep()
        found.append(weights(versions.model))
    with contextlib.suppress(KeyboardInterrupt), versions.promoting():
        deployed(folder, blobs(300, 0), epochs=3, improved={"change": "trained on"})
        raise KeyboardInterrupt
    return versions, [*found, weights(versions.model)]


def test_what_cannot_be_read_here_is_no_reason_to_take_the_model_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A space of the user's own, called where Python does not find it."""
    versions, (one, two, three) = interrupted(tmp_path)
    model, readable = versions.model, set[str]()

    def read(folder: Path) -> Bundle:
        if folder.name not in readable:
            raise BundleError(f"{folder} cannot be rebuilt: there is no module 'mine'")
        return read_bundle(folder)

    with monkeypatch.context() as patch:
        patch.setattr("azora.improving.versions.read_bundle", read)
        ways: list[Callable[[], object]] = [versions.settle, versions.roll_back, lambda: versions.roll_back("0001")]
        for way in ways:
            with pytest.raises(BundleError, match="there is no module 'mine'"):
                way()
            assert weights(model) == three and versions.unsettled and versions.history() == []
        assert main(["improve", str(model), "--data", "digits"]) == 2 and weights(model) == three
        readable.add("0001")
        assert versions.roll_back("0001") == "0001" and weights(model) == one and not versions.unsettled
        assert weights(versions.folder / "damaged-0001") == three
    assert versions.settle() is None and weights(versions.folder / "0002") == two


def test_where_what_was_replaced_is_damaged_the_promotion_stays(tmp_path: Path) -> None:
    versions, (_, _, three) = interrupted(tmp_path)
    (versions.folder / "0002" / WEIGHTS).write_bytes(b"")
    assert versions.settle() is None and weights(versions.model) == three and not versions.unsettled
    (line,) = versions.history()
    assert (line["what"], line["from"], line["to"]) == ("promoted", "0002", "0003")
    assert "without a second look" in line["why"]


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The process ends when a version was put back, before that is noted: once. What was put back."""
    deploy, put_back = Versions.deploy, list[str]()

    def once(self: Versions, number: str) -> None:
        deploy(self, number)
        put_back.append(number)
        if len(put_back) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Versions, "deploy", once)
    yield put_back


def test_a_test_counts_though_its_promotion_is_killed_while_it_is_put_back(killed: list[str], tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    before, versions = weights(model), Versions(model)

    def damage_it(folder: Path) -> None:
        (folder / WEIGHTS).write_bytes(b"")

    with pytest.raises(KeyboardInterrupt):
        improve(model, blobs(3000, 1), BRIEF, promoted=damage_it)
    assert killed == ["0001"] and weights(model) == before and versions.unsettled
    assert versions.settle() is None and _tries(versions) == 1
    assert [each["what"] for each in versions.history()] == ["promoted", "rolled back"]


def test_a_test_counts_though_what_puts_its_promotion_back_is_killed(killed: list[str], tmp_path: Path) -> None:
    versions, (_, two, _) = interrupted(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        versions.settle()
    assert killed == ["0002"] and weights(versions.model) == two and versions.unsettled
    assert versions.settle() is None and _tries(versions) == 1 and not versions.unsettled
    told = [(each["what"], each["from"], each["to"]) for each in versions.history()]
    assert told == [("promoted", "0002", "0003"), ("rolled back", "0003", "0002")]


def test_folders_that_are_no_versions_are_not_taken_for_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    shutil.copytree(versions.folder / versions.keep(), versions.folder / "0001.bak")
    deployed(tmp_path, blobs(300, 0), epochs=2)
    assert versions.keep() == "0002"
    (versions.folder / "9999").mkdir()
    deployed(tmp_path, blobs(300, 0), epochs=3)
    assert versions.keep() == "10000" and versions.numbers() == ["0001", "0002", "10000"]
    assert main(["history", str(tmp_path)]) == 0
    assert "3 versions kept: 0001, 0002, 10000" in capsys.readouterr().out
    for number in (1, 2):
        (versions.model / WEIGHTS).write_bytes(b"")
        assert versions.keep() == f"damaged-{number:04d}"
        (versions.folder / f"damaged-{number:04d}.bak").mkdir()
        versions.deploy("0001")


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


def test_a_link_to_a_version_is_refused(tmp_path: Path) -> None:
    """What is deployed there would take the place of what is kept."""
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    kept = versions.folder / versions.keep()
    shutil.rmtree(versions.model)
    versions.model.symlink_to(kept)
    with pytest.raises(BundleError, match=r"is a link into model.versions, where what is kept would be replaced"):
        Versions(tmp_path)
