"""A certificate that can't fail is none: exports that answer otherwise are refused."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from drawing import draw_photo
from photograft.backbones.engines import Engine
from photograft.classifier.classifier import Classifier
from photograft.classifier.export import parity
from photograft.classifier.export.certificate import ParityError, certify
from photograft.classifier.export.exporters import EXPORTERS
from photograft.classifier.export.graph import graph
from photograft.classifier.export.hard_set import hard_photos
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.order import Order
from photograft.classifier.export.papers import EXAMPLE, write_papers
from photograft.classifier.export.parity import Sample
from photograft.core.progress import Silent

ONNX = EXPORTERS["onnx"]
ORDER = Order("shapes")


@pytest.fixture
def trained(run_path: Path, warm_cache: Path) -> Classifier:
    return replace(Classifier.load(run_path), engine=Engine("openvino", "fp32"))


def sample(seed: int, size: int = 300) -> Sample:
    """A photo of one's own, of several classes at once: no answer is sure."""
    first, second = (draw_photo(np.random.default_rng([seed, c]), c, size) for c in (0, 1))
    photo = Image.blend(first, second, 0.5)
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=90)
    return Sample(f"{seed}.jpg", stream.getvalue, label=0)


SAMPLES = [sample(seed) for seed in range(3)]


def written(
    classifier: Classifier,
    folder: Path,
    exported: Classifier | None = None,
    change: Callable[[onnx.ModelProto], None] = lambda model: None,
) -> Path:
    """An export in a folder: of another classifier, or changed, where that is asked for."""
    path = folder / ONNX.model.format(name=ORDER.name)
    path.parent.mkdir(parents=True)
    model = graph(exported or classifier)
    change(model)
    path.write_bytes(model.SerializeToString())
    write_papers(folder, ONNX, ORDER, describe(classifier))
    return folder


def certificate(classifier: Classifier, folder: Path, samples: list[Sample] = SAMPLES) -> dict:  # type: ignore[type-arg]
    return certify(classifier, folder, ONNX, ORDER, samples, source="here", progress=Silent())


def test_an_export_is_certified(
    trained: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    found = certificate(trained, written(trained, tmp_path))
    assert not list(tmp_path.rglob("*.pyc")), "of the example, which was run"
    assert found["own"]["num_photos"] == found["own"]["same_decision"] == 3
    assert found["own"]["stages"].keys() == set(parity.STAGES)
    assert found["own"]["stages"]["probabilities"] < 1e-5
    assert found["accuracy"]["library"] == found["accuracy"]["export"]
    assert found["as_trained"] is None
    assert found["files"].keys() >= {"shapes/1/model.onnx", "example.py"}
    assert found["tolerance"]["probabilities"] == 1e-4


def test_the_precision_of_training_is_told_apart(trained: Classifier, tmp_path: Path) -> None:
    """Else a classifier that was trained in bf16 could have no certificate."""
    by_torch = replace(trained, engine=Engine("openvino", "bf16"))
    found = certificate(by_torch, written(trained, tmp_path))
    assert found["reference"] == "fp32"
    assert (
        found["own"]["largest_difference"] < 1e-4 < found["as_trained"]["own"]["largest_difference"]
    )
    assert found["as_trained"]["precision"] == "bf16"


def refused(classifier: Classifier, folder: Path, samples: list[Sample] = SAMPLES) -> str:
    with pytest.raises(ParityError) as caught:
        certificate(classifier, folder, samples)
    return str(caught.value)


def test_a_wrong_resize_is_refused(trained: Classifier, tmp_path: Path) -> None:
    backbone = replace(trained.backbone, interpolation="bilinear")
    said = refused(trained, written(trained, tmp_path, replace(trained, backbone=backbone)))
    assert "answers otherwise" in said
    assert "It begins with the pixels" in said


def test_a_resize_that_is_not_antialiased_is_refused(trained: Classifier, tmp_path: Path) -> None:
    backbone = replace(trained.backbone, interpolation="nearest")
    said = refused(trained, written(trained, tmp_path, replace(trained, backbone=backbone)))
    assert "It begins with the pixels" in said


def test_swapped_channels_are_refused(trained: Classifier, tmp_path: Path) -> None:
    def swap(model: onnx.ModelProto) -> None:
        order = numpy_helper.from_array(np.array([2, 1, 0], np.int64), "order")
        model.graph.initializer.append(order)
        for node in model.graph.node:
            node.input[:] = ["swapped" if name == "photos" else name for name in node.input]
        gather = helper.make_node("Gather", ["photos", "order"], ["swapped"], axis=3)
        model.graph.node.insert(0, gather)

    said = refused(trained, written(trained, tmp_path, change=swap))
    assert "It begins with the pixels" in said


def test_a_missing_normalisation_is_refused(trained: Classifier, tmp_path: Path) -> None:
    backbone = replace(trained.backbone, mean=(0.485, 0.456, 0.406))
    said = refused(trained, written(trained, tmp_path, replace(trained, backbone=backbone)))
    assert "It begins with the features" in said


def test_a_missing_calibration_is_refused(trained: Classifier, tmp_path: Path) -> None:
    """It is a factor in the head, and changes no label: only probabilities show it."""
    weights = [*trained.head.weights[:-1], trained.head.weights[-1] * np.float32(0.9)]
    biases = [*trained.head.biases[:-1], trained.head.biases[-1] * np.float32(0.9)]
    other = replace(trained.head, weights=tuple(weights), biases=tuple(biases))
    said = refused(trained, written(trained, tmp_path, replace(trained, head=other)))
    assert "the probability of" in said
    assert "It begins with the logits" in said


def test_a_rounded_head_is_refused(trained: Classifier, tmp_path: Path) -> None:
    rounded = tuple(np.round(weight, 3) for weight in trained.head.weights)
    other = replace(trained, head=replace(trained.head, weights=rounded))
    assert "the probability of" in refused(trained, written(trained, tmp_path, other))


def test_another_detector_is_refused(trained: Classifier, tmp_path: Path) -> None:
    assert trained.uncertainty
    assert trained.uncertainty.ood_detector
    detector = replace(trained.uncertainty.ood_detector, spread=9.0)
    other = replace(trained, uncertainty=replace(trained.uncertainty, ood_detector=detector))
    said = refused(trained, written(trained, tmp_path, other))
    assert "the OOD score of" in said
    assert "It begins with the OOD score" in said


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("    turn = TURNS", "    turn = None and TURNS"),
        ("(np.asarray(image).astype(np.uint32) + 128) // 257", "np.asarray(image) >> 9"),
        ('"white")', '"black")'),
    ],
    ids=["orientation", "16 bits", "alpha"],
)
def test_wrong_decoding_is_refused(
    trained: Classifier, tmp_path: Path, line: str, instead: str
) -> None:
    """What the example does is a part of the way."""
    folder = written(trained, tmp_path)
    text = (folder / EXAMPLE).read_text(encoding="utf-8")
    assert line in text
    (folder / EXAMPLE).write_text(text.replace(line, instead), encoding="utf-8")
    small = [n for n, data in hard_photos() if len(data) < 300_000]
    hard = [Sample(n, io.BytesIO(data).getvalue, is_own=False) for n, data in hard_photos()]
    refused(trained, folder, [s for s in hard if s.name in small])


