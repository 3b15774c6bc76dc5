"""The reader of weight files: the right tensors, or a refusal, whatever the file says."""

from __future__ import annotations

import io
import pickle
import random
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photograft.backbones.prebuilt.pth import read_state_dict
from photograft.backbones.registry import EMBEDDED
from photograft.backbones.weights import locate_weights
from photograft.core.errors import WeightsError

TENSORS = OrderedDict(
    weight=torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
    turned=torch.arange(6, dtype=torch.float64).reshape(2, 3).T,
    half=torch.tensor([0.5, -2], dtype=torch.float16),
    counter=torch.tensor(7),
    bytes=torch.tensor([1, 255], dtype=torch.uint8),
    flags=torch.tensor([True, False]),
    nothing=torch.zeros(0, 3),
)
TENSORS["part"] = TENSORS["weight"][1, :, 1:3]


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], dict[str, np.ndarray]]:
    def read_(data: bytes) -> dict[str, np.ndarray]:
        (tmp_path / "weights.pth").write_bytes(data)
        return read_state_dict(tmp_path / "weights.pth")

    return read_


Read = Callable[[bytes], dict[str, Any]]


@pytest.mark.parametrize("make", [OrderedDict, dict])
def test_every_tensor_is_as_it_was(read: Read, make: Callable[[Any], Any]) -> None:
    found = read(saved(make(TENSORS)))
    assert list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.numpy().dtype
        assert found[name].shape == tuple(tensor.shape)
        assert np.array_equal(found[name], tensor.numpy())
        assert not found[name].flags.writeable


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_weights_are_read_as_torch_reads_them(name: str) -> None:
    _, path = locate_weights(EMBEDDED[name], Path("/nowhere"))
    assert path is not None
    found = read_state_dict(path)
    expected = torch.load(path, weights_only=True)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[n], tensor.numpy()) for n, tensor in expected.items())


class Caller:
    """Has a pickle call something."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.parts = called, arguments

    def __reduce__(self) -> Any:
        return self.parts


@pytest.mark.parametrize(
    "value",
    [
        Caller(print, "called"),
        Caller(eval, "1"),
        {"a": Caller(exec, "1")},
        {"a": Caller(io.BytesIO)},
        OrderedDict(a=Caller(OrderedDict, [("b", 1)])),
        torch.nn.Linear(2, 2),
        {"a": torch.nn.Parameter(torch.zeros(2))},
        {"a": torch.zeros(2).to_sparse()},
        {"a": torch.zeros(2, dtype=torch.complex64)},
        {"a": torch.zeros(2, dtype=torch.bfloat16)},
        {"a": 1},
        {"a": [torch.zeros(2)]},
        {1: torch.zeros(2)},
        [torch.zeros(2)],
        torch.zeros(2),
        "text",
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore")  # torch's, of its own kinds of tensors
def test_what_is_no_dictionary_of_tensors(
    read: Read, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsError, match="does not hold tensors as PyTorch writes them"):
        read(saved(value))
    assert capsys.readouterr().out == ""


def test_other_files(read: Read, tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(dict(TENSORS), file)  # a ZIP archive
    good = saved(TENSORS)
    for data in (b"", b"\x80", b"text", file.getvalue(), pickle.dumps({}), good + b"\0", good * 2):
        with pytest.raises(WeightsError):
            read(data)
    for path in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(WeightsError):
            read_state_dict(path)


def made(
    shape: tuple[int, ...] = (2,),
    strides: tuple[int, ...] = (1,),
    *,
    offset: int = 0,
    count: int = 2,
    written: int = 2,
    kind: str = "FloatStorage",
    values: int = 2,
) -> bytes:
    """Return a file of one tensor, put together by hand."""

    def whole(n: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", n)

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    def row(items: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, items)) + b"t"

    head = saved({})
    head = head[: head.index(b"\x80\x02}q\x00.")]
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text("0") + text("cpu")
    storage += whole(count) + b"NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset)
    tensor += row(shape) + row(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"".join(
        (
            head,
            b"\x80\x02}" + text("a") + tensor + b"s.",
            b"\x80\x02](" + text("0") + b"e.",
            struct.pack("<q", written) + struct.pack(f"<{values}f", *range(values)),
        )
    )


def test_a_file_by_hand(read: Read) -> None:
    assert read(made())["a"].tolist() == [0, 1]
    assert read(made((1,), offset=1))["a"].tolist() == [1]


@pytest.mark.parametrize(
    "data",
    [
        made((3,)),
        made((2,), offset=1),
        made((2,), (2,)),
        made((2, 2), (0, 1)),  # more numbers than there are, by repeating them
        made((2,), (-1,), offset=1),
        made((-2,)),
        made((2,), offset=-1),
        made((2,), (1, 1)),
        made((2**40,), (0,), count=2**40),
        made(count=2**62, written=2**62),
        made(count=3),
        made(written=3),
        made(count=3, written=3),
        made(values=3),
        made(values=1),
        made(kind="Tensor"),
        made(kind="FloatTensor"),
        made((1,) * 9, (1,) * 9),
    ],
)
def test_sizes_that_do_not_agree(read: Read, data: bytes) -> None:
    with pytest.raises(WeightsError):
        read(data)


def test_no_damage_gets_through(read: Read) -> None:
    """Every outcome is a refusal, or tensors of a size that the file has."""
    good = saved(OrderedDict(list(TENSORS.items())[:4]))
    rng = random.Random(0)
    refused = 0
    for length in range(0, len(good), 17):
        with pytest.raises(WeightsError):
            read(good[:length])
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[place] = rng.randrange(256)
                case 1:
                    data[place] ^= 1 << rng.randrange(8)
                case 2:
                    del data[place : place + rng.randrange(1, 9)]
                case 3:
                    data[place:place] = data[rng.randrange(len(data)) :][: rng.randrange(1, 20)]
        try:
            found = read(bytes(data))
        except WeightsError:
            refused += 1
            continue
        assert all(isinstance(value, np.ndarray) for value in found.values())
        assert sum(value.nbytes for value in found.values()) <= 8 * len(data)
        for value in found.values():
            value.sum()  # every number of it can be read
    assert refused > 500
