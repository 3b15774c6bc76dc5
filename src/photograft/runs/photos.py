"""The photos of a run, found again where they were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from photograft.classifier.files import find_folder
from photograft.core.errors import ClassifierError, PhotograftError
from photograft.data.sources.open import open_source
from photograft.runs.folder import Facts, File, load_facts


def find_photos(source: str, files: Sequence[File]) -> dict[str, Callable[[], bytes]]:
    """Return, by name, what reads each photo of a run that is still in its source.

    Nothing is read yet. A photo whose content is another by now is not the one that was scored:
    reading it raises OSError.

    Args:
        source: As ``run.json`` has it.
        files: As in `folder.Facts`.

    Returns:
        Nothing at all where the source is gone, or is no source any more.
    """
    try:
        listing = open_source(source)
    except (PhotograftError, OSError):
        return {}
    digests = {file.name: file.sha256 for file in files if file.used}
    return {
        item.name: _checked(item.read, digests[item.name])
        for item in listing.items
        if item.name in digests
    }


def _checked(read: Callable[[], bytes], sha256: str) -> Callable[[], bytes]:
    def checked() -> bytes:
        data = read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise OSError("changed since the run")
        return data

    return checked


def training_facts(classifier: Path) -> Facts | None:
    """Return what a classifier's run holds; None where it was copied without its run.

    Args:
        classifier: Its folder, or that of its run.
    """
    try:
        return load_facts(find_folder(classifier).resolve().parent)
    except ClassifierError:
        return None
