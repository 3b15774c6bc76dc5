"""Sets of TensorFlow Datasets, by a stand-in for the package.

The stand-in answers as tensorflow-datasets 4.9.10 does: `builder` raises for unknown names,
`as_data_source` raises NotImplementedError where the files can't be read in any order and
ValueError for bad splits, `as_dataset` raises ImportError without TensorFlow.
"""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft import Dataset
from photograft.core.errors import SourceError, StorageError
from photograft.data.sources import spool
from photograft.data.sources.base import Listing
from photograft.data.sources.named_sets import NamedSet, parse_set
from photograft.data.sources.open import open_source
from photograft.data.sources.tfds import read_tfds


class ImageFeature:
    """Stands in for `tfds.features.Image`."""


class ClassLabel:
    """Stands in for `tfds.features.ClassLabel`."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.num_classes = len(names)

    def int2str(self, value: int) -> str:
        return self.names[value]


class Text:
    """Stands in for `tfds.features.Text`."""


class SkipDecoding:
    """Stands in for `tfds.decode.SkipDecoding`."""


def picture(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 8), (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


def make_rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"image": picture(first + i), "label": np.int64(i % 2), "file": b"x"} for i in range(count)
    ]


class Rows:
    """A data source: a sequence that is not to be read by two threads at once."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        self._busy = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        assert self._busy.acquire(blocking=False), "read by two threads at once"
        try:
            return self._rows[index]
        finally:
            self._busy.release()


