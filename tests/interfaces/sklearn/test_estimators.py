"""The estimators keep scikit-learn's rules, and understand photos in every form."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted, validate_data

import system_helpers
from drawing import draw_folder, draw_photo
from photograft.backbones.networks import open_network
from photograft.classifier.classifier import Classifier
from photograft.core.errors import InputError, PhotograftError, StorageError
from photograft.data.encoding import encode_picture
from photograft.features.settings import Augmentation
from photograft.interfaces.sklearn.estimators import PhotoClassifier
from photograft.interfaces.sklearn.transformer import BackboneFeatures
from training_helpers import TINY, TINY_NORM

SETTINGS = {"engine": "torch", "precision": "fp32", "preprocessing": {"input_size": 32}}
CLASSES = ("circle", "square", "triangle")


def classifier(backbone: str = TINY, **more: Any) -> PhotoClassifier:
    return PhotoClassifier(backbone, **{"settings": SETTINGS, **more})


def features(backbone: str = TINY, **more: Any) -> BackboneFeatures:
    return BackboneFeatures(backbone, **{"settings": SETTINGS, **more})


@pytest.fixture
def paths(tmp_path: Path) -> npt.NDArray[Any]:
    """Twelve photos of each of `CLASSES`, as an array of paths."""
    draw_folder(tmp_path / "photos", CLASSES, n=12, size=40)
    return np.array(sorted((tmp_path / "photos").glob("*/*")))


@pytest.fixture
def labels(paths: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    return np.array([path.parent.name for path in paths])


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many photos each call of a network got."""
    calls: list[int] = []

    def opened(*arguments: Any) -> Callable[..., Any]:
        run = open_network(*arguments)

        def counted(pixels: npt.NDArray[np.uint8]) -> Any:
            calls.append(len(pixels))
            return run(pixels)

        return counted

    monkeypatch.setattr("photograft.features.networks.open_network", opened)
    return calls


# What scikit-learn 1.9 checks; another version may check other things.

ROWS = "feeds rows or columns of numbers, which are no photos and are refused"
OWN_ERROR = "feeds numbers and wants its own words on what is wrong with them; they are no photos"
FAIL_IN_BOTH = {
    **dict.fromkeys(
        (
            "check_fit_score_takes_y",
            "check_estimators_overwrite_params",
            "check_dont_overwrite_parameters",
            "check_estimators_fit_returns_self",
            "check_readonly_memmap_input",
            "check_n_features_in_after_fitting",
            "check_positive_only_tag_during_fit",
            "check_estimators_dtypes",
            "check_dtype_object",
            "check_pipeline_consistency",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_fit2d_1sample",
            "check_fit2d_1feature",
            "check_dict_unchanged",
            "check_fit_idempotent",
            "check_fit_check_is_fitted",
            "check_n_features_in",
            "check_fit2d_predict1d",
        ),
        ROWS,
    ),
    "check_estimators_empty_data_messages": OWN_ERROR,
    "check_estimators_nan_inf": OWN_ERROR,
    "check_estimator_sparse_array": "can't make the sparse column that one dimension asks for",
}
CLASS_WEIGHTS = {
    "check_class_weight_classifiers": "gives a weight a class; the head knows 'balanced' only"
}
EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "PhotoClassifier": {
        **FAIL_IN_BOTH,
        **dict.fromkeys(
            (
                "check_classifier_data_not_an_array",
                "check_classifiers_classes",
                "check_classifiers_train",
                "check_supervised_y_2d",
                "check_decision_proba_consistency",
            ),
            ROWS,
        ),
        **CLASS_WEIGHTS,
    },
    "BackboneFeatures": {
        **FAIL_IN_BOTH,
        **dict.fromkeys(
            (
                "check_transformer_data_not_an_array",
                "check_transformer_general",
                "check_transformers_unfitted_stateless",
            ),
            ROWS,
        ),
    },
    "RowClassifier": CLASS_WEIGHTS,
    "RowFeatures": {},
}


