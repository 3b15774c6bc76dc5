"""Extraction: every photo once, in order, kept, and gone on with after an interruption."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from photograft.backbones import engines, networks, prepared
from photograft.backbones.engines import PREPARING, Engine
from photograft.backbones.registry import Backbone, Layer
from photograft.core.errors import ImageError
from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from photograft.data import images
from photograft.data.dataset import Photo
from photograft.features import extraction, preprocessing
from photograft.features.extraction import (
    FLIPPED,
    GROUP_SIZE,
    PLAIN,
    View,
    feature_batches,
    open_space,
    space_key,
)
from photograft.features.extractor import extract
from recording import Recorder

SIZE = 8

TINY = Backbone(
    name="tiny",
    architecture="tiny",
    input_size=(SIZE, SIZE),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    interpolation="bilinear",
    crop_pct=1.0,
    crop_mode="squash",
    layers=(Layer("early", 3), Layer("last", SIZE * SIZE)),
    weights="random",
    weights_sha256="random-seed-0",
    num_params=0,
    licence="",
    paper="",
)
#: All that there are.
ENGINES = (*PREPARING, "torch")
TORCH = Engine("torch", "fp32")

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Item = Callable[[], bytes]


def network(pixels: Pixels) -> Floats:
    """A network that is quick: a photo's mean colour, and its grey levels."""
    values = pixels.astype(np.float32)
    grey = values.mean(axis=3).reshape(len(pixels), -1)
    joined: Floats = np.concatenate([values.mean(axis=(1, 2)), grey], axis=1)
    return joined


