"""What the feature store takes on the disk, and what goes when that is limited."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from photograft.core.errors import InputError
from photograft.core.segments import Space
from photograft.core.store import FeatureStore, parse_size
from store_helpers import KEY, KEY_BYTES, ROW_BYTES, WIDTH, digests, found, put, rows

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
