"""ONNX files in every command: trained with, compared, carried along, and explained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photograft
from onnx_helpers import MAP, POOLED, TOKENS, write_network
from photograft.classifier.classifier import Classifier
from photograft.core.errors import InputError, WeightsError
from photograft.core.store import FeatureStore
from recording import Recorder
from system_helpers import assert_one_line, feature_keys, invoke, read_json


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_network(tmp_path / "encoders" / "own.onnx", (MAP, POOLED))


def photo_in(photos: Path) -> Path:
    return next(photos.rglob("*.jpg"))


def test_the_main_job(
    photos: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that looks at photos takes the file, or a run that was made with it."""
    run, given = tmp_path / "run", ("--backbone", encoder)
    trained = invoke(capsys, "train", photos, *given, "--out", run)
    assert trained.code == 0, trained.err
    assert "taken as NCHW; 32 x 32" in trained.err
    assert trained.err.count("taken as") == 1
    assert str(encoder) in trained.out
    info = read_json(run / "classifier" / "classifier.json")
    assert info["backbone"]["weights"] == f"file:{encoder}"
    assert info["files"]["backbone.onnx"] == info["backbone"]["weights_sha256"]
    photo = photo_in(photos)
    for arguments in (
        ("predict", run, photo),
        ("evaluate", run, photos),
        ("suggest", run, photos, "-n", "2"),
        ("report", run),
        ("doctor", photos, *given, "--out", tmp_path / "doctor"),
        ("learning-curve", photos, *given, "--output", tmp_path / "curve.png"),
        ("explain", run, photo, "--out", tmp_path / "why"),
    ):
        done = invoke(capsys, *arguments)
        assert done.code == 0, (arguments, done.err)


def test_features_are_kept_by_content(photos: Path, encoder: Path, tmp_path: Path) -> None:
    """The same file is not looked through twice; another one of the same name is."""
    first = photograft.train(photos, backbone=encoder, out=tmp_path / "first")
    kept = feature_keys(FeatureStore().cache)
    photograft.train(photos, backbone=encoder, out=tmp_path / "again")
    assert feature_keys(FeatureStore().cache) == kept
    moved = shutil.copytree(encoder.parent, tmp_path / "elsewhere")
    photograft.train(photos, backbone=f"{moved}/", out=tmp_path / "moved")
    assert feature_keys(FeatureStore().cache) == kept
    write_network(encoder, (MAP, POOLED), seed=1)
    other = photograft.train(photos, backbone=encoder, out=tmp_path / "other")
    assert len(feature_keys(FeatureStore().cache)) == len(kept) + 1
    hashes = [run.classifier.backbone.weights_sha256 for run in (first, other)]
    assert len(set(hashes)) == 2


def test_a_classifier_that_carries_the_file(photos: Path, encoder: Path, tmp_path: Path) -> None:
    run = photograft.train(photos, backbone=encoder, out=tmp_path / "run")
    before = run.classifier.predict_proba(photo_in(photos))
    shutil.rmtree(encoder.parent)
    shutil.move(run.path, tmp_path / "moved")
    classifier = Classifier.load(tmp_path / "moved")
    np.testing.assert_array_equal(classifier.predict_proba(photo_in(photos)), before)
    classifier.save(tmp_path / "saved", include_weights=True)
    saved = Classifier.load(tmp_path / "saved")
    np.testing.assert_array_equal(saved.predict_proba(photo_in(photos)), before)


def test_a_file_with_its_data_beside_it_is_carried_as_one(photos: Path, tmp_path: Path) -> None:
    encoder = write_network(tmp_path / "encoders" / "own.onnx", (POOLED,), external="own.data")
    run = photograft.train(photos, backbone=encoder, out=tmp_path / "run")
    before = run.classifier.predict_proba(photo_in(photos))
    shutil.rmtree(encoder.parent)
    FeatureStore().clear()
    loaded = Classifier.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict_proba(photo_in(photos)), before)


