"""A backbone as an engine reads it: an ONNX model, kept beside the features that it gives."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from photograft.core.errors import StorageError

#: Part of the feature store's key: raise it whenever a prepared network gives other features.
CODE_VERSION = 1

_MODEL = "network.onnx"
_RECORD = "network.json"


@dataclass(frozen=True)
class Prepared:
    """A network ready for an engine.

    Attributes:
        model: An ONNX model, serialised: uint8 pixels ``(1, height, width, 3)`` in, float32
            ``features`` ``(1, num_features)`` out.
        maps: Names of the layers whose maps, float32 ``(1, channels, h, w)``, are the tensors
            ``map.NAME`` in it, and are pooled as the backbone's record says.
    """

    model: bytes
    maps: tuple[str, ...]


def read_prepared(folder: Path) -> Prepared | None:
    """Return the network that a folder holds as it was written; None where there is none."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        model = (folder / _MODEL).read_bytes()
        prepared = Prepared(model, tuple(record["maps"]))
        return prepared if record["sha256"] == _digest(prepared) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Put a network into a folder, which is made; its checksum last.

    Raises:
        StorageError: The folder can't be written to.
    """
    record = json.dumps({"sha256": _digest(prepared), "maps": prepared.maps})
    partial = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((_MODEL, prepared.model), (_RECORD, record.encode())):
            partial.write_bytes(data)
            os.replace(partial, folder / name)
    except OSError as error:
        raise StorageError(
            f"the prepared network can't be written to {folder} ({error.strerror})",
            fix="Free some space, or give another folder in the variable PHOTOGRAFT_CACHE.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def keep_prepared(prepared: Prepared, folder: Path) -> None:
    """Put a network into a folder where that can be; else it is prepared again the next time."""
    with contextlib.suppress(StorageError):
        write_prepared(prepared, folder)


def has_prepared(folder: Path) -> bool:
    """Return whether there seems to be a network in a folder; it is not read."""
    return (folder / _RECORD).exists()


def _digest(prepared: Prepared) -> str:
    digest = hashlib.sha256(prepared.model)
    digest.update(json.dumps(prepared.maps).encode())
    return digest.hexdigest()
