"""Photos in tars, Parquet files and buckets, as `photograft predict` takes them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawing import draw_jpeg
from photograft import Classifier
from photograft.data.inputs import photos_in
from photograft.data.photo_inputs import PhotoInput
from photograft.workflows.predict import expand_photos, predict
from photograft.workflows.prediction_shards import write_shards
from s3_server import s3_server

PHOTOS = {f"{name}.jpg": draw_jpeg(name) for name in "abcd"}


def pack(path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in PHOTOS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read(photos: list[str | PhotoInput]) -> dict[str, bytes]:
    return {photo.name: photo.read() for photo in photos if isinstance(photo, PhotoInput)}


def test_what_holds_photos_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "x.jpg").write_bytes(PHOTOS["a.jpg"])
    pack(folder / "s-0.tar")
    pq.write_table(
        pa.table({"image": list(PHOTOS.values()), "path": list(PHOTOS)}), folder / "t.parquet"
    )
    tar = [f"{folder}/s-0.tar/{name}" for name in PHOTOS]
    parquet = [f"{folder}/t.parquet/{i:07}/{name}" for i, name in enumerate(PHOTOS)]
    found = list(expand_photos([str(folder)]))
    assert [one for one in found if isinstance(one, str)] == [f"{folder}/x.jpg"]
    assert list(read(found)) == [*tar, *parquet]
    assert list(read(found).values()) == [*PHOTOS.values()] * 2
    assert list(read(list(expand_photos([f"file://{folder}/t.parquet"])))) == parquet
    assert list(read(list(expand_photos([f"{folder}/s-{{0..0}}.tar"])))) == tar


def test_what_is_in_a_bucket(tmp_path: Path) -> None:
    with s3_server() as store:
        store.files = {f"bucket/new/{name}": data for name, data in PHOTOS.items()}
        found = list(expand_photos([store.address("bucket/new")]))
        assert read(found) == {f"s3://bucket/new/{name}": PHOTOS[name] for name in PHOTOS}
        one = photos_in(store.address("bucket/new/b.jpg"))
        assert isinstance(one, PhotoInput)
        assert one.read() == PHOTOS["b.jpg"]
        store.files["bucket/s.tar"] = pack(tmp_path / "s.tar").read_bytes()
        inside = read(list(expand_photos([store.address("bucket/s.tar")])))
        assert inside == {f"s3://bucket/s.tar/{name}": PHOTOS[name] for name in PHOTOS}
        store.files["bucket/m.csv"] = b"path\nnew/a.jpg\ns3://bucket/new/c.jpg\n/etc/hosts\n"
        *named, refused = expand_photos([store.address("bucket/m.csv")])
        assert list(read(named).values()) == [PHOTOS["a.jpg"], PHOTOS["c.jpg"]]
        assert isinstance(refused, PhotoInput)
        with pytest.raises(OSError, match="outside"):
            refused.read()
        (tmp_path / "here.csv").write_text(f"path\n{store.address('bucket/new/d.jpg')}\n")
        (local,) = expand_photos([str(tmp_path / "here.csv")])
        photos = photos_in([local])
        assert not isinstance(photos, PhotoInput)
        assert [(photo.name, photo.read()) for photo in photos] == [
            ("s3://bucket/new/d.jpg", PHOTOS["d.jpg"])
        ]


@pytest.mark.usefixtures("warm_cache")
def test_they_are_classified_and_gone_on_with(run_path: Path, tmp_path: Path) -> None:
    classifier = Classifier.load(run_path).located()
    path = pack(tmp_path / "s.tar")
    names = [f"{path}/{name}" for name in PHOTOS]
    whole = write_shards(classifier, expand_photos([str(path)]), tmp_path / "out", shard_rows=3)
    assert (whole.rows, whole.failed) == (4, 0)
    again = write_shards(classifier, expand_photos([str(path)]), tmp_path / "out", shard_rows=3)
    assert again == whole
    assert pq.read_table(tmp_path / "out" / "part-000000.parquet")["file"].to_pylist() == names[:3]
    with s3_server() as store:
        store.files = {f"bucket/new/{name}": data for name, data in PHOTOS.items()}
        store.denied.add("bucket/new/b.jpg")
        found = predict(classifier, store.address("bucket/new"), progress=False)
        assert isinstance(found, list)
        assert [one.error for one in found] == [
            "",
            "unreadable: s3://bucket/new/b.jpg: access is denied",
            "",
            "",
        ]
