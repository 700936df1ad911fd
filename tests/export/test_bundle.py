"""The model folder: whole or not there, and nothing in it is believed unseen."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

import azora
from azora.errors import BundleError
from azora.export import read_bundle, write_bundle
from azora.export.bundle import WEIGHTS
from azora.export.checks import check_folder
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Scaling, Signature

SIGNATURE = Signature("classification", (6,), 3, ("red", "green", "blue"))
SCALING = Scaling((1.0,) * 6, (2.0,) * 6)
OWN = '''
from torch import nn
from azora.space import Categorical, Space

class Own(Space):
    """One layer."""
    def __init__(self, signature, extra=0):
        self.signature, self.extra = signature, extra
        super().__init__("own", [Categorical("wide", (4, 8))], settings={"extra": extra})

    def build(self, decide):
        return nn.Sequential(nn.Linear(6, decide.number("wide") + self.extra), nn.Linear(4 + self.extra, 3))

def made(signature):
    return Own(signature, extra=2)
'''


def write(folder: Path, space: dict[str, Any] | None = None, **fixed: object) -> nn.Module:
    about = space or {"name": "mlp", "settings": {}}
    found = make_space(about["name"], SIGNATURE, **about["settings"])
    torch.manual_seed(1)
    architecture = (found.constrain(**fixed) if fixed else found).sample(random.Random(2))
    network = found.build(As(architecture))
    write_bundle(
        folder,
        network,
        SIGNATURE,
        SCALING,
        space=about,
        architecture=architecture.to_json(),
        facts={"figures": {"test_accuracy": 0.5}},
        onnx=None,
        card="A card.",
    )
    return network.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "model")
    return tmp_path / "model"


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    network = write(tmp_path / "model")
    bundle = read_bundle(tmp_path / "model")
    assert (bundle.signature, bundle.scaling) == (SIGNATURE, SCALING)
    assert not bundle.network.training
    assert bundle.about["figures"] == {"test_accuracy": 0.5}
    assert (bundle.about["azora"], bundle.about["torch"]) == (azora.__version__, torch.__version__)
    assert bundle.about["imports"] == []
    x = torch.randn(5, 6)
    assert torch.equal(bundle.network(x), network(x))
    assert (tmp_path / "model" / "README.md").read_text() == "A card."


def test_who_may_read_one_file_of_it_may_read_all(folder: Path) -> None:
    assert len({file.stat().st_mode for file in folder.iterdir()}) == 1


def test_the_onnx_file_moves_in_and_is_hashed(tmp_path: Path) -> None:
    onnx = tmp_path / "made.onnx"
    onnx.write_bytes(b"onnx")
    write_bundle(
        tmp_path / "model", nn.Linear(6, 3), SIGNATURE, SCALING,
        space={"name": "mlp", "settings": {}}, architecture={}, facts={}, onnx=onnx, card="",
    )  # fmt: skip
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    assert set(about["sha256"]) == {"weights.safetensors", "model.onnx"}
    assert not onnx.exists()


def test_a_second_one_replaces_the_first_and_leaves_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / ".model.1.part").mkdir()  # of a process that was killed
    write(tmp_path / "model", depth=1)
    write(tmp_path / "model", depth=2)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert read_bundle(tmp_path / "model").about["architecture"]["decisions"]["depth"] == 2


def test_of_a_link_to_a_folder_the_link_stays(tmp_path: Path) -> None:
    link, real = tmp_path / "model", tmp_path / "kept" / "first"
    real.mkdir(parents=True)
    link.symlink_to(real)
    (real.parent / ".first.1.part").symlink_to(tmp_path / "nowhere")
    for depth in (1, 2):
        write(link, depth=depth)
        assert link.is_symlink() and [path.name for path in real.parent.iterdir()] == ["first"]
        assert read_bundle(real).about["architecture"]["decisions"]["depth"] == depth
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "model"]


def test_a_file_that_an_export_left_is_not_in_the_way(tmp_path: Path) -> None:
    left = tmp_path / ".model.onnx.1.part"  # of `azora export --to model.onnx`, killed
    left.write_bytes(b"half")
    write(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "model"]


def test_what_fails_leaves_the_first_in_place(folder: Path, tmp_path: Path) -> None:
    before = (folder / "model.json").read_text()
    with pytest.raises(TypeError):
        write_bundle(
            folder, nn.Linear(6, 3), SIGNATURE, SCALING,
            space={"name": "mlp", "settings": {}}, architecture={}, facts={"no": {1, 2}}, onnx=None, card="",
        )  # fmt: skip
    assert (folder / "model.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_weights_that_are_used_twice_are_written(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    network[1].weight = network[0].weight
    write_bundle(
        tmp_path / "model", network, SIGNATURE, SCALING,
        space={"name": "mlp", "settings": {}}, architecture={}, facts={}, onnx=None, card="",
    )  # fmt: skip
    with safe_open(tmp_path / "model" / "weights.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("0.weight"), file.get_tensor("1.weight"))


@pytest.mark.parametrize("name", ["own_in_bundle:Own", "own_in_bundle:made"])
def test_a_space_of_ones_own_is_named_and_found_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_in_bundle.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    network = write(tmp_path / "model", {"name": name, "settings": {}}, wide=4)
    bundle = read_bundle(tmp_path / "model")
    assert bundle.about["imports"] == ["own_in_bundle:Own"]  # a function's space by its class: only these are read
    x = torch.randn(2, 6)
    assert torch.equal(bundle.network(x), network(x))


def change(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    about = json.loads((folder / "model.json").read_text())
    how(about)
    (folder / "model.json").write_text(json.dumps(about))


def test_no_name_in_a_bundle_starts_anything(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "it_ran"
    for name, settings in (
        ("subprocess:Popen", {"args": ["touch", str(mark)]}),
        ("os:system", {"command": f"touch {mark}"}),
        ("pathlib:Path.touch", {"self": str(mark)}),
        ("azora.networks.registry:make_space", {"name": "subprocess:Popen"}),
        (
            "ensemble",
            {"members": [{"space": {"name": "subprocess:Popen", "settings": {"args": ["touch", str(mark)]}}}]},
        ),
    ):
        change(folder, lambda about, n=name, s=settings: about.update(space={"name": n, "settings": s}))
        with pytest.raises(BundleError, match=r"which is no class of azora\.space\.Space"):
            read_bundle(folder)
    assert not mark.exists()


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no hash": lambda about: about["sha256"].clear(),
    "a hash of another kind": lambda about: about.update(sha256={"weights.safetensors": 5}),
    "no scaling": lambda about: about.pop("scaling"),
    "scaling of fewer columns": lambda about: about["scaling"].update(mean=[0.0]),
    "fewer classes": lambda about: about["signature"].update(classes=["a"]),
    "more outputs": lambda about: about["signature"].update(outputs=4, classes=list("abcd")),
    "a shape of letters": lambda about: about["signature"].update(shape="ab"),
    "settings as a list": lambda about: about["space"].update(settings=[1]),
    "an unknown space": lambda about: about["space"].update(name="mpl"),
    "another space's architecture": lambda about: about["architecture"].update(space="0" * 16),
    "decisions as a list": lambda about: about["architecture"].update(decisions=[1]),
    "a module that is not there": lambda about: about["space"].update(name="no_such_module:Space"),
    "a newer format": lambda about: about.update(format=99),
    "a format of letters": lambda about: about.update(format="1"),
}


@pytest.mark.parametrize("title", TAMPERED)
def test_what_was_tampered_with_is_refused_in_one_line(title: str, folder: Path) -> None:
    change(folder, TAMPERED[title])
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


def test_damaged_and_missing_files_are_named(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    raw = weights.read_bytes()
    weights.write_bytes(raw[:-1] + b"\x00" if raw[-1] else raw[:-1] + b"\x01")
    with pytest.raises(BundleError, match="its SHA-256 differs"):
        read_bundle(folder)
    weights.unlink()
    with pytest.raises(BundleError, match=r"has no weights\.safetensors"):
        read_bundle(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(folder)
    (folder / "model.json").unlink()
    with pytest.raises(BundleError, match="holds no model"):
        read_bundle(folder)


def test_weights_whose_header_has_a_length_that_begins_as_a_pickle_does_are_no_pickle(tmp_path: Path) -> None:
    """1,152 bytes are 0x0480: a pickle of protocol 4 begins so too."""
    tensors, file = {"weight": torch.zeros(3)}, tmp_path / WEIGHTS
    for pad in range(1_000, 1_152):
        file.write_bytes(save(tensors, {"pad": "x" * pad}))
        if file.read_bytes()[:2] == b"\x80\x04":
            break
    assert file.read_bytes()[:2] == b"\x80\x04"
    check_folder(tmp_path, (WEIGHTS,))
    for raw in (b"\x80\x04}q\x00.", b"\x80\x04\x95{" + bytes(20), file.read_bytes()[:9]):
        file.write_bytes(raw)
        with pytest.raises(BundleError, match="is a pickle"):
            check_folder(tmp_path, (WEIGHTS,))


def test_a_pickle_anywhere_in_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "it_ran",))

    raw = pickle.dumps(Runs())
    weights = (folder / "weights.safetensors").read_bytes()
    for name in ("weights.safetensors", "extra.bin"):
        (folder / name).write_bytes(raw)
        change(folder, lambda about: about["sha256"].update({"weights.safetensors": hashlib.sha256(raw).hexdigest()}))
        with pytest.raises(BundleError, match=rf"{name} is a pickle, which can run any code"):
            read_bundle(folder)
        (folder / "weights.safetensors").write_bytes(weights)
    (folder / "extra.bin").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "weights.pt")
    with pytest.raises(BundleError, match=r"weights.pt is a pickle"):
        read_bundle(folder)
    assert not (tmp_path / "it_ran").exists()


def test_names_and_links_that_leave_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    change(folder, lambda about: about["sha256"].update({"../../elsewhere": "0" * 64}))
    with pytest.raises(BundleError, match=r"speaks of '../../elsewhere', which is no file of a model"):
        read_bundle(folder)
    change(folder, lambda about: about["sha256"].pop("../../elsewhere"))
    weights = folder / "weights.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"is a link to .*elsewhere, which is not in the model's folder"):
        read_bundle(folder)
    weights.unlink()
    weights.mkdir()
    with pytest.raises(BundleError, match="is no file"):
        read_bundle(folder)


def test_a_file_that_claims_more_than_there_is_is_not_read(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    raw = weights.read_bytes()
    weights.write_bytes((2**42).to_bytes(8, "little") + raw[8:])
    with pytest.raises(BundleError, match=r"claims a header of 4,398,046,511,104 bytes and has [\d,]+ in all"):
        read_bundle(folder)
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"][1] = 2**42
    text = json.dumps(header).encode()
    raw = len(text).to_bytes(8, "little") + text + raw[8 + int.from_bytes(raw[:8], "little") :]
    weights.write_bytes(raw)
    change(folder, lambda about: about["sha256"].update({"weights.safetensors": hashlib.sha256(raw).hexdigest()}))
    with pytest.raises(BundleError, match="does not hold together"):
        read_bundle(folder)
    with (folder / "model.json").open("r+b") as file:
        file.truncate(65_000_000)
    with pytest.raises(BundleError, match="has 65,000,000 bytes, more than any description"):
        read_bundle(folder)
