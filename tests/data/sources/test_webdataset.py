"""WebDataset's tar files."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest

from drawing import draw_jpeg
from photograft.core.errors import SourceError, StorageError
from photograft.data.containers import photos_in_file
from photograft.data.dataset import Dataset
from photograft.data.photo_inputs import PhotoInput
from photograft.data.sources.base import Listing, SkippedFile
from photograft.data.sources.open import open_source
from photograft.data.sources.places import local_file
from photograft.data.sources.shards import Shard, each_shard

A, B, C = (draw_jpeg(name) for name in "abc")


def pack(path: Path, *members: tuple[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def told(listing: Listing) -> dict[str, tuple[str, str | None]]:
    return {item.name: (item.label, item.split) for item in listing.items}


def test_labels_stand_beside_photos(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.tar",
        ("001.jpg", A),
        ("001.cls", "7\n"),
        ("002.json", json.dumps({"label": "cat", "x": [1]})),
        ("002.png", B),
        ("sub.d/003.webp", C),
        ("sub.d/003.json", json.dumps({"class": 3})),
        ("sub.d/003.seg.png", b"mask"),
    )
    listing = open_source(path)
    assert listing.kind == "webdataset"
    assert told(listing) == {
        "001.jpg": ("7", None),
        "002.png": ("cat", None),
        "sub.d/003.webp": ("3", None),
    }
    assert [item.read() for item in listing.items] == [A, B, C]
    assert [pickle.loads(pickle.dumps(item.read))() for item in listing.items] == [A, B, C]
    assert sorted(os.listdir(tmp_path)) == ["a.tar"]


def test_class_folders_are_told_apart_by_content(tmp_path: Path) -> None:
    members = (("cats/1.jpg", A), ("cats/1.json", '{"camera": "x"}'), ("dogs/2.jpg", B))
    listing = open_source(pack(tmp_path / "a.tar", *members))
    assert listing.kind == "archive"
    photos = Dataset.from_listing(tmp_path, listing, progress=False).photos
    assert [(photo.name, photo.label) for photo in photos] == [
        ("cats/1.jpg", "cats"),
        ("dogs/2.jpg", "dogs"),
    ]


def test_bad_samples_are_counted(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.tar",
        ("1.jpg", A),
        ("1.cls", "cat"),
        ("2.jpg", A),
        ("2.png", B),
        ("2.cls", "cat"),
        ("3.cls", "cat"),
        ("4.jpg", B),
        ("5.jpg", B),
        ("5.json", "{broken"),
        ("6.jpg", C),
        ("6.cls", "dog"),
        ("6.jpg", C),
        ("../7.jpg", C),
        ("../7.cls", "dog"),
        ("._1.jpg", b"x"),
    )
    listing = open_source(path)
    assert told(listing) == {"1.jpg": ("cat", None)}
    assert {file.name: file.reason for file in listing.skipped} == {
        "2.jpg": "several photos",
        "3": "no photo",
        "4.jpg": "no label",
        "5.jpg": "no label",
        "6.jpg": "listed twice",
        "../7": "unsafe path",
    }


def test_shards_and_their_splits(tmp_path: Path) -> None:
    for name, data in (("train-000000", A), ("train-000001", B), ("val-000000", C)):
        pack(tmp_path / f"{name}.tar", ("x.jpg", data), ("x.cls", "cat"))
    assert told(open_source(tmp_path)) == {
        "train-000000/x.jpg": ("cat", "train"),
        "train-000001/x.jpg": ("cat", "train"),
        "val-000000/x.jpg": ("cat", "validation"),
    }
    some = open_source(f"{tmp_path}/train-{{000000..000001}}.tar")
    assert told(some) == {
        "train-000000/x.jpg": ("cat", None),
        "train-000001/x.jpg": ("cat", None),
    }
    with pytest.raises(SourceError, match=r"train-000007\.tar can't be read"):
        open_source(f"{tmp_path}/train-{{000007..000008}}.tar")


def test_a_tar_that_is_cut_is_counted_among_others_and_said_alone(tmp_path: Path) -> None:
    whole = pack(tmp_path / "s" / "0.tar", ("1.jpg", A), ("1.cls", "cat"), ("2.jpg", B))
    cut = tmp_path / "s" / "1.tar"
    cut.write_bytes(whole.read_bytes()[:900])
    listing = open_source(tmp_path / "s")
    assert told(listing) == {"0/1.jpg": ("cat", None)}
    assert ("1.tar", "unreadable") in [(file.name, file.reason) for file in listing.skipped]
    with pytest.raises(SourceError, match=r"1\.tar is damaged or incomplete"):
        open_source(cut)


def test_what_is_cut_after_it_was_listed_is_a_counted_skip(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", ("1.jpg", A), ("1.cls", "cat"), ("2.jpg", B), ("2.cls", "dog"))
    listing = open_source(path)
    path.write_bytes(path.read_bytes()[:2000])
    dataset = Dataset.from_listing(path, listing, progress=False, empty_classes="drop")
    assert [file.reason for file in dataset.skipped] == ["unreadable"]


def test_a_compressed_tar_is_read_too(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", ("1.jpg", A), ("1.cls", "cat"))
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    listing = open_source(tmp_path / "b.tar.gz")
    assert listing.kind == "webdataset"
    assert [item.read() for item in listing.items] == [A]


def test_photos_without_labels_are_for_predict(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", ("new/1.jpg", A), ("2.txt", "x"), ("3.jpg", B))
    found = [one for one in photos_in_file(str(path)) if isinstance(one, PhotoInput)]
    assert [(one.name, one.read()) for one in found] == [
        (f"{path}/new/1.jpg", A),
        (f"{path}/3.jpg", B),
    ]


def test_damaged_and_huge_members_are_photos_that_can_not_be_read(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", ("1.jpg", A), ("2.jpg", B))
    huge = tarfile.TarInfo("3.jpg")
    huge.size = 20 * 2**30
    with (tmp_path / "huge.tar").open("wb") as file:  # sparse: it takes no room on the disk
        file.write(huge.tobuf())
        file.truncate(tarfile.BLOCKSIZE + huge.size + 2 * tarfile.BLOCKSIZE)
    (found,) = photos_in_file(str(tmp_path / "huge.tar"))
    assert isinstance(found, PhotoInput)
    with pytest.raises(OSError, match="21,474,836,480 bytes, more than"):
        found.read()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(path.read_bytes()[:900])
    (found,) = photos_in_file(str(cut))
    assert isinstance(found, PhotoInput)
    assert found.name == str(cut)
    with pytest.raises(OSError, match=r"cut\.tar is damaged or incomplete"):
        found.read()


def test_compressed_shards_are_refused_unless_alone(tmp_path: Path) -> None:
    for i, data in enumerate((A, B)):
        path = pack(tmp_path / "s" / f"{i}.tar", ("1.jpg", data), ("1.cls", "cat"))
    path.write_bytes(gzip.compress(path.read_bytes()))
    listing = open_source(tmp_path / "s")
    assert told(listing) == {"0/1.jpg": ("cat", None)}
    (skipped,) = listing.skipped
    assert "is compressed, and is one of several tar files" in skipped.detail
    assert "gunzip" in skipped.detail
    assert [item.read() for item in open_source(path).items] == [B]
    (tmp_path / "s" / "0.tar").write_bytes(path.read_bytes())
    with pytest.raises(SourceError, match=r"0\.tar is compressed, and is one of several"):
        open_source(tmp_path / "s")


def test_too_many_open_files_are_no_fault_of_a_shard(tmp_path: Path) -> None:
    shards = [Shard(local_file(pack(tmp_path / f"{i}.tar", ("1.jpg", A))), str(i)) for i in (0, 1)]

    def look(shard: Shard) -> int:
        if shard.name == "0":
            return 0
        raise SourceError("x") from OSError(errno.EMFILE, "Too many open files")

    skipped: list[SkippedFile] = []
    with pytest.raises(StorageError, match=r"1\.tar can't be opened; got too many open files"):
        list(each_shard(shards, look, skipped))
    assert not skipped


@pytest.mark.parametrize("pattern", ["{a,b}.csv", "{2023,2024}/", "{a,b}.zip", "{a,b}.tar.gz"])
def test_patterns_of_other_files_are_refused_by_name(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match=r"can't be one of several files of a set.*\.parquet"):
        open_source(f"{tmp_path}/{pattern}")
