"""The files of a saved classifier: found, read, and known to be as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from photograft.core.errors import ClassifierError
from photograft.core.files import sha256_of

#: Raised when the folder's layout changes; an older program refuses a newer folder.
FORMAT_VERSION = 1

#: Where a run has its classifier, and what begins it.
_FOLDER, _MANIFEST = "classifier", "classifier.json"


def is_classifier(path: Path) -> bool:
    """Return whether a folder is a classifier's, or that of a run which holds one."""
    try:
        find_folder(path)
    except (ClassifierError, OSError, ValueError):
        return False
    return True


def find_folder(path: Path) -> Path:
    """Return the folder of a classifier: the one that is named, or the one within a run's.

    Raises:
        ClassifierError: There is none.
    """
    for folder in (path, path / _FOLDER):
        if (folder / _MANIFEST).is_file():
            return folder
    within = sorted(found.parent.parent for found in path.glob(f"*/{_FOLDER}/{_MANIFEST}"))
    raise ClassifierError(
        f"{path} holds no classifier" if path.exists() else f"there is no {path}",
        expected=f"a run folder, or the folder '{_FOLDER}' in one",
        fix=f"{within[0]} is one." if within else "`photograft train` makes one.",
    )


def read_manifest(path: Path) -> dict[str, Any]:
    """Return what ``classifier.json`` holds, its checksum taken off and found right.

    Raises:
        ClassifierError: It is missing, changed, or from a newer version.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        written = manifest.pop("checksum")
        version = manifest["format"]
    except OSError as error:
        raise ClassifierError(f"{path} can't be read ({error.strerror})") from error
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise changed(path) from error
    if version != FORMAT_VERSION:
        raise ClassifierError(
            f"{path} was written in format {version}",
            expected=f"format {FORMAT_VERSION}",
            fix="Update Photograft, or train again.",
        )
    if written != checksum(manifest):
        raise changed(path)
    return dict(manifest)


def check_files(folder: Path, digests: Mapping[str, str], known: Collection[str]) -> None:
    """Make sure that a classifier's files are as they were written.

    Args:
        folder: Of the classifier.
        digests: The SHA-256 of each file by name, as ``classifier.json`` has them.
        known: Names that a file may have, so that none can point elsewhere.

    Raises:
        ClassifierError: One is missing, changed, or of another name.
    """
    for name, digest in digests.items():
        if name not in known:
            raise ClassifierError(f"{folder} lists an unknown file {name!r}")
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise ClassifierError(
                f"{folder / name} can't be read ({error.strerror})",
                fix="Copy the whole folder again, or train again.",
            ) from error
        if found != digest:
            raise changed(folder / name)


def read_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a file.

    Raises:
        ClassifierError: It is not as it was written.
    """
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise changed(path) from error


def checksum(manifest: dict[str, Any]) -> str:
    """Return the checksum of a manifest."""
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changed(path: Path) -> ClassifierError:
    """Return the error of a file that is not as it was written."""
    return ClassifierError(
        f"{path} is not as it was written",
        fix="It was changed or damaged: copy the folder again, or train again.",
    )
