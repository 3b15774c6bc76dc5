"""The feature store: what is put in comes out, whatever happens in between."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from photograft.core.errors import InputError, StorageError
from photograft.core.feature_table import FeatureTable
from photograft.core.segments import Space
from photograft.core.store import FeatureStore, default_cache_dir, parse_size

WIDTH = 7
KEY = {"backbone": "tiny", "engine": "torch", "precision": "fp32"}
KEY_BYTES, ROW_BYTES = 36, 4 * WIDTH

Floats = npt.NDArray[np.float32]


def digest(i: int) -> bytes:
    return hashlib.sha256(str(i).encode()).digest()


def row(key: bytes, width: int = WIDTH) -> Floats:
    """The features of a photo, which in these tests follow from its digest alone."""
    return np.frombuffer(hashlib.shake_256(key).digest(width), np.uint8).astype(np.float32)


def rows(keys: Iterable[bytes], width: int = WIDTH) -> Floats:
    return np.array([row(key, width) for key in keys], np.float32).reshape(-1, width)


def digests(*numbers: int) -> list[bytes]:
    return [digest(i) for i in numbers]


def put(space: Space, keys: list[bytes]) -> Path:
    """Write a segment; return its file of keys."""
    before = set(space.folder.glob("*.keys"))
    with space.writer() as writer:
        writer.append(keys, rows(keys, space.num_features))
    (made,) = set(space.folder.glob("*.keys")) - before
    return made


def found(table: FeatureTable, keys: list[bytes]) -> list[bytes]:
    """Which of the keys the table holds; each must have the right row."""
    there = [key for key in keys if key in table]
    assert len(there) == len(table)
    assert np.array_equal(table.rows(there), rows(there, table.num_features))
    return there


@pytest.fixture
def store(cache: Path) -> FeatureStore:
    return FeatureStore(cache)


@pytest.fixture
def space(store: FeatureStore) -> Space:
    return store.space(KEY, WIDTH)


# What a second process runs: `width` features a row, from `start`, `count` batches of 8 or no end.
WRITER = """
import hashlib, sys, itertools
from pathlib import Path
import numpy as np
from photograft.core.store import FeatureStore
cache, width, start, count = Path(sys.argv[1]), *map(int, sys.argv[2:5])
digest = lambda i: hashlib.sha256(str(i).encode()).digest()
row = lambda key: np.frombuffer(hashlib.shake_256(key).digest(width), np.uint8)
key = {"backbone": "tiny", "engine": "torch", "precision": "fp32"}
space = FeatureStore(cache).space(key, width)
print("ready", flush=True)
sys.stdin.readline()
with space.writer() as writer:
    print("open", flush=True)
    for batch in range(count) if count else itertools.count():
        keys = [digest(start + 8 * batch + i) for i in range(8)]
        writer.append(keys, np.array([row(key) for key in keys], np.float32))
    if len(sys.argv) > 5:  # hold the segment
        print("held", flush=True)
        sys.stdin.readline()
