"""Subsets: which photos are taken, what they are called, and that all else stays as it is."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft import Dataset
from photograft.core.errors import DatasetError, InputError, SourceError, StorageError
from photograft.data.sources.base import Item, make_listing
from photograft.data.subsets import label_in_name, list_by_name, make_subset
from photograft.workflows.subset import run_subset
from recording import Recorder

SIZES: dict[str, Any] = {"train": 3, "validation": 2, "test": 1}


def picture(number: int, kind: str = "PNG") -> bytes:
    """A picture of one pixel, another one for each number up to 16 million."""
    stream = io.BytesIO()
    Image.new("RGB", (1, 1), (number >> 16, number >> 8 & 255, number & 255)).save(stream, kind)
    return stream.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def draw(root: Path, count: int, *, flat: bool = False, classes: tuple[str, ...] = ()) -> Path:
    """``cat/cat.0.png`` and so on; all in one folder where `flat`."""
    for c, label in enumerate(classes or ("cat", "dog")):
        for i in range(count):
            folder = root if flat else root / label
            write(folder / f"{label}.{i}.png", picture(c << 16 | i))
    return root


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def in_memory(rows: list[tuple[str, str, bytes]]) -> Dataset:
    """A dataset of names, labels and bytes."""

    def reader(data: bytes) -> Callable[[], bytes]:
        return lambda: data

    items = [Item(name, label, None, None, reader(data)) for name, label, data in rows]
    return Dataset.from_listing("hf:made/up", make_listing("hf", items))


@pytest.mark.parametrize("flat", [False, True])
def test_photos_are_taken_in_natural_order_and_copied_as_they_are(
    tmp_path: Path, flat: bool
) -> None:
    source = draw(tmp_path / "source", 12, flat=flat)
    before = files(source)
    label_from = "name" if flat else "folder"
    sizes: dict[str, Any] = {"train": 9, "validation": 2, "test": 1}
    counts = run_subset(source, tmp_path / "out", **sizes, label_from=label_from)
    expected = {}
    for label in ("cat", "dog"):
        for i in range(12):
            part = "train" if i < 9 else "validation" if i < 11 else "test"
            origin = f"{label}.{i}.png" if flat else f"{label}/{label}.{i}.png"
            expected[f"{part}/{label}/{label}.{i}.png"] = before[origin]
    assert files(tmp_path / "out") == expected
    assert counts == {
        **{part: {"cat": size, "dog": size} for part, size in sizes.items()},
        "skipped": {},
    }
    assert files(source) == before


@pytest.mark.slow
def test_the_small_set_of_cats_and_dogs(tmp_path: Path) -> None:
    """1,000 training, 500 validation and 1,000 test photos of each of two classes."""
    source = draw(tmp_path / "train", 2_600, flat=True)
    counts = run_subset(
        source, tmp_path / "out", train=1000, validation=500, test=1000, label_from="name"
    )
    assert {part: sum(counts[part].values()) for part in counts} == {
        "train": 2_000,
        "validation": 1_000,
        "test": 2_000,
        "skipped": 0,
    }
    found = files(tmp_path / "out")
    numbers: dict[str, list[int]] = {}
    for name in found:
        part, label, file = name.split("/")
        numbers.setdefault(f"{part}/{label}", []).append(int(file.split(".")[1]))
    assert {key: (min(n), max(n), len(n)) for key, n in numbers.items()} == {
        f"{part}/{label}": (first, last, last - first + 1)
        for label in ("cat", "dog")
        for part, first, last in (
            ("train", 0, 999),
            ("validation", 1000, 1499),
            ("test", 1500, 2499),
        )
    }
    dataset = Dataset.load(tmp_path / "out")
    assert len({photo.digest for photo in dataset.photos}) == 5_000


def test_what_it_makes_is_a_source(tmp_path: Path) -> None:
    run_subset(draw(tmp_path / "source", 6), tmp_path / "out", **SIZES)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.class_counts() == {"cat": 6, "dog": 6}
    assert {photo.split for photo in dataset.photos} == {"train", "validation", "test"}
    assert dataset.skipped == ()


def test_start_passes_over_the_first_ones(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 10)
    run_subset(source, tmp_path / "first", train=4, validation=0, test=0)
    run_subset(source, tmp_path / "second", train=4, validation=2, test=0, start=4)
    assert sorted(files(tmp_path / "second")) == sorted(
        f"{part}/{label}/{label}.{i}.png"
        for label in ("cat", "dog")
        for part, numbers in (("train", range(4, 8)), ("validation", range(8, 10)))
        for i in numbers
    )
    assert not (tmp_path / "second/test").exists()
    assert not set(files(tmp_path / "first").values()) & set(files(tmp_path / "second").values())


def test_photos_that_do_not_decode_are_passed_over_and_counted(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 9)
    broken = bytearray(picture(0))
    broken[broken.index(b"IDAT") + 6] ^= 0xFF  # what read_header does not look at
    (source / "cat/cat.1.png").write_bytes(broken)
    (source / "cat/cat.3.png").write_bytes(b"no picture")
    (source / "dog/dog.8.png").write_bytes(broken + b"x")  # not among those that are looked at
    counts = run_subset(source, tmp_path / "out", **SIZES)
    assert [name for name in sorted(files(tmp_path / "out")) if "cat" in name] == [
        "test/cat/cat.7.png",
        "train/cat/cat.0.png",
        "train/cat/cat.2.png",
        "train/cat/cat.4.png",
        "validation/cat/cat.5.png",
        "validation/cat/cat.6.png",
    ]
    assert sum(counts["skipped"].values()) == 2
    # Whether a photo counts does not depend on where one starts.
    run_subset(source, tmp_path / "next", train=1, validation=0, test=0, start=6)
    assert sorted(files(tmp_path / "next")) == ["train/cat/cat.8.png", "train/dog/dog.6.png"]


def test_too_few_photos(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    (source / "dog/dog.5.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"dog has 5; expected 6 of each class. 1 file can't"):
        run_subset(source, tmp_path / "out", **SIZES)
    with pytest.raises(DatasetError, match="cat has 6, dog has 5; expected 7 of each class"):
        run_subset(source, tmp_path / "out", **SIZES, start=1)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_of_no_usable_photo_it_is_said_why(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 1)
    for path in source.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"source has no usable photo; got .*empty file"):
        run_subset(source, tmp_path / "out", **SIZES)


def test_photos_that_do_not_decode_are_not_counted(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    broken = bytearray(picture(0))
    broken[broken.index(b"IDAT") + 6] ^= 0xFF
    for name in ("dog/dog.1.png", "dog/dog.5.png", "cat/cat.5.png"):
        (source / name).write_bytes(broken)
    (source / ".DS_Store").touch()
    with pytest.raises(DatasetError, match=r"cat has 5, dog has 4; expected 7 .* 3 files can't"):
        run_subset(source, tmp_path / "out", **SIZES, start=1)
    # Also where those that are wanted come first, and all of them are damaged.
    for number in range(4):
        (source / f"cat/cat.{number}.png").write_bytes(broken)
    counts = run_subset(source, tmp_path / "out", train=1, validation=0, test=0)
    assert counts["train"] == {"cat": 1, "dog": 1}
    assert "train/cat/cat.4.png" in files(tmp_path / "out")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"train": -1}, "train is a number .*got -1"),
        ({"start": -1}, "start is a number"),
        ({"train": 0, "validation": 0, "test": 0}, "no photo is asked for"),
        ({"label_from": "size"}, "expected folder or name, got size"),
    ],
)
def test_numbers_that_cannot_be_used(tmp_path: Path, numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_subset(tmp_path, tmp_path / "../out", **{**SIZES, **numbers})


def test_nothing_is_written_into_the_source_or_over_anything(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    before = files(tmp_path)
    (tmp_path / "link").symlink_to(source)
    for out in (source / "new", source / "cat/new", tmp_path / "link/new"):
        with pytest.raises(StorageError, match="among the photos"):
            run_subset(source, out, **SIZES)
    for out in (source, source / "cat", source / "cat/cat.0.png"):
        with pytest.raises(StorageError, match=r"exists already. Choose another folder, or remove"):
            run_subset(source, out, **SIZES)
    assert files(tmp_path) == before


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run_subset(draw(tmp_path / "source", 6), tmp_path / "out", **SIZES)
    assert len(files(tmp_path / "out")) == 12


LABELS = {
    "T-shirt/top": "T-shirt_top",
    "../../up": "___.._up",
    "..": "__",
    ".": "_",
    "/etc": "_etc",
    "C:\\x": "C__x",
    ".hidden": "_hidden",
    "__MACOSX": "___MACOSX",
    "backup~": "backup_",
    "a\nb\0c": "a_b_c",
    "x" * 500: "x" * 200,
    "\u00e4" * 300: "\u00e4" * 100,
    "trailing. ": "trailing__",
    "plain": "plain",
}


def test_class_names_that_are_no_folder_names(tmp_path: Path) -> None:
    rows = [(f"{n:06}", label, picture(n)) for n, label in enumerate(LABELS)]
    make_subset(in_memory(rows), tmp_path / "in/out", train=1, validation=0, test=0)
    found = files(tmp_path)
    assert {Path(name).parts[3] for name in found} == set(LABELS.values())
    assert all(name.startswith("in/out/train/") for name in found)
    assert found == {f"in/out/train/{LABELS[label]}/{name}.png": data for name, label, data in rows}
    dataset = Dataset.load(tmp_path / "in/out")
    assert len(dataset.photos) == len(rows)


def test_class_names_that_become_alike_stay_apart(tmp_path: Path) -> None:
    labels = ["a/b", "a:b", "a_b", "A_B", "a_b_2"]
    rows = [(f"{n}.png", label, picture(n)) for n, label in enumerate(labels)]
    counts = make_subset(in_memory(rows), tmp_path / "out", train=1, validation=0, test=0)
    folders = [path.name for path in (tmp_path / "out/train").iterdir()]
    assert len({name.casefold() for name in folders}) == 5
    assert set(counts["train"]) == set(labels)


def test_file_names_are_made_safe_and_kept_apart(tmp_path: Path) -> None:
    names = ["a/1.png", "b/1.png", "c/1.PNG", "1_2.png", "x/..", "d/" + "y" * 300 + ".png", "e/.z"]
    rows = [(name, "cat", picture(n)) for n, name in enumerate(names)]
    make_subset(in_memory(rows), tmp_path / "out", train=7, validation=0, test=0)
    found = files(tmp_path)
    assert all(name.startswith("out/train/cat/") for name in found)
    assert sorted(found.values()) == sorted(data for _, _, data in rows)
    assert len({name.casefold() for name in found}) == 7
    assert len(Dataset.load(tmp_path / "out").photos) == 7


def test_names_made_of_anything_stay_inside(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pieces = [
        "..",
        "/",
        "\\",
        ".",
        "~",
        " ",
        "\0",
        "a",
        "\u00e9",
        "\n",
        ":",
        "con",
        "x" * 120,
        "\\xff",
    ]
    for attempt in range(20):
        texts = ["".join(rng.choice(pieces, rng.integers(1, 6))) for _ in range(16)]
        rows = [(texts[n], texts[n + 8], picture(n)) for n in range(8)]
        labels = {label for _, label, _ in rows}
        if len(labels) < 8:
            continue
        out = tmp_path / str(attempt) / "out"
        make_subset(in_memory(rows), out, train=1, validation=0, test=0)
        found = files(tmp_path / str(attempt))
        assert all(name.startswith("out/train/") and name.count("/") == 3 for name in found)
        assert sorted(found.values()) == sorted(data for _, _, data in rows)
        assert len(Dataset.load(out).photos) == 8


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PPM", ".ppm"), ("GIF", ".gif")])
def test_photos_without_an_extension_get_one(tmp_path: Path, kind: str, suffix: str) -> None:
    dataset = in_memory([("train/000000", "cat", picture(0, kind))])
    make_subset(dataset, tmp_path / "out", train=1, validation=0, test=0)
    assert list(files(tmp_path)) == [f"out/train/cat/000000{suffix}"]


def test_a_file_that_vanishes_or_changes_leaves_nothing_behind(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    dataset = Dataset.load(source)
    path = source / "dog/dog.5.png"
    path.write_bytes(picture(99))
    with pytest.raises(SourceError, match=r"dog/dog\.5\.png has changed"):
        make_subset(dataset, tmp_path / "out", **SIZES)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]
    changed = dataset.photos[0]
    data = [changed.read()]

    def once() -> bytes:
        if not data:
            raise OSError(errno.ENOENT, "No such file")
        return data.pop()

    photos = (replace(changed, read=once), *dataset.photos[1:-1])
    with pytest.raises(SourceError, match="can't be read any more; got No such file"):
        make_subset(
            replace(dataset, photos=photos), tmp_path / "out", train=1, validation=0, test=0
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = draw(tmp_path / "source", 6)
    write_bytes = Path.write_bytes

    def fill(self: Path, data: bytes) -> int:
        if self.name == "dog.3.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(StorageError, match="No space left on device"):
        run_subset(source, tmp_path / "out", **SIZES)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_one_may_not_write(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(StorageError, match="not a folder that you may write to"):
        run_subset(source, tmp_path / "locked/out", **SIZES)


def test_where_no_folder_can_be(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 6)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="not a folder that you may write to"):
        run_subset(source, tmp_path / "file/out", **SIZES)


def test_progress_is_told(tmp_path: Path) -> None:
    recorder = Recorder()
    run_subset(draw(tmp_path / "source", 8), tmp_path / "out", **SIZES, progress=recorder)
    expected = {"Reading files": 16, "Decoding photos": 12, "Copying photos": 12}
    assert recorder.totals == recorder.done == expected
    assert recorder.said == []


# --- classes told by the names of files


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat.0.jpg", "cat"),
        ("dog_17.png", "dog"),
        ("cat12.jpg", "cat"),
        ("red fox (3).jpg", "red fox"),
        ("owl-4.jpg", "owl"),
        ("K\u00e4tzchen.1.jpg", "K\u00e4tzchen"),
        ("12.jpg", ""),
        ("_1.jpg", ""),
        ("", ""),
    ],
)
def test_label_in_name(name: str, label: str) -> None:
    assert label_in_name(name) == label


def test_listing_by_name(tmp_path: Path) -> None:
    draw(tmp_path, 2, flat=True)
    write(tmp_path / "7.png", picture(0))
    write(tmp_path / ".DS_Store", b"")
    write(tmp_path / "inner/cat.9.png", picture(1))
    os.mkfifo(tmp_path / "pipe.1")
    listing = list_by_name(tmp_path)
    assert [(i.name, i.label) for i in listing.items] == [
        ("cat.0.png", "cat"),
        ("cat.1.png", "cat"),
        ("dog.0.png", "dog"),
        ("dog.1.png", "dog"),
        ("pipe.1", "pipe"),
    ]
    with pytest.raises(OSError, match="not a regular file"):
        listing.items[-1].read()
    assert {(f.name, f.reason) for f in listing.skipped} == {
        ("7.png", "no label"),
        (".DS_Store", "hidden or system file"),
        ("inner/", "not in the folder itself"),
    }


def test_what_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path / "train.zip", b"PK")
    with pytest.raises(SourceError, match=r"train\.zip is no folder.*Unpack an archive first"):
        run_subset(tmp_path / "train.zip", tmp_path / "out", **SIZES, label_from="name")
    with pytest.raises(SourceError, match=r"mnist is no folder.*Check the path"):
        run_subset(tmp_path / "mnist", tmp_path / "out", **SIZES, label_from="name")


def test_folders_without_such_names(tmp_path: Path) -> None:
    source = draw(tmp_path / "source", 2)
    with pytest.raises(SourceError, match=r"no file whose name begins.*leave --label-from out"):
        run_subset(source, tmp_path / "out", **SIZES, label_from="name")
    with pytest.raises(SourceError, match="there is no"):
        run_subset(tmp_path / "zebra", tmp_path / "out", **SIZES)
