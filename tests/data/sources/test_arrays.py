import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.core.errors import SourceError
from photograft.data.sources.arrays import read_arrays
from photograft.data.sources.base import Listing

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
IMAGES[0, 0, 0] = (0, 128, 255)
LABELS = np.array([0, 1, 0, 1, 10])


def save(folder: Path, *, compressed: bool = False, **arrays: Any) -> Path:
    path = folder / "photos.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def pixels(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def all_pixels(listing: Listing) -> Any:
    return np.stack([pixels(item.read()) for item in listing.items])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_images_and_labels(tmp_path: Path, compressed: bool, order: Any) -> None:
    images = np.asarray(IMAGES, order=order)
    listing = read_arrays(save(tmp_path, compressed=compressed, X=images, y=LABELS))
    assert listing.kind == "arrays"
    assert [item.name for item in listing.items] == [f"{i:06}" for i in range(5)]
    assert [item.label for item in listing.items] == ["0", "1", "0", "1", "10"]
    assert {item.split for item in listing.items} == {None}
    assert np.array_equal(all_pixels(listing), IMAGES)
    assert [path.name for path in tmp_path.iterdir()] == ["photos.npz"]


@pytest.mark.parametrize("validation", ["val", "validation", "valid"])
def test_splits(tmp_path: Path, validation: str) -> None:
    arrays: dict[str, Any] = {
        "X_test": IMAGES[:1],
        "y_test": LABELS[:1],
        "x_train": IMAGES,
        "Y_train": LABELS,
        f"X_{validation}": IMAGES[1:3],
        f"y_{validation}": LABELS[1:3],
    }
    listing = read_arrays(save(tmp_path, **arrays))
    assert [(i.name, i.split) for i in listing.items] == [
        ("test/000000", "test"),
        *((f"train/{i:06}", "train") for i in range(5)),
        ("validation/000000", "validation"),
        ("validation/000001", "validation"),
    ]
    assert np.array_equal(pixels(listing.items[-1].read()), IMAGES[2])


def test_file_bytes_are_those_of_ppm_and_pgm(tmp_path: Path) -> None:
    color = read_arrays(save(tmp_path, X=IMAGES, y=LABELS)).items[0].read()
    assert color == b"P6\n6 4\n255\n" + IMAGES[0].tobytes()
    for gray in (IMAGES[..., 0], IMAGES[..., :1]):
        data = read_arrays(save(tmp_path, X=gray, y=LABELS)).items[0].read()
        assert data == b"P5\n6 4\n255\n" + IMAGES[0, ..., 0].tobytes()


@pytest.mark.parametrize("dtype", ["int64", "uint16", ">i4"])
def test_other_whole_numbers(tmp_path: Path, dtype: str) -> None:
    listing = read_arrays(save(tmp_path, X=IMAGES.astype(dtype), y=LABELS))
    assert np.array_equal(all_pixels(listing), IMAGES)
    assert listing.notes == ()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floats_in_0_to_1(tmp_path: Path, dtype: str) -> None:
    images = (IMAGES / 255).astype(dtype)
    listing = read_arrays(save(tmp_path, X=images, y=LABELS))
    assert np.array_equal(all_pixels(listing), IMAGES)
    assert listing.notes == ("values of X reach 1: all were taken to lie in 0 to 1",)


@pytest.mark.parametrize("order", ["C", "F"])
def test_floats_in_0_to_255(tmp_path: Path, order: Any) -> None:
    images = np.asarray(IMAGES, dtype=np.float32, order=order)
    listing = read_arrays(save(tmp_path, X=images, y=LABELS))
    assert np.array_equal(all_pixels(listing), IMAGES)
    assert "in 0 to 255" in listing.notes[0]


def test_the_training_images_decide_the_range_of_all(tmp_path: Path) -> None:
    train = np.full((2, 2, 2), 200.0)
    test = np.ones((1, 2, 2))
    path = save(tmp_path, X_test=test, y_test=[0], X_train=train, y_train=[0, 1])
    listing = read_arrays(path)
    assert pixels(listing.items[0].read()).max() == 1
    path = save(tmp_path, X_test=train, y_test=[0, 1], X_train=test, y_train=[0])
    with pytest.raises(SourceError, match=r"X_test lie outside 0 to 1.*got values from 200 to 200"):
        read_arrays(path)


