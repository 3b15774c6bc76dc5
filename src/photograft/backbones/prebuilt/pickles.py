"""Pickles of tensors, walked step by step: a pickle is a program, and none of it is run.

It is one for a stack machine that may call whatever it names. Here only those steps are known that
a dictionary of tensors is made of.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

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


class RefusedError(Exception):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class _Global:
    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    """Where tensors' numbers are: a part of the file.

    Attributes:
        key: Its name.
        dtype: Of its numbers.
        count: How many there are.
    """

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; it lies within it.

    Attributes:
        storage: The storage.
        offset: Its first number.
        shape: Of the tensor.
        strides: In numbers, not bytes.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """A place on the stack."""


def unpickled(file: io.BytesIO) -> Any:
    """Return what the next pickle in a file makes, if it makes nothing but what is known here.

    Raises:
        RefusedError: It asks for more.
        ValueError: It is no pickle.
    """
    machine = _Machine()
    for steps, (name, argument) in enumerate(_steps(file)):
        if steps > _MOST_STEPS:
            raise RefusedError("it has too many steps")
        if name == "STOP":
            return machine.result()
        machine.step(name, argument)
    raise RefusedError("it ends early")


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
            raise RefusedError("it leaves more or less than one thing")
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        """Do what one opcode says."""
        match name:
            case "PROTO":
                if argument != 2:
                    raise RefusedError(f"its protocol is {argument}, not 2")
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
                    raise RefusedError("it asks for what it did not keep")
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
                    raise RefusedError(f"it names {module}.{what}")
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
                raise RefusedError(f"it has the step {name}")

    def _pop(self) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark):
            raise RefusedError("it takes what is not there")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or isinstance(self._stack[-1], _Mark):
            raise RefusedError("it takes what is not there")
        return self._stack[-1]

    def _top_of(self, kind: type) -> Any:
        if type(top := self._top()) is not kind:
            raise RefusedError(f"it fills what is no {kind.__name__}")
        return top

    def _to_mark(self) -> list[Any]:
        for i in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[i], _Mark):
                items = self._stack[i + 1 :]
                del self._stack[i:]
                return items
        raise RefusedError("it takes what is not there")

    def _set(self, items: list[Any]) -> None:
        target = self._top_of(dict)
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise RefusedError("it has names that are no text")
        target.update(zip(items[::2], items[1::2], strict=True))


def _called(called: Any, arguments: Any) -> Any:
    if called == _Global("collections", "OrderedDict") and arguments == ():
        return {}
    if called != _Global("torch._utils", "_rebuild_tensor_v2"):
        raise RefusedError("it calls what makes no tensor")
    if not isinstance(arguments, tuple) or len(arguments) != 6:
        raise RefusedError("a tensor is not made as one is")
    storage, offset, shape, strides, _, hooks = arguments
    if not isinstance(storage, Storage) or hooks != {} or not _is_count(offset):
        raise RefusedError("a tensor is not made as one is")
    for sizes in (shape, strides):
        if not isinstance(sizes, tuple) or not all(_is_count(size) for size in sizes):
            raise RefusedError("a tensor has no such shape")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise RefusedError("a tensor has no such shape")
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    if math.prod(shape) > storage.count or (0 not in shape and offset + reach > storage.count):
        raise RefusedError("a tensor is larger than what it is a view of")
    return Tensor(storage, min(offset, storage.count), shape, strides)


def _storage(found: Any) -> Storage:
    """Return what a persistent identity stands for: where a tensor's numbers are."""
    if not isinstance(found, tuple) or len(found) != 6:
        raise RefusedError("a storage is not named as one is")
    word, kind, key, _, count, view = found
    if (
        word != "storage"
        or not isinstance(kind, _Global)
        or kind.name not in _DTYPES
        or not isinstance(key, str)
        or not _is_count(count)
        or view is not None
    ):
        raise RefusedError("a storage is not named as one is")
    return Storage(key, np.dtype(_DTYPES[kind.name]), count)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40
