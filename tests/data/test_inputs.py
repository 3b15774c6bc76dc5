"""What `Classifier.predict` takes for a photo or for several, and what it makes of all else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from drawing import draw_folder
from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.prediction import Prediction
from photograft.core.errors import InputError
from photograft.data.dataset import Dataset
from training_helpers import tiny_backbone

CLASSES = ("circle", "square", "triangle")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """A classifier with a head of no meaning, which gives every photo other probabilities."""
    backbone = tiny_backbone()
    rng = np.random.default_rng(0)
    weight = 20 * rng.normal(size=(backbone.num_features, 3))
    return Classifier(
        class_names=CLASSES,
        backbone=backbone,
        engine=Engine("torch", "fp32"),
        layers=tuple(layer.name for layer in backbone.layers),
        head=Head((weight.astype(np.float32),), (np.zeros(3, np.float32),)),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three lossless photos, one of them deep down, with the like of them hidden."""
    root = tmp_path / "new"
    for number, name in enumerate(("b.png", "a.png", "deep/c.png", ".hidden.png", ".no/d.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(number)).save(root / name)
    return root


NAMES = ("a.png", "b.png", "deep/c.png")


def pixels(number: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)


#: How one photo may be handed over, given its file.
ONE: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "text": str,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "picture": Image.open,
    "pixels": lambda path: np.asarray(Image.open(path)),
    "whole numbers": lambda path: np.asarray(Image.open(path)).astype(np.int64),
    "floats": lambda path: np.asarray(Image.open(path)) / 255,
    "opaque": lambda path: np.asarray(Image.open(path).convert("RGBA")),
    "tensor": lambda path: torch.from_numpy(np.array(Image.open(path))),
}


@pytest.mark.parametrize("form", ONE)
def test_one_photo_has_one_answer_and_several_have_a_list(
    classifier: Classifier, folder: Path, form: str
) -> None:
    """The same probabilities, to the bit, in whatever form the pixels of a file come."""
    path = folder / "a.png"
    expected = classifier.predict_proba([path])[0]
    assert np.isfinite(expected).all()
    one = ONE[form](path)
    answer = classifier.predict(one)
    assert isinstance(answer, Prediction)
    assert answer.name == (str(path) if form in ("path", "text") else "x")
    assert answer.label == CLASSES[expected.argmax()]
    assert answer.probability == expected.max()
    assert np.array_equal(classifier.predict_proba(one), expected)

    answers = classifier.predict([ONE[form](path), folder / "b.png"])
    assert [a.name for a in answers] == [
        str(path) if form in ("path", "text") else "x[0]",
        str(folder / "b.png"),
    ]
    found = classifier.predict_proba((ONE[form](path),))
    assert found.shape == (1, 3)
    assert np.array_equal(found[0], expected)
    assert [a.name for a in classifier.stream(ONE[form](path))] == [answer.name]


def test_a_column_of_paths_gives_plain_text_for_names(classifier: Classifier, folder: Path) -> None:
    answers = classifier.predict(np.array([str(folder / "a.png")]))
    assert [type(answer.name) for answer in answers] == [str]


def paths(folder: Path) -> list[str]:
    return [str(folder / name) for name in NAMES]


def stack(folder: Path) -> npt.NDArray[np.uint8]:
    return np.stack([np.asarray(Image.open(path)) for path in paths(folder)])


#: How the photos of `folder` may be handed over, in the order of `NAMES`.
SEVERAL: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder,
    "folder as text": str,
    "list": paths,
    "tuple": lambda folder: tuple(paths(folder)),
    "generator": lambda folder: (path for path in paths(folder)),
    "keys": lambda folder: dict.fromkeys(paths(folder)).keys(),
    "objects": lambda folder: np.array([Path(path) for path in paths(folder)], object),
    "texts": lambda folder: np.array(paths(folder)),
    "column": lambda folder: np.array(paths(folder))[:, None],
    "series": lambda folder: pd.Series(paths(folder), index=[7, 8, 9]),
    "table": lambda folder: pd.DataFrame({"path": paths(folder)}),
    "arrow": lambda folder: pa.chunked_array([paths(folder)[:1], paths(folder)[1:]]),
    "stack": stack,
    "stack of floats": lambda folder: (stack(folder) / 255).astype(np.float32),
    "arrays": lambda folder: list(stack(folder)),
    "pictures": lambda folder: [Image.open(path) for path in paths(folder)],
    "bytes": lambda folder: [Path(path).read_bytes() for path in paths(folder)],
    "mixed": lambda folder: [folder / NAMES[0], stack(folder)[1], Image.open(folder / NAMES[2])],
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_photos_in_every_form(classifier: Classifier, folder: Path, form: str) -> None:
    expected = classifier.predict_proba([folder / name for name in NAMES])
    assert len(np.unique(expected, axis=0)) == 3
    assert np.array_equal(classifier.predict_proba(SEVERAL[form](folder)), expected)
    answers = classifier.predict(SEVERAL[form](folder))
    assert isinstance(answers, list)
    assert [a.label for a in answers] == [CLASSES[row.argmax()] for row in expected]


def test_files_of_a_folder_are_named_by_their_paths(classifier: Classifier, folder: Path) -> None:
    names = [f"{folder}/{name}" for name in NAMES]
    assert [a.name for a in classifier.predict(folder)] == names
    assert [a.name for a in classifier.predict(stack(folder))] == ["x[0]", "x[1]", "x[2]"]


def test_each_thing_of_a_list_has_one_answer(classifier: Classifier, folder: Path) -> None:
    """A folder, too: rows would else not be those of what was given."""
    found = classifier.predict([folder, stack(folder)[0]])
    assert [a.name for a in found] == [str(folder), "x[1]"]
    assert found[0].error == "unreadable: it is a folder, not a file"


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 3), (40, 50, 4)])
def test_arrays_of_one_and_of_several(classifier: Classifier, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
    found = classifier.predict_proba(array)
    assert found.shape == (5, 3)
    assert np.array_equal(classifier.predict_proba(array[3]), found[3])
    assert classifier.predict_proba(array[:1]).shape == (1, 3)


def test_a_dataset_and_its_photos(classifier: Classifier, tmp_path: Path) -> None:
    dataset = Dataset.load(draw_folder(tmp_path / "photos", n=3, size=40))
    answers = classifier.predict(dataset)
    assert [a.name for a in answers] == [photo.name for photo in dataset.photos]
    expected = classifier.predict_proba(sorted((tmp_path / "photos").rglob("*.jpg")))
    assert np.array_equal(classifier.predict_proba(dataset), expected)
    one = classifier.predict(dataset.photos[4])
    assert (one.name, one.probability) == (answers[4].name, answers[4].probability)
    assert np.array_equal(classifier.predict_proba(dataset.photos), expected)
    only = Dataset(dataset.source, dataset.kind, dataset.photos[:1], (), ())
    assert len(classifier.predict(only)) == 1


def test_nothing_gives_nothing(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing: list[Any] = [[], (), iter(()), tmp_path / "empty", np.zeros((0, 9, 9, 3), np.uint8)]
    for x in nothing:
        assert classifier.predict(x) == []
    assert classifier.predict_proba([]).shape == (0, 3)


def test_photos_that_cannot_be_read(classifier: Classifier, folder: Path) -> None:
    """They are answers with an error, and rows of NaN, whatever they were handed over as."""
    (folder / "text.png").write_text("no photo")
    cut = io.BytesIO((folder / "a.png").read_bytes()[:2000])
    bad: list[Any] = [
        folder / "gone.png",
        folder / "text.png",
        b"",
        b"no photo",
        "a\0b",
        Image.open(cut),
    ]
    answers = classifier.predict([folder / "a.png", *bad])
    assert [bool(a.error) for a in answers] == [False, *[True] * len(bad)]
    assert answers[1].name == str(folder / "gone.png")
    assert "No such file" in answers[1].error
    assert answers[3].error.startswith("empty file")
    assert answers[4].name == "x[4]"
    found = classifier.predict_proba([folder / "a.png", *bad])
    assert np.isnan(found[1:]).all()
    assert not np.isnan(found[0]).any()
    for one in bad:
        assert classifier.predict(one).label is None
        assert classifier.predict_proba(one).shape == (3,)
        assert np.isnan(classifier.predict_proba(one)).all()


class Unwilling:
    def __array__(self, *_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (None, r"x is no photo, and holds none; expected the path of .* got None$"),
        (7, "got 7, an int"),
        (0.5, "got 0.5, a float"),
        ({"path": "a.jpg"}, "holds none.*a dict"),
        (["a.jpg", None], r"x\[1\] is no photo; expected the path of .*got None"),
        (["a.jpg", float("nan")], r"x\[1\] is no photo"),
        (pd.Series(["a.jpg", None]), r"x\[1\] is no photo"),
        ([Dataset("x", "folder", (), (), ())], r"x\[0\] is no photo.*a Dataset"),
        ([["a.jpg"]], r"x\[0\] is no photo.*a list"),
        ((x for x in [np.zeros(7)]), r"x\[0\] is no photo.*\(7,\)"),
        ([np.zeros((3, 9, 9))], r"x\[0\].transpose\(1, 2, 0\)"),
        ([np.zeros((2, 9, 9, 3))], r"x\[0\] is no photo.*\(2, 9, 9, 3\)"),
        (np.zeros(5), "x is no array of images"),
        (np.float32(5), "x is no array of images"),
        (np.zeros((2, 3, 9, 9)), r"x.transpose\(0, 2, 3, 1\)"),
        (np.zeros((0, 9), np.uint8), "x is no photo"),
        (np.zeros((9, 9), bool), "x is of a type that images can't have"),
        (np.zeros((2, 9, 9), complex), "x is of a type that images can't have"),
        (np.full((9, 9), 2.0), "x holds floats above 1.*got values up to 2"),
        (np.full((2, 9, 9), 2.0), "x holds floats above 1"),
        (np.full((9, 9), -1), "outside 0 to 255"),
        (np.full((9, 9), np.nan), "NaN"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"x is no column.*x\[\['path'\]\]"),
        (io.BytesIO(b"abc"), r"x is an open file.*x\.read\(\)"),
        (torch.zeros(3, 9, 9), r"channels first.*x\.permute\(1, 2, 0\)"),
        (torch.zeros(9, 9, requires_grad=True), "x can't be turned into an array.*requires grad"),
        (Unwilling(), "x can't be turned into an array.*cuda:0"),
        ([Unwilling()], r"x\[0\] can't be turned into an array"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(classifier: Classifier, x: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"(?s){words}"):
        classifier.predict(x)
    if not hasattr(x, "send"):
        with pytest.raises(InputError, match=f"(?s){words}"):
            classifier.predict_proba(x)


def test_what_lies_ready_is_understood_before_any_work(
    classifier: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "score_batches", None)
    for x in ([folder / "a.png", None], (folder / "a.png", None)):
        with pytest.raises(InputError, match=r"x\[1\] is no photo"):
            classifier.stream(x)
