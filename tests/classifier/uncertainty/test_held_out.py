"""What a classifier carries of its held-out photos gives what the photos themselves would."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from photograft.classifier.uncertainty.abstaining import choose_threshold
from photograft.classifier.uncertainty.conformal import fit_scores, true_scores
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.core.errors import ClassifierError, InputError


def photos(n: int, num_classes: int = 4) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, n)
    logits = rng.normal(size=(n, num_classes))
    logits[np.arange(n), labels] += 2
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels


@pytest.mark.parametrize("n", [1, 30, 500])
def test_saved_and_loaded_it_answers_as_the_photos_do(n: int) -> None:
    probabilities, labels = photos(n)
    tensors = HeldOutAnswers.of(probabilities, labels, "some photos").tensors()
    assert {t.dtype for t in tensors.values()} == {np.dtype(np.float32)}
    found = HeldOutAnswers.from_tensors(
        load(save({**tensors, "weight": np.eye(2, dtype=np.float32)})), "some photos"
    )
    assert found.source == "some photos"
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    for target in (0.5, 0.9, 0.99):
        assert found.abstention(target) == choose_threshold(confidences, right, target)
        assert found.sets(target) == fit_scores(true_scores(probabilities, labels), target)


def test_no_held_out_photos() -> None:
    """A classifier without validation: sets of all classes, and a word on abstaining."""
    empty = HeldOutAnswers.of(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), "no photos")
    found = HeldOutAnswers.from_tensors(load(save(empty.tensors())), "no photos")
    sets = found.sets(0.9)
    assert not sets.is_enough
    assert sets.sets(photos(5, 3)[0]).all()
    with pytest.raises(InputError, match="no held-out photos"):
        found.abstention(0.9)


def test_few_held_out_photos() -> None:
    found = HeldOutAnswers.of(*photos(10), "ten photos")
    assert not found.sets(0.95).is_enough
    assert found.sets(0.8).is_enough
    assert not found.abstention(0.95).is_shown


@pytest.mark.parametrize("name", ["confidence", "right", "score"])
def test_tensors_that_are_not_as_they_were(name: str) -> None:
    tensors = HeldOutAnswers.of(*photos(20), "some photos").tensors()
    key = f"held_out.{name}"
    with pytest.raises(ClassifierError, match="incomplete"):
        HeldOutAnswers.from_tensors({k: t for k, t in tensors.items() if k != key}, "")
    for wrong in (tensors[key][:5], tensors[key] + 2, tensors[key] * np.nan, tensors[key][None]):
        with pytest.raises(ClassifierError, match="not as they were written"):
            HeldOutAnswers.from_tensors({**tensors, key: wrong}, "")


def test_labels_that_do_not_fit() -> None:
    probabilities, labels = photos(20)
    with pytest.raises(InputError):
        HeldOutAnswers.of(probabilities, labels[:5], "some photos")


def test_curve_goes_from_the_surest_answer_to_all() -> None:
    found = HeldOutAnswers(
        np.array([0.6, 0.9, 0.9, 0.5], np.float32),
        np.array([True, True, False, False]),
        np.zeros(4, np.float32),
        "4 photos",
    )
    # Photos of the same confidence are answered together.
    assert found.curve() == pytest.approx(
        np.array([(0.5, 0.5, 0.9), (0.75, 2 / 3, 0.6), (1.0, 0.5, 0.5)])
    )
    assert [share for share, _, _ in found.curve(2)] == [0.5, 1.0]
    nothing = np.zeros(0, np.float32)
    assert HeldOutAnswers(nothing, nothing > 0, nothing, "none").curve() == []
