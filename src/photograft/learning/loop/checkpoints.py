"""What a training loop needs to go on after an interruption, on disk, without pickle.

One folder per training, named by a hash of all that decides its outcome:

    <cache>/training/<key>/state.safetensors      tensors, and the rest as JSON in its metadata
    <cache>/training/<key>/backbone.safetensors   the trained network, until the run is written
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
import zlib
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from photograft.core.errors import StorageError
from photograft.core.files import is_full

_STATE = "state.safetensors"


class Checkpoint:
    """The state of one training.

    Args:
        cache: The user's cache folder.
        key: All that decides the outcome, as plain JSON types.
    """

    def __init__(self, cache: Path, key: dict[str, Any]) -> None:
        text = json.dumps(key, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        # Workers of a cluster may have begun in another folder.
        self.folder = (cache / "training" / name).absolute()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and plain data as they were saved last; None where they are not there.

        A state that is not as it was written counts as none: the training begins anew.
        """
        path = self.folder / _STATE
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if int(metadata["crc"]) != _checksum(tensors, metadata["state"]):
                return None
            data: dict[str, Any] = json.loads(metadata["state"])
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None
        return tensors, data

    def save(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Save tensors and plain data in place of what was saved before.

        Raises:
            StorageError: The folder can't be written to, or the disk is full.
        """
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        text = json.dumps(data)
        metadata = {"state": text, "crc": str(_checksum(whole, text))}
        self.write(_STATE, safetensors.torch.save(whole, metadata))

    def write(self, name: str, content: bytes) -> Path:
        """Write a file into the folder, whole or not at all, and return its path.

        Raises:
            StorageError: The folder can't be written to, or the disk is full.
        """
        partial = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.folder / name)
        except OSError as error:
            raise StorageError(
                f"the state of the training can't be written to {self.folder} ({error.strerror})",
                fix="Free some space; the same command then goes on from the last finished epoch."
                if is_full(error)
                else "Give another folder in the environment variable PHOTOGRAFT_CACHE.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return self.folder / name

    def remove(self) -> None:
        """Delete all that is kept for this training."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _checksum(tensors: dict[str, Tensor], text: str) -> int:
    """Return a CRC-32 of a whole state, which tells what a power cut or a bad disk changed."""
    found = zlib.crc32(text.encode())
    for name in sorted(tensors):
        content = tensors[name].reshape(-1).view(torch.uint8).numpy()
        found = zlib.crc32(content.data, found)
    return found


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as tensors and plain data."""
    tensors, data = {}, {}
    for index, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            elif value is not None:
                data[f"{index}.{name}"] = value
    return tensors, data


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], data: dict[str, Any]
) -> None:
    """Put the state that `pack_optimizer` gave into a new optimiser."""
    state: dict[int, dict[str, Any]] = {}
    packed = {k.removeprefix("optimizer."): v for k, v in tensors.items() if "optimizer." in k}
    for key, value in {**packed, **data}.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
