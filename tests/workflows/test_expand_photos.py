"""Photos in tars, Parquet files and buckets, as `photograft predict` takes them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import system_helpers as system
from drawing import draw_jpeg
from photograft import Classifier
from photograft.data.inputs import photos_in
from photograft.data.photo_inputs import PhotoInput
from photograft.workflows.predict import expand_photos, predict
from photograft.workflows.prediction_shards import write_shards
from prediction_helpers import give_stdin, read_csv
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


def damaged(folder: Path) -> list[Path]:
    """Files that should hold or name photos, and can't be read; and what is no manifest."""
    folder.mkdir()
    table = pa.table({"image": list(PHOTOS.values())})
    pq.write_table(table, folder / "cut.parquet")
    whole = (folder / "cut.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "no.parquet").write_bytes(b"\x00\xff" * 50)
    tar = pack(folder / "cut.tar").read_bytes()
    (folder / "cut.tar").write_bytes(tar[:700])
    (folder / "binary.csv").write_bytes(bytes(range(256)))
    (folder / "quote.csv").write_text('path\n"a.jpg\n')
    (folder / "answers.csv").write_text("file,label\na.jpg,cat\n")
    (folder / "empty.tsv").touch()
    return sorted(folder.iterdir())


@pytest.mark.usefixtures("warm_cache")
@pytest.mark.parametrize("how", ["folder", "files", "list", "braces", "address"])
def test_a_damaged_file_of_photos_is_one_photo_that_can_not_be_read(
    run_path: Path,
    tmp_path: Path,
    how: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a damaged photo is: the others are answered, and it is counted."""
    folder = tmp_path / "new"
    paths = list(map(str, damaged(folder)))
    (folder / "x.jpg").write_bytes(PHOTOS["a.jpg"])
    given: list[str] = [*paths, f"{folder}/x.jpg"]
    if how == "folder":
        given = [str(folder)]
    elif how == "list":
        give_stdin(monkeypatch, "\n".join(given))
        given = ["-"]
    elif how == "braces":
        given = [f"{folder}/{{{','.join(Path(path).name for path in paths)}}}", given[-1]]
    elif how == "address":
        given = [f"file://{folder}"]
    done = system.invoke(capsys, "predict", run_path, *given)
    assert done.code == 2
    assert done.err.endswith("7 of 8 files could not be read; their rows say why\n")
    rows = {Path(row["file"]).name: row for row in read_csv(done.out)}
    assert rows.pop("x.jpg")["label"]
    for name, words in (
        ("cut.parquet", "can't be read as Parquet"),
        ("no.parquet", "another beginning than Parquet"),
        ("cut.tar", "damaged or incomplete"),
        ("binary.csv", "no text"),
        ("quote.csv", "can't be read"),
        ("answers.csv", "no column path"),
        ("empty.tsv", "no column path"),
    ):
        assert words in rows.pop(name)["error"], name
    assert not rows


def test_of_a_manifest_that_breaks_off_what_comes_before_is_answered(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.jpg").write_bytes(PHOTOS["a.jpg"])
    (tmp_path / "m.csv").write_text("path\n" + "x.jpg\n" * 20_000 + '"x.jpg\n')
    found = list(expand_photos([str(tmp_path / "m.csv")]))
    *whole, last = found
    assert whole == [str(tmp_path / "x.jpg")] * 20_000
    assert isinstance(last, PhotoInput)
    with pytest.raises(OSError, match="can't be read"):
        last.read()


def test_a_damaged_table_in_a_bucket_is_one_photo_that_can_not_be_read() -> None:
    with s3_server() as store:
        store.files = {"bucket/m.csv": b"file\nx\n", "bucket/t.parquet": b"PAR1"}
        for name in ("m.csv", "t.parquet"):
            (found,) = expand_photos([store.address(f"bucket/{name}")])
            assert isinstance(found, PhotoInput)
            assert found.name == f"s3://bucket/{name}"
            with pytest.raises(OSError, match=r"column path|Parquet"):
                found.read()
