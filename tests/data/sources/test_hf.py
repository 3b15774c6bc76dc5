"""Sets of the Hugging Face Hub, read by `datasets` itself from folders; the network is not used."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photograft import Dataset
from photograft.core.errors import SourceError
from photograft.data.sources.base import Listing
from photograft.data.sources.hf import BUILDERS, read_hub
from photograft.data.sources.named_sets import parse_set
from photograft.data.sources.open import open_source

datasets = pytest.importorskip("datasets")

# datasets leaves the files that it maps open until they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def picture(value: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 8), (value, value, value)).save(stream, kind)
    return stream.getvalue()


def cells(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"bytes": picture(first + i), "path": f"{i}.png"} for i in range(count)]


def write(folder: Path, split: str, columns: dict[str, Any], types: dict[str, Any]) -> Path:
    """Write a split as the Hub keeps it: Parquet that tells the types of its columns."""
    folder.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(types))
    with (folder / f"{split}-00000-of-00001.parquet").open("wb") as file:
        pq.write_table(table.data.table, file)
    return folder


def types(**more: Any) -> dict[str, Any]:
    return {
        "image": datasets.Image(),
        "labels": datasets.ClassLabel(names=["cat", "dog"]),
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of 10 training and 4 test photos, in Parquet."""
    path = tmp_path / "pets"
    for split, count, first in (("train", 10, 0), ("test", 4, 100)):
        labels = [i % 2 for i in range(count)]
        write(path, split, {"image": cells(count, first), "labels": labels}, types())
    return path


def read(source: object) -> Listing:
    named = parse_set(f"hf:{source}")
    assert named is not None
    return read_hub(named)


def brightness(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        return int(np.asarray(image)[0, 0, 0])


def test_splits_labels_and_bytes(folder: Path, cache: Path) -> None:
    before = sorted(folder.rglob("*"))
    listing = open_source(f"hf:{folder}")
    assert listing.kind == "hf"
    assert [(i.name, i.label, i.split) for i in listing.items] == [
        *((f"test/{n:06}", ("cat", "dog")[n % 2], "test") for n in range(4)),
        *((f"train/{n:06}", ("cat", "dog")[n % 2], "train") for n in range(10)),
    ]
    expected = [picture(value) for value in (*range(100, 104), *range(10))]
    assert [item.read() for item in listing.items] == expected
    assert listing.notes == ()
    assert sorted(folder.rglob("*")) == before
    assert (cache / "datasets/hf").is_dir()


@pytest.mark.parametrize(
    ("brackets", "expected"),
    [
        ("[train[:50%]]", {None: [0, 1, 2, 3, 4]}),
        ("[train[8:]+test[:1]]", {None: [8, 9, 100]}),
        ("[all]", {None: [*range(10), *range(100, 104)]}),
        (
            "[train=train[:2],validation=train[20%:30%],test=test[-1:]]",
            {"train": [0, 1], "validation": [2], "test": [103]},
        ),
    ],
)
def test_parts(folder: Path, brackets: str, expected: dict[str | None, list[int]]) -> None:
    found: dict[str | None, list[int]] = {}
    for item in read(f"{folder}{brackets}").items:
        found.setdefault(item.split, []).append(brightness(item.read()))
    assert found == expected


@pytest.mark.parametrize(
    ("brackets", "message"),
    [
        ("[trian]", "no split 'trian'; expected train or test. Did you mean train"),
        ("[train[100:]]", r"part 'train\[100:\]' of .* can't be read"),
        ("[train[:200%]]", "slices that lie within their split"),
    ],
)
def test_parts_that_are_not_there(folder: Path, brackets: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(f"{folder}{brackets}")


def test_items_are_read_from_many_threads(folder: Path) -> None:
    items = [*read(folder).items] * 30
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: brightness(item.read()), items))
    assert found == [*range(100, 104), *range(10)] * 30


def test_as_a_dataset(folder: Path) -> None:
    dataset = Dataset.load(f"hf:{folder}[train]")
    assert (dataset.name, dataset.kind, len(dataset.photos)) == ("pets", "hf", 10)
    assert dataset.class_counts() == {"cat": 5, "dog": 5}


