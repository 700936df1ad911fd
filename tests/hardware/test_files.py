"""Predictors survive their files, and are refused where they do not belong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import devices
from azora.automl.pricing import find_pricing
from azora.errors import AzoraError, TargetError
from azora.hardware import Measuring, Predictor, Target, TargetFile, build_predictor, find_target
from azora.hardware.choosing import draw_distinct
from azora.hardware.files import FORMAT, default_file, folder
from azora.hardware.predictor import QUICK, REGRESSORS
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Signature, from_arrays

PICTURES = Signature("classification", (1, 8, 8), 10)
ABOUT = {"name": "nb201", "settings": {"width": 4, "depth": 1}}
OWN = """
from azora.networks.mlp import Mlp

def made(signature, most):
    return Mlp(signature, depths=[1, 2], widths=[8, 16, most]).constrain(depth=2)
"""


def built(target: Target, space: Space, seed: int = 0) -> Predictor:
    return build_predictor(Measuring(target, space), 10, seed, brief=True)


@pytest.fixture(scope="module")
def made(space: Space) -> TargetFile:
    target = devices.Roofline()
    return TargetFile.of(target, ABOUT, built(target, space), {"seconds": 1.5})


@pytest.fixture(scope="module")
def mixed(space: Space, made: TargetFile) -> TargetFile:
    """A transfer from two devices."""
    target = devices.Roofline(100.0, 10.0)
    others = [made.predictor, built(devices.Counted(), space, 1)]
    rows = Measuring(target, space)(draw_distinct(space, 4, random.Random(5)), "measuring")
    return TargetFile.of(target, ABOUT, Predictor(space, rows, others=others), {"from": ["two"]})


def same(one: Predictor, other: Predictor, space: Space) -> bool:
    asked = draw_distinct(space, 20, random.Random(9))
    sizes = [[each.size(architecture) for architecture in asked] for each in (one, other)]
    return np.array_equal(one.predict(asked), other.predict(asked)) and sizes[0] == sizes[1]


def test_what_is_read_predicts_what_was_written(made: TargetFile, space: Space, tmp_path: Path) -> None:
    file = made.save(tmp_path / "deep" / "a.target.json")
    assert [each.name for each in file.parent.iterdir()] == ["a.target.json"]
    read = TargetFile.load(file)
    assert same(made.predictor, read.predictor, space)
    assert (read.spec, read.about, read.signature) == (made.spec, ABOUT, made.signature)
    assert (read.versions, read.fingerprint) == (made.versions, made.fingerprint)
    assert read.facts["seconds"] == 1.5
    assert read.predictor.kept == QUICK
    again = read.save(tmp_path / "b.target.json")
    assert again.read_text() == file.read_text()


def test_a_regressor_that_was_chosen_is_kept_and_its_errors_told(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {name: REGRESSORS[name] for name in ("layers", "choices", "choices + gaussian process")}
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", some)
    target = devices.Roofline()
    rows = Measuring(target, space)(draw_distinct(space, 8, random.Random(0)), "measuring")
    chosen = Predictor(space, rows)
    read = TargetFile.load(TargetFile.of(target, ABOUT, chosen).save(tmp_path / "a.target.json"))
    assert read.predictor.kept == chosen.kept
    assert same(chosen, read.predictor, space)
    assert read.facts["errors"] == pytest.approx(dict(chosen.errors))


def test_a_transfer_is_read_with_the_devices_that_it_came_from(mixed: TargetFile, space: Space, tmp_path: Path) -> None:
    read = TargetFile.load(mixed.save(tmp_path / "a.target.json"))
    assert same(mixed.predictor, read.predictor, space)
    assert len(read.predictor.others) == 2
    assert read.facts["from"] == ["two"]


def test_a_transfer_from_a_transfer_is_read_too(mixed: TargetFile, space: Space, tmp_path: Path) -> None:
    target = devices.Roofline(300.0, 30.0)
    rows = Measuring(target, space)(draw_distinct(space, 4, random.Random(6)), "measuring")
    made = TargetFile.of(target, ABOUT, Predictor(space, rows, others=[mixed.predictor]))
    read = TargetFile.load(made.save(tmp_path / "a.target.json"))
    assert same(made.predictor, read.predictor, space)


def test_it_is_for_its_own_space_input_and_runtime(made: TargetFile, monkeypatch: pytest.MonkeyPatch) -> None:
    made.check(ABOUT, PICTURES)
    made.check({**ABOUT, "recipe": True}, PICTURES)
    for about, said in (
        ({"name": "cells", "settings": {}}, r"space nb201 \(width=4, depth=1\), this search is in cells; build one"),
        ({"name": "nb201", "settings": {"width": 8, "depth": 1}}, r"this search is in nb201 \(width=8, depth=1\)"),
        (
            {"name": "cells", "settings": {"widths": (8, 16), "operations": ["none", "conv_3x3"]}},
            r"azora target build devices:Roofline.* --space cells --set 'widths=\[8,16\]'"
            r""" --set 'operations=\["none","conv_3x3"\]' --task …""",
        ),
    ):
        with pytest.raises(TargetError, match=said):
            made.check(about, PICTURES)
    with pytest.raises(TargetError, match="for inputs of 1 × 8 × 8 and 10 outputs, this task has 3 × 8 × 8 and 10"):
        made.check(ABOUT, Signature("classification", (3, 8, 8), 10))
    with pytest.raises(TargetError, match="this task has 1 × 8 × 8 and 2 outputs"):
        made.check(ABOUT, Signature("classification", (1, 8, 8), 2))
    monkeypatch.setattr(devices.Roofline, "versions", lambda self: {"roofline": "2"})
    with pytest.raises(TargetError, match="was measured with roofline 1, here is roofline 2; build it again"):
        made.check(ABOUT, PICTURES)


def test_it_is_here_where_its_device_is(made: TargetFile, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made.is_here
    monkeypatch.setattr(devices.Roofline, "fingerprint", lambda self: {"device": "another"})
    assert not made.is_here

    def gone(self: Target) -> dict[str, str]:
        raise TargetError("unplugged")

    monkeypatch.setattr(devices.Roofline, "fingerprint", gone)
    assert not made.is_here


@pytest.mark.parametrize("spec", ["torch-cpu:threads=4000", "nosuchmodule:Mine", "cuda:device=99"])
def test_a_device_that_this_machine_is_not_is_elsewhere(spec: str, made: TargetFile, tmp_path: Path) -> None:
    file = edited(made, tmp_path, lambda data: data.update(target=spec))
    assert not TargetFile.load(file).is_here


def edited(made: TargetFile, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    file = made.save(tmp_path / "edited.target.json")
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return file


def test_files_that_are_none_are_one_line(made: TargetFile, tmp_path: Path) -> None:
    file = tmp_path / "a.target.json"
    with pytest.raises(TargetError, match=r"there is no predictor .*a\.target\.json; azora target build writes one"):
        TargetFile.load(file)
    for text, said in (
        ("", "cannot be read"),
        ('{"format": 1, "target"', "cannot be read"),
        ("[1, 2]", "is no predictor of azora's"),
        ('{"figures": 3}', "is no predictor of azora's"),
        (json.dumps({"format": FORMAT + 1}), f"has format {FORMAT + 1}, this azora reads up to {FORMAT}; use a newer"),
        (json.dumps({"format": FORMAT}), "does not hold together"),
    ):
        file.write_text(text)
        with pytest.raises(TargetError, match=said) as told:
            TargetFile.load(file)
        assert "\n" not in str(told.value)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match="cannot be read"):
        TargetFile.load(file)
    with pytest.raises(TargetError, match="there is no predictor"):
        TargetFile.load(tmp_path)


def test_no_name_in_a_file_starts_anything(made: TargetFile, tmp_path: Path) -> None:
    mark = tmp_path / "it_ran"
    space = {"name": "subprocess:Popen", "settings": {"args": ["touch", str(mark)]}}
    with pytest.raises(TargetError, match=r"which is no class of azora\.space\.Space"):
        TargetFile.load(edited(made, tmp_path, lambda data: data.update(space=space)))
    assert not mark.exists()


def test_a_space_that_a_function_made_is_read_back_by_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_in_target.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    signature, about = Signature("regression", (7,), 1), {"name": "own_in_target:made", "settings": {"most": 32}}
    space, target = make_space("own_in_target:made", signature, most=32), devices.Counted()
    made = TargetFile.of(target, about, built(target, space))
    read = TargetFile.load(made.save(tmp_path / "a.target.json"))
    assert read.about["name"] == "azora.networks.mlp:Mlp"
    assert same(made.predictor, read.predictor, space)
    read.check(about, signature)
    with pytest.raises(TargetError, match=r"this search is in own_in_target:made \(most=64\)"):
        read.check({**about, "settings": {"most": 64}}, signature)


KEYS = ["target", "space", "signature", "versions", "fingerprint", "kept", "measured"]
DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {key}": lambda data, key=key: data.pop(key) for key in KEYS},  # type: ignore[misc]
    **{f"{key} is a number": lambda data, key=key: data.update({key: 3}) for key in KEYS},  # type: ignore[misc]
    "nothing measured": lambda data: data.update(measured=[]),
    "no median": lambda data: data["measured"][0].pop("median"),
    "a median below zero": lambda data: data["measured"][0].update(median=-1.0),
    "a median of zero": lambda data: data["measured"][0].update(median=0),
    "a median in words": lambda data: data["measured"][0].update(median="short"),
    "no number": lambda data: data["measured"][0].update(median=None),
    "not a number": lambda data: data["measured"][0].update(median=float("nan")),
    "bytes in words": lambda data: data["measured"][0].update(bytes="many"),
    "another's architecture": lambda data: data["measured"][0].update(architecture={"decisions": {"a": 1}}),
    "an unknown regressor": lambda data: data.update(kept="magic"),
    "a transfer from nothing": lambda data: data.update(kept="transfer"),
    "others in words": lambda data: data.update(others="three"),
    "an unknown space": lambda data: data["space"].update(name="nosuch"),
    "an unknown setting": lambda data: data["space"]["settings"].update(nosuch=1),
    "an input of no size": lambda data: data["signature"].update(shape=[]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_one_line_that_names_the_file(
    damage: Callable[[dict[str, Any]], object], made: TargetFile, tmp_path: Path
) -> None:
    file = edited(made, tmp_path, damage)
    with pytest.raises(TargetError) as told:
        TargetFile.load(file)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_place_that_cannot_be_written_is_told(made: TargetFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot be written"):
        made.save(tmp_path / "file" / "a.target.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TargetError, match="cannot be written"):
        made.save(tmp_path / "folder")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_every_target_space_and_input_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path))
    assert folder() == tmp_path / "targets"
    other = Signature("classification", (3, 8, 8), 10)
    places = {
        default_file(
            find_target(spec), make_space("nb201", signature, **settings), {**ABOUT, "settings": settings}, signature
        )
        for spec in ("onnxruntime", "onnxruntime:precision=int8", "torch-cpu", "devices:Counted")
        for settings in ({}, {"width": 4})
        for signature in (PICTURES, other)
    }
    assert len(places) == 16
    assert all(each.parent == folder() and each.name.endswith(".target.json") for each in places)
    monkeypatch.delenv("AZORA_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert folder() == tmp_path / "data" / "azora" / "targets"


MINE = """
import torch
from azora.space import Categorical, Space
from torch import nn


