"""Sources at addresses: an in-process store, and a stand-in for S3 over HTTP."""

from __future__ import annotations

import io
import pickle
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawing import draw_jpeg
from photograft.core.addresses import shown_address
from photograft.core.errors import SourceError
from photograft.data.dataset import Dataset
from photograft.data.sources.addresses import local_path, parse_address
from photograft.data.sources.named_sets import short_name
from photograft.data.sources.open import open_source
from s3_server import Store, s3_server

PHOTOS = {
    f"{label}/{i}.jpg": draw_jpeg(f"{label}{i}") for label in ("cats", "dogs") for i in range(3)
}


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def parquet_of(photos: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    labels = [name.partition("/")[0] for name in photos]
    pq.write_table(pa.table({"bytes": list(photos.values()), "label": labels}), stream)
    return stream.getvalue()


@pytest.fixture
def s3() -> Iterator[Store]:
    with s3_server() as store:
        store.files = {f"bucket/photos/{name}": data for name, data in PHOTOS.items()}
        yield store


def load(address: str) -> Dataset:
    return Dataset.load(address, progress=False)


def test_a_folder_in_a_bucket_is_read_as_one_on_the_disk(s3: Store) -> None:
    s3.files["bucket/photos/.DS_Store"] = b"x"
    dataset = load(s3.address("bucket/photos"))
    assert dataset.class_counts() == {"cats": 3, "dogs": 3}
    assert {photo.name: photo.read() for photo in dataset.photos} == PHOTOS
    assert [file.reason for file in dataset.skipped] == ["hidden or system file"]
    assert (dataset.kind, dataset.name) == ("folder", "photos")


def test_secrets_are_shown_nowhere(s3: Store) -> None:
    address = s3.address("bucket/photos")
    dataset = load(address)
    assert not {"thesecret", "thekey"} & set(re.split(r"[:/@]", dataset.source))
    assert f"endpoint_override=127.0.0.1:{s3.port}" in dataset.source
    assert "secret" not in repr(dataset) + repr(dataset.photos[0].read) + repr(
        parse_address(address)
    )
    options = address.partition("?")[2]
    for wrong in (f"none?{options}", f"photos?{options}&nonsense=thesecret", "x?region=thesecret%"):
        with pytest.raises(SourceError) as error:
            open_source(f"s3://thekey:thesecret@bucket/{wrong}&connect_timeout=0.1")
        assert not re.search("thesecret|thekey", str(error.value))


def test_reads_travel_as_addresses(s3: Store) -> None:
    read = open_source(s3.address("bucket/photos")).items[0].read
    packed = pickle.dumps(read)
    assert len(packed) < 1000
    assert pickle.loads(packed)() == PHOTOS["cats/0.jpg"]


def test_many_are_under_way_at_once(s3: Store) -> None:
    s3.files = {f"bucket/p/{c}/{i}.jpg": draw_jpeg(f"{c}{i}") for c in "ab" for i in range(16)}
    s3.delay = 0.05
    assert len(load(s3.address("bucket/p")).photos) == 32
    assert s3.most >= 8


def test_what_fails_is_a_counted_skip(s3: Store) -> None:
    s3.denied.add("bucket/photos/cats/0.jpg")
    s3.cut.add("bucket/photos/cats/1.jpg")
    s3.silent.add("bucket/photos/dogs/0.jpg")
    dataset = load(s3.address("bucket/photos", options="&request_timeout=1&connect_timeout=1"))
    assert dataset.class_counts() == {"cats": 1, "dogs": 2}
    why = {file.name: (file.reason, file.detail) for file in dataset.skipped}
    assert why == {
        "cats/0.jpg": ("unreadable", "s3://bucket/photos/cats/0.jpg: access is denied"),
        "cats/1.jpg": ("unreadable", "s3://bucket/photos/cats/1.jpg: its data end too early"),
        "dogs/0.jpg": ("unreadable", "s3://bucket/photos/dogs/0.jpg: no answer in time"),
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("bucket/nothing", "there is no s3://bucket/nothing"),
        ("secretplace/photos", "s3://secretplace/photos can't be read; got access is denied"),
    ],
)
def test_a_source_that_is_not_there(s3: Store, path: str, said: str) -> None:
    s3.denied |= {"secretplace", "secretplace/photos"}
    with pytest.raises(SourceError, match=said):
        open_source(s3.address(path))


def test_a_store_that_can_not_be_reached() -> None:
    nowhere = (
        "s3://a:b@bucket/x?endpoint_override=127.0.0.1:9&scheme=http&region=x&connect_timeout=1"
    )
    with pytest.raises(SourceError, match=r"can't be reached\. Check the network"):
        open_source(nowhere)


