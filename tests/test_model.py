"""A model in use: what goes in, in whatever form people have it, and what comes out."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from azora.cli.main import main
from azora.errors import BundleError, ConfigError, TaskError
from azora.export import export_onnx, write_bundle
from azora.model import Model, as_rows, read_inputs
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Scaling, Signature

ROWS = Signature("classification", (4,), 3, ("red", "green", "blue"))
VALUES = Signature("regression", (4,), 1)
PICTURES = Signature("classification", (3, 6, 8), 2, ("cat", "dog"))
GREY = Signature("classification", (1, 6, 8), 2, ("cat", "dog"))


def make(folder: Path, signature: Signature, *, onnx: bool = False) -> Path:
    space = make_space("mlp", signature)
    torch.manual_seed(3)
    architecture = space.sample(random.Random(1))
    network = space.build(As(architecture)).eval()
    count = signature.outputs
    targets = ((100.0,) * count, (10.0,) * count) if signature.kind == "regression" else ((), ())
    scaling = Scaling((0.5,) * signature.shape[0], (2.0,) * signature.shape[0], *targets)
    file = folder / "made.onnx"
    if onnx:
        export_onnx(network, signature, scaling, file, np.ones((3, *signature.shape), np.float32))
    write_bundle(
        folder / "model",
        network,
        signature,
        scaling,
        space={"name": "mlp", "settings": {}},
        architecture=architecture.to_json(),
        facts={},
        onnx=file if onnx else None,
        card="",
    )
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("rows"), ROWS, onnx=True)


def test_both_runtimes_give_the_same_answers(rows: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4))
    model = Model.load(rows)
    probabilities = model.predict_proba(x)
    assert probabilities.shape == (300, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    again = Model.load(str(rows / "model"), runtime="onnxruntime").predict_proba(x)
    np.testing.assert_allclose(again, probabilities, atol=1e-5)
    names = model.predict(x)
    assert list(names) == [ROWS.classes[place] for place in probabilities.argmax(axis=1)]


def test_a_model_shows_and_exports_itself(rows: Path, tmp_path: Path) -> None:
    model = Model.load(rows)
    shown = model._repr_html_()
    assert model.about["architecture"]["key"] in shown
    assert "classification, input 4, 3 outputs" in shown
    assert model.export(str(tmp_path / "again.onnx")) < 1e-5
    assert (tmp_path / "again.onnx").stat().st_size > 0


def test_numbers_come_in_the_targets_unit(tmp_path: Path) -> None:
    model = Model.load(make(tmp_path, VALUES))
    found = model.predict(np.zeros((7, 4)))
    assert found.shape == (7,)
    assert 50 < found.mean() < 150
    with pytest.raises(TaskError, match="use predict"):
        model.predict_proba(np.zeros((7, 4)))


def test_a_runtime_or_file_that_is_not_there_is_named(tmp_path: Path, rows: Path) -> None:
    make(tmp_path, ROWS)
    with pytest.raises(ConfigError, match="did you mean 'onnxruntime'"):
        Model.load(rows, runtime="onnxruntim")
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        Model.load(tmp_path, runtime="onnxruntime")
    (tmp_path / "model" / "model.onnx").write_bytes(b"another file")
    with pytest.raises(BundleError, match="is missing or not the file that"):
        Model.load(tmp_path, runtime="onnxruntime")
    with pytest.raises(BundleError, match=r"holds no model: .*; a search writes one \(azora search … --out …\)"):
        Model.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("shape", "signature", "wanted"),
    [
        ((2, 4), ROWS, (2, 4)),
        ((2, 6, 8), GREY, (2, 1, 6, 8)),
        ((2, 6, 8, 1), GREY, (2, 1, 6, 8)),
        ((2, 6, 8, 3), PICTURES, (2, 3, 6, 8)),
        ((2, 3, 6, 8), PICTURES, (2, 3, 6, 8)),
    ],
)
def test_inputs_are_taken_as_people_keep_them(
    shape: tuple[int, ...], signature: Signature, wanted: tuple[int, ...]
) -> None:
    assert as_rows(np.zeros(shape, np.uint8), signature).shape == wanted
    assert as_rows(np.zeros(shape, np.uint8), signature).dtype == np.uint8
    assert as_rows(np.zeros(shape, np.float64), signature).dtype == np.float32


def test_channels_move_and_stay_what_they_are() -> None:
    x = np.random.default_rng(0).integers(0, 255, (2, 6, 8, 3)).astype(np.uint8)
    np.testing.assert_array_equal(as_rows(x, PICTURES)[1, 2], x[1, :, :, 2])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 5)), r"have shape \(5,\) each, the model takes \(4,\)"),
        (np.zeros(4), "have shape"),
        (np.array([["a"] * 4]), "numbers are wanted"),
        (np.zeros((0, 4)), "one row or more is wanted"),
    ],
)
def test_inputs_of_another_shape_are_refused(x: np.ndarray, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        as_rows(x, ROWS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_hold_no_number_are_refused_and_named(value: float) -> None:
    x = np.zeros((3, 4))
    x[1, 2] = value
    with pytest.raises(TaskError, match=r"inputs have (nan|-?inf) in row 1; fill or drop what is no number"):
        as_rows(x, ROWS)
    table = replace(ROWS, raw=4, traits=("holes",))  # in which numbers may be missing, but not be infinite
    if np.isnan(value):
        assert np.isnan(as_rows(x, table)).tolist() == np.isnan(x).tolist()
    else:
        with pytest.raises(TaskError, match="in row 1"):
            as_rows(x, table)
    with pytest.raises(TaskError, match="in row 1"):
        as_rows(np.where(np.arange(3)[:, None, None] == 1, value, np.zeros((3, 6, 8))), GREY)


def test_pictures_are_brought_to_size_and_mode(tmp_path: Path) -> None:
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[:, :8] = (200, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "two.png")
    names, x = read_inputs(tmp_path / "two.png", PICTURES)
    assert (names, x.shape, x.dtype) == ([str(tmp_path / "two.png")], (1, 3, 6, 8), np.uint8)
    assert list(x[0, :, 3, 0]) == [200, 0, 0]
    assert list(x[0, :, 3, 7]) == [0, 0, 0]
    assert read_inputs(tmp_path / "two.png", GREY)[1].shape == (1, 1, 6, 8)
    with pytest.raises(TaskError, match="is a picture, the model takes rows of 4 numbers"):
        read_inputs(tmp_path / "two.png", ROWS)


def test_arrays_that_may_not_be_written_are_taken(rows: Path) -> None:
    x = np.zeros((3, 4), np.float32)
    x.flags.writeable = False
    assert Model.load(rows).predict(x).shape == (3,)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_arrays_that_run_backwards_are_taken(rows: Path, kind: type) -> None:
    x, model = np.arange(12, dtype=kind).reshape(3, 4)[:, ::-1], Model.load(rows)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(x.copy()))


def test_a_picture_comes_in_the_values_of_the_data(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255], [51, 102]], dtype=np.uint8)).save(tmp_path / "four.png")
    signature = Signature("classification", (1, 2, 2), 2, ("a", "b"))
    _, x = read_inputs(tmp_path / "four.png", signature, (0.0, 16.0))
    np.testing.assert_allclose(x, [[[[0.0, 16.0], [3.2, 6.4]]]], rtol=1e-6)
    _, x = read_inputs(tmp_path / "four.png", signature, (-1.0, 1.0))
    np.testing.assert_allclose(x[0, 0, 0], [-1.0, 1.0], rtol=1e-6)
    assert read_inputs(tmp_path / "four.png", signature)[1].dtype == np.uint8


def test_tables_are_read_with_or_without_names(tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    (tmp_path / "bare.csv").write_text("1,2,3,4\n")
    names, x = read_inputs(tmp_path / "named.csv", ROWS)
    assert names == [f"{tmp_path / 'named.csv'}:{row}" for row in (0, 1)]
    np.testing.assert_array_equal(x, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert len(read_inputs(tmp_path / "bare.csv", ROWS)[1]) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("marked.csv", "\ufeff1,2,3,4\n5,6,7,8\n"),
        ("marked_names.csv", "\ufeffa,b,c,d\n1,2,3,4\n5,6,7,8\n"),
        ("tabs.tsv", "1\t2\t3\t4\n5\t6\t7\t8\n"),
        ("names.tsv", "a\tb\tc\td\n1\t2\t3\t4\n5\t6\t7\t8\n"),
        ("semicolons.csv", "1;2;3;4\n5;6;7;8\n"),
    ],
)
def test_no_row_of_a_table_without_names_is_taken_for_them(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_inputs(tmp_path / name, ROWS)[1], [[1, 2, 3, 4], [5, 6, 7, 8]])


def test_archives_are_read_by_the_name_of_their_array(tmp_path: Path) -> None:
    x = np.arange(8.0).reshape(2, 4)
    np.savez(tmp_path / "one.npz", anything=x)
    np.savez(tmp_path / "task.npz", x_train=x[:1], x_test=x)
    np.savez(tmp_path / "two.npz", left=x, right=x)
    for name in ("one.npz", "task.npz"):
        np.testing.assert_array_equal(read_inputs(tmp_path / name, ROWS)[1], x)
    with pytest.raises(TaskError, match="holds left, right; the inputs must be named x"):
        read_inputs(tmp_path / "two.npz", ROWS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("broken.png", "no picture", "cannot be read as a picture"),
        ("words.csv", "a,b,c,d\n1,2,3,x\n", "cannot be read as a table of numbers"),
        ("hole.csv", "1,,3,4\n5,6,7,8\n", "cannot be read as a table of numbers"),
        ("notes.txt", "1", r"neither a picture nor \.csv nor \.npz"),
    ],
)
def test_files_that_hold_nothing_for_the_model_are_named(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TaskError, match=said):
        read_inputs(tmp_path / name, PICTURES if name.endswith("png") else ROWS)
    with pytest.raises(TaskError, match="there is no file"):
        read_inputs(tmp_path / f"no_{name}", ROWS)


def test_a_folder_is_no_file_to_predict_for(rows: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", x=np.eye(4))
    assert Model.load(rows).read(str(tmp_path / "new.npz"))[1].shape == (4, 4)
    with pytest.raises(TaskError, match=rf"{tmp_path} is a folder; name its files, such as {tmp_path}/\*\.csv"):
        Model.load(rows).read(str(tmp_path))
    with pytest.raises(TaskError, match=r"/\*\.png"):
        read_inputs(tmp_path, PICTURES)


def test_an_empty_table_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "heads.csv").write_text("a,b,c,d\n")
    for name in ("empty.csv", "heads.csv"):
        with pytest.raises(TaskError, match=rf"{name} holds no row of numbers"):
            read_inputs(tmp_path / name, ROWS)


def test_several_numbers_have_a_column_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = make(tmp_path, Signature("regression", (4,), 2))
    np.savez(tmp_path / "new.npz", x=np.eye(4, dtype=np.float32)[:2])
    assert main(["predict", str(out), str(tmp_path / "new.npz")]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "input,prediction_0,prediction_1"
    known = Model.load(out).predict(np.eye(4, dtype=np.float32)[:2])
    np.testing.assert_allclose([[float(value) for value in line.split(",")[1:]] for line in lines], known, rtol=1e-5)
    assert main(["predict", str(out), str(tmp_path / "new.npz"), "--proba"]) == 2
    assert "--proba is for classifiers" in capsys.readouterr().err
