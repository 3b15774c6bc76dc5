"""`photograft train` from end to end: what it makes of folders good and bad, and what it leaves."""

from __future__ import annotations

import datetime
import math
import os
import shutil
import signal
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import MakePhotos, draw_photo
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.features.settings import Augmentation
from photograft.learning.settings import TrainConfig, Training
from recording import Recorder
from training_helpers import tiny_config

HYMENOPTERA = Path(__file__).parents[3] / "shared" / "datasets" / "hymenoptera"

SCORES = {
    "num_photos",
    "accuracy",
    "accuracy_interval",
    "baseline_accuracy",
    "top_5_accuracy",
    "macro_f1",
    "log_loss",
    "expected_calibration_error",
    "classes",
    "confusion",
}


pytestmark = pytest.mark.usefixtures("warm_cache")


def split_of(run: Path) -> dict[str, str]:
    return {row["name"]: row["split"] for row in system.read_rows(run / "files.parquet")}


def sum_of_widths(info: dict[str, Any]) -> int:
    """How many features the head of a run sees."""
    widths = {layer["name"]: layer["num_features"] for layer in info["backbone"]["layers"]}
    return sum(widths[name] for name in info["layers"])


# What a run folder holds


def test_run_folder_is_complete(run_path: Path) -> None:
    files = {str(p.relative_to(run_path)) for p in run_path.rglob("*") if p.is_file()}
    assert files - {"pictures/most_confident_mistakes.png"} == {
        "run.json",
        "metrics.json",
        "selection.json",
        "files.parquet",
        "predictions.parquet",
        "pictures/confusion_matrix.png",
        "report.html",
        "classifier/classifier.json",
        "classifier/head.safetensors",
        "classifier/assurance.safetensors",
        "classifier/learned.safetensors",
        "classifier/reference.safetensors",
        "findings.csv",
        "findings.parquet",
    }


