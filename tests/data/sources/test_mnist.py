"""MNIST in its own files, made by hand."""

import gzip
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from photograft import Dataset
from photograft.core.errors import SourceError, StorageError
from photograft.data.sources import mnist, spool
from photograft.data.sources.mnist import FILES, SETS, fetch_by_torchvision, read_idx, read_mnist
from photograft.data.sources.named_sets import PLAIN_NAMES
from photograft.data.sources.open import open_source

RNG = np.random.default_rng(0)
IMAGES = {
    "train": RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8),
    "test": RNG.integers(0, 256, (3, 5, 4), dtype=np.uint8),
}
LABELS = {"train": np.array([5, 0, 4, 1, 9, 2], np.uint8), "test": np.array([7, 2, 1], np.uint8)}


def idx(array: Any) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + bytes(array.astype(np.uint8).tobytes())


def write(folder: Path, *, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, names in FILES.items():
        for name, array in zip(names, (IMAGES[split], LABELS[split]), strict=True):
            data = idx(array)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
    return folder


def no_network(idx_set: mnist.IdxSet, folder: Path) -> None:
    raise URLError("no network")


def never(idx_set: mnist.IdxSet, folder: Path) -> None:
    raise AssertionError("fetched what is there")


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels(tmp_path: Path, packed: bool) -> None:
    folder = write(tmp_path / "datasets/mnist", packed=packed)
    before = sorted(folder.iterdir())
    listing = read_mnist("mnist", cache=tmp_path, fetch=never)
    assert listing.kind == "arrays"
    assert [(i.name, i.label, i.split) for i in listing.items] == [
        *((f"test/{n:06}", label, "test") for n, label in enumerate("721")),
        *((f"train/{n:06}", label, "train") for n, label in enumerate("504192")),
    ]
    assert listing.items[1].read() == b"P5\n4 5\n255\n" + IMAGES["test"][1].tobytes()
    assert listing.items[-1].read() == b"P5\n4 5\n255\n" + IMAGES["train"][5].tobytes()
    assert sorted(folder.iterdir()) == before


def test_plain_files_are_mapped_and_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path)
    array = read_idx(folder / FILES["train"][0], num_dims=3)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert np.array_equal(array, IMAGES["train"])


@pytest.mark.parametrize(("name", "label"), [("fashion-mnist", "Sandal"), ("kmnist", "ha")])
def test_sets_made_after_its_pattern(tmp_path: Path, name: str, label: str) -> None:
    write(tmp_path / "datasets" / name)
    listing = read_mnist(name, cache=tmp_path, fetch=never)
    assert next(i for i in listing.items if i.name == "train/000000").label == label


def test_every_plain_name_is_a_set() -> None:
    assert tuple(SETS) == PLAIN_NAMES
    assert {len(set(s.class_names)) for s in SETS.values()} == {10}
    assert SETS["fashion-mnist"].class_names[9] == "Ankle boot"


def test_by_name_as_a_dataset(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(cache / "datasets/mnist", packed=True)
    dataset = Dataset.load("mnist")
    assert (dataset.name, dataset.kind, len(dataset.photos)) == ("mnist", "arrays", 9)
    assert {(p.format, p.width, p.height) for p in dataset.photos} == {("pixels", 4, 5)}
    assert dataset.skipped == ()


def test_what_is_missing_is_fetched_once(tmp_path: Path) -> None:
    calls = []

    def fetch(idx_set: mnist.IdxSet, folder: Path) -> None:
        calls.append((idx_set.torchvision, folder))
        write(folder)

    for _ in range(2):
        assert len(read_mnist("kmnist", cache=tmp_path, fetch=fetch).items) == 9
    assert calls == [("KMNIST", tmp_path / "datasets/kmnist")]


@pytest.mark.parametrize(
    "error", [URLError("no network"), RuntimeError("no network"), OSError("no network")]
)
def test_without_network_the_files_and_the_folder_are_named(
    tmp_path: Path, error: Exception
) -> None:
    def fetch(idx_set: mnist.IdxSet, folder: Path) -> None:
        raise error

    with pytest.raises(SourceError, match="no network") as caught:
        read_mnist("mnist", cache=tmp_path, fetch=fetch)
    text = str(caught.value)
    assert all(name in text for names in FILES.values() for name in names)
    assert f"{tmp_path}/datasets/mnist; unpacked or as .gz, both will do" in text


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "datasets/mnist")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(SourceError, match=f"expected t10k-labels-idx1-ubyte in {folder}"):
        read_mnist("mnist", cache=tmp_path, fetch=no_network)
    with pytest.raises(SourceError, match="some files did not come"):
        read_mnist("mnist", cache=tmp_path, fetch=lambda idx_set, folder: None)


