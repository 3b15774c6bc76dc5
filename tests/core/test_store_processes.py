"""The feature store used by several processes at once, some of which are killed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from store_helpers import KEY, KEY_BYTES, ROW_BYTES, WIDTH, digests, found, put, rows

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