class Library:
    """Stands in for the package `tensorflow_datasets`, with one set called ``pets``."""

    def __init__(self, *, any_order: bool = True, tensorflow: bool = True) -> None:
        self.features = SimpleNamespace(Image=ImageFeature, ClassLabel=ClassLabel)
        self.decode = SimpleNamespace(SkipDecoding=SkipDecoding)
        self.any_order, self.tensorflow = any_order, tensorflow
        self.prepared = True
        self.failure: Exception | None = None
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.columns: dict[str, Any] = {
            "file": Text(),
            "label": ClassLabel(["cat", "dog"]),
            "image": ImageFeature(),
        }
        self.splits = {"train": make_rows(10), "test": make_rows(4, 100)}

    def builder(self, name: str, **options: str) -> Builder:
        self.calls.append((name, options))
        if re.split("[:/]", name)[0] != "pets":
            raise LookupError(f"Dataset {name} not found.\nAvailable datasets:\n- pets")
        return Builder(self)

    def as_numpy(self, dataset: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return iter(dataset)


class Builder:
    """Stands in for a builder of the set."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def info(self) -> Any:
        splits = self._library.splits if self._library.prepared else {}
        return SimpleNamespace(features=self._library.columns, splits=splits)

    def is_prepared(self) -> bool:
        return self._library.prepared

    def download_and_prepare(self) -> None:
        if self._library.failure:
            raise self._library.failure
        self._library.prepared = True

    def as_data_source(self, *, split: str, decoders: dict[str, Any]) -> Rows:
        if not self._library.any_order:
            raise NotImplementedError("Random access data source for file format TFRECORD ...")
        return Rows(self._take(split, decoders))

    def as_dataset(
        self, *, split: str, shuffle_files: bool, decoders: dict[str, Any]
    ) -> list[dict[str, Any]]:
        assert not shuffle_files
        if not self._library.tensorflow:
            raise ImportError("No module named 'tensorflow'")
        return self._take(split, decoders)

    def _take(self, split: str, decoders: dict[str, Any]) -> list[dict[str, Any]]:
        pictures = {n for n, f in self._library.columns.items() if isinstance(f, ImageFeature)}
        assert {n for n, d in decoders.items() if isinstance(d, SkipDecoding)} == pictures
        rows = []
        for term in split.split("+"):
            match = re.fullmatch(r"(\w+)(?:\[(\d*)(%?):(\d*)(%?)\])?", term)
            assert match is not None
            found = self._library.splits[match[1]]
            n = len(found)
            start, stop = int(match[2] or 0), int(match[4] or n)
            start = start * n // 100 if match[3] else start
            stop = stop * n // 100 if match[5] else stop
            if start > n:
                raise ValueError(
                    f"Requested slice [{start}:{stop}] incompatible with {n} examples."
                )
            rows += found[start:stop]
        return rows


def parse(text: str) -> NamedSet:
    named = parse_set(text)
    assert named is not None
    return named


def read(library: Library, text: str = "tfds:pets") -> Listing:
    return read_tfds(parse(text), data_dir=Path("/data"), library=library)


def brightness(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        return int(np.asarray(image)[0, 0, 0])


@pytest.mark.parametrize("any_order", [True, False])
def test_splits_labels_and_bytes(any_order: bool) -> None:
    library = Library(any_order=any_order)
    listing = read(library)
    assert listing.kind == "tfds"
    assert [(i.name, i.label, i.split) for i in listing.items] == [
        *((f"test/{n:06}", ("cat", "dog")[n % 2], "test") for n in range(4)),
        *((f"train/{n:06}", ("cat", "dog")[n % 2], "train") for n in range(10)),
    ]
    assert [item.read() for item in listing.items] == [
        row["image"] for part in ("test", "train") for row in library.splits[part]
    ]
    assert library.calls == [("pets", {"data_dir": "/data"})]


@pytest.mark.parametrize("any_order", [True, False])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tfds:pets[train[:50%]]", {None: [0, 1, 2, 3, 4]}),
        ("tfds:pets[train[8:]+test[:1]]", {None: [8, 9, 100]}),
        (
            "tfds:pets/big:1.0.0[train=train[:2],validation=train[20%:30%],test=test[3:]]",
            {"train": [0, 1], "validation": [2], "test": [103]},
        ),
    ],
)
def test_parts(any_order: bool, text: str, expected: dict[str | None, list[int]]) -> None:
    library = Library(any_order=any_order)
    found: dict[str | None, list[int]] = {}
    for item in read(library, text).items:
        found.setdefault(item.split, []).append(brightness(item.read()))
    assert found == expected
    assert library.calls[0][0] == parse(text).name


@pytest.mark.parametrize("any_order", [True, False])
def test_items_are_read_from_many_threads(any_order: bool) -> None:
    items = [*read(Library(any_order=any_order)).items] * 50
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: brightness(item.read()), items))
    assert found == [*range(100, 104), *range(10)] * 50


def test_a_set_that_is_not_prepared_is_fetched_in_a_format_that_needs_no_tensorflow() -> None:
    library = Library(tensorflow=False)
    library.prepared = False
    assert len(read(library).items) == 14
    assert library.calls[1] == ("pets", {"data_dir": "/data", "file_format": "array_record"})


def test_without_network_the_place_is_named() -> None:
    library = Library()
    library.prepared, library.failure = False, ConnectionError("Failed to resolve host")
    with pytest.raises(SourceError, match="Failed to resolve host") as caught:
        read(library, "tfds:pets/big:1.0.0")
    text = str(caught.value)
    assert "a prepared set in /data/pets" in text
    assert "data_source('pets/big:1.0.0')" in text


def test_unknown_names_are_told_in_one_line() -> None:
    with pytest.raises(SourceError, match="Dataset pest not found") as caught:
        read(Library(), "tfds:pest")
    assert "Available" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["huggingface:x", "a b", "pets/../x", "/etc", "pets/a=1,b=2", "a:b/c", "-x", "pets:x"]
)
def test_names_that_might_run_code_from_elsewhere(name: str) -> None:
    library = Library()
    with pytest.raises(SourceError, match="names no set of TensorFlow Datasets"):
        read(library, f"tfds:{name}")
    assert library.calls == []


def test_prepared_for_tensorflow_only() -> None:
    with pytest.raises(SourceError, match=r"only TensorFlow reads.*pip install tensorflow"):
        read(Library(any_order=False, tensorflow=False))


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(SourceError, match=r"pip install 'photograft\[tfds\]'"):
        open_source("tfds:pets")


def test_where_prepared_sets_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (("", "tensorflow_datasets"), ("~/sets", "sets")):
        monkeypatch.setenv("TFDS_DATA_DIR", value)
        library = Library()
        read_tfds(parse("tfds:pets"), library=library)
        assert library.calls[0][1] == {"data_dir": str(tmp_path / expected)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfds:pets[trian]", "no split 'trian'; expected train or test. Did you mean train"),
        ("tfds:pets[train[100:]]", r"part 'train\[100:\]' .* incompatible with 10 examples"),
    ],
)
def test_parts_that_are_not_there(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(Library(), text)


def test_columns_by_type_and_name() -> None:
    library = Library()
    library.columns |= {"breed": ClassLabel(["a", "b"]), "mask": ImageFeature()}
    assert read(library).notes == (
        "images were taken from image, not from mask",
        "labels were taken from label, not from breed",
    )
    del library.columns["label"], library.columns["breed"]
    with pytest.raises(SourceError, match=r"no label for each row.*file \(Text\)"):
        read(library)
    library.columns["label"] = Text()
    for row in library.splits["train"] + library.splits["test"]:
        row["label"] = "K\u00e4tzchen ".encode()
    assert {item.label for item in read(library).items} == {"K\u00e4tzchen"}
    library.columns = {"label": ClassLabel(["a"]), "pixels": Text()}
    with pytest.raises(SourceError, match="no image for each row"):
        read(library)


def test_rows_without_a_label_are_skipped() -> None:
    library = Library()
    library.splits["test"][1]["label"] = np.int64(-1)
    listing = read(library)
    assert [(f.name, f.reason) for f in listing.skipped] == [("test/000001", "no label")]
    for row in library.splits["test"] + library.splits["train"]:
        row["label"] = np.int64(-1)
    with pytest.raises(SourceError, match="holds no labelled photo"):
        read(library)


def test_a_row_that_cannot_be_read_is_one_file_less() -> None:
    library = Library()
    listing = read(library, "tfds:pets[train]")
    library.splits["train"][3].pop("image")
    with pytest.raises(OSError, match="row 3 can't be read"):
        listing.items[3].read()
    assert brightness(listing.items[4].read()) == 4


def test_streams_that_break_off() -> None:
    class Broken(Library):
        def as_numpy(self, dataset: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
            yield dataset[0]
            raise KeyError("DataLoss: corrupted record at 7")

    with pytest.raises(SourceError, match=r"damaged or incomplete.*corrupted record at 7"):
        read(Broken(any_order=False))


def test_an_empty_image_in_a_stream_stays_at_its_place() -> None:
    library = Library(any_order=False)
    library.splits["train"][2]["image"] = b""
    items = read(library, "tfds:pets[train]").items
    assert items[2].read() == b""
    assert [brightness(items[i].read()) for i in (1, 3, 9)] == [1, 3, 9]


def test_streams_are_bounded_and_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MAX_UNPACKED_BYTES", 100)
    with pytest.raises(SourceError, match="too much data"):
        read(Library(any_order=False))

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StorageError, match="No space left"):
        read(Library(any_order=False))


def test_as_a_dataset() -> None:
    dataset = Dataset.from_listing("tfds:pets[train]", read(Library(), "tfds:pets[train]"))
    assert (dataset.name, dataset.kind, len(dataset.photos)) == ("pets", "tfds", 10)
    assert {photo.format for photo in dataset.photos} == {"PNG"}
