"""`photograft train` on folders as they come, and on every kind of source."""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import MakePhotos, draw_photo
from run_helpers import split_of

pytestmark = pytest.mark.usefixtures("warm_cache")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one row's worth of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def make_mess(root: Path) -> dict[str, str]:
    """Add to class folders cat and dog what real folders hold; return what becomes of each."""
    cat, dog = root / "cat", root / "dog"
    rgb = draw_photo(np.random.default_rng(9), 1, 96)
    (cat / "empty.jpg").touch()
    (cat / "text.jpg").write_text("this is no photo\n")
    whole = (cat / "00.jpg").read_bytes()
    (cat / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    rgb.save(cat / "png_inside.jpg", format="PNG")
    (root / "README.md").write_text("# Cats and dogs\n")
    for hidden in (cat / ".ipynb_checkpoints", root / "__MACOSX" / "cat", root / ".git"):
        hidden.mkdir(parents=True)
        (hidden / "00-checkpoint.jpg").write_bytes(whole)
    (root / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (dog / "huge.png").write_bytes(png_header(20_000, 20_000))
    Image.new("RGB", (1, 1), "red").save(dog / "one_pixel.png")
    rgb.convert("CMYK").save(dog / "cmyk.jpg")
    grey = np.linspace(0, 65535, 96 * 96).reshape(96, 96).astype(np.uint16)
    Image.fromarray(grey).save(dog / "sixteen_bits.png")
    palette = rgb.quantize(16)
    palette.save(dog / "palette.png", transparency=3)
    frames = [draw_photo(np.random.default_rng(i), 2, 64) for i in range(3)]
    frames[0].save(dog / "moving.gif", save_all=True, append_images=frames[1:])
    rgb.rotate(90).save(dog / "schöner Hund 写真 ☃.jpeg", quality=90)
    (dog / "deeper").mkdir()
    rgb.rotate(180).save(dog / "deeper" / "below.BMP")
    (dog / "loop").symlink_to(root)
    (dog / "gone.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(dog / "pipe.jpg")
    return {
        "cat/empty.jpg": "empty file",
        "cat/text.jpg": "not an image",
        "cat/truncated.jpg": "truncated",
        "cat/png_inside.jpg": "used",
        "README.md": "not in a class folder",
        "cat/.ipynb_checkpoints/": "hidden or system file",
        "__MACOSX/": "hidden or system file",
        ".git/": "hidden or system file",
        ".DS_Store": "hidden or system file",
        "dog/huge.png": "too large",
        "dog/one_pixel.png": "used",
        "dog/cmyk.jpg": "used",
        "dog/sixteen_bits.png": "used",
        "dog/palette.png": "used",
        "dog/moving.gif": "used",
        "dog/schöner Hund 写真 ☃.jpeg": "used",
        "dog/deeper/below.BMP": "used",
        "dog/loop": "symlink loop",
        "dog/gone.jpg": "broken link",
        "dog/pipe.jpg": "not a regular file",
    }


def test_every_file_of_a_messy_folder_is_accounted_for(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "pets", classes=("cat", "dog"), n=8)
    clean = {str(p.relative_to(source)): "used" for p in source.rglob("*.jpg")}
    expected = clean | make_mess(source)
    before = system.snapshot(source)

    result = system.invoke(capsys, "train", source, "--out", tmp_path / "run")

    assert result.code == 0, result.err
    assert system.snapshot(source) == before
    rows = system.read_rows(tmp_path / "run" / "files.parquet")
    outcome = {r["name"]: "used" if r["status"] == "used" else r["reason"] for r in rows}
    assert outcome == expected
    # Nothing on the disk is without a row of its own, or of the hidden folder that it is in.
    for path in source.rglob("*"):
        name = str(path.relative_to(source))
        hidden = any(row.endswith("/") and (name + "/").startswith(row) for row in outcome)
        assert name in outcome or hidden or path.is_dir(), name

    by_name = {row["name"]: row for row in rows}
    assert "PNG" in by_name["cat/png_inside.jpg"]["detail"]
    assert "20,000 × 20,000 pixels, the limit is 250,000,000" in by_name["dog/huge.png"]["detail"]
    for row in rows:
        assert (row["split"] in ("train", "validation", "test")) == (row["status"] == "used")
        assert (row["label"] is not None) == (row["status"] == "used")
    info = system.read_json(tmp_path / "run" / "run.json")
    assert info["data"]["class_names"] == ["cat", "dog"]
    assert info["data"]["num_photos"] == list(expected.values()).count("used")
    assert info["data"]["num_skipped"] == len(expected) - info["data"]["num_photos"]
    assert sum(info["data"]["skipped"].values()) == info["data"]["num_skipped"]
    assert "hidden" not in result.out  # what systems leave is worth no word
    assert "1 × truncated" in " ".join(result.out.split())


def test_truncated_photo_does_not_shift_the_split(make_photos: MakePhotos, tmp_path: Path) -> None:
    """What decoding finds late counts as never there."""
    source = make_photos(tmp_path / "source", n=10)
    clean = photograft.train(source, out=tmp_path / "clean")
    whole = (source / "circle" / "00.jpg").read_bytes()
    (source / "circle" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    run = photograft.train(source, out=tmp_path / "run")
    splits = split_of(run.path)
    assert splits.pop("circle/cut.jpg") is None
    assert splits == split_of(clean.path)
    assert run.scores == clean.scores


def write_csv(photos: Path, folder: Path) -> Path:
    lines = [f"{path},{path.parent.name}" for path in sorted(photos.rglob("*.jpg"))]
    (folder / "photos.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    return folder / "photos.csv"


def write_parquet(photos: Path, folder: Path) -> Path:
    paths = sorted(photos.rglob("*.jpg"))
    columns = {"path": [str(p) for p in paths], "label": [p.parent.name for p in paths]}
    pq.write_table(pa.table(columns), folder / "photos.parquet")
    return folder / "photos.parquet"


def write_npz(photos: Path, folder: Path) -> Path:
    paths = sorted(photos.rglob("*.jpg"))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    labels = np.array([path.parent.name for path in paths])
    np.savez(folder / "photos.npz", X=images, y=labels)
    return folder / "photos.npz"


def write_zip(photos: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted(photos.rglob("*.jpg")):
            archive.write(path, path.relative_to(photos))
    return folder / "photos.zip"


def write_tar(photos: Path, folder: Path) -> Path:
    with tarfile.open(folder / "photos.tar.gz", "w:gz") as archive:
        archive.add(photos, "photos")
    return folder / "photos.tar.gz"


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda photos, folder: photos, "folder"),
        (write_csv, "manifest"),
        (write_parquet, "manifest"),
        (write_npz, "arrays"),
        (write_zip, "archive"),
        (write_tar, "archive"),
    ],
    ids=["folder", "csv", "parquet", "npz", "zip", "tar.gz"],
)
def test_every_kind_of_source_trains(
    write: Callable[[Path, Path], Path], kind: str, make_photos: MakePhotos, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", n=10)
    source = write(photos, tmp_path)
    before = source.read_bytes() if source.is_file() else b""
    run = photograft.train(source, out=tmp_path / "run")
    assert run.info["data"]["kind"] == kind
    assert run.info["data"]["num_photos"] == 20
    assert run.info["data"]["class_names"] == ["circle", "square"]
    assert run.info["name"] == "photos"
    assert run.scores["test"]["num_photos"] == 4
    assert run.scores["test"]["accuracy"] >= 0.75
    assert before == (source.read_bytes() if source.is_file() else b"")
