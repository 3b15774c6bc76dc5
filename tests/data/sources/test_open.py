import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photograft.core.errors import SourceError
from photograft.data.sources.open import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("photos/cats/1.jpg", "photos/dogs/1.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    return tmp_path


def test_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    for source in (folder / "photos", str(folder / "photos") + "/", "photos", "~/photos"):
        listing = open_source(source)
        assert listing.kind == "folder"
        assert len(listing.items) == 2


def test_files_are_told_apart_by_content(folder: Path) -> None:
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("cats/1.jpg", b"")
        archive.writestr("cats/features.npy", b"")
    with tarfile.open(folder / "tar", "w") as tar:
        tar.add(folder / "photos", "photos")
    with tarfile.open(folder / "tgz", "w:gz") as tar:
        tar.add(folder / "photos", "photos")
    with (folder / "arrays").open("wb") as file:
        np.savez(file, X=np.zeros((2, 3, 3), np.uint8), y=[0, 1])
    pq.write_table(pa.table({"path": ["photos/cats/1.jpg"], "label": ["a"]}), folder / "parquet")
    (folder / "list.csv").write_text("path,label\nphotos/cats/1.jpg,a\n")
    (folder / "list.TSV").write_text("path\tlabel\nphotos/cats/1.jpg\ta\n")
    kinds = {
        "zip": "archive",
        "tar": "archive",
        "tgz": "archive",
        "arrays": "arrays",
        "parquet": "manifest",
        "list.csv": "manifest",
        "list.TSV": "manifest",
    }
    assert {name: open_source(folder / name).kind for name in kinds} == kinds


def test_tar_whose_last_member_is_a_zip_is_a_tar(folder: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("cats/no.jpg", b"")
    (folder / "photos/dogs/z.zip").write_bytes(inner.getvalue())
    with tarfile.open(folder / "photos.tar", "w") as tar:
        tar.add(folder / "photos", "photos")
    names = {item.name for item in open_source(folder / "photos.tar").items}
    assert names == {"photos/cats/1.jpg", "photos/dogs/1.jpg", "photos/dogs/z.zip"}


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("fotos", "Did you mean {}/photos?"),
        ("PHOTOS", "Did you mean {}/photos?"),
        ("fotos/cats", "Did you mean {}/photos?"),
        ("photos/cat", "Did you mean {}/photos/cats?"),
        ("photos/zebra/1", "{}/photos is there, and holds no zebra"),
        ("zebra", "Check the path"),
    ],
)
def test_missing_path_names_the_nearest(folder: Path, given: str, hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(folder / given)
    assert f"there is no {folder}/{given};" in str(caught.value)
    assert hint.format(folder) in str(caught.value)


def test_missing_relative_path_is_shown_absolute(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError, match=f"there is no {folder}/zebra"):
        open_source("zebra")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "an empty path"),
        ("https://example.org/photos.zip", "not fetched"),
        ("x\0y", "can't be read"),
        ("n" * 300, "can't be read.*File name too long"),
        ("/dev/null", "no regular file"),
    ],
)
def test_paths_that_name_nothing_of_use(given: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(given)


@pytest.mark.timeout(20)
def test_pipes_are_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(SourceError, match="no regular file"):
        open_source(folder / "pipe")


def test_links_that_lead_nowhere(folder: Path) -> None:
    (folder / "gone").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match="a link to nowhere"):
        open_source(folder / "gone")
    with pytest.raises(SourceError, match="can't be read"):
        open_source(folder / "loop")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM"])
def test_single_image_gets_told_which_folder_to_give(folder: Path, format_: str) -> None:
    path = folder / "photos/cats/1.jpg"
    Image.new("RGB", (8, 8)).save(path, format_)
    with pytest.raises(SourceError, match=f"is a single image.*such as {folder}/photos\\."):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("photos.zip", b"", "an empty file"),
        ("a.npy", b"\x93NUMPY\x01\x00", "got a .npy file.*np.savez"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00", "got a RAR archive"),
        ("a.bin", b"\x01\x02", r"no kind that is understood.*begins with b'\\x01\\x02'"),
        ("a.json", b"{}", "no kind that is understood"),
        ("a.zip", b"PK\x03\x04" + b"x" * 50, "damaged or incomplete"),
        ("a.npz", b"PK\x05\x06" + bytes(18), "got no arrays"),
        ("a.tar", bytes(10240), "holds no photos in class folders"),
        ("a.tgz", b"\x1f\x8b\x08", "damaged or incomplete"),
        ("a.xlsx", b"PK\x03\x04" + b"x" * 50, "got a spreadsheet's own file. Save it as CSV"),
        ("a.parquet", b"PAR1" + b"x" * 50, "can't be read as Parquet"),
        ("a.csv", b"\xff\xfea\0", "no column path or label"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError, match=message):
        open_source(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_without_permission(folder: Path) -> None:
    for path in (folder / "photos", folder / "photos/cats/1.jpg"):
        mode = path.stat().st_mode
        path.chmod(0)
        try:
            with pytest.raises(SourceError, match=r"can't be read.*Permission denied"):
                open_source(path)
        finally:
            path.chmod(mode)