class Rows:
    """Draws each row of numbers as a grey picture one pixel high, so that every check applies."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.one_d_array = False
        return tags

    def _note_columns(self, X: Any) -> None:
        """`validate_data` has done so."""

    def _drawn(self, X: Any, *, reset: bool) -> list[npt.NDArray[np.uint8]]:
        rows = validate_data(self, X, reset=reset, dtype=np.float64)
        # Wraps at large numbers: that many levels there are not, and rows must not look alike.
        return [np.rint(127.5 + 127.5 * np.sin(row / 7)).astype(np.uint8)[None] for row in rows]


class RowClassifier(Rows, PhotoClassifier):
    def fit(self, X: Any, y: Any, groups: Any = None) -> RowClassifier:
        return super().fit(self._drawn(X, reset=True), y, groups)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        check_is_fitted(self)
        return super().predict_proba(self._drawn(X, reset=False))


class RowFeatures(Rows, BackboneFeatures):
    def fit(self, X: Any, y: Any = None) -> RowFeatures:
        return super().fit(self._drawn(X, reset=True), y)

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        return super().transform(self._drawn(X, reset=not hasattr(self, "n_features_in_")))


def outcomes(estimator: Any) -> dict[str, set[str]]:
    """Run all of scikit-learn's checks; return what became of those of each name."""
    found: dict[str, set[str]] = {}
    for instance, check in estimator_checks_generator(estimator):
        inner = check.func
        while hasattr(inner, "func"):  # one with options is a partial of a partial
            inner = inner.func
        name = inner.__name__
        try:
            check(instance)
        except SkipTest:
            found.setdefault(name, set()).add("skipped")
        except Exception:
            found.setdefault(name, set()).add("failed")
        else:
            found.setdefault(name, set()).add("passed")
    return found


#: On rows drawn one pixel high, the network must tell where in a row a number is.
ROW_SETTINGS = {
    "engine": "torch",
    "precision": "fp32",
    "pooling": "flatten",
    "preprocessing": {"input_size": 16, "rescale": 1 / 255},
}