class Counting:
    """`network`, opened and run under watch."""

    def __init__(self, stop_at: int = 0, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.opened = 0
        self.sizes: list[int] = []
        self.stop_at, self.error = stop_at, error

    def open(self) -> Counting:
        self.opened += 1
        return self

    def __call__(self, pixels: Pixels) -> Floats:
        if len(self.sizes) + 1 == self.stop_at:
            raise self.error("stopped")
        self.sizes.append(len(pixels))
        return network(pixels)


def never() -> networks.Network:
    pytest.fail("the network was opened")


def picture(i: int) -> bytes:
    """The `i`-th photo: a PNG, so that its pixels are known."""
    pixels = np.random.default_rng(i).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def expected(i: int) -> Floats:
    pixels = np.random.default_rng(i).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    row: Floats = network(pixels[None])[0]
    return row


def good(i: int) -> Item:
    return lambda: picture(i)


def no_picture() -> bytes:
    return b"this is a letter, not a picture " * 9


def gone() -> bytes:
    raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def photo(i: int, read: Item | None = None) -> Photo:
    data = picture(i)
    return Photo(
        name=f"{i}.png",
        label="a",
        split=None,
        group=None,
        digest=hashlib.sha256(data).digest(),
        num_bytes=len(data),
        format="PNG",
        width=SIZE,
        height=SIZE,
        note="",
        read=read or good(i),
    )


def photos(*numbers: int) -> list[Photo]:
    return [photo(i) for i in numbers]


@pytest.fixture
def space(cache: Path) -> Space:
    return open_space(FeatureStore(cache), TINY, TORCH)


class TestBatches:
    def check(self, bad: Sequence[bool], items: Sequence[Item]) -> None:
        """Every position comes up once, in order, with its own features or its own error."""
        watched = Counting()
        position = 0
        for indices, rows, failed in feature_batches(items, TINY, watched.open):
            assert rows.shape == (len(indices), TINY.num_features)
            assert rows.dtype == np.float32
            assert indices == sorted(indices)
            together = sorted([*indices, *(i for i, _ in failed)])
            assert together == list(range(position, position + len(together)))
            assert together
            position += len(together)
            assert [bad[i] for i in indices] == [False] * len(indices)
            assert [bad[i] for i, _ in failed] == [True] * len(failed)
            for i, row in zip(indices, rows, strict=True):
                assert np.array_equal(row, expected(i))
            assert all(isinstance(error, ImageError) for _, error in failed)
        assert position == len(items)
        assert sum(watched.sizes) == len(items) - sum(bad)
        assert all(1 <= size <= GROUP_SIZE for size in watched.sizes)
        assert watched.opened == (0 if all(bad) else 1)

    @pytest.mark.parametrize(
        "count",
        [0, 1, 2, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1, 2 * GROUP_SIZE, 20 * GROUP_SIZE + 3],
    )
    def test_good_ones(self, count: int) -> None:
        self.check([False] * count, [good(i) for i in range(count)])

    @pytest.mark.parametrize("count", [1, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1, 200])
    @pytest.mark.parametrize("item", [no_picture, gone])
    def test_all_fail(self, count: int, item: Item) -> None:
        self.check([True] * count, [item] * count)

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.98])
    @pytest.mark.parametrize("seed", range(3))
    def test_failing_ones_sprinkled_in(self, share: float, seed: int) -> None:
        rng = np.random.default_rng([seed, int(100 * share)])
        bad = [bool(b) for b in rng.random(150) < share]
        bads = [no_picture, gone]
        self.check(bad, [bads[i % 2] if b else good(i) for i, b in enumerate(bad)])

    @pytest.mark.parametrize("first_bad", [True, False])
    def test_runs_of_failing_and_good_ones(self, first_bad: bool) -> None:
        for length in (1, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1, 30):
            bad = [bool(i // length % 2) != first_bad for i in range(100)]
            self.check(bad, [gone if b else good(i) for i, b in enumerate(bad)])

    def test_what_can_not_be_read_is_unreadable(self) -> None:
        def denied() -> bytes:
            raise PermissionError(errno.EACCES, "Permission denied")

        def worded() -> bytes:
            raise OSError("the archive is damaged")

        items = [denied, worded, no_picture, bytes]
        ((_, _, failed),) = feature_batches(items, TINY, never)
        assert [(error.reason, error.detail) for _, error in failed[:2]] == [
            ("unreadable", "Permission denied"),
            ("unreadable", "the archive is damaged"),
        ]
        assert [error.reason for _, error in failed[2:]] == ["not an image", "empty file"]

    def test_too_many_pixels(self) -> None:
        limit = SIZE * SIZE
        ((indices, _, failed),) = feature_batches([good(0)], TINY, Counting, max_pixels=limit)
        assert (indices, failed) == ([0], [])
        ((indices, _, failed),) = feature_batches([good(0)], TINY, never, max_pixels=limit - 1)
        assert indices == []
        assert [error.reason for _, error in failed] == ["too large"]

    def test_decodes_later_photos_while_the_network_runs(self) -> None:
        """Reading the last one waits for the network to run, and the network for its being read."""
        running, was_read = threading.Event(), threading.Event()
        count = 5 * GROUP_SIZE

        def last() -> bytes:
            assert running.wait(30), "the network did not run before all was read"
            was_read.set()
            return picture(count - 1)

        def slow(pixels: Pixels) -> Floats:
            running.set()
            assert was_read.wait(30), "nothing is read while the network runs"
            return network(pixels)

        items = [*(good(i) for i in range(count - 1)), last]
        batches = list(feature_batches(items, TINY, lambda: slow))
        assert sum(len(indices) for indices, _, _ in batches) == count

    def test_reads_only_a_little_ahead(self) -> None:
        given = 0

        def items() -> Iterator[Item]:  # an endless one
            nonlocal given
            while True:
                given += 1
                yield good(0)

        batches = feature_batches(items(), TINY, Counting)
        done = 0
        for _ in range(30):
            indices, _, _ = next(batches)
            done += len(indices)
            assert given - done <= extraction._WINDOW + GROUP_SIZE
        batches.close()

    def test_stops_when_it_is_closed(self) -> None:
        before = threading.active_count()
        batches = feature_batches([good(i) for i in range(500)], TINY, Counting)
        next(batches)
        assert threading.active_count() > before
        batches.close()
        assert threading.active_count() == before

    def test_a_bug_is_not_taken_for_a_bad_photo(self) -> None:
        def buggy() -> bytes:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            list(feature_batches([good(0), buggy], TINY, Counting))


class TestExtract:
    def test_each_photo_gets_its_own_features(self, space: Space) -> None:
        given = photos(*range(50))
        table, failures = extract(given, TINY, space, Counting().open)
        assert failures == {}
        rows = table.rows([p.digest for p in given])
        assert np.array_equal(rows, np.stack([expected(i) for i in range(50)]))

    def test_failing_ones_are_told_and_not_stored(self, space: Space) -> None:
        given = [photo(i, gone if i % 7 == 3 else None) for i in range(60)]
        table, failures = extract(given, TINY, space, Counting().open)
        assert {p.digest for p in given if p.read is gone} == set(failures)
        assert len(table) + len(failures) == 60
        for i, p in enumerate(given):
            assert (p.digest in table) == (p.digest not in failures)
            if p.digest in table:
                assert np.array_equal(table.rows([p.digest])[0], expected(i))
        # They are tried again, and nothing else is.
        watched = Counting()
        table, failures = extract([photo(i) for i in range(60)], TINY, space, watched.open)
        assert (len(table), failures) == (60, {})
        assert sum(watched.sizes) == sum(p.read is gone for p in given)

    def test_all_fail(self, space: Space) -> None:
        table, failures = extract([photo(i, gone) for i in range(9)], TINY, space, never)
        assert (len(table), len(failures)) == (0, 9)
        assert not space.folder.exists()

    def test_nothing_to_do(self, space: Space) -> None:
        table, failures = extract([], TINY, space, never)
        assert (len(table), failures) == (0, {})

    def test_the_same_content_is_looked_at_once(self, space: Space) -> None:
        reads: list[int] = []

        def counted(i: int) -> Photo:
            def read() -> bytes:
                reads.append(i)
                return picture(i)

            return photo(i, read)

        watched = Counting()
        table, _ = extract([counted(i % 5) for i in range(40)], TINY, space, watched.open)
        assert sorted(reads) == list(range(5))
        assert watched.sizes == [5]
        assert len(table) == 5

    def test_a_second_call_opens_no_network_and_reads_nothing(self, space: Space) -> None:
        given = photos(*range(20))
        fresh, _ = extract(given, TINY, space, Counting().open)
        unread = [dataclasses.replace(p, read=gone) for p in given]
        cached, failures = extract(unread, TINY, space, never)
        assert failures == {}
        wanted = [p.digest for p in given]
        assert cached.rows(wanted).tobytes() == fresh.rows(wanted).tobytes()

    def test_only_what_is_new_is_computed(self, space: Space) -> None:
        extract(photos(*range(0, 30, 2)), TINY, space, Counting().open)
        watched = Counting()
        table, _ = extract(photos(*range(30)), TINY, space, watched.open)
        assert sum(watched.sizes) == 15
        rows = table.rows([photo(i).digest for i in range(30)])
        assert np.array_equal(rows, np.stack([expected(i) for i in range(30)]))

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
    def test_interrupted_it_goes_on_from_there(
        self, space: Space, cache: Path, error: type[BaseException]
    ) -> None:
        given = photos(*range(5 * GROUP_SIZE))
        wanted = [p.digest for p in given]
        with pytest.raises(error):
            extract(given, TINY, space, Counting(stop_at=3, error=error).open)
        assert [digest in space.find(wanted) for digest in wanted] == [
            i < 2 * GROUP_SIZE for i in range(5 * GROUP_SIZE)
        ]
        assert not list(space.folder.glob("*.lock"))
        watched = Counting()
        table, _ = extract(given, TINY, space, watched.open)
        assert watched.sizes == [GROUP_SIZE] * 3
        other = open_space(FeatureStore(cache / "other"), TINY, TORCH)
        uninterrupted, _ = extract(given, TINY, other, Counting().open)
        assert table.rows(wanted).tobytes() == uninterrupted.rows(wanted).tobytes()

    def test_a_photo_that_changed_since_it_was_listed_is_not_stored(self, space: Space) -> None:
        # Its features would be those of another content for ever.
        given = [photo(0), photo(1, good(99)), photo(2)]
        table, failures = extract(given, TINY, space, Counting().open)
        assert set(failures) == {given[1].digest}
        assert failures[given[1].digest].reason in images.REASONS
        assert "changed" in str(failures[given[1].digest])
        assert given[1].digest not in table
        table, failures = extract(photos(0, 1, 2), TINY, space, Counting().open)
        assert failures == {}
        assert np.array_equal(table.rows([given[1].digest])[0], expected(1))

    def test_progress(self, space: Space) -> None:
        recorder = Recorder()
        given = [*(photo(i, gone if i % 3 else None) for i in range(40)), photo(0)]
        extract(given, TINY, space, Counting().open, progress=recorder)
        assert recorder.opened == [("Extracting features", 40, "photos")]
        assert recorder.done == {"Extracting features": 40}
        assert recorder.notes == []
        extract(photos(0), TINY, space, never, progress=recorder)
        assert len(recorder.steps) == 1


class TestViews:
    def rows(self, cache: Path, view: View, *numbers: int) -> Floats:
        space = open_space(FeatureStore(cache), TINY, TORCH, view)
        table, failures = extract(photos(*numbers), TINY, space, lambda: network, view=view)
        assert not failures
        return table.rows([p.digest for p in photos(*numbers)])

    def test_flipped(self, cache: Path) -> None:
        """Mirrored left to right, and kept apart from the plain view."""
        plain, flipped = self.rows(cache, PLAIN, 1, 2), self.rows(cache, FLIPPED, 1, 2)
        grey = [rows[:, 3:].reshape(2, SIZE, SIZE) for rows in (plain, flipped)]
        assert not np.array_equal(grey[0], grey[1])
        np.testing.assert_allclose(grey[1], grey[0][:, :, ::-1])
        np.testing.assert_array_equal(plain, [expected(1), expected(2)])

    def test_a_change_is_given_the_photos_digest(self, cache: Path) -> None:
        seen: list[bytes] = []

        def change(pixels: Pixels, digest: bytes) -> Pixels:
            assert pixels.shape == (SIZE, SIZE, 3)
            seen.append(digest)
            return np.full_like(pixels, digest[0])

        rows = self.rows(cache, View("full of it", change), 1, 2, 3)
        digests = [p.digest for p in photos(1, 2, 3)]
        assert sorted(seen) == sorted(digests)
        np.testing.assert_allclose(rows[:, 0], [digest[0] for digest in digests])

    def test_a_margin_prepares_photos_larger(self, cache: Path) -> None:
        sizes: list[tuple[int, ...]] = []

        def change(pixels: Pixels, digest: bytes) -> Pixels:
            sizes.append(pixels.shape)
            return np.ascontiguousarray(pixels[:SIZE, :SIZE])

        self.rows(cache, View("corner", change, margin=1.5), 1)
        assert sizes == [(12, 12, 3)]


class TestKey:
    def name(self, cache: Path, backbone: Backbone = TINY, engine: Engine = TORCH) -> str:
        return open_space(FeatureStore(cache), backbone, engine).folder.name

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "other"),
            ("architecture", "other"),
            ("weights_sha256", "random-seed-1"),
            ("input_size", (SIZE, SIZE + 1)),
            ("mean", (0.5, 0.5, 0.4)),
            ("std", (0.5, 0.5, 0.4)),
            ("interpolation", "bicubic"),
            ("crop_pct", 0.9),
            ("crop_mode", "center"),
            ("per_photo", "standardize"),
            ("layers", (Layer("other", 3), TINY.layers[1])),
            ("layers", (Layer("early", 4), TINY.layers[1])),
            ("layers", (TINY.layers[0], Layer("last", SIZE * SIZE, "flatten"))),
            ("layers", TINY.layers[1:]),
        ],
    )
    def test_it_changes_with_the_record(self, cache: Path, field: str, value: object) -> None:
        other = dataclasses.replace(TINY, **{field: value})  # type: ignore[arg-type]
        assert self.name(cache, other) != self.name(cache)

    @pytest.mark.parametrize("field", ["weights", "licence", "paper"])
    def test_it_does_not_change_with_where_the_weights_lie(self, cache: Path, field: str) -> None:
        other = dataclasses.replace(TINY, **{field: "elsewhere"})  # type: ignore[arg-type]
        assert self.name(cache, other) == self.name(cache)

    def test_it_changes_with_engine_and_precision(self, cache: Path) -> None:
        engine_choices = [Engine(n, p) for n in ("torch", *PREPARING) for p in ("fp32", "bf16")]
        assert len({self.name(cache, engine=engine) for engine in engine_choices}) == 6

    def test_it_changes_with_the_device(self, cache: Path) -> None:
        devices = [Engine("torch", "fp32", device) for device in ("cpu", "cuda", "mps")]
        assert len({self.name(cache, engine=engine) for engine in devices}) == 3

    def test_it_changes_with_the_view(self, cache: Path) -> None:
        assert space_key(TINY, TORCH) != space_key(TINY, TORCH, view="flipped")
        spaces = [open_space(FeatureStore(cache), TINY, TORCH, view) for view in (PLAIN, FLIPPED)]
        assert len({space.folder.name for space in spaces}) == 2
        assert spaces[0].folder.name == self.name(cache)

    @pytest.mark.parametrize("module", [images, preprocessing, engines])
    def test_it_changes_with_the_code(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, module: object
    ) -> None:
        before = self.name(cache)
        monkeypatch.setattr(module, "CODE_VERSION", 1000)
        assert self.name(cache) != before

    def test_it_changes_with_how_networks_are_prepared(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = {name: self.name(cache, engine=Engine(name, "fp32")) for name in ENGINES}
        monkeypatch.setattr(prepared, "CODE_VERSION", 1000)
        after = {name: self.name(cache, engine=Engine(name, "fp32")) for name in ENGINES}
        assert {name for name in ENGINES if before[name] == after[name]} == {"torch"}

    @pytest.mark.parametrize(
        ("package", "changed"),
        [
            ("pillow", {"openvino", "onnxruntime", "torch"}),
            ("timm", {"torch"}),
            ("torch", {"torch"}),
            ("openvino", {"openvino"}),
            ("onnxruntime", {"onnxruntime"}),
        ],
    )
    def test_it_changes_with_the_versions(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, package: str, changed: set[str]
    ) -> None:
        """Of what runs the network; an upgrade of torch leaves the others' features alone."""
        versions = dict.fromkeys(("pillow", "timm", *ENGINES), "1")
        monkeypatch.setattr("importlib.metadata.version", versions.__getitem__)
        before = {name: self.name(cache, engine=Engine(name, "fp32")) for name in ENGINES}
        versions[package] = "2"
        after = {name: self.name(cache, engine=Engine(name, "fp32")) for name in ENGINES}
        assert {name for name in ENGINES if before[name] != after[name]} == changed
