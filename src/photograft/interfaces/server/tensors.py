"""Tensors of the Open Inference Protocol: read from JSON or from binary, and written as either.

A request is JSON, or, with the header ``Inference-Header-Content-Length``, so many bytes of JSON
and then tensors, one after the other. Of ``BYTES``, each element is its length (uint32, little
endian) and itself. In JSON, which has no bytes, a photo is text in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from photograft.core.text import count as counted
from photograft.interfaces.server.problems import ProblemError

#: Of the JSON's brackets, braces and commas together: each of its values takes some hundred bytes
#: of memory, however few it takes of the body.
MAX_SIGNS = 20_000
#: How deep that is nested: a request takes six levels.
MAX_DEPTH = 32
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LENGTH = struct.Struct("<I")
Photo = bytes | memoryview


@dataclass(frozen=True)
class Tensor:
    """An output.

    Attributes:
        name: What it is called.
        datatype: ``"FP32"`` or ``"BYTES"``.
        values: Of any shape; text where it is ``"BYTES"``.
        is_binary: Whether it is to be sent as binary.
    """

    name: str
    datatype: str
    values: npt.NDArray[Any]
    is_binary: bool


def split_body(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    """Return the JSON of a request, and what comes after it.

    Args:
        body: All of it.
        header_length: The header ``Inference-Header-Content-Length``; None where there is none.

    Raises:
        ProblemError: It is no JSON object of a size and a depth to be expected.
    """
    whole = memoryview(body)
    if header_length is None:
        return read_json(body), whole[:0]
    is_number = header_length.isascii() and header_length.isdecimal() and len(header_length) < 19
    if not is_number or int(header_length) > len(body):
        raise ProblemError(
            "bad-request",
            f"Inference-Header-Content-Length must be from 0 to {len(body):,}, the body's length",
        )
    length = int(header_length)
    return read_json(body[:length]), whole[length:]


def read_json(text: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ProblemError: It is none, or too large or too deep.
    """
    if sum(text.count(sign) for sign in (b"[", b"{", b",")) > MAX_SIGNS:
        raise ProblemError("bad-request", f"the JSON has more than {counted(MAX_SIGNS, 'value')}")
    if _depth(text) > MAX_DEPTH:
        raise ProblemError("bad-request", f"the JSON is more than {MAX_DEPTH} deep")
    try:
        found = json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProblemError("bad-request", "the request is no JSON, or too deep") from error
    if not isinstance(found, dict):
        raise ProblemError("bad-request", "the request is no JSON object")
    return found


def _depth(text: bytes) -> int:
    """Return how deep brackets and braces are nested at most, those within texts counted, too."""
    depth = deepest = 0
    for sign in text.translate(None, _NO_BRACKETS):
        depth += 1 if sign in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def read_photos(
    request: Mapping[str, Any], binary: memoryview, most: int, name: str
) -> list[Photo]:
    """Return the photos of a request, each a file.

    Args:
        request: Its JSON.
        binary: What comes after it.
        most: Photos that there may be.
        name: Of the input that they are in.

    Raises:
        ProblemError: The request has another input, type or shape, or lengths that don't fit.
    """
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ProblemError("bad-request", f"there must be one input, {name!r}")
    tensor = inputs[0]
    if tensor.get("name") != name or tensor.get("datatype") != "BYTES":
        raise ProblemError("bad-request", f"the input must be {name!r}, of datatype BYTES")
    count = _count(tensor.get("shape"))
    if count > most:
        raise ProblemError("too-large", f"a request may have {counted(most, 'photo')}")
    parameters = tensor.get("parameters", {})
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if "data" in tensor or type(size) is not int or size != len(binary):
            raise ProblemError(
                "bad-request",
                f"binary_data_size must be the length of what follows the JSON: {len(binary):,}",
            )
        photos = _unpacked(binary, count)
    elif len(binary):
        raise ProblemError("bad-request", "no input says that it is what follows the JSON")
    else:
        photos = _decoded(tensor.get("data"))
    if len(photos) != count:
        raise ProblemError(
            "bad-request", f"the shape says {counted(count, 'photo')}, the data {len(photos):,}"
        )
    return photos


def single_photo(body: bytes) -> Photo:
    """Return the photo of a request that has no JSON at all, with its length before it or not."""
    if len(body) >= _LENGTH.size and _LENGTH.unpack_from(body)[0] == len(body) - _LENGTH.size:
        return memoryview(body)[_LENGTH.size :]
    return body


def write_tensors(head: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON where there is more than that.

    Args:
        head: Members of the answer beside its outputs.
        tensors: The outputs.
    """
    outputs, binary = [], []
    for tensor in tensors:
        output: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.values.shape),
        }
        if tensor.is_binary:
            packed = _packed(tensor)
            output["parameters"] = {"binary_data_size": len(packed)}
            binary.append(packed)
        else:
            output["data"] = _plain(tensor)
        outputs.append(output)
    text = json.dumps({**head, "outputs": outputs}, ensure_ascii=False).encode(
        "utf-8", "backslashreplace"
    )
    return b"".join([text, *binary]), len(text) if binary else None


def _count(shape: Any) -> int:
    is_shape = (
        isinstance(shape, list)
        and len(shape) in (1, 2)
        and all(type(side) is int for side in shape)
        and shape[0] > 0
        and shape[1:] in ([], [1])
    )
    if not is_shape:
        raise ProblemError("bad-request", "the shape must be [n] or [n, 1], n at least 1")
    return int(shape[0])


def _unpacked(binary: memoryview, most: int) -> list[Photo]:
    found: list[Photo] = []
    place, end = 0, len(binary)
    while place + _LENGTH.size <= end and len(found) <= most:
        begin = place + _LENGTH.size
        length = int(_LENGTH.unpack_from(binary, place)[0])
        if begin + length > end:
            break
        place = begin + length
        found.append(binary[begin:place])
    if place != end:
        raise ProblemError(
            "bad-request",
            "binary BYTES are each an element's length, 4 bytes with the lowest first, and itself",
        )
    return found


def _decoded(data: Any) -> list[Photo]:
    if not isinstance(data, list):
        raise ProblemError("bad-request", "an input has either data or binary_data_size")
    found: list[Photo] = []
    for text in data:
        if isinstance(text, list) and len(text) == 1:  # of shape [n, 1]
            text = text[0]
        try:
            if not isinstance(text, str):
                raise ValueError
            found.append(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error) as error:
            raise ProblemError(
                "bad-request", "in JSON a photo is text in base64; as binary it is itself"
            ) from error
    return found


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype == "FP32":
        return tensor.values.astype("<f4").tobytes()
    parts = (str(text).encode("utf-8", "backslashreplace") for text in tensor.values.ravel())
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _plain(tensor: Tensor) -> list[Any]:
    if tensor.datatype == "FP32":
        # The shortest text that is the same number.
        return [float(np.format_float_positional(v)) for v in tensor.values.ravel()]
    return [str(text) for text in tensor.values.ravel()]


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