@pytest.mark.parametrize(
    "estimator",
    [
        classifier(),
        features(),
        pytest.param(RowClassifier("convnet:c8", settings=ROW_SETTINGS), marks=pytest.mark.slow),
        RowFeatures("convnet:c8", settings=ROW_SETTINGS),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learns_checks(estimator: Any) -> None:
    """Just those fail that are listed, and a listed one fails in all its variants."""
    expected = EXPECTED_FAILURES[type(estimator).__name__]
    found = outcomes(estimator)
    assert len(found) > 40
    assert {name for name, kinds in found.items() if "failed" in kinds} == set(expected)
    assert all(found[name] == {"failed"} for name in expected)
    skipped = {name for name, kinds in found.items() if "skipped" in kinds}
    assert skipped <= {"check_array_api_input"}


# What X may be.


def png(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def pictures(shape: tuple[int, ...], n: int = 3) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)


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


# The classifier.


@pytest.mark.parametrize(
    "names",
    [
        np.array(["10", "9", "b"]),
        np.array([10, 9, -1]),
        np.array([10, 9, -1], np.int8),
        np.array([2.0, 10.0, 1.0]),
        np.array(["x", "y", "z"], object),
    ],
    ids=lambda names: f"{names.dtype} {names[0]}",
)
def test_classes_are_those_of_y(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], names: npt.NDArray[Any]
) -> None:
    """In the order of `np.unique`, of the same type, each with its own probability."""
    y = names[[CLASSES.index(label) for label in labels]]
    fitted = classifier(TINY_NORM).fit(paths, y)
    assert fitted.classes_.dtype == y.dtype
    assert fitted.classes_.tolist() == np.unique(names).tolist()
    predicted, found = fitted.predict(paths), fitted.predict_proba(paths)
    assert predicted.dtype == y.dtype
    assert fitted.score(paths, y) > 0.9
    assert found.shape == (36, 3)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    for i, name in enumerate(fitted.classes_):
        assert found[y == name, i].mean() > 0.6


def test_two_classes_and_bools(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    fitted = classifier().fit(paths, labels == "circle")
    assert fitted.predict(paths).dtype == np.bool_
    log_odds = fitted.decision_function(paths)
    assert log_odds.shape == (36,)
    assert np.array_equal(log_odds > 0, fitted.predict(paths))
    assert np.allclose(1 / (1 + np.exp(-log_odds)), fitted.predict_proba(paths)[:, 1], atol=1e-6)


def test_labels_of_a_table(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    table = pd.DataFrame({"path": paths.astype(str), "label": labels})
    fitted = classifier().fit(table[["path"]], table["label"])
    assert fitted.n_features_in_ == 1
    assert fitted.classes_.tolist() == list(CLASSES)
    assert not hasattr(fitted.fit(table["path"], table["label"]), "n_features_in_")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0.5, 1.5] * 18, "Unknown label type"),
        (["a"] * 36, "one class only.*got 'a'$"),
        (["a", "b"], "inconsistent numbers of samples"),
        ([1, "a"] * 18, "sorted|label type"),
        (["a"] * 35 + ["b"], r"'b' \(1\)"),
        (None, "requires y"),
    ],
)
def test_labels_that_cannot_be_learnt(paths: npt.NDArray[Any], y: Any, words: str) -> None:
    if y is not None and len(set(map(type, y))) > 1:
        y = np.array(y, object)
    with pytest.raises(ValueError, match=words):
        classifier().fit(paths, y)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"strategy": "finetune"}, "strategy can't be 'finetune'"),
        ({"class_weight": {0: 1.0}}, "expected None or 'balanced'"),
        ({"views": -1}, "views can't be -1"),
        ({"head": "mlp"}, "head can't be 'mlp'; expected 'auto', 'logistic' or 'discriminant'"),
        ({"random_state": None}, "seed is of another type"),
        ({"random_state": -1}, "can't be a seed"),
        ({"layer": "first"}, "no layer named 'first'"),
        ({"backbone": "efficientnet_light0"}, "no backbone named"),
        ({"settings": {"head": "mlp"}}, "'head' can't be among the settings"),
        ({"settings": {"engine": "fast"}}, "engine can't be 'fast'"),
        ({"settings": {"max_pixels": "many"}}, "max_pixels is of another type"),
    ],
)
def test_parameters_are_checked_in_fit(
    paths: npt.NDArray[Any],
    labels: npt.NDArray[np.str_],
    parameters: dict[str, Any],
    words: str,
) -> None:
    estimator = classifier().set_params(**parameters)
    with pytest.raises(PhotograftError, match=words):
        estimator.fit(paths, labels)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"layer": "auto"}, "where nothing is learnt"),
        ({"settings": {"test_views": "flip"}}, "'test_views' can't be among"),
        ({"settings": {"preprocessing": {"center": "feature"}}}, "statistics of training photos"),
    ],
)
def test_parameters_of_features(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        features().set_params(**parameters).fit(["a.jpg"])


def test_parameters_are_kept_as_given() -> None:
    settings = {"engine": "torch", "preprocessing": {"input_size": 32}}
    estimator = PhotoClassifier(TINY, class_weight="balanced", random_state=3, settings=settings)
    assert estimator.get_params()["settings"] is settings
    copied = clone(estimator)
    assert copied.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(["a.jpg"])
    with pytest.raises(NotFittedError):
        copied.save("nowhere")


def test_numbers_of_numpy_are_numbers(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]
) -> None:
    first = classifier(random_state=np.int64(3)).fit(paths, labels)
    assert first.selection_ == classifier(random_state=3).fit(paths, labels).selection_
    assert first.selection_ != classifier(random_state=4).fit(paths, labels).selection_


