"""Photos whose bytes lie in Parquet files."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawing import draw_jpeg
from photograft.core.errors import SourceError
from photograft.data.containers import photos_in_file
from photograft.data.dataset import Dataset
from photograft.data.photo_inputs import PhotoInput
from photograft.data.sources import parquet_rows
from photograft.data.sources.open import open_source
from photograft.data.sources.places import local_file

PHOTOS = [draw_jpeg(f"photo{i}") for i in range(6)]
LABELS = ["cat", "dog", "cat", "dog", "cat", "dog"]


def write(
    path: Path, columns: dict[str, Any], *, names: Sequence[str] = (), group: int = 2
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names:
        features = {
            "image": {"_type": "Image"},
            "label": {"names": list(names), "_type": "ClassLabel"},
        }
        said = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": said})
    pq.write_table(table, path, row_group_size=group)
    return path


def read_all(path: Path) -> list[tuple[str, str, str | None, bytes]]:
    return [(i.name, i.label, i.split, i.read()) for i in open_source(path).items]


@pytest.mark.parametrize("name", ["bytes", "image", "IMG", "jpg"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_column_of_bytes(tmp_path: Path, name: str, kind: pa.DataType) -> None:
    columns = {name: pa.array(PHOTOS, kind), "label": LABELS}
    path = write(tmp_path / "p.parquet", columns)
    listing = open_source(path)
    assert listing.kind == "parquet"
    assert [item.name for item in listing.items][:2] == ["0000000", "0000001"]
    assert [item.label for item in listing.items] == LABELS
    assert [item.read() for item in listing.items] == PHOTOS


def test_hugging_face_s_form(tmp_path: Path) -> None:
    images = [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(PHOTOS)]
    numbers = [0, 1, 0, 1, -1, 1]
    path = write(tmp_path / "p.parquet", {"image": images, "label": numbers}, names=("cat", "dog"))
    dataset = Dataset.load(path, progress=False)
    assert dataset.class_counts() == {"cat": 2, "dog": 3}
    assert dataset.photos[1].name == "0000001/1.jpg"
    assert dataset.photos[1].note == ""
    assert [(f.name, f.reason) for f in dataset.skipped] == [("0000004/4.jpg", "no label")]
    assert [photo.read() for photo in dataset.photos] == PHOTOS[:4] + PHOTOS[5:]


def test_shards_tell_their_splits(tmp_path: Path) -> None:
    for i, name in enumerate(("train-0-of-2", "train-1-of-2", "test-0-of-1")):
        write(
            tmp_path / "data" / f"{name}.parquet",
            {"bytes": PHOTOS[2 * i : 2 * i + 2], "label": LABELS[:2]},
        )
    (tmp_path / "README.md").write_text("about")
    assert [(name, split) for name, _, split, _ in read_all(tmp_path)] == [
        ("data/test-0-of-1/0000000", "test"),
        ("data/test-0-of-1/0000001", "test"),
        ("data/train-0-of-2/0000000", "train"),
        ("data/train-0-of-2/0000001", "train"),
        ("data/train-1-of-2/0000000", "train"),
        ("data/train-1-of-2/0000001", "train"),
    ]
    some = Path(f"{tmp_path}/data/train-{{0..1}}-of-2.parquet")
    assert [split for _, _, split, _ in read_all(some)] == [None] * 4


def test_split_group_and_name(tmp_path: Path) -> None:
    columns = {
        "bytes": PHOTOS,
        "label": LABELS,
        "split": ["train"] * 4 + ["val", "test"],
        "group": ["a", "a", "b", None, "", "c"],
        "file_name": [f"x/{i}.jpg" for i in range(6)],
    }
    path = write(tmp_path / "p.parquet", columns)
    listing = open_source(path)
    assert [item.split for item in listing.items] == ["train"] * 4 + ["validation", "test"]
    assert [item.group for item in listing.items] == ["a", "a", "b", None, None, "c"]
    assert listing.items[3].name == "0000003/x/3.jpg"
    assert any("2 rows without a group" in note for note in listing.notes)
    write(path, {**columns, "split": ["train"] * 5 + [None]})
    with pytest.raises(SourceError, match=r"row 6 of .* names no split"):
        open_source(path)


def test_bad_rows_are_counted(tmp_path: Path) -> None:
    images: list[bytes | None] = [PHOTOS[0], None, b"", b"no photo", PHOTOS[4], PHOTOS[5]]
    labels = ["cat", "cat", "dog", "dog", "dog", None]
    path = write(tmp_path / "p.parquet", {"bytes": images, "label": labels})
    dataset = Dataset.load(path, progress=False)
    assert len(dataset.photos) == 2
    reasons = {file.name: file.reason for file in dataset.skipped}
    assert reasons["0000001"] == reasons["0000002"] == "unreadable"
    assert reasons["0000005"] == "no label"
    assert "holds no bytes" in next(f.detail for f in dataset.skipped if f.name == "0000001")


def test_a_manifest_is_still_one(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTOS[0])
    write(tmp_path / "m.parquet", {"path": ["a.jpg"], "label": ["cat"], "vector": [b"123"]})
    assert open_source(tmp_path / "m.parquet").kind == "manifest"


def test_a_damaged_shard_is_counted_and_a_damaged_file_said(tmp_path: Path) -> None:
    whole = write(tmp_path / "s" / "a-0.parquet", {"bytes": PHOTOS, "label": LABELS})
    (tmp_path / "s" / "a-1.parquet").write_bytes(whole.read_bytes()[:-40])
    listing = open_source(tmp_path / "s")
    assert len(listing.items) == 6
    assert [(file.name, file.reason) for file in listing.skipped] == [("a-1.parquet", "unreadable")]
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        open_source(tmp_path / "s" / "a-1.parquet")


def test_damaged_rows_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"bytes": PHOTOS, "label": LABELS})
    data = bytearray(path.read_bytes())
    listing = open_source(path)
    at = data.index(PHOTOS[2]) - 60  # the head of the page
    data[at : at + 60] = bytes(60)
    path.write_bytes(data)
    results = []
    for item in listing.items:
        try:
            results.append(item.read() in PHOTOS)
        except OSError:
            results.append(False)
    assert results == [True, True, False, False, True, True]


def test_without_labels_it_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"bytes": PHOTOS})
    with pytest.raises(SourceError, match="has no column label"):
        open_source(path)
    found = list(photos_in_file(str(path)))
    assert [one.read() for one in found if isinstance(one, PhotoInput)] == PHOTOS


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"bytes": PHOTOS, "label": LABELS})
    assert read_all(path)[0][3] == PHOTOS[0]
    write(path, {"bytes": PHOTOS[::-1] + PHOTOS[:1], "label": [*LABELS, "cat"]})
    assert read_all(path)[0][3] == PHOTOS[5]


def test_large_row_groups_are_read_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    blobs = [rng.bytes(20_000) for _ in range(200)]
    path = write(
        tmp_path / "p.parquet", {"bytes": blobs, "label": LABELS * 33 + ["cat", "dog"]}, group=200
    )
    windows = parquet_rows._Windows()
    monkeypatch.setattr(parquet_rows, "_WINDOWS", windows)
    monkeypatch.setattr(parquet_rows, "_WINDOW_BYTES", 200_000)
    monkeypatch.setattr(parquet_rows, "_HELD_BYTES", 600_000)
    items = open_source(path).items
    most, lock = [0], threading.Lock()

    def read(i: int) -> bytes:
        data = items[i].read()
        with lock, windows.guard:
            most[0] = max(most[0], sum(window.nbytes for window in windows.held.values()))
        return data

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(read, range(200))) == blobs
        order = rng.permutation(200).tolist()[:40]
        assert list(threads.map(read, order)) == [blobs[i] for i in order]
    assert most[0] < 1_000_000
    assert pickle.loads(pickle.dumps(items[150].read))() == blobs[150]


def test_one_large_photo_in_many_rows_is_not_decoded_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = parquet_rows._Windows()
    monkeypatch.setattr(parquet_rows, "_WINDOWS", windows)
    photo = np.random.default_rng(0).bytes(50_000)
    columns = {"bytes": [photo] * 4000, "label": LABELS[:2] * 2000}  # 200 MB of some 50 kB
    items = open_source(write(tmp_path / "p.parquet", columns, group=4000)).items
    assert items[3999].read() == photo
    assert sum(window.nbytes for window in windows.held.values()) < 20_000_000
    assert items[0].read() == photo


def test_a_row_that_is_not_there_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_WINDOWS", parquet_rows._Windows())
    path = write(tmp_path / "p.parquet", {"bytes": PHOTOS, "label": LABELS})
    column = parquet_rows.ParquetColumn(local_file(path), "bytes")
    with pytest.raises(OSError, match="row group 0 ends before row 99"):
        column.read("0 99")
    assert [column.read(f"{i // 2} {i % 2}") for i in range(6)] == PHOTOS