def test_a_classifier_that_refers_to_the_file(
    photos: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    photograft.train(photos, backbone=encoder, include_weights="never", out=run)
    assert not (run / "classifier" / "backbone.onnx").exists()
    classifier = Classifier.load(run)
    assert classifier.predict(photo_in(photos)).label
    write_network(encoder, (MAP, POOLED), seed=1)
    changed = invoke(capsys, "predict", run, photo_in(photos))
    assert_one_line(changed, f"{encoder} is not the file that it was", "Put the same file there")
    encoder.unlink()
    missing = invoke(capsys, "predict", run, photo_in(photos))
    assert_one_line(missing, f"is not at {encoder} any more", "--include-weights always")
    with pytest.raises(WeightsError):
        Classifier.load(run).predict(photo_in(photos))


def test_a_file_that_was_changed_in_a_classifier(
    photos: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = photograft.train(photos, backbone=encoder, out=tmp_path / "run").path
    write_network(run / "classifier" / "backbone.onnx", (MAP, POOLED), seed=1)
    assert_one_line(invoke(capsys, "predict", run, photo_in(photos)), "is not as it was written")


def test_comparing(photos: Path, encoder: Path, tmp_path: Path) -> None:
    """Networks that can't be trained are left out of strategies that train them."""
    options = {"backbones": [encoder, "efficientnet_lite0"], "strategies": ["features"]}
    comparison = photograft.compare(photos, **options, out=tmp_path / "all")  # type: ignore[arg-type]
    rows = {row["id"]: row for row in comparison.leaderboard()}
    assert set(rows) == {f"{encoder} features", "efficientnet_lite0 features"}
    own = rows[f"{encoder} features"]
    assert own["accuracy"] > 0.4
    # 16 places of a kernel of 8 x 8 x 3 for each of 6 channels.
    assert own["multiply_adds"] == 16 * 6 * 8 * 8 * 3
    assert own["num_params"] > 6 * 8 * 8 * 3


def test_a_comparison_with_another_file_of_that_name(
    photos: Path, encoder: Path, tmp_path: Path
) -> None:
    """What was found out about the file of before is not taken for the new one's."""
    found = []
    for seed in (0, 1):
        write_network(encoder, (POOLED,), seed=seed)
        photograft.compare(
            photos, backbones=[encoder], strategies=["features"], out=tmp_path / "all"
        )
        found.append(len(list((tmp_path / "all" / "candidates").iterdir())))
    assert found == [1, 2]


@pytest.mark.parametrize(
    "options",
    [
        ("--strategy", "finetune"),
        ("--strategy", "auto"),
        ("--strategy", "scratch"),
        ("--strategy", "features+augment", "--views", "-1"),
    ],
    ids=str,
)
def test_it_is_not_trained(
    photos: Path,
    encoder: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("--backbone", encoder, *options, "--out", tmp_path / "run")
    said = invoke(capsys, "train", photos, *given)
    assert_one_line(said, "is an ONNX file, which can't be trained", "--weights FILE")


def test_other_things_that_it_is_not_for(
    photos: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", tmp_path / "out")
    given = ("train", photos, "--backbone", encoder, *out)
    assert_one_line(invoke(capsys, *given, "--engine", "torch"), "run by openvino or onnxruntime")
    assert_one_line(invoke(capsys, *given, "--weights", "random"), "holds its weights itself")
    assert_one_line(invoke(capsys, *given, "--input-size", "64"), "photos of 32 x 32 only")
    assert_one_line(invoke(capsys, "summary", encoder), "of which there is no summary")
    found = ("compare", photos, "--backbones", encoder, "--strategies", "finetune", *out)
    assert_one_line(invoke(capsys, *found), "is an ONNX file, which can't be trained")
    nothing = ("train", photos, "--backbone", tmp_path / "none.onnx", *out)
    assert_one_line(invoke(capsys, *nothing), "there is no ONNX file")
    (tmp_path / "text.onnx").write_text("no network")
    text = ("train", photos, "--backbone", tmp_path / "text.onnx", *out)
    assert_one_line(invoke(capsys, *text), "is no ONNX file")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_heat_maps(photos: Path, tmp_path: Path, engine: str) -> None:
    """Where the layers are maps there are heat maps, of the features that the classifier sees."""
    encoder = write_network(tmp_path / "own.onnx", (MAP,))
    run = photograft.train(photos, backbone=encoder, engine=engine, out=tmp_path / "run")
    photo = photo_in(photos)
    notes: list[str] = []
    (found,) = photograft.explain(run, photo, out=tmp_path / "why", note=notes.append)
    assert found.heat is not None
    assert found.heat.shape == (4, 4)
    assert found.heat.any()
    assert notes == []
    assert found.picture is not None
    with Image.open(found.picture) as picture:
        assert picture.size[0] > 100


def test_no_heat_maps_of_what_is_no_map(photos: Path, tmp_path: Path) -> None:
    """Then that is said, and the nearest photos are shown."""
    encoder = write_network(tmp_path / "own.onnx", (TOKENS,))
    run = photograft.train(photos, backbone=encoder, out=tmp_path / "run")
    notes: list[str] = []
    (found,) = photograft.explain(run, photo_in(photos), note=notes.append)
    assert found.heat is None
    assert found.neighbours
    assert found.neighbours[0].distance < 0.01  # itself, or a photo as like it
    assert len(notes) == 1
    assert "there is no heat map" in notes[0]


def test_augmented_and_mirrored_views(photos: Path, encoder: Path, tmp_path: Path) -> None:
    run = photograft.train(
        photos,
        backbone=encoder,
        strategy="features+augment",
        views=1,
        test_views="flip",
        out=tmp_path / "run",
    )
    assert run.metrics is not None
    assert run.classifier.predict(photo_in(photos)).label


def test_estimators(photos: Path, encoder: Path) -> None:
    from photograft.interfaces.sklearn.estimators import PhotoClassifier
    from photograft.interfaces.sklearn.transformer import BackboneFeatures

    files = sorted(photos.rglob("*.jpg"))
    labels = [path.parent.name for path in files]
    for name in (encoder, str(encoder)):
        fitted = PhotoClassifier(name).fit(files, labels)
        assert fitted.score(files, labels) > 0.5
    found = BackboneFeatures(str(encoder)).transform(files)
    assert found.shape == (len(files), 6)
    write_network(encoder, (POOLED,), seed=3)
    assert not np.array_equal(BackboneFeatures(str(encoder)).transform(files), found)


def test_paths_are_no_names(
    photos: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder given as a path from Python needs no slash, and keeps its own on a command line."""
    monkeypatch.chdir(encoder.parent.parent)
    run = photograft.train(photos, backbone=Path("encoders"), out=tmp_path / "run")
    assert run.classifier.backbone.name == "./encoders"
    run = photograft.train(photos, backbone="encoders/", out=tmp_path / "other")
    assert run.classifier.backbone.name == "encoders/"
    found = photograft.compare(
        photos, backbones=[Path("encoders")], strategies=["features"], out=tmp_path / "all"
    )
    assert found.info["winner"] == "./encoders features"


def test_the_note_is_told_once(photos: Path, tmp_path: Path) -> None:
    encoder = write_network(tmp_path / "told.onnx", (MAP,))
    told = Recorder()
    photograft.train(photos, backbone=encoder, out=tmp_path / "run", progress=told)
    assert len([line for line in told.said if "taken as" in line]) == 1


def test_a_record_that_says_all_leaves_nothing_to_note(photos: Path, tmp_path: Path) -> None:
    encoder = write_network(tmp_path / "own.onnx", (MAP,))
    record = {
        "input_size": 32, "layout": "NCHW", "range": [0, 1], "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "crop": "center", "layers": [MAP],
    }  # fmt: skip
    lines = [f"{name} = {json.dumps(value)}" for name, value in record.items()]
    encoder.with_suffix(".toml").write_text("\n".join(lines))
    told = Recorder()
    run = photograft.train(
        photos, backbone=encoder.with_suffix(".toml"), out=tmp_path / "run", progress=told
    )
    assert not [line for line in told.said if "taken as" in line]
    assert run.classifier.backbone.crop_mode == "center"


def test_a_run_that_names_its_settings_is_repeated(
    photos: Path, encoder: Path, tmp_path: Path
) -> None:
    run = photograft.train(photos, backbone=encoder, out=tmp_path / "run")
    again = photograft.train(photos, run.path / "run.json", out=tmp_path / "again")
    assert run.scores == again.scores
    encoder.unlink()
    with pytest.raises(InputError, match="there is no ONNX file"):
        photograft.train(photos, run.path / "run.json", out=tmp_path / "third")