class One(Space):
    layers = 1

    def __init__(self, signature):
        self.signature = signature
        super().__init__("plain", [Categorical("width", tuple(range(4, 44)))])

    def build(self, decide):
        width = decide.number("width")
        hidden = [part for _ in range(self.layers) for part in (nn.LazyLinear(width), nn.ReLU())]
        network = nn.Sequential(nn.Flatten(), *hidden, nn.LazyLinear(self.signature.outputs))
        network(torch.zeros(1, *self.signature.shape))
        return network


class Two(One):
    layers = 3
"""


def test_two_spaces_of_ones_own_and_of_one_name_have_predictors_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "spaces_of_one_name.py").write_text(MINE)
    data = from_arrays(np.zeros((20, 6, 6), np.uint8), np.arange(20) % 2, name="dots").search_data
    abouts = [{"name": f"spaces_of_one_name:{name}", "settings": {}} for name in ("One", "Two")]
    spaces = [make_space(about["name"], data.signature) for about in abouts]
    places = [
        default_file(devices.Counted(), space, about, data.signature)
        for space, about in zip(spaces, abouts, strict=True)
    ]
    assert len(set(places)) == 2
    found = find_pricing("devices:Counted", spaces[0], abouts[0], data).file.save(places[1])  # by an earlier version
    other = find_pricing("devices:Counted", spaces[1], abouts[1], data)
    assert other.notes == [f"{found} is for another space or input: networks were measured here anew"]
    assert other.file.about == abouts[1]


def test_errors_are_for_the_user() -> None:
    assert issubclass(TargetError, AzoraError)