@pytest.mark.parametrize("fails", [False, True])
def test_fetched_files_appear_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    class FashionMNIST:
        """As torchvision's: puts files into ROOT/CLASS/raw."""

        def __init__(self, root: str, download: bool = False) -> None:
            assert download
            raw = write(Path(root, "FashionMNIST", "raw"))
            if fails:
                (raw / FILES["test"][1]).unlink()
                raise RuntimeError("Error downloading")

    package = types.ModuleType("torchvision")
    package.datasets = types.SimpleNamespace(FashionMNIST=FashionMNIST)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    folder = tmp_path / "datasets/fashion-mnist"
    if fails:
        with pytest.raises(RuntimeError):
            fetch_by_torchvision(SETS["fashion-mnist"], folder)
        assert list(folder.iterdir()) == []
    else:
        fetch_by_torchvision(SETS["fashion-mnist"], folder)
        assert {p.name for p in folder.iterdir()} == {n for names in FILES.values() for n in names}
        assert len(read_mnist("fashion-mnist", cache=tmp_path, fetch=never).items) == 9


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_torchvision_knows_the_set(name: str) -> None:
    from torchvision import datasets

    known = getattr(datasets, SETS[name].torchvision)
    files = {f"{file}.gz" for names in FILES.values() for file in names}
    assert {file for file, _ in known.resources} == files
    if name != "mnist":
        assert tuple(known.classes) == SETS[name].class_names


GOOD = idx(IMAGES["train"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no file of this set"),
        (GOOD[:10], "no file of this set"),
        (b"<html>404 not found</html>", "no file of this set.*one that begins b'<htm'"),
        (idx(LABELS["train"]), "3 dimensions"),
        (b"\0\0\x0d\x03" + GOOD[4:], "no file of this set"),
        (GOOD[:-1], "damaged or incomplete; expected 120 bytes .* got 119"),
        (GOOD[:16], "got 0"),
        (GOOD + b"x", "damaged or incomplete; expected 120 bytes .* got more"),
        (GOOD[:4] + b"\xff" * 12, "shape that can't be used"),
        (GOOD[:4] + bytes(12), "shape that can't be used"),
        (GOOD[:4] + b"\0\0\0\x06" + bytes(8) + GOOD[16:], "shape that can't be used"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_files_that_are_none_of_the_set(
    tmp_path: Path, data: bytes, message: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "images"
    path.write_bytes(pack(data))
    with pytest.raises(SourceError, match=message):
        read_idx(path, num_dims=3)


def test_gzip_that_is_cut_short_or_damaged(tmp_path: Path) -> None:
    data = gzip.compress(idx(RNG.integers(0, 256, (40, 28, 28))))
    path = tmp_path / "images.gz"
    middle = len(data) // 2
    for bad in (data[:middle], data[:middle] + b"\0\xff" * 20 + data[middle + 40 :], data[:3]):
        path.write_bytes(bad)
        with pytest.raises(SourceError, match="damaged or incomplete"):
            read_idx(path, num_dims=3)


def test_gzip_that_unpacks_to_more_than_it_says_is_not_unpacked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_UNPACKED_BYTES", 1000)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(50_000_000)))
    with pytest.raises(SourceError, match="got more"):
        read_idx(path, num_dims=3)


def test_random_bytes_are_refused_in_one_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "images"
    for _ in range(300):
        data = bytearray(GOOD)
        for at in rng.integers(0, 16, 3):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            array = read_idx(path, num_dims=3)
        except SourceError:
            continue
        assert array.size == 120


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    folder = write(tmp_path / "datasets/mnist")
    path = folder / FILES["train"][1]
    path.write_bytes(idx(LABELS["test"]))
    with pytest.raises(SourceError, match="does not fit its images; expected 6 labels, got 3"):
        read_mnist("mnist", cache=tmp_path, fetch=never)
    path.write_bytes(idx(np.array([0, 1, 2, 3, 4, 10])))
    with pytest.raises(SourceError, match="labels that have no name; expected 0 to 9, got 10"):
        read_mnist("mnist", cache=tmp_path, fetch=never)


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    write(tmp_path / "datasets/mnist", packed=True)
    with pytest.raises(StorageError, match="No space left"):
        read_mnist("mnist", cache=tmp_path, fetch=never)


def test_by_name_without_network_through_the_one_way_in(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "fetch_by_torchvision", no_network)
    with pytest.raises(SourceError, match=f"put them into {cache}/datasets/mnist;"):
        open_source("mnist")