def test_floats_a_little_beyond_1_are_taken_for_1(tmp_path: Path) -> None:
    images = np.array([[[0.0, 1.0000002]], [[-1e-6, 0.5]]])
    listing = read_arrays(save(tmp_path, X=images, y=[0, 1]))
    assert all_pixels(listing).tolist() == [[[0, 255]], [[0, 128]]]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 2], ["0", "2"]),
        ([[0], [2]], ["0", "2"]),
        ([3.0, -1.0], ["3", "-1"]),
        ([True, False], ["True", "False"]),
        (["cat ", "dog"], ["cat", "dog"]),
        (["gr\u00fcn", "rot"], ["gr\u00fcn", "rot"]),
        ([b"cat", b"dog"], ["cat", "dog"]),
        (np.array([1, 2**64 - 1], dtype=np.uint64), ["1", str(2**64 - 1)]),
    ],
)
def test_labels_of_any_type(tmp_path: Path, labels: Any, expected: list[str]) -> None:
    listing = read_arrays(save(tmp_path, X=IMAGES[:2], y=labels))
    assert [item.label for item in listing.items] == expected


def test_class_names(tmp_path: Path) -> None:
    listing = read_arrays(save(tmp_path, X=IMAGES[:2], y=[1.0, 0.0], class_names=["cat", "dog"]))
    assert [item.label for item in listing.items] == ["dog", "cat"]
    listing = read_arrays(save(tmp_path, X=IMAGES[:2], y=[True, False], class_names=["no", "yes"]))
    assert [item.label for item in listing.items] == ["yes", "no"]
    listing = read_arrays(save(tmp_path, X=IMAGES[:2], y=["a", "b"], class_names=["x", "y"]))
    assert [item.label for item in listing.items] == ["a", "b"]
    assert listing.notes == ("class_names was not used, since the labels are names already",)


def test_empty_labels_are_skipped_and_other_arrays_noted(tmp_path: Path) -> None:
    listing = read_arrays(save(tmp_path, X=IMAGES[:2], y=["a", " "], ids=[1, 2], X_extra=[3]))
    assert [item.name for item in listing.items] == ["000000"]
    assert [(f.name, f.reason) for f in listing.skipped] == [("000001", "no label")]
    assert listing.notes == ("arrays that were not used: ids, X_extra",)