def test_a_folder_that_changed_is_read_anew(folder: Path) -> None:
    assert len(read(folder).items) == 14
    write(folder, "test", {"image": cells(2, 50), "labels": [1, 1]}, types())
    path = next(folder.glob("test*"))
    os.utime(path, (1, 1))
    items = read(f"{folder}[test]").items
    assert [(item.label, brightness(item.read())) for item in items] == [("dog", 50), ("dog", 51)]


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    for name, value in (("cat", 10), ("dog", 20)):
        path = tmp_path / f"pets/train/{name}/1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(picture(value))
    listing = read(tmp_path / "pets")
    assert [(i.label, brightness(i.read())) for i in listing.items] == [("cat", 10), ("dog", 20)]


def test_one_split_only_is_split(tmp_path: Path) -> None:
    path = write(tmp_path / "pets", "train", {"image": cells(2), "labels": [0, 1]}, types())
    listing = read(path)
    assert [(i.name, i.split) for i in listing.items] == [("000000", None), ("000001", None)]
    assert listing.notes == ("the set has one split only, train: it is split",)


@pytest.mark.parametrize(
    ("labels", "kind", "expected"),
    [
        (["cat ", "dog", None], "string", ["cat", "dog"]),
        ([3, 7, None], "int64", ["3", "7"]),
    ],
)
def test_labels_that_are_no_class_labels(
    tmp_path: Path, labels: list[Any], kind: str, expected: list[str]
) -> None:
    columns = {"img": cells(3), "label": labels}
    path = write(
        tmp_path / "a", "train", columns, {"img": datasets.Image(), "label": datasets.Value(kind)}
    )
    listing = read(path)
    assert [item.label for item in listing.items] == expected
    assert [(f.name, f.reason) for f in listing.skipped] == [("000002", "no label")]


def test_columns_by_type_and_name(tmp_path: Path) -> None:
    columns = {"photo": cells(1), "image": cells(1, 9), "labels": [1], "breed": [0]}
    more = types(photo=datasets.Image(), breed=datasets.ClassLabel(names=["x"]))
    listing = read(write(tmp_path / "a", "train", columns, more))
    assert listing.items[0].label == "dog"
    assert brightness(listing.items[0].read()) == 9
    assert listing.notes[1:] == (
        "images were taken from image, not from photo",
        "labels were taken from labels, not from breed",
    )


@pytest.mark.parametrize("as_struct", [True, False])
def test_parquet_of_other_makers(tmp_path: Path, as_struct: bool) -> None:
    values: list[Any] = cells(2) if as_struct else [picture(0), picture(1)]
    (tmp_path / "a").mkdir()
    table = pa.table({"image": values, "label": ["x", "y"]})
    pq.write_table(table, tmp_path / "a/train.parquet")
    items = read(tmp_path / "a").items
    assert [(i.label, brightness(i.read())) for i in items] == [("x", 0), ("y", 1)]


@pytest.mark.parametrize(
    ("columns", "kinds", "message"),
    [
        ({"text": ["a"], "label": [0]}, {"text": "string", "label": "int64"}, "no image for each"),
        (
            {"image": [b"x"], "n": [0.5]},
            {"image": "binary", "n": "float64"},
            r"no label.*n \(float",
        ),
        ({"image": [b"x"], "label": [0.5]}, {"image": "binary", "label": "float64"}, "no label"),
    ],
)
def test_sets_that_are_not_for_classification(
    tmp_path: Path, columns: dict[str, Any], kinds: dict[str, str], message: str
) -> None:
    kinds_of = {name: datasets.Value(kind) for name, kind in kinds.items()}
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path / "a", "train", columns, kinds_of))


