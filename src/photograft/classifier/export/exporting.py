"""A classifier written into a folder with all that belongs to it, tried before it is there."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.certificate import FILE_NAME, certify
from photograft.classifier.export.exporters import Exporter, find_exporter
from photograft.classifier.export.hard_set import hard_photos
from photograft.classifier.export.metadata import describe
from photograft.classifier.export.order import Order
from photograft.classifier.export.papers import write_papers
from photograft.classifier.export.parity import Sample
from photograft.core.arrays import Pixels
from photograft.core.choices import EXPORT_PRECISIONS
from photograft.core.errors import InputError
from photograft.core.files import new_folder, write_json
from photograft.core.optional import is_installed, need_torch
from photograft.core.progress import Progress
from photograft.core.schema import check_choice


@dataclass(frozen=True)
class Exported:
    """An export.

    Attributes:
        folder: Where it lies.
        model: The model's file in it.
        certificate: What ``certificate.json`` holds; empty where the format has another.
    """

    folder: Path
    model: Path
    certificate: dict[str, Any] = field(repr=False)


def check_export(to: str, precision: str) -> Exporter:
    """Return what writes a format, found before any long work to be able to.

    Raises:
        UnknownNameError: There is no such format.
        InputError: There is no such precision, or a package is missing.
    """
    exporter = find_exporter(to)
    check_choice("precision", precision, EXPORT_PRECISIONS)
    if precision not in exporter.precisions:
        raise InputError(
            f"an export to {to} can't be in {precision}", expected=" or ".join(exporter.precisions)
        )
    if exporter.runtime == "torch":
        need_torch("an export to torch")
    if exporter.runtime and not is_installed(exporter.runtime):
        raise InputError(
            f"an export is tried before it is handed out, and {exporter.runtime}, which runs this "
            "one, is not installed",
            fix=f"Run: pip install {exporter.runtime}.",
        )
    return exporter


def check_exportable(classifier: Classifier) -> None:
    """Make sure that a classifier is one that can be exported.

    Raises:
        InputError: It is of before looks saw one decoding of a photo: of a large JPEG each has one
            of its own, and an artefact gets but one picture.
    """
    sides = {look.least_side for look in classifier.backbone.looks}
    if len(sides) > 1:
        raise InputError(
            f"{classifier.backbone.name} has large photos decoded for each look anew, and an "
            "export is given them once",
            expected="looks that see one decoding, as this version trains them",
            fix="Train again with the same command: features are computed anew, once.",
        )


@contextmanager
def exported(
    classifier: Classifier,
    out: Path,
    exporter: Exporter,
    *,
    precision: str,
    samples: Sequence[Sample],
    calibration: Sequence[Pixels] = (),
    source: str = "",
    title: str = "",
    shown: Mapping[str, Callable[[], bytes]] | None = None,
    progress: Progress,
) -> Iterator[Exported]:
    """Write an export into a folder that appears once all is done, and not at all on an error.

    Args:
        classifier: The classifier.
        out: New or empty.
        exporter: From `check_export`.
        precision: One of `EXPORT_PRECISIONS`.
        samples: The user's photos that it is tried on; those of the hard set come to them.
        calibration: As in `Order`.
        source: Where the user's photos are from, for people.
        title: As in `Order`.
        shown: Likewise.
        progress: Told how far it is.

    Yields:
        The export where it lies for now; more can be put there.

    Raises:
        ParityError: It answers otherwise than the library.
        ConversionError: It can't be written in this format, or not run.
        InputError: It can't be exported; see `check_exportable`.
        StorageError: The folder can't be written.
    """
    check_exportable(classifier)
    order = Order(model_name(classifier), precision, calibration, title, shown)
    with new_folder(out) as partial:
        progress.say(f"Writing {order.name} for {exporter.runtime or out.name} in {precision}")
        exporter.write(classifier, partial, order)
        certificate: dict[str, Any] = {}
        if exporter.runtime:
            write_papers(partial, exporter, order, describe(classifier))
        if exporter.runtime or exporter.tried:
            hard = [
                Sample(name, io.BytesIO(data).getvalue, is_own=False)
                for name, data in hard_photos()
            ]
            certificate = certify(
                classifier,
                partial,
                exporter,
                order,
                [*hard, *samples],
                source=source,
                progress=progress,
            )
            write_json(partial / FILE_NAME, certificate)
        yield Exported(partial, Path(exporter.model.format(name=order.name)), certificate)


def model_name(classifier: Classifier) -> str:
    """Return what an exported classifier is called: small letters, digits and hyphens."""
    name = str(classifier.trained.get("name") or "")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "classifier"
