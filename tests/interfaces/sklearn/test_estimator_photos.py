"""The estimators understand photos in every form: paths, arrays, pictures."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from drawing import draw_photo
from estimator_helpers import classifier, features, pictures
from photograft.core.errors import InputError
from photograft.data.encoding import encode_picture


def png(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3), (30, 41, 4)], ids=["grey", "RGB", "RGBA"])
def test_arrays_have_the_features_of_lossless_files(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = pictures(shape)
    files = [png(tmp_path / f"{i}.png", pixels) for i, pixels in enumerate(array)]
    of_files = features().transform(files)
    assert of_files.shape == (3, 24)
    assert of_files.dtype == np.float32
    for X in (
        array,
        list(array),
        array.astype(np.int64),
        array.astype(np.float64) / 255,
        (array / 255).astype(np.float32),
        [Image.fromarray(pixels) for pixels in array],
        np.asfortranarray(array),
        [files[0], array[1], str(files[2])],
    ):
        assert np.array_equal(features().transform(X), of_files)


def test_arrays_of_one_channel_are_grey() -> None:
    array = pictures((30, 41))
    assert np.array_equal(features().transform(array), features().transform(array[..., None]))


def test_opaque_pictures_need_no_opacity() -> None:
    array = pictures((30, 41, 3))
    opaque = np.concatenate([array, np.full((*array.shape[:3], 1), 255, np.uint8)], axis=3)
    assert np.array_equal(features().transform(array), features().transform(opaque))


def test_arrays_of_many_sizes() -> None:
    arrays = [pictures(shape, 1)[0] for shape in ((20, 30), (40, 15, 3), (8, 9, 1), (33, 44, 4))]
    together = features().transform(arrays)
    alone = [features().transform([array])[0] for array in arrays]
    assert np.array_equal(together, np.stack(alone))


def _saved(kind: str, picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _picture_files() -> dict[str, bytes]:
    photo = draw_photo(np.random.default_rng(1), 1, 48).crop((0, 0, 48, 30))
    turned = Image.Exif()
    turned[0x0112] = 6
    levels = np.arange(48 * 30, dtype=np.uint16).reshape(30, 48) * 45
    palette = photo.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    return {
        "plain": _saved("JPEG", photo),
        "turned": _saved("JPEG", photo, exif=turned),
        "turned CMYK": _saved("JPEG", photo.convert("CMYK"), exif=turned),
        "palette": _saved("PNG", palette),
        "transparent colour": _saved("PNG", palette, transparency=3),
        "grey and opacity": _saved("PNG", photo.convert("LA")),
        "one bit": _saved("PNG", photo.convert("1")),
        "sixteen bits": _saved("PNG", Image.fromarray(levels)),
        "floats": _saved("TIFF", Image.fromarray(levels.astype(np.float32) / 65535)),
        "lab": _saved("TIFF", Image.merge("LAB", photo.split())),
    }


@pytest.mark.parametrize("name", _picture_files())
def test_a_picture_is_what_its_file_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "photo").write_bytes(_picture_files()[name])
    of_file = features().transform([tmp_path / "photo"])
    with Image.open(tmp_path / "photo") as picture:
        assert np.array_equal(features().transform([picture]), of_file)


def test_a_picture_is_the_same_file_at_any_time() -> None:
    """Not with a profile of colours that says when it was made."""
    lab = Image.merge("LAB", draw_photo(np.random.default_rng(1), 1, 48).split())
    assert "iccp" not in encode_picture(lab).decode("latin-1").lower()


def test_a_picture_may_come_many_times(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(_picture_files()["plain"])
    with Image.open(tmp_path / "photo") as picture:
        found = features().transform([picture] * 50)
    assert np.array_equal(found, np.repeat(found[:1], 50, axis=0))


def test_pictures_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(_picture_files()["plain"][:700])
    with Image.open(tmp_path / "cut") as cut, Image.open(tmp_path / "cut") as closed:
        pass
    for picture in (Image.open(tmp_path / "cut"), cut, closed):
        with pytest.raises(InputError, match=r"X\[1\] can't be used as a photo: unreadable"):
            features().transform([np.zeros((9, 9), np.uint8), picture])
        picture.close()


def test_paths_in_every_form(paths: npt.NDArray[Any]) -> None:
    found = features().transform(paths)
    for X in (
        list(paths),
        tuple(paths),
        [str(path) for path in paths],
        paths.astype(str),
        paths.astype(str)[:, None],
        paths[:, None],
        pd.Series(paths),
        pd.Series(paths.astype(str)),
        pd.DataFrame({"path": paths.astype(str)}, index=range(100, 100 + len(paths))),
    ):
        assert np.array_equal(features().transform(X), found)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ("a.jpg", r"single photo.*\[X\]"),
        (Path("a.jpg"), "single photo"),
        (Image.new("RGB", (9, 9)), "single photo"),
        (np.zeros((30, 41, 3), np.uint8), "single photo"),
        ([], "holds no photos"),
        (np.zeros((0, 9, 9), np.uint8), "holds no images"),
        (np.zeros((5, 784)), r"reshape\(-1, height, width\)"),
        (np.zeros((5, 3, 32, 30), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros(5), "no array of images"),
        (np.full((2, 9, 9), 2.0), "floats above 1"),
        (np.full((2, 9, 9), -0.5), "outside 0 to 1"),
        (np.full((2, 9, 9), np.nan), "NaN"),
        (np.full((2, 9, 9), 300), "outside 0 to 255"),
        (np.zeros((2, 9, 9), bool), "can't have"),
        (["a.jpg", None], r"X\[1\] is no photo.*None"),
        (pd.Series(["a.jpg", None]), r"X\[1\] is no photo"),
        ([b"a.jpg"], r"X\[0\] is no photo"),
        ([np.zeros(7)], r"X\[0\] is no photo.*\(7,\)"),
        ([np.zeros((9, 9, 2))], r"X\[0\] is no photo.*\(9, 9, 2\)"),
        ([np.zeros((3, 9, 9))], r"X\[0\].transpose\(1, 2, 0\)"),
        ([np.zeros((0, 9))], r"X\[0\] is no photo.*\(0, 9\)"),
        ([np.full((9, 9), 2.0)], r"X\[0\] holds floats above 1"),
        ({0: "a.jpg"}, "no sequence"),
        ({"a.jpg"}, "no sequence"),
        (np.zeros((2, 9, 9), complex), "complex"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"no column.*\[\['path'\]\]"),
        (iter(["a.jpg"]), "no sequence"),
        (7, "no sequence"),
    ],
)
def test_what_is_no_photos_is_refused(X: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        features().fit(X)


def test_photos_that_cannot_be_read_are_named(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], tmp_path: Path
) -> None:
    fitted = classifier().fit(paths, labels)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(paths[0].read_bytes()[:700])
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    gone = tmp_path / "gone.jpg"
    for bad, reason in ((cut, "truncated"), (text, "not an image"), (gone, "unreadable.*No such")):
        X = [*paths, bad]
        words = rf"{re.escape(str(bad))} can't be used as a photo: {reason}"
        for ask in (
            lambda X=X: classifier().fit(X, [*labels, "circle"]),
            lambda X=X: fitted.predict(X),
            lambda X=X: fitted.predict_proba(X),
            lambda X=X: features().transform(X),
        ):
            with pytest.raises(InputError, match=words):
                ask()
    with pytest.raises(InputError, match=r"gone.*nor can 1 more of X"):
        features().transform([gone, paths[0], text])


def test_bad_photos_are_named_even_where_too_few_are_left(
    paths: npt.NDArray[Any], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(paths[0].read_bytes()[:700])
    with pytest.raises(InputError, match=r"cut\.jpg can't be used as a photo: truncated"):
        classifier().fit([*paths[:4], paths[20], cut], ["a"] * 4 + ["b"] * 2)
