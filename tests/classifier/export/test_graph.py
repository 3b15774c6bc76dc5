"""A classifier's graph says what the classifier says."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from PIL import Image

from onnx_helpers import TOKENS, write_network
from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.opening import open_whole
from photograft.backbones.registry import EMBEDDED
from photograft.backbones.weights import locate_weights
from photograft.classifier.classifier import Classifier
from photograft.classifier.digest import digest_of
from photograft.classifier.export.graph import graph
from photograft.classifier.export.metadata import read_metadata
from photograft.classifier.head import Head
from photograft.core.store import default_cache_dir
from photograft.features.preprocessing import prepare

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def trained(run_path: Path) -> Classifier:
    """A classifier that can tell what is unknown to it, in float32."""
    classifier = Classifier.load(run_path)
    assert classifier.uncertainty
    assert classifier.uncertainty.ood_detector
    return replace(classifier, engine=Engine("openvino", "fp32"))


def png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def noise(n: int, height: int = 150, width: int = 200) -> Pixels:
    """Photos of one size, each of another brightness."""
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (n, height // 10, width // 10, 3)).repeat(10, 1).repeat(10, 2)
    return (found / np.arange(1, n + 1).reshape(-1, 1, 1, 1)).astype(np.uint8)


def head(classifier: Classifier, activation: str, *, hidden: int = 0) -> Classifier:
    """The same with a head of no meaning."""
    rng = np.random.default_rng(1)
    widths = [len(classifier.columns()), *([hidden] if hidden else [])]
    widths.append(1 if activation == "sigmoid" else len(classifier.class_names))
    pairs = list(pairwise(widths))
    return replace(
        classifier,
        head=Head(
            tuple(rng.normal(0, n**-0.5, (n, m)).astype(np.float32) for n, m in pairs),
            tuple(rng.normal(size=m).astype(np.float32) for _, m in pairs),
            activation,
        ),
    )


def check(classifier: Classifier, photos: Pixels) -> None:
    """The graph's outputs are the library's, of photos and of prepared pixels."""
    expected = classifier.predict([png(one) for one in photos], progress=None)
    probabilities = np.stack([p.probabilities for p in expected if p.probabilities is not None])
    ready = np.stack([prepare(png(one), classifier.backbone) for one in photos])
    for prepared, given in ((False, photos), (True, ready)):
        model = graph(classifier, prepared=prepared)
        onnx.checker.check_model(model, full_check=True)
        found = open_whole(model.SerializeToString(), "onnxruntime")(given)
        assert np.abs(found["probabilities"] - probabilities).max() < 1e-5
        logits = found["logits"] - found["logits"].max(axis=1, keepdims=True)
        soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert np.abs(soft - probabilities).max() < 1e-5
        if expected[0].ood_score is None:
            assert "ood_score" not in found
        else:
            scores = [p.ood_score for p in expected]
            assert np.abs(found["ood_score"] - scores).max() < 1e-3


def test_a_trained_classifier(trained: Classifier, warm_cache: Path) -> None:
    check(trained, noise(3))


@pytest.mark.parametrize(
    "views", [("plain",), ("plain", "flip")], ids=lambda views: "+".join(views)
)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_heads_and_views(
    trained: Classifier, warm_cache: Path, views: tuple[str, ...], activation: str
) -> None:
    names = trained.class_names if activation == "softmax" else trained.class_names[:2]
    changed = replace(trained, class_names=names, views=views)
    check(head(changed, activation, hidden=7), noise(2))


def test_a_classifier_that_can_not_tell_what_is_unknown(
    trained: Classifier, warm_cache: Path
) -> None:
    check(head(replace(trained, uncertainty=None), "softmax"), noise(2))


@pytest.mark.parametrize("layers", [("last",), ("blocks.1",), ("blocks.0", "blocks.2")])
def test_layers(trained: Classifier, warm_cache: Path, layers: tuple[str, ...]) -> None:
    check(head(replace(trained, layers=layers), "softmax"), noise(2))


@pytest.mark.parametrize("per_photo", ["center", "standardize", "both"])
def test_normalisation_by_photo(trained: Classifier, warm_cache: Path, per_photo: str) -> None:
    backbone = replace(trained.backbone, per_photo=per_photo)
    check(head(replace(trained, backbone=backbone, uncertainty=None), "softmax"), noise(2))


def test_metadata(trained: Classifier, warm_cache: Path, tmp_path: Path) -> None:
    found = read_metadata(graph(trained))
    assert found["classes"] == list(trained.class_names)
    assert found["licence"] == EMBEDDED["efficientnet_lite0"].licence
    assert found["decoding"]["at_least"] == 224
    assert trained.uncertainty
    assert trained.uncertainty.ood_detector
    threshold = trained.uncertainty.ood_detector.threshold(0.95)
    assert found["rules"]["unknown"] == {"ood_threshold": threshold, "kept": 0.95}
    assert [rule["min_accuracy"] for rule in found["rules"]["unsure"]] == [0.95, 0.99]
    assert found["digest"] == digest_of(trained)


def test_digest(trained: Classifier, tmp_path: Path) -> None:
    """It is the classifier's: of what answers, wherever it lies and whatever runs it."""
    trained.save(tmp_path / "saved")
    assert digest_of(Classifier.load(tmp_path / "saved")) == digest_of(trained)
    assert digest_of(replace(trained, engine=Engine("onnxruntime", "fp32"))) == digest_of(trained)
    for changed in (
        head(trained, "softmax"),
        replace(trained, views=("plain", "flip")),
        replace(trained, class_names=trained.class_names[::-1]),
        replace(trained, uncertainty=None),
    ):
        assert digest_of(changed) != digest_of(trained)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_that_is_made_for_one_photo(tmp_path: Path, engine: str) -> None:
    """Its own shapes say so: within the graph it looks at several one by one."""
    file = write_network(tmp_path / "own.onnx", (TOKENS,))
    backbone, path = locate_weights(get_backbone(str(file)), default_cache_dir())
    classifier = Classifier(
        class_names=("a", "b", "c"),
        backbone=backbone,
        engine=Engine("openvino", "fp32"),
        layers=tuple(layer.name for layer in backbone.layers),
        head=Head((np.eye(backbone.num_features, 3, dtype=np.float32),), (np.zeros(3, "f4"),)),
        weights_path=path,
        views=("plain", "flip"),
    )
    model = graph(classifier)
    assert any(node.op_type == "Scan" for node in model.graph.node)
    run = open_whole(model.SerializeToString(), engine)
    photos = noise(3)
    together = run(photos)["probabilities"]
    alone = [run(photos[i : i + 1])["probabilities"][0] for i in range(3)]
    assert np.abs(together - alone).max() < 1e-6
    assert len({row.tobytes() for row in together}) == 3
    expected = classifier.predict_proba([png(one) for one in photos], progress=None)
    assert np.abs(together - expected).max() < 1e-5
