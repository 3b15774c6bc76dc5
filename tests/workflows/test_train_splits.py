"""`photograft train`: the split, what the screen tells of it, and warnings."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import MakePhotos, draw_photo
from photograft.core.store import FeatureStore
from photograft.features.settings import Augmentation
from photograft.learning.settings import TrainConfig, Training
from run_helpers import split_of

HYMENOPTERA = Path(__file__).parents[3] / "shared" / "datasets" / "hymenoptera"


pytestmark = pytest.mark.usefixtures("warm_cache")


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
    same = photograft.train(photos, TrainConfig(seed=0), out=tmp_path / "same")
    other = photograft.train(photos, TrainConfig(seed=1), out=tmp_path / "other")
    assert system.same_results([run_path, same.path])
    assert split_of(other.path) != split_of(run_path)
    assert sorted(split_of(other.path).values()) == sorted(split_of(run_path).values())


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
    assert "class 'rare' is small (10 to train on, to the largest class's 42)" in warning
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
