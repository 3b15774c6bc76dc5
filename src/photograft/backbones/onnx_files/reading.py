"""Reading an ONNX file that somebody else made: checked, bounded, and nothing but that file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.inliner import inline_local_functions

from photograft.core.errors import InputError, first_line
from photograft.core.files import sha256_of

#: A file and its data are no larger than this (bytes): Protocol Buffers end at 2 GiB.
MAX_BYTES = 2_000_000_000

#: Versions of ONNX's operators that are known here.
_LEAST_OPSET = 9


def read_graph(path: Path) -> onnx.ModelProto:
    """Return a model without the data that lie outside its file.

    Raises:
        InputError: It can't be read, is too large, or points at files that are not beside it.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path} has {size:,} bytes", expected=f"{MAX_BYTES:,} at most")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error})") from error
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except Exception as error:  # Protocol Buffers' own kind
        raise InputError(f"{path} is no ONNX file, or a damaged one") from error
    if not model.graph.node or not model.graph.output:
        raise InputError(f"{path} is no ONNX file, or holds no network")
    opset = opset_of(model)
    if opset < _LEAST_OPSET:
        raise InputError(
            f"{path} is of ONNX's operators version {opset}",
            expected=f"{_LEAST_OPSET} or later",
            fix="Export it anew, or bring it up with onnx.version_converter.",
        )
    if model.functions:
        model = inline_local_functions(model)
    _check_places(model, path)
    return model


def read_whole(path: Path) -> onnx.ModelProto:
    """Return a model with all of its data in it, found right by ONNX's own checker.

    Raises:
        InputError: As `read_graph`; or its data are not there, or it is not valid.
    """
    model = read_graph(path)
    left = MAX_BYTES - model.ByteSize()
    for tensor in list(_outside(model)):
        left -= _fill(tensor, path)
        if left < 0:
            raise InputError(f"{path} and its data have more than {MAX_BYTES:,} bytes")
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # of several kinds, without a common base
        raise InputError(f"{path} is no valid ONNX file ({first_line(error)})") from error
    return model


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file; where it has data in others, of all of them together.

    Raises:
        InputError: As `read_graph`; or its data are not there.
    """
    names = sorted({_location(tensor) for tensor in _outside(read_graph(path))})
    try:
        if not names:
            return sha256_of(path)
        parts = [sha256_of(path), *(sha256_of(path.with_name(name)) for name in names)]
    except OSError as error:
        raise InputError(f"{path} can't be read ({error})") from error
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def whole_bytes(path: Path) -> bytes:
    """Return a file as one that needs no other; as it is, where it needs none.

    Raises:
        InputError: As `read_whole`.
    """
    if next(_outside(read_graph(path)), None) is None:
        return path.read_bytes()
    data: bytes = read_whole(path).SerializeToString(deterministic=True)
    return data


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's operators that a model is of."""
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs within a node, such as a loop's."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for inner in subgraphs(node):
            yield from _tensors(inner)


def _outside(model: onnx.ModelProto) -> Iterator[TensorProto]:
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            yield tensor


def _location(tensor: TensorProto) -> str:
    return next((e.value for e in tensor.external_data if e.key == "location"), "")


def _check_places(model: onnx.ModelProto, path: Path) -> None:
    for name in {_location(tensor) for tensor in _outside(model)}:
        plain = name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")
        if not plain or path.with_name(name).is_symlink():
            raise InputError(
                f"{path} wants data from {name!r}",
                expected="a file in the same folder",
                fix="Only such are read. Put them there, and write the file anew with onnx.save.",
            )
        if not path.with_name(name).is_file():
            raise InputError(
                f"{path} has its data in {name}, which is not beside it",
                fix="Copy that file, too.",
            )


def _fill(tensor: TensorProto, path: Path) -> int:
    """Put a tensor's data into it; return how many bytes they are."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    source = path.with_name(said["location"])
    try:
        item = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
        offset = int(said.get("offset") or 0)
        length = int(said.get("length") or item * int(np.prod(tensor.dims, dtype=object)))
        size = source.stat().st_size
        if not (offset >= 0 and 0 <= length <= MAX_BYTES and offset + length <= size):
            raise ValueError(f"{length:,} bytes at {offset:,} of {size:,}")
        with source.open("rb") as file:
            file.seek(offset, os.SEEK_SET)
            data = file.read(length)
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise InputError(
            f"{source} does not hold the data of {path} ({first_line(error)})",
            fix="It may be cut short, or of another file: copy both again.",
        ) from error
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
    return length