GOOD: dict[str, Any] = {"X": IMAGES, "y": LABELS}
OBJECTS = np.array([IMAGES[0], IMAGES[1, :2]], dtype=object)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": OBJECTS, "y": [0, 1]}, "X of .* holds Python objects.*np.stack"),
        ({"X": IMAGES, "y": np.array(["a"] * 5, dtype=object)}, r"Python objects.*astype\(str\)"),
        ({"X": IMAGES, "y": np.eye(5)}, r"5 values for each image.*y\.argmax\(axis=1\)"),
        ({"X": IMAGES, "y": LABELS[:4]}, "expected 5 labels for 5 images, got 4 labels"),
        ({"X": IMAGES, "y": [0, 1, 2.5, 0, 0]}, "1 value that is no whole.*got 2.5 at 2"),
        ({"X": IMAGES, "y": [0, 1, np.nan, np.inf, 0]}, "2 values that are no.*got nan at 2"),
        ({"X": IMAGES, "y": np.zeros(5, "M8[s]")}, "holds no labels.*datetime64"),
        ({"X": IMAGES, "y": 3}, r"holds no labels.*shape \(\)"),
        ({"X": IMAGES, "y": [b"\xff"] * 5}, "not valid Unicode"),
        ({"X": IMAGES, "y": ["\ud800"] * 5}, "not valid Unicode"),
        ({"X": IMAGES, "y": [""] * 5}, "all labels are empty"),
        ({**GOOD, "class_names": ["a", "b"]}, "1 label that has no name.*0 to 1.*got 10"),
        ({**GOOD, "class_names": [1, 2]}, "no list of names.*int64"),
        ({**GOOD, "class_names": ["a", "a"]}, "'a' 2 times"),
        ({**GOOD, "class_names": ["a", " "]}, "empty name.*none at 1"),
        ({"X": IMAGES.reshape(5, -1), "y": LABELS}, r"got shape \(5, 72\).*reshape"),
        ({"X": IMAGES.transpose(0, 3, 1, 2), "y": LABELS}, r"transpose\(0, 2, 3, 1\)"),
        ({"X": np.zeros((5, 9, 9, 4), "u1"), "y": LABELS}, "alpha"),
        ({"X": np.zeros((5, 9, 9, 2), "u1"), "y": LABELS}, r"got shape \(5, 9, 9, 2\)"),
        ({"X": np.zeros((0, 9, 9), "u1"), "y": []}, r"holds no images.*\(0, 9, 9\)"),
        ({"X": IMAGES > 100, "y": LABELS}, "got dtype bool"),
        ({"X": IMAGES.astype(complex), "y": LABELS}, "got dtype complex128"),
        ({"X": IMAGES.astype("i8") - 300, "y": LABELS}, "got int64 from -[0-9]+ to -[0-9]+"),
        ({"X": IMAGES.astype("i8") + 1000, "y": LABELS}, "outside 0 to 255.*got int64 from 1"),
        ({"X": IMAGES * 2.0, "y": LABELS}, "outside 0 to 255"),
        (
            {"X": IMAGES / 127.5 - 1, "y": LABELS},
            r"outside 0 to 1.*maximum of X is 1.*from -1 to 1",
        ),
        ({"X": np.full((1, 2, 2), np.nan), "y": [0]}, "4 values that are NaN or infinite"),
        ({"X": IMAGES}, "no counterpart of X"),
        ({"X_train": IMAGES, "y_train": LABELS, "y_test": LABELS}, "no counterpart of y_test"),
        ({"X_test": IMAGES, "y_test": LABELS}, "expected arrays X_train.*got X_test, y_test"),
        ({**GOOD, "X_train": IMAGES, "y_train": LABELS}, "does not hold the arrays"),
        ({**GOOD, "x": IMAGES}, "X and x, which mean the same"),
        ({"images": IMAGES}, "got images"),
        ({}, "got no arrays"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=f"(?s){message}"):
        read_arrays(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("test_images", "test_labels", "message"),
    [
        (IMAGES / 255, LABELS, "X_train of uint8, X_test of float64"),
        (IMAGES, LABELS.astype(str), "y_train of int64, y_test of <U"),
    ],
)
def test_splits_of_different_types_are_refused(
    tmp_path: Path, test_images: Any, test_labels: Any, message: str
) -> None:
    path = save(tmp_path, X_train=IMAGES, y_train=LABELS, X_test=test_images, y_test=test_labels)
    with pytest.raises(SourceError, match=message):
        read_arrays(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_refused(tmp_path: Path, compressed: bool) -> None:
    path = save(tmp_path, compressed=compressed, X=IMAGES, y=LABELS)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(SourceError, match="damaged or incomplete"):
        read_arrays(path)
    middle = data.index(b"X.npy") + 200
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    with pytest.raises(SourceError, match=r"array X of .* is damaged or incomplete"):
        read_arrays(path)


def test_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, IMAGES)
    data = buffer.getvalue().replace(b"(5, 4, 6, 3)", b"(9, 4, 6, 3)")
    path = save(tmp_path, y=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("X.npy", data)
    with pytest.raises(SourceError, match="needs 648 bytes, and 360 are there"):
        read_arrays(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_memory_does_not_grow_with_the_array(tmp_path: Path, compressed: bool) -> None:
    images = np.zeros((24, 1024, 1024))
    path = save(tmp_path, compressed=compressed, X=images, y=np.arange(24))
    size = images.nbytes
    del images
    tracemalloc.start()
    try:
        items = read_arrays(path).items
        assert {len(item.read()) for item in items} == {2**20 + 17}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 3
