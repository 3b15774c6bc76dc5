"""The feature store: what is put in comes out, whatever happens in between."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from photograft.core.errors import StorageError
from photograft.core.segments import Space
from photograft.core.store import FeatureStore, default_cache_dir
from store_helpers import KEY, KEY_BYTES, ROW_BYTES, WIDTH, digest, digests, found, put, rows


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


def test_a_table_is_sent_without_its_rows(tmp_path: Path) -> None:
    """Whoever gets it opens the same files; where they are not, that is said."""
    space = FeatureStore(tmp_path).space({"name": "sent"}, 1000)
    digests = [bytes([i]) * 32 for i in range(50)]
    rows = np.random.default_rng(0).normal(size=(50, 1000)).astype(np.float32)
    with space.writer() as writer:
        writer.append(digests, rows)
    data = pickle.dumps(space.find(digests))
    assert len(data) < 10_000
    assert np.array_equal(pickle.loads(data).rows(digests[::-1]), rows[::-1])
    for path in space.folder.glob("*.rows"):
        path.unlink()
    with pytest.raises(StorageError, match=r"a worker can't read.*\.rows.*a folder that all see"):
        pickle.loads(data)
