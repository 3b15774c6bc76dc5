"""An export's certificate as a page: where it agrees with the library, how nearly, on what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograft.core.text import count, of, percent
from photograft.report.page import script_json, write_page

FILE_NAME = "certificate.html"

_STAGES = {
    "pixels": ("Pixels", "levels of 256, once decoded and resized"),
    "features": ("Features", "as a share of the largest"),
    "logits": ("Logits", "of the head, calibrated"),
    "probabilities": ("Probabilities", "in [0, 1]"),
    "ood_score": ("OOD score", "how unlike every class"),
}
#: Of single photos.
_TOLD = ("pixels", "logits", "probabilities")
_TOLERATED = {
    "probabilities": "no probability off by more than {:g}",
    "ood_score": "no OOD score by more than {:g}, but for ties",
    "same_label": "the same class for {:.0%} of your photos",
    "accuracy_lost": "the accuracy on them no more than {:.0%} lower",
}


def write_certificate(
    certificate: Mapping[str, Any], folder: Path, *, to: str, model: Path
) -> None:
    """Write the page of a certificate: one file that loads nothing.

    Args:
        certificate: From `certificate.certify`.
        folder: Of the export.
        to: The format.
        model: The model's file in the folder.

    Raises:
        StorageError: It can't be written.
    """
    context = {
        **certificate_context(certificate),
        "to": to,
        "model": model.as_posix(),
        "photos": script_json({}),  # no cells of a matrix to open
    }
    write_page(folder / FILE_NAME, "export.html.j2", context)


def certificate_context(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the section of a certificate shows: words and rows of them."""
    own, hard = certificate["own"], certificate["hard"]
    both = [("your photos", own), ("drawn ones", hard)]
    return {
        "certificate": certificate,
        "verdict": _verdict(certificate),
        "parts": [name for name, part in both if part["num_photos"]],
        "stages": [
            (*_STAGES[stage], [_figure(stage, part) for _, part in both if part["num_photos"]])
            for stage in _STAGES
            if stage in hard["stages"]
        ],
        "shares": _shares(certificate),
        "tolerance": "; ".join(
            _TOLERATED[name].format(value) for name, value in certificate["tolerance"].items()
        ),
        "runtime": ", ".join(f"{name} {v}" for name, v in certificate["runtime"].items()),
        "worst": [
            (
                row["name"],
                "yours" if row["own"] else "drawn",
                [(row["stages"][stage], _figure(stage, row)) for stage in _TOLD],
            )
            for row in certificate["worst"]
        ],
    }


def _verdict(certificate: Mapping[str, Any]) -> list[str]:
    """Return what is to be said first, the sentence that counts before the others."""
    own, hard = certificate["own"], certificate["hard"]
    num = own["num_photos"] + hard["num_photos"]
    same = own["same_decision"] + hard["same_decision"]
    largest = max(own["largest_difference"], hard["largest_difference"])
    decided = "all" if same == num else f"{same:,} of"
    said = [
        f"The export decides as the library does for {decided} {count(num, 'photo')}; no "
        f"probability differs by more than {_at_most(largest)}."
    ]
    trained = certificate["as_trained"]
    if trained:
        away = max(trained[part]["largest_difference"] for part in ("own", "hard"))
        said.append(
            f"The library that it is held against computes in {certificate['reference']}. The "
            f"classifier was trained in {trained['precision']}: between these two the library "
            f"itself differs by up to {_at_most(away)}."
        )
    accuracy = certificate["accuracy"]
    if accuracy:
        said.append(
            f"Of {count(accuracy['num_photos'], 'photo')} whose class is known, it is right for "
            f"{percent(accuracy['export'], 2)}, the library for {percent(accuracy['library'], 2)}."
        )
    if not own["num_photos"]:
        said.append("It was tried on drawn photos only.")
    return said


def _at_most(value: float) -> str:
    """Return a number to two digits, rounded up.

    >>> _at_most(0.1401), _at_most(0.0), _at_most(1.51e-5)
    ('0.15', '0', '0.000016')
    """
    if not value:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{math.ceil(value * 10**digits * (1 - 1e-12)) / 10**digits:.{digits}f}"


def _figure(stage: str, part: Mapping[str, Any]) -> str:
    found = part["stages"][stage]
    return f"{found:.0f}" if stage == "pixels" else _at_most(found)


def _shares(certificate: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return how often both sides say the same, a row each."""
    parts = [p for p in (certificate["own"], certificate["hard"]) if p["num_photos"]]
    rows = (
        ("The same pixels", "photos_with_equal_pixels"),
        ("The same class", "same_label"),
        ("The same decision", "same_decision"),
    )
    return [(title, [of(p[key], p["num_photos"], "photo") for p in parts]) for title, key in rows]