def test_metrics_have_these_keys_and_no_other(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    assert list(metrics) == ["validation", "test"]
    for part in metrics.values():
        assert set(part) == SCORES
        assert part["num_photos"] == 9  # 15 % of twenty in each of three classes
        low, high = part["accuracy_interval"]
        assert 0 <= low <= part["accuracy"] <= high <= 1
        assert part["top_5_accuracy"] is None
        assert part["baseline_accuracy"] == pytest.approx(1 / 3)
        assert [row["name"] for row in part["classes"]] == list(system.CLASSES)
        assert {"name", "precision", "recall", "f1", "support"} == set(part["classes"][0])


def test_easy_classes_are_told_apart(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    assert metrics["validation"]["accuracy"] >= 0.85
    assert metrics["test"]["accuracy"] >= 0.85


def test_run_json_says_what_was_done(run_path: Path, photos: Path) -> None:
    info = system.read_json(run_path / "run.json")
    settings = TrainConfig.from_json(info["config"])
    assert settings == TrainConfig(validation=0.15), "no loop ran, and none is named"
    assert info["strategy"] == "features"
    assert info["history"] is None
    assert info["params"]["trained"] == (sum_of_widths(info) + 1) * 3
    assert info["params"]["total"] == info["backbone"]["num_params"] + info["params"]["trained"]
    assert info["seed"] == 0
    assert info["name"] == "photos"
    assert info["data"]["fingerprint"] == Dataset.load(photos).fingerprint()
    assert info["data"]["source"] == str(photos)
    assert info["data"]["class_counts"] == {
        "train": [14] * 3,
        "validation": [3] * 3,
        "test": [3] * 3,
    }
    assert info["data"]["notes"] == [
        "split by seed 0, class by class: 42 train, 9 validation, 9 test"
    ]
    assert info["versions"]["photograft"] == photograft.__version__
    assert {"python", "torch", "timm", "numpy", "pillow"} <= set(info["versions"])
    assert info["warnings"] == []
    assert info["seconds"] > 0
    assert datetime.datetime.fromisoformat(info["started"]).tzinfo is not None
    assert len(info["backbone"]["weights_sha256"]) == 64


def test_where_cross_validation_chooses_nothing_is_set_aside(
    make_photos: MakePhotos, tmp_path: Path, cache: Path
) -> None:
    """More photos to choose by and to learn from; a network that is trained needs some to watch."""
    source = make_photos(tmp_path / "photos", classes=system.CLASSES, n=20, size=48)
    settings = tiny_config("features", weights="random", validation=None, test=0.2)
    run = photograft.train(source, settings, out=tmp_path / "run", store=FeatureStore(cache))
    assert run.info["data"]["class_counts"] == {
        "train": [16] * 3,
        "validation": [0] * 3,
        "test": [4] * 3,
    }
    assert run.scores["validation"] is None
    assert any("nothing is set aside for validation" in n for n in run.info["data"]["notes"])
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "nothing is set aside for validation" in page
    # How sure it may be is known from the photos that were held out in turn.
    assert run.info["certainty"]["held_out"] == "48 training photos, held out in turn"
    assert run.classifier.uncertainty is not None
    assert run.classifier.uncertainty.ood_detector is not None
    loop = replace(settings, strategy="scratch", weights="random")
    other = photograft.train(source, loop, out=tmp_path / "loop", store=FeatureStore(cache))
    tests = [
        {name for name, part in split_of(path).items() if part == "test"}
        for path in (run.path, other.path)
    ]
    assert tests[0] == tests[1]
    assert other.scores["validation"]["num_photos"] > 0


def test_fingerprint_follows_the_content(tmp_path: Path, photos: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "copy")
    before = Dataset.load(copy).fingerprint()
    assert before == Dataset.load(photos).fingerprint()
    Image.new("RGB", (64, 64), "red").save(copy / "circle" / "00.jpg")
    assert Dataset.load(copy).fingerprint() != before


def test_predictions_agree_with_metrics(run_path: Path) -> None:
    metrics = system.read_json(run_path / "metrics.json")
    rows = system.read_rows(run_path / "predictions.parquet")
    assert {row["split"] for row in rows} == {"validation", "test"}
    splits = split_of(run_path)
    for name, scores in metrics.items():
        own = [row for row in rows if row["split"] == name]
        assert [row["name"] for row in own] == [n for n, part in splits.items() if part == name]
        assert all(row["name"].startswith(row["label"] + "/") for row in own)
        check_scores(scores, own)


def check_scores(scores: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Compute the scores anew from the rows of predictions.parquet."""
    names = [row["name"] for row in scores["classes"]]
    probabilities = np.array([row["probabilities"] for row in rows], np.float64)
    labels = np.array([names.index(row["label"]) for row in rows])
    predicted = probabilities.argmax(axis=1)
    assert scores["num_photos"] == len(rows)
    assert [row["predicted"] for row in rows] == [names[c] for c in predicted]
    assert [row["probability"] for row in rows] == pytest.approx(probabilities.max(axis=1).tolist())
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert scores["accuracy"] == pytest.approx(np.mean(predicted == labels))
    own = probabilities[np.arange(len(rows)), labels]
    assert scores["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    confusion = np.zeros((len(names), len(names)), int)
    for true, said in zip(labels, predicted, strict=True):
        confusion[true, said] += 1
    assert scores["confusion"] == confusion.tolist()
    recalls = [confusion[c, c] / confusion[c].sum() for c in range(len(names))]
    assert [row["recall"] for row in scores["classes"]] == pytest.approx(recalls)


def test_picture_opens_and_is_not_blank(run_path: Path) -> None:
    with Image.open(run_path / "pictures" / "confusion_matrix.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) >= 300
    assert pixels.std() > 20
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_classifier_of_a_run_loads_and_knows(run_path: Path, photos: Path) -> None:
    run = photograft.Run.load(run_path)
    assert run.scores == system.read_json(run_path / "metrics.json")
    for path in (run_path, run_path / "classifier"):
        classifier = photograft.Classifier.load(path)
        assert classifier.class_names == system.CLASSES
        assert classifier.trained["data_fingerprint"] == run.info["data"]["fingerprint"]
    rows = system.read_rows(run_path / "predictions.parquet")
    row = next(row for row in rows if row["split"] == "test")
    prediction = run.classifier.predict([photos / row["name"]])[0]
    assert (prediction.label, prediction.error) == (row["predicted"], "")
    assert prediction.probability == pytest.approx(row["probability"], abs=1e-6)


def test_changed_classifier_is_noticed(run_path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_path, tmp_path / "copy")
    for name in ("head.safetensors", "classifier.json"):
        path = copy / "classifier" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        with pytest.raises(photograft.PhotograftError, match="not as it was written"):
            photograft.Classifier.load(copy)
        path.write_bytes(whole)
    assert photograft.Classifier.load(copy).class_names == system.CLASSES


# Splits


def test_screen_shows_table_split_and_next_step(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new run"
    result = system.invoke(capsys, "train", photos, "--out", out)
    assert result.code == 0
    for text in ("accuracy", "interval", "macro-F1", "circle", "split by seed 0"):
        assert text in result.out
    assert f"photograft predict '{out}' PHOTOS..." in result.out
    assert str(out / "pictures" / "confusion_matrix.png") in result.out
    assert result.err == ""


def test_given_split_is_respected(make_photos: MakePhotos, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for i, part in enumerate(("training", "val", "Testing")):
        make_photos(source / part, n=(8, 3, 4)[i], seed=i)
    run = photograft.train(source, out=tmp_path / "run")
    splits = split_of(run.path)
    for folder, part in (("training", "train"), ("val", "validation"), ("Testing", "test")):
        assert {s for name, s in splits.items() if name.startswith(folder + "/")} == {part}
    assert run.scores["test"]["num_photos"] == 8
    assert "the split is the one that the source gives" in run.info["data"]["notes"]
    assert run.info["warnings"] == []


def test_no_test_part_means_no_test_score(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "source" / "train", n=8)
    make_photos(tmp_path / "source" / "validation", n=3, seed=1)
    result = system.invoke(capsys, "train", tmp_path / "source", "--out", tmp_path / "run")
    assert result.code == 0
    metrics = system.read_json(tmp_path / "run" / "metrics.json")
    assert metrics["test"] is None
    assert metrics["validation"]["num_photos"] == 6
    assert "no test part" in result.out
    rows = system.read_rows(tmp_path / "run" / "predictions.parquet")
    assert {row["split"] for row in rows} == {"validation"}
    assert (tmp_path / "run" / "pictures" / "confusion_matrix.png").is_file()


def test_all_is_kept_in_the_store_that_is_given(
    make_photos: MakePhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What explains the mistakes on the page, too."""
    source = make_photos(tmp_path / "photos", n=20)
    for photo in sorted(source.glob("*/*.jpg"))[::3]:  # wrong labels make mistakes
        other = {"circle": "square", "square": "circle"}[photo.parent.name]
        photo.rename(source / other / f"moved-{photo.name}")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "usual"))
    store = FeatureStore(tmp_path / "store")
    run = photograft.train(source, out=tmp_path / "run", store=store)
    page = run.report.read_text(encoding="utf-8")
    assert '<ul class="explained">' in page
    assert list(store.cache.iterdir())
    assert not (tmp_path / "usual").exists()


def test_neither_validation_nor_test(tmp_path: Path, photos: Path) -> None:
    run = photograft.train(photos, TrainConfig(validation=0, test=0), out=tmp_path / "run")
    assert run.scores == {"validation": None, "test": None}
    assert run.pictures == []
    assert len(run.classifier.predict([photos / "circle" / "00.jpg"])[0].label or "") > 0


def test_other_seed_other_split_same_seed_same_result(
    run_path: Path, photos: Path, tmp_path: Path
) -> None:
    same = photograft.train(photos, TrainConfig(seed=0, validation=0.15), out=tmp_path / "same")
    other = photograft.train(photos, TrainConfig(seed=1, validation=0.15), out=tmp_path / "other")
    assert system.same_results([run_path, same.path])
    assert split_of(other.path) != split_of(run_path)
    assert sorted(split_of(other.path).values()) == sorted(split_of(run_path).values())


# Warnings


def test_leaks_across_a_given_split_are_counted(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    make_photos(source / "train", n=8)
    make_photos(source / "test", n=4, seed=1)
    for i in range(3):
        name = f"circle/{i:02}.jpg"
        shutil.copy(source / "train" / name, source / "test" / f"circle/again{i}.jpg")
    result = system.invoke(capsys, "train", source, "--out", tmp_path / "run")
    assert result.code == 0
    (warning,) = system.read_json(tmp_path / "run" / "run.json")["warnings"]
    assert "3 groups of photos that belong together" in warning
    assert "Warning: 3 groups of photos that belong together (copies," in result.out


def test_same_content_under_two_labels_is_reported(make_photos: MakePhotos, tmp_path: Path) -> None:
    source = make_photos(tmp_path / "source", n=8)
    shutil.copy(source / "circle" / "03.jpg", source / "square" / "copy.jpg")
    run = photograft.train(source, out=tmp_path / "run")
    (warning,) = run.info["warnings"]
    assert "1 photo stands under several labels" in warning
    assert "circle/03.jpg" in warning
    splits = split_of(run.path)
    assert splits["circle/03.jpg"] == splits["square/copy.jpg"]


def test_small_and_missed_class_is_warned_of(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, count in (("common", 60), ("rare", 14)):
        (source / name).mkdir(parents=True)
        for i in range(count):  # both are drawn alike: nothing tells them apart
            rng = np.random.default_rng([len(name), i])
            draw_photo(rng, 0, 64).save(source / name / f"{i:02}.jpg")
    run = photograft.train(source, out=tmp_path / "run")
    (warning,) = run.info["warnings"]
    assert "class 'rare' is small (12 to train on, to the largest class's 51)" in warning
    assert "--class-weight balanced" in warning
    # There are mistakes, and so a picture of them.
    with Image.open(run.path / "pictures" / "most_confident_mistakes.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 10
    balanced = photograft.train(
        source, TrainConfig(class_weight="balanced"), out=tmp_path / "balanced"
    )
    assert balanced.info["warnings"] == []
    said_rare = [
        np.mean([r["probabilities"][1] for r in system.read_rows(path / "predictions.parquet")])
        for path in (run.path, balanced.path)
    ]
    assert said_rare[1] > said_rare[0] + 0.1


def test_small_class_that_is_recognised_is_not_warned_of(
    make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "source", n=40, size=64)
    for path in sorted((source / "square").iterdir())[10:]:
        path.unlink()
    run = photograft.train(source, out=tmp_path / "run")
    assert run.info["warnings"] == []


# A folder as they come


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one row's worth of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def make_mess(root: Path) -> dict[str, str]:
    """Add to class folders cat and dog what real folders hold; return what becomes of each."""
    cat, dog = root / "cat", root / "dog"
    rgb = draw_photo(np.random.default_rng(9), 1, 96)
    (cat / "empty.jpg").touch()
    (cat / "text.jpg").write_text("this is no photo\n")
    whole = (cat / "00.jpg").read_bytes()
    (cat / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    rgb.save(cat / "png_inside.jpg", format="PNG")
    (root / "README.md").write_text("# Cats and dogs\n")
    for hidden in (cat / ".ipynb_checkpoints", root / "__MACOSX" / "cat", root / ".git"):
        hidden.mkdir(parents=True)
        (hidden / "00-checkpoint.jpg").write_bytes(whole)
    (root / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (dog / "huge.png").write_bytes(png_header(20_000, 20_000))
    Image.new("RGB", (1, 1), "red").save(dog / "one_pixel.png")
    rgb.convert("CMYK").save(dog / "cmyk.jpg")
    grey = np.linspace(0, 65535, 96 * 96).reshape(96, 96).astype(np.uint16)
    Image.fromarray(grey).save(dog / "sixteen_bits.png")
    palette = rgb.quantize(16)
    palette.save(dog / "palette.png", transparency=3)
    frames = [draw_photo(np.random.default_rng(i), 2, 64) for i in range(3)]
    frames[0].save(dog / "moving.gif", save_all=True, append_images=frames[1:])
    rgb.rotate(90).save(dog / "schöner Hund 写真 ☃.jpeg", quality=90)
    (dog / "deeper").mkdir()
    rgb.rotate(180).save(dog / "deeper" / "below.BMP")
    (dog / "loop").symlink_to(root)
    (dog / "gone.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(dog / "pipe.jpg")
    return {
        "cat/empty.jpg": "empty file",
        "cat/text.jpg": "not an image",
        "cat/truncated.jpg": "truncated",
        "cat/png_inside.jpg": "used",
        "README.md": "not in a class folder",
        "cat/.ipynb_checkpoints/": "hidden or system file",
        "__MACOSX/": "hidden or system file",
        ".git/": "hidden or system file",
        ".DS_Store": "hidden or system file",
        "dog/huge.png": "too large",
        "dog/one_pixel.png": "used",
        "dog/cmyk.jpg": "used",
        "dog/sixteen_bits.png": "used",
        "dog/palette.png": "used",
        "dog/moving.gif": "used",
        "dog/schöner Hund 写真 ☃.jpeg": "used",
        "dog/deeper/below.BMP": "used",
        "dog/loop": "symlink loop",
        "dog/gone.jpg": "broken link",
        "dog/pipe.jpg": "not a regular file",
    }


def test_every_file_of_a_messy_folder_is_accounted_for(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "pets", classes=("cat", "dog"), n=8)
    clean = {str(p.relative_to(source)): "used" for p in source.rglob("*.jpg")}
    expected = clean | make_mess(source)
    before = system.snapshot(source)

    result = system.invoke(capsys, "train", source, "--out", tmp_path / "run")

    assert result.code == 0, result.err
    assert system.snapshot(source) == before
    rows = system.read_rows(tmp_path / "run" / "files.parquet")
    outcome = {r["name"]: "used" if r["status"] == "used" else r["reason"] for r in rows}
    assert outcome == expected
    # Nothing on the disk is without a row of its own, or of the hidden folder that it is in.
    for path in source.rglob("*"):
        name = str(path.relative_to(source))
        hidden = any(row.endswith("/") and (name + "/").startswith(row) for row in outcome)
        assert name in outcome or hidden or path.is_dir(), name

    by_name = {row["name"]: row for row in rows}
    assert "PNG" in by_name["cat/png_inside.jpg"]["detail"]
    assert "20,000 × 20,000 pixels, the limit is 250,000,000" in by_name["dog/huge.png"]["detail"]
    for row in rows:
        assert (row["split"] in ("train", "validation", "test")) == (row["status"] == "used")
        assert (row["label"] is not None) == (row["status"] == "used")
    info = system.read_json(tmp_path / "run" / "run.json")
    assert info["data"]["class_names"] == ["cat", "dog"]
    assert info["data"]["num_photos"] == list(expected.values()).count("used")
    assert info["data"]["num_skipped"] == len(expected) - info["data"]["num_photos"]
    assert sum(info["data"]["skipped"].values()) == info["data"]["num_skipped"]
    assert "hidden" not in result.out  # what systems leave is worth no word
    assert "1 × truncated" in " ".join(result.out.split())


def test_truncated_photo_does_not_shift_the_split(make_photos: MakePhotos, tmp_path: Path) -> None:
    """What decoding finds late counts as never there."""
    source = make_photos(tmp_path / "source", n=10)
    clean = photograft.train(source, out=tmp_path / "clean")
    whole = (source / "circle" / "00.jpg").read_bytes()
    (source / "circle" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    run = photograft.train(source, out=tmp_path / "run")
    splits = split_of(run.path)
    assert splits.pop("circle/cut.jpg") is None
    assert splits == split_of(clean.path)
    assert run.scores == clean.scores


# Every kind of source


def write_csv(photos: Path, folder: Path) -> Path:
    lines = [f"{path},{path.parent.name}" for path in sorted(photos.rglob("*.jpg"))]
    (folder / "photos.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    return folder / "photos.csv"


def write_parquet(photos: Path, folder: Path) -> Path:
    paths = sorted(photos.rglob("*.jpg"))
    columns = {"path": [str(p) for p in paths], "label": [p.parent.name for p in paths]}
    pq.write_table(pa.table(columns), folder / "photos.parquet")
    return folder / "photos.parquet"


def write_npz(photos: Path, folder: Path) -> Path:
    paths = sorted(photos.rglob("*.jpg"))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    labels = np.array([path.parent.name for path in paths])
    np.savez(folder / "photos.npz", X=images, y=labels)
    return folder / "photos.npz"


def write_zip(photos: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted(photos.rglob("*.jpg")):
            archive.write(path, path.relative_to(photos))
    return folder / "photos.zip"


def write_tar(photos: Path, folder: Path) -> Path:
    with tarfile.open(folder / "photos.tar.gz", "w:gz") as archive:
        archive.add(photos, "photos")
    return folder / "photos.tar.gz"


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda photos, folder: photos, "folder"),
        (write_csv, "manifest"),
        (write_parquet, "manifest"),
        (write_npz, "arrays"),
        (write_zip, "archive"),
        (write_tar, "archive"),
    ],
    ids=["folder", "csv", "parquet", "npz", "zip", "tar.gz"],
)
def test_every_kind_of_source_trains(
    write: Callable[[Path, Path], Path], kind: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", n=10)
    source = write(photos, tmp_path)
    before = source.read_bytes() if source.is_file() else b""
    run = photograft.train(source, out=tmp_path / "run")
    assert run.info["data"]["kind"] == kind
    assert run.info["data"]["num_photos"] == 20
    assert run.info["data"]["class_names"] == ["circle", "square"]
    assert run.info["name"] == "photos"
    assert run.scores["test"]["num_photos"] == 4
    assert run.scores["test"]["accuracy"] >= 0.75
    assert before == (source.read_bytes() if source.is_file() else b"")


# Where the run goes


def test_default_folder_has_name_and_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def clock() -> datetime.datetime:
        return datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)

    first = photograft.train(photos, clock=clock)
    second = photograft.train(photos, clock=clock)
    assert first.path == Path("runs/photos-20260102-030405")
    assert second.path == Path("runs/photos-20260102-030405-2")
    assert first.info["started"] == "2026-01-02T03:04:05+00:00"
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {first.path.name, second.path.name}


def test_existing_folder_is_refused_and_left_alone(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / "mine")
    system.assert_one_line(result, "exists already", "--out")
    assert system.snapshot(tmp_path) == before


def test_empty_existing_folder_is_filled(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    run = photograft.train(photos, out=tmp_path / "mine")
    assert (run.path / "metrics.json").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_run_folder_among_the_photos_is_refused(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`cd photos; photograft train .` would make runs/ a class of the next training."""
    source = make_photos(tmp_path / "photos", n=4)
    before = system.snapshot(source)
    monkeypatch.chdir(source)
    system.assert_one_line(system.invoke(capsys, "train", "."), "among the photos", "--out")
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, "train", "photos", "--out", "photos/run")
    system.assert_one_line(result, "among the photos")
    assert system.snapshot(source) == before


def test_the_folder_of_all_runs_is_no_source(
    capsys: pytest.CaptureFixture[str],
    run_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though by default the new run would lie in it, too."""
    shutil.copytree(run_path, tmp_path / "runs" / "first")
    monkeypatch.chdir(tmp_path)
    result = system.invoke(capsys, "train", "runs")
    system.assert_one_line(result, "first is a run that Photograft wrote", "photograft predict")


# Cold, warm, killed and interrupted


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for the extraction to take a second."""
    folder = tmp_path_factory.mktemp("many") / "photos"
    for number, name in enumerate(("circle", "square")):
        (folder / name).mkdir(parents=True)
        for i in range(150):
            image = draw_photo(np.random.default_rng([7, number, i]), number, 64)
            image.save(folder / name / f"{i:03}.jpg")
    return folder


@pytest.fixture(scope="module")
def cold(many_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that computed everything, and the cache that it filled."""
    system.shared_run(tmp_path_factory)  # converts the network
    shared = system.shared_cache(tmp_path_factory)
    cache = system.without_rows(shared, tmp_path_factory.mktemp("cold") / "cache")
    recorder = Recorder()
    store = FeatureStore(cache)
    run = photograft.train(many_photos, out=cache.parent / "run", store=store, progress=recorder)
    assert recorder.totals["Extracting features"] == recorder.done["Extracting features"] == 300
    return run.path, cache


def test_warm_run_equals_cold_run_and_extracts_nothing(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, cache = cold
    recorder = Recorder()
    warm = photograft.train(
        many_photos, out=tmp_path / "warm", store=FeatureStore(cache), progress=recorder
    )
    assert "Extracting features" not in recorder.totals
    assert system.same_results([run, warm.path])


@pytest.mark.slow
def test_killed_run_goes_on_and_ends_the_same(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, full_cache = cold
    cache = system.without_rows(full_cache, tmp_path / "cache")
    process = system.start(cache, "train", many_photos, "--out", "killed", cwd=tmp_path)
    system.wait_for_rows(cache, 24, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = system.num_stored(cache)
    assert 24 <= kept < 300
    assert not (tmp_path / "killed").exists()

    recorder = Recorder()
    again = photograft.train(
        many_photos, out=tmp_path / "again", store=FeatureStore(cache), progress=recorder
    )
    assert recorder.totals["Extracting features"] == 300 - kept
    assert system.same_results([run, again.path])


@pytest.mark.slow
def test_interrupted_run_says_so_and_goes_on(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, full_cache = cold
    cache = system.without_rows(full_cache, tmp_path / "cache")
    process = system.start(cache, "train", many_photos, cwd=tmp_path)
    system.wait_for_rows(cache, 24, process)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert out == ""
    assert err == (
        "photograft: interrupted; what was computed is kept: run the same command again\n"
    )
    assert not list(tmp_path.glob("runs/*"))
    assert not list(cache.rglob("*.lock"))
    kept = system.num_stored(cache)
    assert 24 <= kept < 300

    recorder = Recorder()
    again = photograft.train(
        many_photos, out=tmp_path / "again", store=FeatureStore(cache), progress=recorder
    )
    assert recorder.totals["Extracting features"] == 300 - kept
    assert system.same_results([run, again.path])


def test_interrupted_while_writing_leaves_no_run(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from photograft.report.plots import figures

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "confusion_matrix", interrupt)
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / "run")
    assert result.code == 130
    assert result.err.startswith("photograft: interrupted")
    assert list(tmp_path.iterdir()) == []


# Real photos


@pytest.mark.slow
@pytest.mark.skipif(not HYMENOPTERA.is_dir(), reason="the photos are not on this machine")
def test_ants_and_bees(tmp_path: Path) -> None:
    """244 real photos; by hand with timm and scikit-learn: 0.948."""
    run = photograft.train(HYMENOPTERA, out=tmp_path / "run")
    assert run.scores["validation"]["num_photos"] == 153
    assert run.scores["validation"]["accuracy"] >= 0.93
    assert run.scores["test"] is None
    assert math.isfinite(run.scores["validation"]["log_loss"])


def test_settings_without_effect_are_named(photos: Path, warm_cache: Path, tmp_path: Path) -> None:
    assert warm_cache
    config = TrainConfig(
        augmentation=Augmentation(horizontal_flip=True), training=Training(epochs=3)
    )
    warned = photograft.train(photos, config, out=tmp_path / "run").info["warnings"]
    assert any("does not augment" in warning for warning in warned)
    assert any("--head mlp" in warning for warning in warned)
    plain = TrainConfig(augmentation=Augmentation())
    assert not photograft.train(photos, plain, out=tmp_path / "plain").info["warnings"]