def test_copies_break_nothing(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    X, y = [*paths, *paths, paths[0]], [*labels, *labels, "square"]
    fitted = classifier().fit(X, y)
    found = fitted.predict_proba(X)
    assert np.array_equal(found[:36], found[36:72])
    assert np.array_equal(found[0], found[72])


def test_groups_are_kept_together(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    apart = classifier().fit(paths, labels)
    together = classifier().fit(paths, labels, groups=np.arange(36) // 6)
    assert together.selection_["candidates"] != apart.selection_["candidates"]
    assert np.array_equal(
        classifier().fit(paths, labels, groups=np.arange(36)).predict_proba(paths),
        apart.predict_proba(paths),
    )


@pytest.mark.parametrize("head", ["logistic", "discriminant"])
def test_kind_of_head(
    head: str, paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], tmp_path: Path
) -> None:
    fitted = classifier(head=head).fit(paths, labels)
    assert [one["head"] for one in fitted.selection_["chosen"]["heads"]] == [head]
    assert fitted.score(paths, labels) > 0.8
    fitted.classifier_.save(tmp_path / "saved")
    again = PhotoClassifier.load(tmp_path / "saved")
    assert np.allclose(again.predict_proba(paths), fitted.predict_proba(paths), atol=1e-6)


def test_views_and_the_mirror_image(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], looked_at: list[int]
) -> None:
    fitted = classifier(
        strategy="features+augment",
        views=2,
        augmentation=Augmentation(horizontal_flip=True, rotation=20),
        settings={**SETTINGS, "test_views": "flip"},
    ).fit(paths, labels)
    assert sum(looked_at) == 3 * 36
    assert {"plain", "augmented"} <= set(fitted.selection_)
    fitted.predict(paths)
    assert sum(looked_at) == 4 * 36  # the mirror images
    of_paths = fitted.classifier_.predict_proba(list(paths))
    assert np.allclose(fitted.predict_proba(paths), of_paths, atol=1e-6)


def test_what_can_not_be_saved_names_no_option(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    fitted = classifier().fit(paths, labels)
    with pytest.raises(StorageError, match=r"exists already\. Choose another folder, or remove"):
        fitted.save(tmp_path / "taken")


def test_what_is_saved_predicts_the_same(
    paths: npt.NDArray[Any],
    labels: npt.NDArray[np.str_],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fitted = classifier().fit(paths, labels)
    fitted.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved")
    assert loaded.trained["num_train"] == 36
    assert np.array_equal(loaded.predict_proba(list(paths)), fitted.predict_proba(paths))
    result = system_helpers.invoke(capsys, "predict", tmp_path / "saved", *paths[::12])
    assert result.code == 0
    for path, label in zip(paths[::12], fitted.predict(paths[::12]), strict=True):
        assert re.search(rf"{path.parent.name}/{path.name}.*{label}", result.out)
    with pytest.raises(PhotograftError, match="exists already"):
        fitted.save(tmp_path / "saved")


def test_a_pickle_goes_to_a_place_where_weights_lie_elsewhere(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], cache: Path
) -> None:
    fitted = classifier("efficientnet_lite0").fit(paths, labels)
    found = fitted.predict_proba(paths)
    assert fitted.score(paths, labels) > 0.9
    copied = pickle.loads(pickle.dumps(fitted))
    copied.classifier_ = replace(copied.classifier_, weights_path=Path("/gone/model.bin"))
    shutil.rmtree(cache / "features")
    assert np.array_equal(copied.predict_proba(paths), found)


# Together with scikit-learn.


def test_nothing_is_looked_at_twice(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], looked_at: list[int]
) -> None:
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(classifier(), paths, labels, cv=folds)
    assert scores.mean() > 0.7
    assert sum(looked_at) == 36
    search = GridSearchCV(
        classifier(),
        {"layer": ["last", "joined", "auto"], "class_weight": [None, "balanced"]},
        cv=folds,
    ).fit(paths, labels)
    assert search.score(paths, labels) > 0.7
    features().transform([*paths, *paths])
    assert sum(looked_at) == 36


def test_each_backbone_of_a_search_looks_once(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], looked_at: list[int]
) -> None:
    search = GridSearchCV(
        classifier(), {"backbone": [TINY, TINY_NORM], "layer": ["last", "joined"]}, cv=2
    ).fit(paths, labels)
    assert len(search.cv_results_["params"]) == 4
    assert sum(looked_at) == 2 * 36


@pytest.mark.slow
def test_processes_share_what_they_saw(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], cache: Path, looked_at: list[int]
) -> None:
    estimator = classifier(cache=str(cache))  # the environment of a worker may be an older one
    at_once = cross_val_score(estimator, paths, labels, cv=3, n_jobs=2)
    assert system_helpers.num_stored(cache) >= 36
    assert np.array_equal(cross_val_score(estimator, paths, labels, cv=3), at_once)
    assert not looked_at


