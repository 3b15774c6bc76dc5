"""Classes of which no photo can be used: an error by default, for every kind of source."""

import csv
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawing import draw_folder
from photograft.core.errors import DatasetError, ImageError, InputError, SourceError
from photograft.core.progress import Silent
from photograft.data.dataset import Dataset
from photograft.data.loading import read_dataset
from photograft.data.settings import DataSettings

JPEG_XL = b"\xff\x0a" + bytes(20)
TOLD = "a JPEG XL picture; convert it to JPEG or PNG"


def folder(path: Path) -> Path:
    """Class folders of cats and dogs, and of an elk that can't be used."""
    root = draw_folder(path / "photos", ("cat", "dog"), n=2, size=24)
    (root / "elk").mkdir()
    for name in ("1.jxl", "2.jxl", "3.jpg"):
        (root / "elk" / name).write_bytes(JPEG_XL if name.endswith("jxl") else b"")
    return root


def archive(path: Path) -> Path:
    root = folder(path)
    with zipfile.ZipFile(path / "photos.zip", "w") as written:
        for file in sorted(root.rglob("*.*")):
            written.write(file, file.relative_to(root))
    return path / "photos.zip"


def manifest(path: Path) -> Path:
    root = folder(path)
    with (path / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for photo in sorted(root.rglob("*.*")):
            writer.writerow([photo.relative_to(path), photo.parent.name])
    return path / "photos.csv"


@pytest.mark.parametrize("source", [folder, archive, manifest])
def test_is_an_error_that_says_all(source: Callable[[Path], Path], tmp_path: Path) -> None:
    path = source(tmp_path)
    with pytest.raises(DatasetError) as caught:
        Dataset.load(path)
    assert str(caught.value) == (
        f"no photo of the class 'elk' in {path} can be used; got 3 files (2 × unsupported format "
        f"({TOLD}), 1 × empty file). Mend or convert such files, or remove the class; "
        "--empty-classes drop goes on without it."
    )
    dataset = Dataset.load(path, empty_classes="drop")
    assert (dataset.class_names, dataset.dropped) == (("cat", "dog"), ("elk",))
    assert dataset.skipped_counts() == {f"unsupported format ({TOLD})": 2, "empty file": 1}


def test_an_empty_folder_is_the_same(tmp_path: Path) -> None:
    root = draw_folder(tmp_path, ("cat", "dog"), n=1, size=24)
    (root / "elk").mkdir()
    (root / "elk" / ".DS_Store").touch()
    (root / "fox").mkdir()
    with pytest.raises(DatasetError, match=r"2 classes in .*'elk': no files; 'fox': no files"):
        Dataset.load(root)
    assert Dataset.load(root, empty_classes="drop").dropped == ("elk", "fox")


def test_a_class_that_is_empty_in_one_part_of_a_split_only_is_no_error(tmp_path: Path) -> None:
    for part in ("train", "test"):
        draw_folder(tmp_path / part, ("cat", "dog"), n=1, size=24)
    (tmp_path / "test" / "dog" / "00.jpg").unlink()
    dataset = Dataset.load(tmp_path)
    assert dataset.dropped == ()
    assert dataset.notes == ("class folder test/dog is empty",)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have a folder of that name be one that can't be listed, as it would be without the right."""
    scandir = os.scandir

    def listed(path: Path) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)


def test_a_class_folder_that_can_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw_folder(tmp_path, ("cat", "dog", "elk"), n=1, size=24)
    refuse(monkeypatch, "elk")
    with pytest.raises(DatasetError, match=r"class 'elk' .* 1 folder .1 × unreadable: Permission"):
        Dataset.load(root)
    assert Dataset.load(root, empty_classes="drop").dropped == ("elk",)


def test_a_split_folder_that_can_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "test"):
        draw_folder(tmp_path / part, ("cat", "dog"), n=1, size=24)
    refuse(monkeypatch, "test")
    with pytest.raises(SourceError, match="the split folder test/ can't be read; got Permission"):
        Dataset.load(tmp_path, empty_classes="drop")


def test_rows_of_files_that_are_not_there(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = {"path": ["a.png", "b.png", ""], "label": ["cat", "dog", "elk"]}
    with pytest.raises(DatasetError, match=r"2 classes in .*'dog': 1 file \(1 × missing: row 2: "):
        Dataset.from_frame(table, root=tmp_path)
    dataset = Dataset.from_frame(table, root=tmp_path, empty_classes="drop")
    assert dataset.dropped == ("dog", "elk")


def test_photos_in_memory(tmp_path: Path) -> None:
    photos = [np.zeros((8, 8, 3), np.uint8), np.zeros((30, 30, 3), np.uint8)]
    with pytest.raises(DatasetError, match=r"class 'b' .* 1 file \(1 × too large"):
        Dataset.from_arrays(photos, ["a", "b"], max_pixels=100)
    dropped = Dataset.from_arrays(photos, ["a", "b"], max_pixels=100, empty_classes="drop")
    assert dropped.dropped == ("b",)
    np.savez(tmp_path / "a.npz", X=np.stack([photos[1]] * 2), y=["a", "b"])
    nothing = Dataset.load(tmp_path / "a.npz", max_pixels=100)
    assert (nothing.photos, nothing.dropped) == ((), ("a", "b"))


def test_photos_whose_pixels_do_not_decode(tmp_path: Path) -> None:
    root = draw_folder(tmp_path, ("cat", "dog"), n=2, size=64)
    for file in (root / "dog").iterdir():
        file.write_bytes(file.read_bytes()[:900])
    dataset = Dataset.load(root)
    with pytest.raises(DatasetError, match=r"class 'dog' .* 2 files \(2 × truncated"):
        dataset.verified()
    dropped = Dataset.load(dataset, empty_classes="drop")
    assert dropped.verified().dropped == ("dog",)
    failures = {photo.digest: ImageError("truncated") for photo in dataset.photos[:1]}
    assert dataset.without(failures).class_names == ("cat", "dog")


def test_the_setting_and_the_dataset_each_may_say_so(tmp_path: Path) -> None:
    root = folder(tmp_path)
    said = read_dataset(root, DataSettings(empty_classes="drop"), progress=Silent())
    assert said.dropped == ("elk",)
    assert read_dataset(said, DataSettings(), progress=Silent()) is not None
    with pytest.raises(DatasetError, match="the class 'elk'"):
        read_dataset(root, DataSettings(), progress=Silent())


@pytest.mark.parametrize("value", ["ignore", ""])
def test_a_word_that_is_none(value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty_classes can't be"):
        Dataset.load(tmp_path, empty_classes=value)
    with pytest.raises(InputError, match="empty_classes can't be"):
        DataSettings(empty_classes=value)


def test_a_raw_photo_is_told_by_its_name_where_its_bytes_say_nothing(tmp_path: Path) -> None:
    root = draw_folder(tmp_path, ("cat", "dog"), n=1, size=24)
    (root / "cat" / "1.kdc").write_bytes(b"\xfe\xed\xfa\xce" * 99)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "TIFF")
    (root / "cat" / "2.ARW").write_bytes(stream.getvalue())
    found = {file.name: (file.reason, file.detail) for file in Dataset.load(root).skipped}
    remedy = "convert it to JPEG or PNG"
    assert found == {
        "cat/1.kdc": ("unsupported format", f"a raw photo (KDC); {remedy}"),
        "cat/2.ARW": ("unsupported format", f"a raw photo (ARW); {remedy}"),
    }