def test_images_that_are_not_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(7))
    images = [
        None,
        {"bytes": b"", "path": None},
        {"bytes": None, "path": "https://example.org/a.png"},
        {"bytes": b"no image", "path": None},
        {"bytes": picture(3), "path": None},
    ]
    path = write(tmp_path / "a", "train", {"image": images, "labels": [0, 0, 0, 0, 1]}, types())
    items = read(path).items
    for index in range(3):
        with pytest.raises(OSError, match=r"row|No such file"):
            items[index].read()
    dataset = Dataset.load(f"hf:{path}", empty_classes="drop")
    assert [photo.name for photo in dataset.photos] == ["000004"]
    assert len(dataset.skipped) == 4


def test_a_set_without_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "test", {"image": cells(2), "labels": [None, None]}, types())
    with pytest.raises(SourceError, match="holds no labelled photo"):
        read(path)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"train.parquet": b""},
        {"train.parquet": b"PAR1" + b"x" * 100},
        {"train.parquet": b"PAR1"},
        {"readme.txt": b"hello"},
        {"data.csv": b"image,label\na.png,x\n"},
        {"data.pkl": b"\x80\x04N."},
        {"pets.py": b"raise SystemExit('run')"},
    ],
)
def test_folders_that_hold_no_set(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with pytest.raises(SourceError):
        read(folder)


def test_parquet_that_was_cut_short_or_changed(folder: Path) -> None:
    path = next(folder.glob("train*"))
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for attempt in range(12):
        bad = bytearray(data)
        if attempt < 4:
            bad = bad[: len(bad) * attempt // 4]
        else:
            for at in rng.integers(4, len(bad), 20):
                bad[at] ^= 0xFF
        path.write_bytes(bad)
        try:
            listing = read(folder)
        except SourceError:
            continue
        for item in listing.items:  # a pixel's byte changed: that is for the decoder to see
            item.read()


# --- what the network would be needed for


class Hub:
    """Stands in for the package `datasets` where the network is down, or the set is odd."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self.calls: list[tuple[Any, ...]] = []

    def load_dataset_builder(self, *arguments: Any, **options: Any) -> Any:
        self.calls.append((*arguments, options))
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def are_progress_bars_disabled(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("hf:beans[train]", ("beans", None, {})),
        ("hf:user/pets:small", ("user/pets", "small", {})),
    ],
)
def test_without_network_it_is_said_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, arguments: tuple[Any, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    hub = Hub(ConnectionError("Couldn't reach it\non the Hub"))
    named = parse_set(text)
    assert named is not None
    with pytest.raises(SourceError, match=r"can't be fetched \(Couldn't reach it\)") as caught:
        read_hub(named, library=hub)
    assert f"--repo-type dataset {arguments[0]} --local-dir FOLDER" in str(caught.value)
    assert "hf:/PATH/TO/FOLDER" in str(caught.value)
    assert hub.calls == [arguments]


def test_forms_that_might_run_code_are_refused() -> None:
    kind = type("Pandas", (), {"__module__": "datasets.packaged_modules.pandas.pandas"})
    named = parse_set("hf:beans")
    assert named is not None
    with pytest.raises(SourceError, match=r"parquet, arrow, .* or cache, got pandas"):
        read_hub(named, library=Hub(kind()))


def test_the_forms_that_are_read_are_those_that_there_are() -> None:
    for kind in BUILDERS:
        assert importlib.util.find_spec(f"datasets.packaged_modules.{kind}.{kind}") is not None


def test_what_was_fetched_before_is_found_without_network(folder: Path, cache: Path) -> None:
    assert len(read(folder).items) == 14  # leaves a prepared copy, as fetching one does
    code = """
from photograft.data.sources.open import open_source
listing = open_source("hf:pets[test]")
print([(item.label, item.read()[:4]) for item in listing.items])
"""
    place = {"HF_DATASETS_CACHE": str(cache / "datasets/hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **place},
        cwd=cache,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([("cat", b"\x89PNG"), ("dog", b"\x89PNG")] * 2)


def test_progress_bars_are_as_they_were(folder: Path) -> None:
    state = datasets.are_progress_bars_disabled()
    read(folder)
    assert datasets.are_progress_bars_disabled() == state


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SourceError, match=r"pip install 'photograft\[hf\]'"):
        open_source("hf:beans")
