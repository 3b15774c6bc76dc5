"""The classifier among the estimators: labels, parameters, and what is saved."""

from __future__ import annotations

import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import system_helpers
from estimator_helpers import CLASSES, SETTINGS, classifier
from photograft.classifier.classifier import Classifier
from photograft.core.errors import PhotograftError, StorageError
from photograft.features.settings import Augmentation
from photograft.interfaces.sklearn.estimators import PhotoClassifier
from training_helpers import TINY, TINY_NORM


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
