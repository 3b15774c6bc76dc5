"""Segments that get many are merged, and nothing is lost on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from photograft.core.arrays import Floats
from photograft.core.errors import InputError
from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from photograft.core.upkeep import merge_segments

WIDTH = 5


@pytest.fixture
def space(cache: Path) -> Space:
    key = {"backbone": "tiny", "engine": "torch", "precision": "fp32"}
    return FeatureStore(cache).space(key, WIDTH)


def digests(*numbers: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in numbers]


def rows(*numbers: int) -> Floats:
    return np.array([[n + c / 8 for c in range(WIDTH)] for n in numbers], np.float32)


def put(space: Space, *numbers: int) -> Path:
    before = set(space.folder.glob("*.keys"))
    with space.writer() as writer:
        writer.append(digests(*numbers), rows(*numbers))
    (path,) = set(space.folder.glob("*.keys")) - before
    return path


def segments(space: Space) -> list[Path]:
    return sorted(space.folder.glob("*.keys"))


def test_few_are_left_alone(space: Space) -> None:
    paths = sorted(put(space, i) for i in range(4))
    assert merge_segments(space, most_small=4) == 0
    assert segments(space) == paths


def test_many_become_one_of_the_same_rows(space: Space) -> None:
    for i in range(20):
        path = put(space, *range(10 * i, 10 * i + 12))  # the last two are in the next one, too
        os.utime(path, (1000 + i, 1000 + i))
    assert merge_segments(space) == 19
    (path,) = segments(space)
    assert path.stat().st_mtime == 1019
    assert path.stat().st_size == 202 * 36
    left = sorted(p.suffix for p in space.folder.iterdir() if p.name != "merging.lock")
    assert left == [".json", ".keys", ".rows"]
    found = space.find(digests(*range(202)))
    np.testing.assert_array_equal(found.rows(digests(*range(202))), rows(*range(202)))


def test_large_ones_stay_and_none_gets_too_large(space: Space) -> None:
    large = put(space, *range(100))
    small = [put(space, 100 + i) for i in range(8)]
    one = 36 + 4 * WIDTH
    assert merge_segments(space, most_small=2, small_bytes=50 * one, merged_bytes=4 * one) == 6
    left = segments(space)
    assert large in left
    assert not set(small) & set(left)
    assert sorted(path.stat().st_size // 36 for path in left) == [4, 4, 100]
    assert len(space.find(digests(*range(108)))) == 108


def test_damaged_rows_are_left_out(space: Space) -> None:
    path = put(space, 1, 2, 3)
    with path.with_suffix(".rows").open("r+b") as file:
        file.write(b"x")
    put(space, 4)
    assert merge_segments(space, most_small=1) == 1
    (merged,) = segments(space)
    assert merged.stat().st_size == 3 * 36
    assert len(space.find(digests(1, 2, 3, 4))) == 3


def test_what_cannot_be_opened_stays(space: Space, tmp_path: Path) -> None:
    path = put(space, 1, 2)
    put(space, 3)
    put(space, 4)
    rows_path = path.with_suffix(".rows")
    rows_path.rename(tmp_path / "away")
    assert merge_segments(space, most_small=1) == 1
    (tmp_path / "away").rename(rows_path)
    assert len(space.find(digests(1, 2, 3, 4))) == 4


def test_lock_of_a_merge_is_one_file_for_all(space: Space) -> None:
    """Whoever has opened it before a merge ended keeps others out as he comes to lock it."""
    fcntl = pytest.importorskip("fcntl")
    for i in range(2):
        put(space, i)
    with (space.folder / "merging.lock").open("a") as file:
        assert merge_segments(space, most_small=1) == 1
        fcntl.flock(file, fcntl.LOCK_EX)
        put(space, 2)
        assert merge_segments(space, most_small=1) == 0


def test_what_is_being_written_is_left_alone(space: Space) -> None:
    for i in range(3):
        put(space, i)
    with space.writer() as writer:
        writer.append(digests(7), rows(7))
        assert merge_segments(space, most_small=1) == 2
        writer.append(digests(8), rows(8))
    assert len(space.find(digests(0, 1, 2, 7, 8))) == 5


def test_table_that_was_found_before_can_still_be_read(space: Space) -> None:
    for i in range(3):
        put(space, i)
    table = space.find(digests(0, 1, 2))
    merge_segments(space, most_small=1)
    np.testing.assert_array_equal(table.rows(digests(2, 0)), rows(2, 0))


SCRIPT = """
import sys
from pathlib import Path
from photograft.core.segments import Space
from photograft.core.upkeep import merge_segments
space = Space(Path(sys.argv[1]), {}, 5)
print(flush=True)
merge_segments(space, most_small=1)
"""


def test_killed_at_any_moment_all_rows_are_there(space: Space) -> None:
    for i in range(40):
        put(space, *range(20 * i, 20 * i + 20))
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, os.fspath(space.folder)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.004 * number)
        process.kill()
        process.wait()
        process.stdout.close()
        found = space.find(digests(*range(800)))
        np.testing.assert_array_equal(found.rows(digests(*range(800))), rows(*range(800)))
    merge_segments(space, most_small=1)
    assert len(segments(space)) == 1


def test_networks_count_and_go_with_the_last_segment(space: Space, cache: Path) -> None:
    store = FeatureStore(cache)
    path = put(space, 1, 2)
    (space.folder / "network.bin").write_bytes(bytes(5000))
    (usage,) = store.usage()
    own = 2 * (36 + 4 * WIDTH)
    assert (usage.num_segments, usage.largest_bytes, usage.network_bytes) == (1, own, 5000)
    assert usage.num_bytes == own + 5000
    assert store.prune(own + 5000) == 0
    assert path.exists()
    assert store.prune(own + 4999) == own + 5000
    assert store.usage() == []


def test_size_of_the_store_by_the_environment(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE_SIZE", "50GB")
    assert FeatureStore(cache).max_bytes == 50_000_000_000
    assert FeatureStore(cache, max_bytes=7).max_bytes == 7
    monkeypatch.setenv("PHOTOGRAFT_CACHE_SIZE", "much")
    with pytest.raises(InputError, match="'much' is no size"):
        FeatureStore(cache)
