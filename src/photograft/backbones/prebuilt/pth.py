"""Weight files of PyTorch, read without it: tensors are made of them, and nothing else.

Such a file is a pickle, a program for a stack machine that may call whatever it names. Here its
steps are walked one by one, and only those are known that a dictionary of tensors is made of. What
comes out are views of the file's own bytes, so a file takes no more memory than its size, whatever
it says.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.errors import WeightsError

Array = npt.NDArray[Any]

#: Written first, and after it the version of the format.
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_MOST_BYTES = 4 * 2**30
_MOST_STEPS = 1_000_000
_MOST_DIMENSIONS = 8

_DTYPES = {
    "BoolStorage": "|b1",
    "ByteStorage": "|u1",
    "CharStorage": "|i1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
    "ShortStorage": "<i2",
}
#: The only things that a file may name.
_GLOBALS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    *(("torch", name) for name in _DTYPES),
}


class _RefusedError(Exception):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """A place on the stack."""


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
            raise _RefusedError(f"it has more than {_MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror})") from error
    except _RefusedError as error:
        raise _refused(path, error) from error
    try:
        return _tensors(data)
    except (_RefusedError, ValueError, OverflowError, RecursionError) as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path} does not hold tensors as PyTorch writes them ({error})",
        fix="It is damaged, or of another kind: install or fetch it again.",
    )


def _tensors(data: bytes) -> dict[str, Array]:
    file = io.BytesIO(data)
    if not _same(_unpickled(file), _MAGIC) or not _same(_unpickled(file), _VERSION):
        raise _RefusedError("it does not begin as such a file does")
    system = _unpickled(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _RefusedError("its numbers are not little-endian")
    found = _unpickled(file)
    if not isinstance(found, dict):
        raise _RefusedError("it holds no dictionary")
    keys = _unpickled(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _RefusedError("it does not list its storages")
    for name, value in found.items():
        if not isinstance(value, _Tensor):
            raise _RefusedError(f"{name} is no tensor")
    storages = _storages(data, file.tell(), keys, found)
    return {name: _view(storages[tensor.storage.key], tensor) for name, tensor in found.items()}


def _storages(
    data: bytes, at: int, keys: list[str], tensors: Mapping[str, _Tensor]
) -> dict[str, Array]:
    """Return the numbers that tensors are views of, by key."""
    named: dict[str, _Storage] = {}
    for tensor in tensors.values():
        if named.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise _RefusedError(f"the storage {tensor.storage.key} is two things")
    if len(set(keys)) != len(keys) or set(keys) != set(named):
        raise _RefusedError("its storages are not those that its tensors name")
    found = {}
    for key in keys:
        storage = named[key]
        size = storage.count * storage.dtype.itemsize
        if at + 8 + size > len(data):
            raise _RefusedError("it ends early")
        if struct.unpack_from("<q", data, at)[0] != storage.count:
            raise _RefusedError(f"the storage {key} has another length than its tensors say")
        found[key] = np.frombuffer(data, storage.dtype, storage.count, at + 8)
        at += 8 + size
    if at != len(data):
        raise _RefusedError("it goes on after its end")
    return found


def _view(storage: Array, tensor: _Tensor) -> Array:
    size = storage.dtype.itemsize
    strides = tuple(size * stride for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _same(value: object, wanted: int) -> bool:
    return type(value) is int and value == wanted


def _unpickled(file: io.BytesIO) -> Any:
    """Return what the next pickle in a file makes, if it makes nothing but what is known here."""
    machine = _Machine()
    for steps, (name, argument) in enumerate(_steps(file)):
        if steps > _MOST_STEPS:
            raise _RefusedError("it has too many steps")
        if name == "STOP":
            return machine.result()
        machine.step(name, argument)
    raise _RefusedError("it ends early")


def _steps(file: io.BytesIO) -> Iterator[tuple[str, Any]]:
    for opcode, argument, _ in pickletools.genops(file):
        yield opcode.name, argument


class _Machine:
    """The stack machine of pickles, without the means to call anything."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """Return the one thing that is left."""
        if len(self._stack) != 1:
            raise _RefusedError("it leaves more or less than one thing")
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        """Do what one opcode says."""
        match name:
            case "PROTO":
                if argument != 2:
                    raise _RefusedError(f"its protocol is {argument}, not 2")
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                self._stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
                self._stack.append(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                empty: dict[str, Any] = {"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}
                self._stack.append(empty[name])
            case "MARK":
                self._stack.append(_Mark())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._top()
            case "BINGET" | "LONG_BINGET":
                if argument not in self._memo:
                    raise _RefusedError("it asks for what it did not keep")
                self._stack.append(self._memo[argument])
            case "TUPLE":
                self._stack.append(tuple(self._to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [self._pop() for _ in range(int(name[-1]))]
                self._stack.append(tuple(reversed(items)))
            case "APPENDS":
                items = self._to_mark()
                self._top_of(list).extend(items)
            case "SETITEM":
                value, key = self._pop(), self._pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._to_mark())
            case "GLOBAL":
                module, _, what = argument.partition(" ")
                if (module, what) not in _GLOBALS:
                    raise _RefusedError(f"it names {module}.{what}")
                self._stack.append(_Global(module, what))
            case "BINPERSID":
                self._stack.append(_storage(self._pop()))
            case "REDUCE":
                arguments, called = self._pop(), self._pop()
                self._stack.append(_called(called, arguments))
            case "BUILD":  # a state dict's versions of its modules, which nothing here asks for
                self._pop()
                self._top_of(dict)
            case _:
                raise _RefusedError(f"it has the step {name}")

    def _pop(self) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark):
            raise _RefusedError("it takes what is not there")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark):
            raise _RefusedError("it takes what is not there")
        return self._stack[-1]

    def _top_of(self, kind: type) -> Any:
        if type(top := self._top()) is not kind:
            raise _RefusedError(f"it fills what is no {kind.__name__}")
        return top

    def _to_mark(self) -> list[Any]:
        for i in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[i], _Mark):
                items = self._stack[i + 1 :]
                del self._stack[i:]
                return items
        raise _RefusedError("it takes what is not there")

    def _set(self, items: list[Any]) -> None:
        target = self._top_of(dict)
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise _RefusedError("it has names that are no text")
        target.update(zip(items[::2], items[1::2], strict=True))


def _called(called: Any, arguments: Any) -> Any:
    if called == _Global("collections", "OrderedDict") and arguments == ():
        return {}
    if called != _Global("torch._utils", "_rebuild_tensor_v2"):
        raise _RefusedError("it calls what makes no tensor")
    if not isinstance(arguments, tuple) or len(arguments) != 6:
        raise _RefusedError("a tensor is not made as one is")
    storage, offset, shape, strides, _, hooks = arguments
    if not isinstance(storage, _Storage) or hooks != {} or not _is_count(offset):
        raise _RefusedError("a tensor is not made as one is")
    for sizes in (shape, strides):
        if not isinstance(sizes, tuple) or not all(_is_count(size) for size in sizes):
            raise _RefusedError("a tensor has no such shape")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise _RefusedError("a tensor has no such shape")
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    if math.prod(shape) > storage.count or (0 not in shape and offset + reach > storage.count):
        raise _RefusedError("a tensor is larger than what it is a view of")
    return _Tensor(storage, min(offset, storage.count), shape, strides)


def _storage(found: Any) -> _Storage:
    """Return what a persistent identity stands for: where a tensor's numbers are."""
    if not isinstance(found, tuple) or len(found) != 6:
        raise _RefusedError("a storage is not named as one is")
    word, kind, key, _, count, view = found
    if (
        word != "storage"
        or not isinstance(kind, _Global)
        or kind.name not in _DTYPES
        or not isinstance(key, str)
        or not _is_count(count)
        or view is not None
    ):
        raise _RefusedError("a storage is not named as one is")
    return _Storage(key, np.dtype(_DTYPES[kind.name]), count)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40