"""


class OtherProcess:
    """A process that writes to the store; `go` lets it."""

    def __init__(self, cache: Path, width: int, start: int, count: int, *more: str) -> None:
        arguments = [str(cache), str(width), str(start), str(count), *more]
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self, signal_: int | None = None) -> int:
        if signal_ is not None:
            self.process.send_signal(signal_)
        code = self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return code


class TestReadingBack:
    def test_what_is_put_in_comes_out(self, space: Space) -> None:
        keys = digests(*range(50))
        put(space, keys)
        assert found(space.find(keys), keys) == keys

    def test_rows_come_in_the_order_asked_for_and_repeated(self, space: Space) -> None:
        put(space, digests(*range(20)))
        wanted = digests(17, 3, 3, 19, 0, 17)
        assert np.array_equal(space.find(wanted).rows(wanted), rows(wanted))

    def test_rows_are_found_across_segments(self, space: Space) -> None:
        for start in range(0, 30, 10):
            put(space, digests(*range(start, start + 10)))
        wanted = digests(*random.Random(0).sample(range(30), 30))
        assert found(space.find(wanted), wanted) == wanted

    def test_more_rows_than_are_read_at_once(self, space: Space) -> None:
        keys = digests(*range(2500))
        put(space, keys)
        assert found(space.find(keys[::-1]), keys[::-1]) == keys[::-1]

    def test_columns(self, space: Space) -> None:
        keys = digests(1, 2, 3)
        put(space, keys)
        table = space.find(keys)
        chosen = np.array([5, 0, 5])
        assert np.array_equal(table.rows(keys, chosen), rows(keys)[:, chosen])
        assert np.array_equal(table.rows(keys, slice(2, 4)), rows(keys)[:, 2:4])
        assert table.rows(keys, np.array([], np.intp)).shape == (3, 0)

    def test_no_rows(self, space: Space) -> None:
        table = space.find([])
        assert len(table) == 0
        assert table.rows([]).shape == (0, WIDTH)

    def test_rows_are_a_copy_of_a_memory_map(self, space: Space) -> None:
        keys = digests(1, 2)
        put(space, keys)
        table = space.find(keys)
        assert all(isinstance(m, np.memmap) and not m.flags.writeable for m in table._maps)
        got = table.rows(keys)
        assert not isinstance(got, np.memmap)
        got[:] = -1
        assert np.array_equal(table.rows(keys), rows(keys))
        assert np.array_equal(space.find(keys).rows(keys), rows(keys))

    def test_missing_digests_are_not_in_the_table(self, space: Space) -> None:
        put(space, digests(1, 3))
        table = space.find(digests(1, 2, 3, 4))
        assert found(table, digests(1, 2, 3, 4)) == digests(1, 3)
        with pytest.raises(KeyError):
            table.rows(digests(2))

    def test_a_photo_that_was_not_asked_for_is_not_in_the_table(self, space: Space) -> None:
        put(space, digests(1, 2))
        assert digest(2) not in space.find(digests(1))

    def test_digests_that_end_in_zero_bytes(self, space: Space) -> None:
        # NumPy's fixed-length bytes drop them: these must neither be lost nor be taken for another.
        keys = [b"\1" * (32 - zeros) + bytes(zeros) for zeros in range(33)]
        put(space, keys)
        assert found(space.find(keys), keys) == keys
        near = [b"\1" * 5 + bytes(26) + b"\2"]
        assert len(space.find(near)) == 0

    def test_digests_with_zero_bytes_in_front_and_within(self, space: Space) -> None:
        keys = [bytes(31) + b"\1", b"\1" + bytes(30) + b"\1", bytes(16) + b"\1" * 16]
        put(space, keys)
        assert found(space.find(keys), keys) == keys

    def test_values_come_back_bit_for_bit(self, space: Space) -> None:
        values = np.array([[0.0, -0.0, 1e-45, np.inf, -np.inf, np.nan, np.pi]], np.float32)
        with space.writer() as writer:
            writer.append(digests(1), values)
        assert space.find(digests(1)).rows(digests(1)).tobytes() == values.tobytes()

    def test_arrays_of_any_layout_and_precision_are_stored(self, space: Space) -> None:
        keys = digests(1, 2, 3)
        with space.writer() as writer:
            writer.append(keys, np.asfortranarray(rows(keys).astype(np.float64)))
        assert found(space.find(keys), keys) == keys

    def test_rows_are_there_while_the_writer_is_still_open(self, space: Space) -> None:
        keys = digests(1, 2)
        with space.writer() as writer:
            writer.append(keys[:1], rows(keys[:1]))
            assert found(space.find(keys), keys) == keys[:1]
            writer.append(keys[1:], rows(keys[1:]))
            assert found(space.find(keys), keys) == keys

    @pytest.mark.parametrize("shape", [(2, WIDTH), (1, WIDTH - 1), (1, WIDTH + 1), (WIDTH,)])
    def test_rows_of_the_wrong_shape_are_refused(
        self, space: Space, shape: tuple[int, ...]
    ) -> None:
        with space.writer() as writer:
            writer.append(digests(1), rows(digests(1)))
            with pytest.raises(ValueError, match="rows for 1 photo"):
                writer.append(digests(2), np.zeros(shape, np.float32))
            writer.append(digests(3), rows(digests(3)))
        assert found(space.find(digests(1, 2, 3)), digests(1, 2, 3)) == digests(1, 3)


class TestSpaces:
    def test_another_key_or_width_is_another_space(self, store: FeatureStore) -> None:
        put(store.space(KEY, WIDTH), digests(1))
        for other in (
            store.space({**KEY, "precision": "bf16"}, WIDTH),
            store.space({**KEY, "view": "flipped"}, WIDTH),
            store.space({"backbone": "tiny"}, WIDTH),
            store.space(KEY, WIDTH + 1),
        ):
            assert len(other.find(digests(1))) == 0

    def test_the_order_of_the_key_does_not_matter(self, store: FeatureStore) -> None:
        put(store.space(KEY, WIDTH), digests(1))
        turned = dict(reversed(KEY.items()))
        assert len(store.space(turned, WIDTH).find(digests(1))) == 1

    def test_the_key_is_there_in_plain_words(self, space: Space) -> None:
        put(space, digests(1))
        assert json.loads((space.folder / "space.json").read_text()) == KEY

    def test_nothing_is_made_by_looking(self, store: FeatureStore, cache: Path) -> None:
        store.space(KEY, WIDTH).find(digests(1))
        assert store.usage() == []
        assert store.prune() == 0
        assert list(cache.iterdir()) == []

    def test_the_cache_folder(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert default_cache_dir() == cache
        assert FeatureStore().cache == cache
        monkeypatch.setenv("PHOTOGRAFT_CACHE", "~/there")
        assert default_cache_dir() == Path.home() / "there"
        monkeypatch.delenv("PHOTOGRAFT_CACHE")
        assert default_cache_dir().name == "photograft"


class TestManyProcesses:
    def test_two_write_at_once(self, space: Space, cache: Path) -> None:
        writers = [OtherProcess(cache, WIDTH, start, 60) for start in (0, 240)]
        for writer in writers:
            writer.hears("ready")
        for writer in writers:
            writer.go()
        assert [writer.end() for writer in writers] == [0, 0]
        keys = digests(*range(720))  # 0..479 and 240..719
        assert found(space.find(keys), keys) == keys
        assert len(list(space.folder.glob("*.keys"))) == 2
        assert not list(space.folder.glob("*.lock"))

    @pytest.mark.slow
    def test_killed_at_any_moment(self, store: FeatureStore, cache: Path) -> None:
        width = 3001  # rows of 12 kB and batches of 96: the kill falls into writing more often
        space = store.space(KEY, width)
        keys = digests(*range(40_000))
        moments = random.Random(0)
        killed_with = []
        for attempt in range(8):
            shutil.rmtree(space.folder, ignore_errors=True)
            writer = OtherProcess(cache, width, 0, 0)
            writer.hears("ready")
            writer.go()
            writer.hears("open")
            time.sleep(moments.uniform(0, 0.08))
            assert writer.end(signal.SIGKILL) == -signal.SIGKILL
            table = space.find(keys)
            there = found(table, keys)
            assert there == keys[: len(there)]
            killed_with.append(len(there))
            # The next one goes on from there, and what the killed one left is no obstacle.
            rest = keys[len(there) : len(there) + 20]
            put(space, rest)
            assert found(space.find(keys), keys) == there + rest, attempt
        assert len(set(killed_with)) > 2, "the kills fell at different moments"

    def test_prune_leaves_what_another_process_writes_to(
        self, store: FeatureStore, space: Space, cache: Path
    ) -> None:
        put(space, digests(*range(100, 104)))
        writer = OtherProcess(cache, WIDTH, 0, 1, "hold")
        for word in ("ready", "open", "held"):
            if word == "open":
                writer.go()
            writer.hears(word)
        assert store.clear() == 4 * (KEY_BYTES + ROW_BYTES)
        keys = digests(*range(8), 100)
        assert found(space.find(keys), keys) == keys[:8]
        writer.go()
        assert writer.end() == 0
        assert store.clear() == 8 * (KEY_BYTES + ROW_BYTES)
        assert store.usage() == []
        assert list(store.root.iterdir()) == []

    def test_what_a_killed_process_left_can_be_pruned(
        self, store: FeatureStore, space: Space, cache: Path
    ) -> None:
        writer = OtherProcess(cache, WIDTH, 0, 1, "hold")
        writer.hears("ready")
        writer.go()
        writer.hears("open")
        writer.hears("held")
        writer.end(signal.SIGKILL)
        assert list(space.folder.glob("*.lock"))
        assert store.clear() == 8 * (KEY_BYTES + ROW_BYTES)
        assert list(store.root.iterdir()) == []

    @pytest.mark.parametrize("left", [[".lock"], [".rows"], [".rows", ".lock"]])
    def test_halves_of_segments_are_pruned_too(
        self, store: FeatureStore, space: Space, left: list[str]
    ) -> None:
        # A process killed before its first keys, or between deleting the keys and the rows.
        put(space, digests(1))
        for suffix in left:
            (space.folder / f"0123{suffix}").write_bytes(bytes(1000 * (suffix == ".rows")))
        store.prune()
        assert not list(space.folder.glob("0123*"))
        assert len(space.find(digests(1))) == 1

    def test_pruned_while_another_reads(self, store: FeatureStore, space: Space) -> None:
        keys = digests(*range(30))
        put(space, keys)
        table = space.find(keys)
        store.clear()
        assert np.array_equal(table.rows(keys), rows(keys))
        assert len(space.find(keys)) == 0


class TestDamage:
    KEYS = digests(*range(4))

    @pytest.fixture
    def segment(self, space: Space) -> Path:
        return put(space, self.KEYS)

    def check_whole(self, space: Space, num_whole: int) -> None:
        assert found(space.find(self.KEYS), self.KEYS) == self.KEYS[:num_whole]

    def test_keys_cut_off_anywhere(self, space: Space, segment: Path) -> None:
        data = segment.read_bytes()
        assert len(data) == 4 * KEY_BYTES
        for length in range(len(data) + 1):
            segment.write_bytes(data[:length])
            self.check_whole(space, length // KEY_BYTES)

    def test_rows_cut_off_anywhere(self, space: Space, segment: Path) -> None:
        path = segment.with_suffix(".rows")
        data = path.read_bytes()
        assert len(data) == 4 * ROW_BYTES
        for length in range(len(data) + 1):
            path.write_bytes(data[:length])
            self.check_whole(space, length // ROW_BYTES)

    def test_rows_gone(self, space: Space, segment: Path) -> None:
        segment.with_suffix(".rows").unlink()
        self.check_whole(space, 0)

    def test_rows_never_reached_the_disk(self, space: Space, segment: Path) -> None:
        # What a power cut may leave: the right length, and zeros in it.
        path = segment.with_suffix(".rows")
        data = path.read_bytes()
        path.write_bytes(data[: 2 * ROW_BYTES] + bytes(2 * ROW_BYTES))
        self.check_whole(space, 2)

    def test_any_changed_byte_of_the_rows(self, space: Space, segment: Path) -> None:
        path = segment.with_suffix(".rows")
        data = path.read_bytes()
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            path.write_bytes(changed)
            left = [key for i, key in enumerate(self.KEYS) if i != place // ROW_BYTES]
            assert found(space.find(self.KEYS), self.KEYS) == left

    def test_any_changed_byte_of_the_keys(self, space: Space, segment: Path) -> None:
        data = segment.read_bytes()
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            segment.write_bytes(changed)
            left = [key for i, key in enumerate(self.KEYS) if i != place // KEY_BYTES]
            assert found(space.find(self.KEYS), self.KEYS) == left

    def test_a_damaged_row_is_replaced_by_writing_it_again(
        self, space: Space, segment: Path
    ) -> None:
        path = segment.with_suffix(".rows")
        path.write_bytes(bytes(len(path.read_bytes())))
        self.check_whole(space, 0)
        put(space, self.KEYS)
        self.check_whole(space, 4)

    @pytest.mark.parametrize("name", ["notes.txt", "x.keys", "space.json"])
    def test_foreign_files_in_the_space(self, space: Space, segment: Path, name: str) -> None:
        (segment.parent / name).write_bytes(b"what is this?" * 9)
        self.check_whole(space, 4)


class FullDisk:
    """A disk with room for so many more bytes, as `os.write` sees it."""

    def __init__(self, room: int, code: int = errno.ENOSPC) -> None:
        self.room, self.code, self.real = room, code, os.write

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(self.code, os.strerror(self.code))
        part = data[: self.room]
        self.room -= len(part)
        return self.real(descriptor, part)


class TestNoRoom:
    def test_the_disk_is_full_after_any_number_of_bytes(
        self, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Three batches of two rows.
        batches = [digests(0, 1), digests(2, 3), digests(4, 5)]
        keys = [key for batch in batches for key in batch]
        size = 2 * (KEY_BYTES + ROW_BYTES)
        for room in range(3 * size):
            space = store.space({**KEY, "room": room}, WIDTH)
            disk = FullDisk(room)
            with space.writer() as writer:
                monkeypatch.setattr(os, "write", disk.write)
                with pytest.raises(StorageError, match=r"No space left .*Free some space"):  # noqa: PT012
                    for batch in batches:
                        writer.append(batch, rows(batch))
                monkeypatch.setattr(os, "write", disk.real)
            there = found(space.find(keys), keys)
            # What was done before is there; of the last batch, what has its key.
            assert len(there) >= 2 * (room // size)
            assert there == keys[: len(there)]

    def test_a_quota_counts_as_full(self, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
        with space.writer() as writer:
            monkeypatch.setattr(os, "write", FullDisk(0, errno.EDQUOT).write)
            with pytest.raises(StorageError, match="Free some space"):
                writer.append(digests(1), rows(digests(1)))

    def test_another_error_gives_other_advice(
        self, space: Space, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with space.writer() as writer:
            monkeypatch.setattr(os, "write", FullDisk(0, errno.EIO).write)
            with pytest.raises(StorageError, match=r"Give another folder .*PHOTOGRAFT_CACHE"):
                writer.append(digests(1), rows(digests(1)))

    @pytest.mark.parametrize("name", ["", "features"])
    def test_the_cache_is_a_file(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        store = FeatureStore(tmp_path / "cache")
        space = store.space(KEY, WIDTH)
        assert len(space.find(digests(1))) == 0
        assert store.usage() == []
        assert store.clear() == 0
        with pytest.raises(StorageError, match="PHOTOGRAFT_CACHE") as caught:
            space.writer()
        assert str(tmp_path / "cache") in str(caught.value)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
    def test_the_cache_is_read_only(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(StorageError, match="PHOTOGRAFT_CACHE"):
                FeatureStore(tmp_path / "cache").space(KEY, WIDTH).writer()
        finally:
            tmp_path.chmod(0o700)


SEGMENT_BYTES = 10 * (KEY_BYTES + ROW_BYTES)


class TestUsage:
    @pytest.fixture
    def filled(self, store: FeatureStore) -> list[Path]:
        """Two spaces; five segments of ten rows, each last used a day after the one before."""
        spaces = [store.space({**KEY, "precision": p}, WIDTH) for p in ("fp32", "bf16")]
        segments = [
            put(spaces[i % 2], digests(*range(10 * i, 10 * i + 10))) for i in (3, 0, 4, 1, 2)
        ]
        segments = [segments[i] for i in (1, 3, 4, 0, 2)]
        for day, path in enumerate(segments):
            os.utime(path, (86_400 * (day + 1), 86_400 * (day + 1)))
        return segments

    def test_usage(self, store: FeatureStore, filled: list[Path]) -> None:
        newest, older = store.usage()
        assert (newest.space, older.space) == (filled[4].parent.name, filled[3].parent.name)
        assert (newest.title, older.title) == ("tiny, torch, fp32", "tiny, torch, bf16")
        assert (newest.num_photos, older.num_photos) == (30, 20)
        assert (newest.num_bytes, older.num_bytes) == (3 * SEGMENT_BYTES, 2 * SEGMENT_BYTES)
        assert (newest.last_used, older.last_used) == (5 * 86_400, 4 * 86_400)

    def test_usage_of_a_space_without_a_readable_key(
        self, store: FeatureStore, filled: list[Path]
    ) -> None:
        for text in ("", "[1]", "{}", "null"):
            (filled[4].parent / "space.json").write_text(text)
            assert {u.title for u in store.usage()} == {"unknown", "tiny, torch, bf16"}

    @pytest.mark.parametrize("keep", range(6))
    def test_the_least_recently_used_go_first(
        self, store: FeatureStore, filled: list[Path], keep: int
    ) -> None:
        freed = store.prune(keep * SEGMENT_BYTES + SEGMENT_BYTES // 2)
        assert freed == (5 - keep) * SEGMENT_BYTES
        assert [path.exists() for path in filled] == [False] * (5 - keep) + [True] * keep
        assert all(p.with_suffix(".rows").exists() == p.exists() for p in filled)
        assert {p.parent for p in filled if p.exists()} == set(store.root.glob("*"))

    def test_exactly_the_limit_stays(self, store: FeatureStore, filled: list[Path]) -> None:
        assert store.prune(5 * SEGMENT_BYTES) == 0
        assert store.prune(5 * SEGMENT_BYTES - 1) == SEGMENT_BYTES

    def test_the_store_has_a_limit_of_its_own(self, cache: Path, filled: list[Path]) -> None:
        assert FeatureStore(cache).prune() == 0
        assert FeatureStore(cache, max_bytes=SEGMENT_BYTES).prune() == 4 * SEGMENT_BYTES

    def test_looking_a_photo_up_is_using_it(self, store: FeatureStore, filled: list[Path]) -> None:
        store.space(KEY, WIDTH).find(digests(5))  # in the oldest
        store.prune(2 * SEGMENT_BYTES)
        assert [path.exists() for path in filled] == [True, False, False, False, True]

    @pytest.mark.parametrize("clear", [FeatureStore.clear, lambda s: s.prune(0)])
    def test_clear(
        self, store: FeatureStore, filled: list[Path], clear: Callable[[FeatureStore], int]
    ) -> None:
        assert clear(store) == 5 * SEGMENT_BYTES
        assert store.usage() == []
        assert list(store.root.iterdir()) == []

    def test_a_negative_limit(self, store: FeatureStore, filled: list[Path]) -> None:
        with pytest.raises(InputError, match="negative"):
            store.prune(-1)
        assert all(path.exists() for path in filled)

    def test_what_is_being_written_here_stays(self, store: FeatureStore, space: Space) -> None:
        with space.writer() as writer:
            writer.append(digests(1), rows(digests(1)))
            assert store.clear() == 0
            writer.append(digests(2), rows(digests(2)))
        assert found(space.find(digests(1, 2)), digests(1, 2)) == digests(1, 2)


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("0", 0),
            ("1", 1),
            ("10b", 10),
            ("500MB", 500_000_000),
            ("500 mb", 500_000_000),
            (" 2GB ", 2_000_000_000),
            ("2 GiB", 2 * 2**30),
            ("2Gi", 2 * 2**30),
            ("1.5k", 1500),
            ("1.5KiB", 1536),
            ("3T", 3_000_000_000_000),
        ],
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "1,5GB", "1 G B", "many", "1PB", "."])
    def test_what_is_no_size(self, text: str) -> None:
        with pytest.raises(InputError, match="no size"):
            parse_size(text)
