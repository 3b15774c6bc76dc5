"""The page of a certificate: what it says first, and that names stay names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photograft.report.export_page import FILE_NAME, certificate_context, write_certificate

STAGES = {"pixels": 1.0, "features": 2e-6, "logits": 3e-5, "probabilities": 1.51e-5}


def part(num_photos: int, **fields: Any) -> dict[str, Any]:
    return {
        "num_photos": num_photos,
        "largest_difference": 1.51e-5 if num_photos else 0.0,
        "same_label": num_photos,
        "same_decision": num_photos,
        "stages": STAGES if num_photos else {},
        "photos_with_equal_pixels": num_photos,
        "share_of_wrong_pixels": 0.0,
        **fields,
    }


def certificate(**fields: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "photograft": "0.1.0",
        "classifier": "ab" * 32,
        "precision": "fp32",
        "reference": "fp32",
        "runtime": {"onnxruntime": "1.20"},
        "versions": {"pillow": "13.0.0"},
        "files": {"model/1/model.onnx": "cd" * 32},
        "tolerance": {"probabilities": 1e-4},
        "source": "photos",
        "note": "Tried by hand.",
        "rules": [],
        "own": part(100),
        "hard": part(27),
        "accuracy": None,
        "as_trained": None,
        "worst": [{"name": "<b>a</b>.jpg", "own": True, "stages": STAGES, "wrong_pixels": 0.0}],
        "not_compared": [],
        **fields,
    }


def test_what_counts_comes_first() -> None:
    (first, *others) = certificate_context(certificate())["verdict"]
    assert first == (
        "The export decides as the library does for all 127 photos; no probability differs by more "
        "than 0.000016."
    )
    assert others == []


def test_decisions_that_differ_are_told() -> None:
    found = certificate_context(certificate(own=part(100, same_decision=98)))
    assert "for 125 of 127 photos" in found["verdict"][0]
    assert ("The same decision", ["98 of 100 photos", "27 of 27 photos"]) in found["shares"]


def test_the_precision_of_training_and_accuracy_are_told() -> None:
    trained = {"precision": "bf16", "own": part(1, largest_difference=0.03), "hard": part(1)}
    accuracy = {"num_photos": 100, "library": 0.91, "export": 0.9}
    said = certificate_context(certificate(as_trained=trained, accuracy=accuracy))["verdict"]
    assert "trained in bf16" in said[1]
    assert "up to 0.030" in said[1]
    assert said[2].endswith("right for 90.00%, the library for 91.00%.")


def test_photos_of_nobody_are_not_told_of() -> None:
    found = certificate_context(certificate(own=part(0)))
    assert found["parts"] == ["drawn ones"]
    assert found["verdict"][-1] == "It was tried on drawn photos only."


def test_the_page(tmp_path: Path) -> None:
    found = certificate(not_compared=[{"name": "x.txt", "reason": "not an image"}])
    write_certificate(found, tmp_path, to="onnx", model=Path("model/1/model.onnx"))
    page = (tmp_path / FILE_NAME).read_text("utf-8")
    assert "<b>a</b>" not in page
    assert "&lt;b&gt;a&lt;/b&gt;.jpg" in page
    assert "not an image" in page
    assert "cd" * 32 in page
    assert "no probability off by more than 0.0001" in page
    assert "Tried by hand." in page