def test_a_manifest_names_files_below_itself_and_addresses(s3: Store) -> None:
    s3.files["bucket/sets/m.csv"] = (
        b"path,label\n../photos/cats/0.jpg,cat\ns3://bucket/photos/dogs/0.jpg,dog\ngone.jpg,dog\n"
        b"../../x.jpg,dog\n/etc/hostname,dog\nfile:///etc/hostname,dog\n"
        b"s3://bucket/a.jpg?endpoint_override=evil,dog\nhttp://x/y.jpg,dog\n"
    )
    dataset = load(s3.address("bucket/sets/m.csv"))
    found = {photo.name: (photo.label, photo.read()) for photo in dataset.photos}
    assert found == {
        "photos/cats/0.jpg": ("cat", PHOTOS["cats/0.jpg"]),
        "s3://bucket/photos/dogs/0.jpg": ("dog", PHOTOS["dogs/0.jpg"]),
    }
    assert dataset.skipped_counts() == {"missing": 5, "unreadable": 1}
    s3.files["bucket/sets/n.csv"] = b"path,class\na.jpg,x\n"
    with pytest.raises(SourceError, match=r"s3://bucket/sets/n\.csv has no column label"):
        open_source(s3.address("bucket/sets/n.csv"))


def test_a_local_manifest_may_name_addresses(s3: Store, tmp_path: Path) -> None:
    (tmp_path / "own.jpg").write_bytes(PHOTOS["dogs/1.jpg"])
    there = s3.address("bucket/photos/cats/0.jpg")
    (tmp_path / "m.csv").write_text(
        f"path,label\n{there},cat\nown.jpg,dog\nfile://{tmp_path}/own.jpg,other\n"
    )
    dataset = load(str(tmp_path / "m.csv"))
    assert dataset.class_counts() == {"cat": 1, "dog": 1, "other": 1}
    assert not any("secret" in photo.name for photo in dataset.photos)


def test_tars_and_parquet_in_a_bucket(s3: Store) -> None:
    names = list(PHOTOS)
    for i, part in enumerate((names[:3], names[3:])):
        members: dict[str, bytes] = {}
        for name in part:
            label, _, stem = name.removesuffix(".jpg").partition("/")
            members |= {f"{label}{stem}.jpg": PHOTOS[name], f"{label}{stem}.cls": label.encode()}
        s3.files[f"bucket/w/s-{i}.tar"] = tar_of(members)
    for source in ("bucket/w/s-{0..1}.tar", "bucket/w"):
        listing = open_source(s3.address(source))
        assert listing.kind == "webdataset"
        assert [item.name for item in listing.items][:1] == ["s-0/cats0.jpg"]
        assert {item.read() for item in listing.items} == set(PHOTOS.values())
        assert pickle.loads(pickle.dumps(listing.items[0].read))() == PHOTOS["cats/0.jpg"]
    s3.files["bucket/p/one.parquet"] = parquet_of(PHOTOS)
    s3.files["bucket/classes.tar"] = tar_of(PHOTOS)
    for source, kind in (
        ("p/one.parquet", "parquet"),
        ("p", "parquet"),
        ("classes.tar", "archive"),
    ):
        dataset = load(s3.address(f"bucket/{source}"))
        assert dataset.kind == kind
        assert {photo.read() for photo in dataset.photos} == set(PHOTOS.values())


def test_what_fsspec_opens() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name, data in PHOTOS.items():
        memory.pipe(f"/photos/{name}", data)
    memory.pipe("/set/all.tar", tar_of(PHOTOS))
    try:
        dataset = load("memory://photos")
        assert {photo.name: photo.read() for photo in dataset.photos} == PHOTOS
        assert len(load("memory://set/all.tar").photos) == len(PHOTOS)
        with pytest.raises(SourceError, match="there is no memory://nowhere"):
            open_source("memory://nowhere")
    finally:
        memory.rm("/photos", recursive=True)
        memory.rm("/set", recursive=True)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    for name, data in PHOTOS.items():
        (tmp_path / "my photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my photos" / name).write_bytes(data)
    dataset = load(f"file://{tmp_path}/my%20photos")
    assert {photo.name: photo.read() for photo in dataset.photos} == PHOTOS
    with pytest.raises(SourceError, match="another machine"):
        local_path("file://server/photos")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/photos.zip", "on the web are not fetched"),
        ("nosuch://bucket/photos", "the address of nothing that is known"),
        ("s3://bucket/x?region=x&colour=red", "the option 'colour'"),
        ("s3://bucket/x?region=x&request_timeout=soon", "no number"),
    ],
)
def test_addresses_that_can_not_be_opened(address: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_source(address)


def test_names_and_what_is_shown() -> None:
    assert shown_address("s3://k:s@b/x?region=r&token=t") == "s3://b/x?region=r"
    assert shown_address("photos/a b") == "photos/a b"
    assert short_name("s3://k:s@b/photos/m.csv?region=r") == "m"
    assert short_name("gs://b/v1.2") == "v1.2"
    assert short_name("sets/train-{000..009}.tar") == "train"


def test_braces_in_a_name_and_patterns_of_other_files(s3: Store) -> None:
    s3.files["bucket/sets/{a,b}.tar"] = tar_of(PHOTOS)
    assert len(load(s3.address("bucket/sets/{a,b}.tar")).photos) == len(PHOTOS)
    for pattern in ("{c,d}.csv", "{c,d}/", "{c,d}.zip"):
        with pytest.raises(SourceError, match="can't be one of several files of a set"):
            open_source(s3.address(f"bucket/{pattern}"))
