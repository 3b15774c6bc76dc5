"""What a saved classifier carries to say how sure it is: kept to the bit, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.files import checksum
from photograft.classifier.head import Head
from photograft.classifier.reference import FILE_NAME as REFERENCE_NAME
from photograft.classifier.reference import Reference
from photograft.classifier.uncertainty.calibration import calibrate
from photograft.classifier.uncertainty.held_out import HeldOutAnswers
from photograft.classifier.uncertainty.ood_fitting import fit_ood_detector
from photograft.classifier.uncertainty.uncertainty import (
    FILE_NAME,
    UNKNOWN,
    UNSURE,
    Rules,
    Uncertainty,
    logs_of,
)
from photograft.core.errors import ClassifierError, InputError
from photograft.core.files import sha256_of
from training_helpers import tiny_backbone

CLASSES = ("ants", "bees", "wasps")
NUM_PHOTOS = 120

Rows = npt.NDArray[np.float32]


def make_assured() -> tuple[Classifier, Rows]:
    """A classifier of made-up photos that carries all that there is, and rows of new photos."""
    rng = np.random.default_rng(0)
    backbone = tiny_backbone()
    width = backbone.num_features
    labels = np.arange(NUM_PHOTOS, dtype=np.int64) % 3
    centres = rng.normal(0, 2, (3, width))
    features = (centres[labels] + rng.normal(0, 1, (NUM_PHOTOS, width))).astype(np.float32)
    head = Head(
        (rng.normal(size=(backbone.layers[-1].num_features, 3)).astype(np.float32),),
        (np.zeros(3, np.float32),),
    )
    classifier = Classifier(
        CLASSES, backbone, Engine("torch", "fp32"), (backbone.layers[-1].name,), head
    )
    said = classifier.classify(features)
    groups = np.arange(NUM_PHOTOS)
    found = calibrate(logs_of(said), labels, groups, rng=rng, fitted_on="made-up photos")
    detector = fit_ood_detector(
        features,
        labels,
        groups,
        logs_of(said),
        widths=[layer.num_features for layer in backbone.layers],
        rng=rng,
    )
    reference = Reference.fit(
        features[:, classifier.last_columns()], labels, [f"{i}.jpg" for i in groups], rng=rng
    )
    uncertainty = Uncertainty(
        HeldOutAnswers.of(said, labels, "120 made-up photos"), detector, found.to_json()
    )
    new = np.concatenate([features[:20], rng.normal(0, 9, (20, width))]).astype(np.float32)
    return replace(classifier, uncertainty=uncertainty, reference=reference), new


@pytest.fixture(scope="module")
def made() -> tuple[Classifier, Rows]:
    return make_assured()


@pytest.fixture
def folder(made: tuple[Classifier, Rows], tmp_path: Path) -> Path:
    made[0].save(tmp_path / "c", include_weights=False)
    return tmp_path / "c"


def written_anew(folder: Path, name: str, tensors: dict[str, npt.NDArray[Any]] | bytes) -> None:
    """Change a file as somebody who knows of the checksums could."""
    (folder / name).write_bytes(tensors if isinstance(tensors, bytes) else save(tensors))
    change_manifest(folder, lambda m: m["files"].update({name: sha256_of(folder / name)}))


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "classifier.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["checksum"]
    change(manifest)
    path.write_text(json.dumps({**manifest, "checksum": checksum(manifest)}), encoding="utf-8")


def test_round_trip_to_the_bit(made: tuple[Classifier, Rows], folder: Path) -> None:
    classifier, new = made
    loaded = Classifier.load(folder)
    ours, theirs = classifier.uncertainty, loaded.uncertainty
    assert ours
    assert theirs
    assert ours.ood_detector
    assert theirs.ood_detector
    assert theirs.calibration == json.loads(json.dumps(ours.calibration))
    for part in ("held_out", "ood_detector"):
        for field in fields(getattr(ours, part)):
            one, other = (getattr(getattr(a, part), field.name) for a in (ours, theirs))
            assert np.array_equal(one, other), (part, field.name)
    said = classifier.classify(new)
    before, after = classifier.ood_scores(new, said), loaded.ood_scores(new, loaded.classify(new))
    assert before is not None
    assert after is not None
    assert before.tobytes() == after.tobytes()
    assert len(np.unique(before)) == len(new)
    asked: dict[str, Any] = {"kept": 0.9, "min_accuracy": 0.8, "coverage": 0.9}
    one, other = ours.rules(**asked), theirs.rules(**asked)
    assert one == other
    assert len(one.sentences) == 3
    assert classifier.reference
    assert loaded.reference
    columns = classifier.last_columns()
    near = [c.nearest(new[:, columns]) for c in (classifier.reference, loaded.reference)]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*near, strict=True))
    assert loaded.reference.names == classifier.reference.names


def test_saving_twice_gives_the_same_bytes(
    made: tuple[Classifier, Rows], folder: Path, tmp_path: Path
) -> None:
    Classifier.load(folder).save(tmp_path / "again", include_weights=False)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [FILE_NAME, "classifier.json", "head.safetensors", REFERENCE_NAME]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000


@pytest.mark.parametrize("name", [FILE_NAME, REFERENCE_NAME])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut off", "changed", "no tensors"])
def test_damaged_file_is_refused_by_name(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(data[:-1])
    elif damage == "changed":
        path.write_bytes(data[:-7] + bytes([data[-7] ^ 1]) + data[-6:])
    else:
        written_anew(folder, name, b"nonsense" * 9)
    with pytest.raises(ClassifierError, match=name) as caught:
        Classifier.load(folder)
    assert "again" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "held_out.confidence",
        "held_out.score",
        "novelty.bounds",
        "novelty.rows",
        "novelty.radii",
        "novelty.spread",
        "novelty.held_out",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "nan", "shorter", "flat"])
def test_parts_that_do_not_fit_are_refused(folder: Path, name: str, damage: str) -> None:
    tensors = dict(load((folder / FILE_NAME).read_bytes()))
    if damage == "missing":
        del tensors[name]
    elif damage == "nan":
        tensors[name] = np.full_like(tensors[name], np.nan)
    elif damage == "shorter":
        keep = 0 if name == "novelty.held_out" else -1
        tensors[name] = tensors[name][:keep]
    else:
        tensors[name] = np.zeros((2, 2, 2), np.float32)
    written_anew(folder, FILE_NAME, tensors)
    with pytest.raises(ClassifierError, match=r"how sure it is|held-out answers"):
        Classifier.load(folder)


def test_one_of_before_all_this_answers_as_it_did(
    made: tuple[Classifier, Rows], folder: Path, tmp_path: Path
) -> None:
    classifier, new = made
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    for name in (FILE_NAME, REFERENCE_NAME):
        (older / name).unlink()

    def forget(manifest: dict[str, Any]) -> None:
        del manifest["assurance"], manifest["files"][FILE_NAME], manifest["files"][REFERENCE_NAME]

    change_manifest(older, forget)
    loaded = Classifier.load(older)
    assert (loaded.uncertainty, loaded.reference) == (None, None)
    said = loaded.classify(new)
    assert said.tobytes() == classifier.classify(new).tobytes()
    assert loaded.ood_scores(new, said) is None


def test_nothing_known_is_saved_as_nothing(made: tuple[Classifier, Rows], tmp_path: Path) -> None:
    replace(made[0], uncertainty=Uncertainty()).save(tmp_path / "c", include_weights=False)
    assert Classifier.load(tmp_path / "c").uncertainty == Uncertainty()


def test_ood_score_is_always_a_number(made: tuple[Classifier, Rows]) -> None:
    classifier, new = made
    odd = np.zeros((4, new.shape[1]), np.float32)
    odd[1], odd[2], odd[3] = 1e-30, 1e15, new[0]
    said = classifier.classify(odd)
    said[3] = [1, 0, 0]
    scores = classifier.ood_scores(odd, said)
    assert scores is not None
    assert np.isfinite(scores).all()
    empty = classifier.ood_scores(odd[:0], said[:0])
    assert empty is not None
    assert empty.shape == (0,)
    assert np.isfinite(logs_of(np.array([0.0, 1e-45, 1.0], np.float32))).all()


def test_answers_by_rules() -> None:
    rules = Rules(ood_threshold=2.0, confidence=0.9)
    assert rules.answers
    assert rules.answer("ants", 0.95, 1.0) == "ants"
    assert rules.answer("ants", 0.9, 2.0) == "ants"  # both just so
    assert rules.answer("ants", 0.89, 1.0) == UNSURE
    assert rules.answer("ants", 0.1, 2.1) == rules.answer("ants", 1.0, 2.1) == UNKNOWN
    assert rules.answer("ants", 0.95, None) == "ants"
    assert not Rules().answers
    assert Rules().answer("ants", 0.0, 99.0) == "ants"


def test_rules_are_what_was_asked(made: tuple[Classifier, Rows]) -> None:
    uncertainty = made[0].uncertainty
    assert uncertainty
    assert uncertainty.ood_detector
    assert uncertainty.held_out
    assert uncertainty.rules() == Rules()
    one = uncertainty.rules(kept=0.9)
    assert one.ood_threshold == uncertainty.ood_detector.threshold(0.9)
    assert (one.confidence, one.sets) == (None, None)
    assert one.sentences[0].startswith(
        f"unknown: an OOD score of more than {one.ood_threshold:.3f}. Of 120 photos "
    )
    assert uncertainty.rules(kept=1.0).ood_threshold == float(uncertainty.ood_detector.held_out[-1])
    confidence = uncertainty.rules(min_accuracy=0.8).confidence
    assert confidence == uncertainty.held_out.abstention(0.8).threshold
    (said,) = uncertainty.rules(min_accuracy=0.8).sentences
    assert said.startswith(f"unsure: what it is less than {confidence:.1%} sure of. ")
    sets = uncertainty.rules(coverage=0.9)
    assert sets.sets == uncertainty.held_out.sets(0.9)
    assert not sets.answers
    assert sets.sentences[0].startswith("classes: Asked for all classes")


@pytest.mark.parametrize(
    "asked",
    [
        {name: value}
        for name in ("kept", "min_accuracy", "coverage")
        for value in (-0.1, 1.1, float("nan"))
    ]
    + [{"kept": 0.0}, {"coverage": 0.0}, {"coverage": 1.0}],
    ids=str,
)
def test_what_is_no_share_is_refused(
    made: tuple[Classifier, Rows], asked: dict[str, float]
) -> None:
    assert made[0].uncertainty
    with pytest.raises(InputError):
        made[0].uncertainty.rules(**asked)


@pytest.mark.parametrize("asked", ["kept", "min_accuracy", "coverage"])
def test_nothing_to_tell_by_is_said(asked: str) -> None:
    with pytest.raises(InputError, match=r"this classifier does not know .*Train again"):
        Uncertainty().rules(**{asked: 0.9})
