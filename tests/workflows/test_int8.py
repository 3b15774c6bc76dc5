"""``--precision int8``, from training to predicting on another machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
import system_helpers as system
from photograft.backbones.settings import Preprocessing
from photograft.classifier import opening
from photograft.classifier.classifier import Classifier
from photograft.classifier.heat_maps import HeatMaps
from photograft.core.errors import InputError
from photograft.core.store import FeatureStore
from photograft.workflows.settings import TrainConfig
from recording import Recorder

pytest.importorskip("openvino")

INT8 = TrainConfig(
    precision="int8", engine="openvino", test=0.2, preprocessing=Preprocessing(input_size=64)
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> photograft.Run:
    folder, photos = tmp_path_factory.mktemp("int8"), system.shared_photos(tmp_path_factory)
    return photograft.train(photos, INT8, out=folder / "run", store=FeatureStore(folder / "cache"))


def test_a_run_says_that_it_is_in_int8(run: photograft.Run) -> None:
    assert run.info["engine"] == {"name": "openvino", "precision": "int8", "device": "cpu"}
    assert run.scores["test"]["accuracy"] > 0.5
    engine = Classifier.load(run.path).engine
    assert len(engine.ranges) > 50
    assert (run.path / "classifier" / "classifier.json").stat().st_size < 12_000


def test_a_classifier_says_elsewhere_what_it_said_in_training(
    run: photograft.Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        row["name"]: np.array(row["probabilities"], np.float32)
        for row in system.read_rows(run.path / "predictions.parquet")
        if row["split"] == "test"
    }
    elsewhere = Path(shutil.copytree(run.path / "classifier", tmp_path / "elsewhere"))
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "empty"))
    opening.open_kept.cache_clear()
    found = Classifier.load(elsewhere).predict_proba([photos / name for name in told])
    for row, expected in zip(found, told.values(), strict=True):
        assert row.tobytes() == expected.tobytes()


def test_training_again_is_the_same(run: photograft.Run, photos: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    again = photograft.train(photos, INT8, out=tmp_path / "run", store=store)
    manifests = [
        json.loads((path / "classifier" / "classifier.json").read_text())
        for path in (run.path, again.path)
    ]
    assert manifests[0]["engine"] == manifests[1]["engine"]
    assert manifests[0]["files"] == manifests[1]["files"]


def test_heat_maps_come_from_the_network_in_float32(run: photograft.Run, photos: Path) -> None:
    classifier = Classifier.load(run.path)
    exact = replace(classifier, engine=classifier.engine.in_float())
    photo = next(photos.rglob("*.jpg")).read_bytes()
    a, b = (HeatMaps(made).evidence_in(photo, 0) for made in (classifier, exact))
    assert np.array_equal(a.evidence, b.evidence)


def test_the_doctor_and_the_curve_compute_as_usual(photos: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for work in (photograft.doctor, photograft.learning_curve):
        progress = Recorder()
        work(photos, INT8, store=store, progress=progress)
        assert any("not in int8" in line for line in progress.said)
    assert not any(use.title.endswith(" int8") for use in store.usage())


@pytest.mark.slow
def test_comparing_calibrates_in_each_fold_anew(photos: Path, tmp_path: Path) -> None:
    progress, store = Recorder(), FeatureStore(tmp_path / "cache")
    found = photograft.compare(
        photos,
        INT8,
        backbones=["efficientnet_lite0"],
        strategies=["features"],
        out=tmp_path / "out",
        store=store,
        progress=progress,
    )
    assert progress.steps.count("Calibrating for int8") == 6  # and for the one that is kept
    assert found.run.info["engine"]["precision"] == "int8"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "torch"}, "torch does not compute in int8"),
        ({"device": "cuda", "engine": "auto"}, "torch on cuda does not compute in int8"),
        ({"strategy": "finetune"}, "int8 is for a frozen network and a linear head"),
        ({"strategy": "auto"}, "int8 is for a frozen network and a linear head"),
        ({"head": "mlp"}, "int8 is for a frozen network and a linear head"),
        ({"precision": "int4"}, "precision can't be 'int4'"),
    ],
)
def test_where_there_is_no_int8(
    photos: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    out, store = tmp_path / "run", FeatureStore(tmp_path / "cache")
    with pytest.raises(InputError, match=said):
        photograft.train(photos, replace(INT8, **options), out=out, store=store)
    assert not out.exists()


def test_features_without_training_photos() -> None:
    pytest.importorskip("sklearn")
    from photograft import BackboneFeatures

    made = BackboneFeatures(settings={"precision": "int8"})
    with pytest.raises(InputError, match="can't be in int8"):
        made.fit([np.zeros((9, 9, 3), np.uint8)])
