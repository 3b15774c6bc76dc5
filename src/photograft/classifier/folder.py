"""A saved classifier's folder: what is written into it, and read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from photograft._version import __version__
from photograft.backbones.engines import Engine, weights_bytes
from photograft.backbones.joined import MOST_LOOKS
from photograft.backbones.registry import (
    INCLUDED_ONNX,
    INCLUDED_WEIGHTS,
    Backbone,
    included_name,
)
from photograft.classifier.files import (
    FORMAT_VERSION,
    changed,
    check_files,
    checksum,
    read_manifest,
    read_tensors,
)
from photograft.classifier.head import Head
from photograft.classifier.learned import FILE_NAME as LEARNED_NAME
from photograft.classifier.learned import read_learned, write_learned
from photograft.classifier.opening import Look
from photograft.classifier.reference import FILE_NAME as REFERENCE_NAME
from photograft.classifier.reference import read_reference, write_reference
from photograft.classifier.uncertainty import uncertainty as carried
from photograft.classifier.uncertainty.uncertainty import Uncertainty
from photograft.core.files import sha256_of, write_json

#: What a folder may hold: names that this program writes, so that none can point elsewhere.
_FILES = (
    *("head.safetensors", carried.FILE_NAME, REFERENCE_NAME, LEARNED_NAME),
    *(INCLUDED_WEIGHTS, INCLUDED_ONNX),
    *(f"backbone-{i}.{kind}" for i in range(1, MOST_LOOKS + 1) for kind in ("safetensors", "onnx")),
)


def read_fields(folder: Path) -> dict[str, Any]:
    """Return the attributes of the classifier that a folder holds, by name.

    What older versions did not write is None.

    Raises:
        ClassifierError: It was changed since it was written, or comes from a newer version.
    """
    manifest = read_manifest(folder / "classifier.json")
    files = manifest["files"]
    check_files(folder, files, _FILES)
    tensors = read_tensors(folder / "head.safetensors")
    try:
        head = Head.from_tensors(tensors, manifest.get("coding", "softmax"))
    except KeyError as error:
        raise changed(folder / "head.safetensors") from error
    uncertainty = reference = None
    if carried.FILE_NAME in files:
        numbers = read_tensors(folder / carried.FILE_NAME)
        uncertainty = Uncertainty.from_parts(numbers, manifest.get("assurance", {}))
    if REFERENCE_NAME in files:
        reference = read_reference(folder, len(manifest["class_names"]))
    backbone = Backbone.from_json(manifest["backbone"])
    return {
        "class_names": tuple(manifest["class_names"]),
        "backbone": backbone,
        "engine": Engine.from_json(manifest["engine"]),
        "layers": tuple(manifest["layers"]),
        "head": head,
        "trained": manifest["trained"],
        "max_pixels": manifest["max_pixels"],
        "weights_path": _included(folder, backbone, files),
        "views": tuple(manifest.get("views", ("plain",))),
        "uncertainty": uncertainty,
        "reference": reference,
        "learned": read_learned(folder) if LEARNED_NAME in files else None,
    }


def _included(folder: Path, backbone: Backbone, files: Mapping[str, str]) -> Path | None:
    """Return the weight file in a folder, or the folder where it has those of joined backbones."""
    if backbone.parts:
        names = [included_name(part, i) for i, part in enumerate(backbone.parts, 1)]
        return folder if set(names) <= set(files) else None
    name = included_name(backbone)
    return folder / name if name in files else None


def write_fields(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the attributes of a classifier, as `read_fields` gives them, into an existing folder.

    Args:
        folder: Its backbone's weights lie in it already, if any are to.
        fields: The attributes by name.
    """
    # As bytes: written by safetensors itself, a full disk would be no OSError.
    (folder / "head.safetensors").write_bytes(save(fields["head"].tensors()))
    uncertainty = fields["uncertainty"]
    if uncertainty is not None:
        (folder / carried.FILE_NAME).write_bytes(save(uncertainty.tensors()))
    if fields["reference"] is not None:
        write_reference(folder, fields["reference"])
    if fields["learned"] is not None:
        write_learned(folder, fields["learned"])
    manifest = {
        "format": FORMAT_VERSION,
        "photograft": __version__,
        "class_names": list(fields["class_names"]),
        "backbone": fields["backbone"].to_json(),
        "engine": fields["engine"].to_json(),
        "layers": list(fields["layers"]),
        "coding": fields["head"].activation,
        "views": list(fields["views"]),
        "max_pixels": fields["max_pixels"],
        "trained": fields["trained"],
        "assurance": uncertainty.to_json() if uncertainty else {},
        "files": {p.name: sha256_of(p) for p in sorted(folder.iterdir()) if p.name in _FILES},
    }
    write_json(folder / "classifier.json", {**manifest, "checksum": checksum(manifest)})


def write_weights(folder: Path, backbone: Backbone, looks: Sequence[Look]) -> None:
    """Write a backbone's weights into an existing folder.

    Args:
        folder: It.
        backbone: The record.
        looks: Its looks, found.
    """
    for number, look in enumerate(looks, 1):
        name = included_name(look.backbone, number if backbone.parts else 0)
        (folder / name).write_bytes(weights_bytes(look.backbone, look.path))
