"""Weight files of PyTorch, read without it: tensors are made of them, and nothing else.

What comes out are views of the file's own bytes, so a file takes no more memory than its size,
whatever it says.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from photograft.backbones.prebuilt.pickles import RefusedError, Storage, Tensor, unpickled
from photograft.core.arrays import Array
from photograft.core.errors import WeightsError

#: Written first, and after it the version of the format.
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_MOST_BYTES = 4 * 2**30


def read_state_dict(path: Path) -> dict[str, Array]:
    """Return the tensors of a file that ``torch.save`` wrote before PyTorch 1.6, or wrote so since.

    Args:
        path: The file: a dictionary of tensors, in the format that is no ZIP archive.

    Returns:
        Read-only arrays by name, in the file's order.

    Raises:
        WeightsError: It can't be read, or holds anything else.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RefusedError(f"it has more than {_MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror})") from error
    except RefusedError as error:
        raise _refused(path, error) from error
    try:
        return _tensors(data)
    except (RefusedError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path} does not hold tensors as PyTorch writes them ({error})",
        fix="It is damaged, or of another kind: install or fetch it again.",
    )


def _tensors(data: bytes) -> dict[str, Array]:
    file = io.BytesIO(data)
    if not _same(unpickled(file), _MAGIC) or not _same(unpickled(file), _VERSION):
        raise RefusedError("it does not begin as such a file does")
    system = unpickled(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedError("its numbers are not little-endian")
    found = unpickled(file)
    if not isinstance(found, dict):
        raise RefusedError("it holds no dictionary")
    keys = unpickled(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise RefusedError("it does not list its storages")
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise RefusedError(f"{name} is no tensor")
    storages = _storages(data, file.tell(), keys, found)
    return {name: _view(storages[tensor.storage.key], tensor) for name, tensor in found.items()}


def _storages(
    data: bytes, at: int, keys: list[str], tensors: Mapping[str, Tensor]
) -> dict[str, Array]:
    """Return the numbers that tensors are views of, by key."""
    named: dict[str, Storage] = {}
    for tensor in tensors.values():
        if named.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise RefusedError(f"the storage {tensor.storage.key} is two things")
    if len(set(keys)) != len(keys) or set(keys) != set(named):
        raise RefusedError("its storages are not those that its tensors name")
    found = {}
    for key in keys:
        storage = named[key]
        size = storage.count * storage.dtype.itemsize
        if at + 8 + size > len(data):
            raise RefusedError("it ends early")
        if struct.unpack_from("<q", data, at)[0] != storage.count:
            raise RefusedError(f"the storage {key} has another length than its tensors say")
        found[key] = np.frombuffer(data, storage.dtype, storage.count, at + 8)
        at += 8 + size
    if at != len(data):
        raise RefusedError("it goes on after its end")
    return found


def _view(storage: Array, tensor: Tensor) -> Array:
    size = storage.dtype.itemsize
    strides = tuple(size * stride for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _same(value: object, wanted: int) -> bool:
    return type(value) is int and value == wanted