def test_an_example_that_fails_on_the_hard_set_is_refused(
    trained: Classifier, tmp_path: Path
) -> None:
    folder = written(trained, tmp_path)
    text = (folder / EXAMPLE).read_text(encoding="utf-8")
    (folder / EXAMPLE).write_text(text.replace('image.convert("RGBA")', "None"), encoding="utf-8")
    name, data = next((n, d) for n, d in hard_photos() if n == "alpha.png")
    said = refused(trained, folder, [Sample(name, io.BytesIO(data).getvalue, is_own=False)])
    assert "can't be tried on 'alpha.png'" in said


def test_photos_that_are_none_are_told_of(trained: Classifier, tmp_path: Path) -> None:
    none = Sample("notes.txt", lambda: b"no photo at all")
    found = certificate(trained, written(trained, tmp_path), [*SAMPLES[:1], none])
    assert [row["name"] for row in found["not_compared"]] == ["notes.txt"]


def test_int8_and_fp16_are_held_to_labels(trained: Classifier, tmp_path: Path) -> None:
    """A head that answers something else altogether is refused in any precision."""
    other = replace(
        trained, head=replace(trained.head, weights=tuple(-w for w in trained.head.weights))
    )
    folder = written(trained, tmp_path, other)
    for precision in ("fp16", "int8"):
        with pytest.raises(ParityError, match="--precision fp32"):
            certify(
                trained,
                folder,
                ONNX,
                replace(ORDER, precision=precision),
                SAMPLES,
                progress=Silent(),
            )


def test_a_tie_of_neighbours_is_let_pass(trained: Classifier, tmp_path: Path) -> None:
    """The last bit decides there; of a single photo, that is no reason to refuse."""
    folder = written(trained, tmp_path)
    text = (folder / EXAMPLE).read_text(encoding="utf-8")
    far = '    found = dict(zip(names, model.run(None, {"photos": photos})))\n'
    far += (
        '    found["ood_score"] = found["ood_score"] + (photos.shape[1] == 200)\n    return found\n'
    )
    line = '    return dict(zip(names, model.run(None, {"photos": photos})))\n'
    assert line in text
    (folder / EXAMPLE).write_text(text.replace(line, far), encoding="utf-8")
    found = certificate(trained, folder, [*SAMPLES, sample(9, size=200)])
    assert found["own"]["stages"]["ood_score"] > 0.9
    others = [sample(seed, size=200) for seed in (9, 10)]
    assert "the OOD score of" in refused(trained, folder, [*SAMPLES, *others])
