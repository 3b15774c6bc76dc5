"""Views of photos: of which photos they are made, how many are stored, and whether they help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import draw_folder, draw_photo
from photograft import Classifier
from photograft.backbones.registry import Layer
from photograft.data.splits import Split
from photograft.features.settings import Augmentation
from photograft.learning.head.selection import select
from photograft.learning.job import Job
from photograft.learning.loop import setup
from photograft.learning.loop.batches import PhotoBatches, seen_in_view
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.registry import find_strategy
from recording import Recorder
from training_helpers import CHANGES, make_job, tiny_config


def test_views_of_a_photo_are_never_split_across_folds() -> None:
    """Photos of unique noise: a head that had seen another view of one would know it again."""
    rng = np.random.default_rng(0)
    n, d, num_views = 80, 300, 4
    labels = rng.permutation(np.arange(n) % 2)
    plain = rng.normal(size=(n, d))
    features = np.concatenate(
        [plain + 0.01 * rng.normal(size=(n, d)) for _ in range(num_views)]
    ).astype(np.float32)
    keys = [bytes([i]) * 32 for i in range(n * num_views)] if n * num_views < 256 else [
        i.to_bytes(32, "big") for i in range(n * num_views)
    ]  # fmt: skip

    def loss(all_labels: Any, groups: Any, views: int) -> float:
        found = select(
            lambda rows, columns: features[rows][:, columns],
            all_labels,
            groups,
            keys[: len(all_labels)],
            backbone_layers=(Layer("last", d),),
            layers="last",
            balanced=False,
            seed=0,
            num_views=views,
        )
        return found.log_loss

    assert loss(labels, np.arange(n), num_views) > 0.65  # chance has 0.69
    # The same rows as photos of their own, for comparison: that is what leaking looks like.
    assert loss(np.tile(labels, num_views), np.arange(n * num_views), 1) < 0.2


def test_held_out_photos_are_scored_on_their_plain_view() -> None:
    """Other views are useless: the figure is that of plain rows alone."""
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 2
    plain = (rng.normal(size=(60, 4)) + 3 * labels[:, None]).astype(np.float32)
    features = np.concatenate([plain, plain, -1000 * plain[::-1] + 5])

    def accuracy(num_views: int) -> float:
        return select(
            lambda rows, columns: features[rows][:, columns],
            labels,
            np.arange(60),
            [bytes([i]) * 32 for i in range(60)],
            backbone_layers=(Layer("last", 4),),
            layers="last",
            balanced=False,
            seed=0,
            num_views=num_views,
        ).accuracy

    assert accuracy(1) == accuracy(2)
    assert accuracy(1) > 0.95


def stored(cache: Path) -> dict[str, set[bytes]]:
    """The contents that the store has of each view."""
    found: dict[str, set[bytes]] = {}
    for keys in system.feature_keys(cache):
        view = system.read_json(keys.parent / "space.json")["view"]
        data = keys.read_bytes()
        digests = {data[i : i + 32] for i in range(0, len(data), system.KEY_BYTES)}
        found.setdefault(view, set()).update(digests)
    return found


@pytest.mark.parametrize(
    ("strategy", "changes", "step"),
    [
        ("finetune", {"keep": "always", "head_first": False}, "Keeping activations"),
        ("features+augment", {"head": "mlp", "hidden": (8,)}, "Extracting view"),
    ],
    ids=["finetune", "mlp"],
)
@pytest.mark.parametrize("epochs", [2, 9])
def test_as_many_views_are_stored_as_the_epochs_see(
    strategy: str, changes: Mapping[str, Any], step: str, epochs: int, photos: Path, cache: Path
) -> None:
    recorder = Recorder()
    config = tiny_config(strategy, views=5, loop={"epochs": epochs}, **changes)
    job = make_job(photos, config, cache, recorder)
    find_strategy(strategy)(job)
    num_photos = len(job.split.train)
    stored = sum(total for what, total, _ in recorder.opened if what.startswith(step))
    seen = min(epochs, 6) * num_photos
    if strategy == "finetune":
        assert stored == seen + len(job.split.validation)
    else:  # the plain view is there already
        assert stored == seen - len(seen_in_view(0, 6, num_photos, epochs))


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("features+augment", {}),
        ("features+augment", {"head": "mlp"}),
        ("finetune", {}),
        ("auto", {}),
    ],
)
def test_only_training_photos_have_stored_views(
    strategy: str, changes: dict[str, Any], photos: Path, cache: Path, tmp_path: Path
) -> None:
    config = tiny_config(strategy, views=3, keep="always", loop={"epochs": 4}, **changes)
    run = photograft.train(photos, config, out=tmp_path / "run")
    rows = system.read_rows(run.path / "files.parquet")
    parts = {
        part: {bytes.fromhex(row["sha256"]) for row in rows if row["split"] == part}
        for part in ("train", "validation", "test")
    }
    found = stored(cache)
    assert found.pop("plain") == set().union(*parts.values())
    assert sorted(name.partition("-")[0] for name in found) == ["view1", "view2", "view3"]
    # The final linear head learns from validation photos, too, after they have been measured.
    refits = strategy == "auto" or (strategy == "features+augment" and config.head != "mlp")
    allowed = parts["train"] | (parts["validation"] if refits else set())
    for digests in found.values():
        assert parts["train"] <= digests <= allowed


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("scratch", {}),
        ("finetune", {"views": -1, "keep": "always"}),
        ("features+augment", {"views": -1}),
    ],
)
def test_only_training_photos_are_changed_as_they_are_fed(
    strategy: str,
    changes: dict[str, Any],
    photos: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[set[bytes], Augmentation | None]] = []

    class Spied(PhotoBatches):
        def __init__(self, given: Any, backbone: Any, augmentation: Any, **more: Any) -> None:
            made.append(({photo.digest for photo in given}, augmentation))
            super().__init__(given, backbone, augmentation, **more)

    monkeypatch.setattr(setup, "PhotoBatches", Spied)
    config = tiny_config(strategy, augmentation=CHANGES, **changes)
    job = make_job(photos, config, cache)
    find_strategy(strategy)(job)
    train = set(job.digests("train"))
    changed = [digests for digests, augmentation in made if augmentation]
    assert changed
    assert all(digests == train for digests in changed)


def test_views_by_the_number_of_photos(photos: Path, cache: Path) -> None:
    job = make_job(photos, tiny_config("features+augment"), cache, table=False)
    nothing = np.arange(0)

    def count(num_photos: int, job: Job = job) -> int:
        split = Split(np.arange(num_photos), nothing, nothing)
        return features_augment.num_views(replace(job, split=split))

    found = [count(n) for n in (10, 500, 501, 2000, 2001, 10_000, 10_001, 1_000_000)]
    assert found == [8, 8, 4, 4, 2, 2, 1, 1]
    assert count(1_000_000, job.with_config(views=5)) == 5


def draw_stripes(root: Path, n: int = 40) -> Path:
    """A small patch of level or of upright stripes, anywhere on noise."""
    for number, name in enumerate(("level", "upright")):
        (root / name).mkdir(parents=True)
        for i in range(n):
            rng = np.random.default_rng([number, i])
            values = rng.normal(110, 25, (32, 32, 3))
            y, x = rng.integers(0, 20, 2)
            patch = np.zeros((12, 12, 1))
            patch[::3], patch[1::3] = 90, 60
            patch = patch.transpose(1, 0, 2) if number else patch
            values[y : y + 12, x : x + 12] += patch - 50
            image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
            image.save(root / name / f"{i:02}.png")
    return root


@pytest.mark.parametrize(
    ("augmentation", "kept"),
    [
        (Augmentation(horizontal_flip=True, vertical_flip=True), "features+augment"),
        (Augmentation(brightness=1.0), "features"),
    ],
)
def test_augmentation_is_kept_only_where_it_helps(
    augmentation: Augmentation, kept: str, cache: Path, tmp_path: Path
) -> None:
    """Every place has its own features: mirrored, a patch tells of three more places."""
    config = tiny_config(
        "features+augment",
        views=4,
        augmentation=augmentation,
        pooling="flatten",
        validation=0.1,
        test=0.1,
        final="train",
    )
    job = make_job(draw_stripes(tmp_path / "photos"), config, cache)
    fitted = find_strategy("features+augment")(job)
    loss = {k: fitted.selection[k]["chosen"]["log_loss"] for k in ("plain", "augmented")}
    assert fitted.strategy == kept
    assert (loss["augmented"] < loss["plain"]) == (kept == "features+augment")
    (note,) = fitted.notes
    words = "augmentation helps: " if kept == "features+augment" else "augmentation does not help"
    assert note.startswith(words)
    assert f"{loss['augmented']:.4f} on 5 views a photo, {loss['plain']:.4f} on plain" in note


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("strategy", ["features", "scratch"])
def test_mirrored_test_views_are_averaged(strategy: str, tmp_path: Path) -> None:
    source = draw_folder(tmp_path / "photos", n=10, size=48)
    config = tiny_config(strategy, test_views="flip", target_encoding="auto")
    run = photograft.train(source, config, out=tmp_path / "run")
    classifier = Classifier.load(run.path)
    assert classifier.views == ("plain", "flip")
    # Of the network's size, and without loss, so that mirrored means mirrored.
    names = [tmp_path / f"{i}.png" for i in range(6)]
    for i, name in enumerate(names):
        image = draw_photo(np.random.default_rng(100 + i), i % 2, 32)
        image.save(name)
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(name.with_suffix(".mirror.png"))
    mirrored = [name.with_suffix(".mirror.png") for name in names]
    plain = replace(classifier, views=("plain",))
    expected = (plain.predict_proba(names) + plain.predict_proba(mirrored)) / 2
    found = classifier.predict_proba(names)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(found, plain.predict_proba(names), atol=1e-4)
    np.testing.assert_allclose(classifier.predict_proba(mirrored), found, atol=1e-6)