def test_groups_of_a_splitter(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    groups = np.arange(36) // 3
    scores = cross_val_score(
        classifier(), list(paths), labels, groups=groups, cv=StratifiedGroupKFold(3)
    )
    assert scores.shape == (3,)
    assert scores.mean() > 0.5


def test_calibration(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    for method in ("sigmoid", "isotonic"):
        calibrated = CalibratedClassifierCV(classifier(), method=method, cv=2).fit(paths, labels)
        assert calibrated.score(paths, labels) > 0.7


def test_features_in_a_pipeline(paths: npt.NDArray[Any], labels: npt.NDArray[np.str_]) -> None:
    model = make_pipeline(features(layer="joined"), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"backbonefeatures__layer": ["last", "joined"]}, cv=2)
    assert search.fit(list(paths), labels).score(list(paths), labels) > 0.7


def test_features_beside_other_columns(paths: npt.NDArray[Any]) -> None:
    table = pd.DataFrame(
        {"hour": np.arange(36) % 24, "path": paths.astype(str)}, index=range(100, 136)
    )
    columns = ColumnTransformer(
        [("photo", features(), ["path"]), ("rest", "passthrough", ["hour"])]
    )
    plain = columns.fit_transform(table)
    named = columns.set_output(transform="pandas").fit_transform(table)
    assert list(named.columns) == [*(f"photo__last_{i}" for i in range(24)), "rest__hour"]
    assert list(named.index) == list(table.index)
    assert np.array_equal(named.to_numpy(), plain)
    single = ColumnTransformer([("photo", features(), "path")]).fit_transform(table)
    assert np.array_equal(single, plain[:, :-1])


def test_names_of_joined_layers() -> None:
    names = features(layer="joined").get_feature_names_out()
    row = features(layer="joined").transform(pictures((20, 20), 1))
    assert len(names) == len(set(names)) == row.shape[1]
    assert names[-1] == "last_23"
    one = names[0].rpartition("_")[0]
    alone = features(layer=one).transform(pictures((20, 20), 1))
    assert np.array_equal(alone[0], row[0, : alone.shape[1]])


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import photograft
from photograft.core.errors import InputError
try:
    import photograft.interfaces.sklearn.estimators
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "pip install 'photograft[sklearn]'" in done.stdout


@pytest.mark.usefixtures("warm_cache")
def test_the_python_of_the_page_runs(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "scikit-learn.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photos)
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "scikit-learn.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert float(lines[0]) > 0.9
    assert "'layer': " in lines[1]
    assert lines[2].endswith("(2, 3)")
    assert float(lines[3]) > 0.9
    assert lines[4] == "['photo__last_0' 'rest__hour']"
    saved = json.loads((tmp_path / "fruit" / "classifier.json").read_text())
    assert saved["class_names"] == list(CLASSES)


# Several looks at a photo

LOOKS = ("efficientnet_lite0@64", "efficientnet_lite0@96,mirror")


@pytest.mark.usefixtures("warm_cache")
def test_features_of_several_looks(paths: npt.NDArray[Any]) -> None:
    settings = {"precision": "fp32"}
    joined = features("+".join(LOOKS), layer="joined", settings=settings)
    parts = [features(name, layer="joined", settings=settings) for name in LOOKS]
    found = joined.fit_transform(paths)
    alone = [part.fit_transform(paths) for part in parts]
    assert found.tobytes() == np.concatenate(alone, axis=1).tobytes()
    names = joined.get_feature_names_out().tolist()
    assert names == [
        f"{look}/{name}"
        for look, part in zip(LOOKS, parts, strict=True)
        for name in part.get_feature_names_out()
    ]
    last = features("+".join(LOOKS), settings=settings)
    kept = last.get_feature_names_out().tolist()
    assert {name.rpartition("_")[0] for name in kept} == {f"{look}/last" for look in LOOKS}
    columns = [names.index(name) for name in kept]
    assert np.array_equal(last.fit_transform(paths), found[:, columns])


@pytest.mark.usefixtures("warm_cache")
def test_a_classifier_of_several_looks(
    paths: npt.NDArray[Any], labels: npt.NDArray[np.str_], tmp_path: Path
) -> None:
    model = classifier("+".join(LOOKS), settings={"precision": "fp32"}).fit(paths, labels)
    assert [look.name for look in model.classifier_.backbone.looks] == list(LOOKS)
    assert model.score(paths, labels) == 1
    said = model.predict_proba(paths)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(paths).tobytes() == said.tobytes()
    model.classifier_.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved")
    assert loaded.predict_proba(list(paths)).tobytes() == said.tobytes()


@pytest.mark.usefixtures("warm_cache")
def test_no_look_is_searched_for(paths: npt.NDArray[Any]) -> None:
    """An estimator has the network that it is given, however badly it does."""
    given = np.random.default_rng(0).permutation(np.arange(len(paths)) % 2)
    model = PhotoClassifier(settings={"precision": "fp32"}).fit(paths, given)
    assert model.classifier_.backbone.name == "efficientnet_lite0"
    assert len(model.selection_["steps"]) == 1
