"""Photos looked at by actors on a Ray cluster of this machine, beside this process alone.

``python -m benchmarks.ray_extraction SOURCE [--photos 5000] [--kills 30]``. Starting Ray and its
actors is not counted in the rates, and told apart: an extraction of a few photos comes before. On a
machine that others use as well, the processor time of all processes says more than the clock. The
digests of all features must be the same. With ``--kills`` workers, or the process that deals out
photos, are killed at moments by a seed instead.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import report
from photograft.core.executors.choosing import executing
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset, Photo
from photograft.features.extraction import open_space
from photograft.features.opening import open_extractor
from photograft.features.settings import ExtractionSettings

#: Bytes of a key in a segment: a photo's digest, and a checksum.
_KEY_BYTES = 36


def main() -> None:
    """Measure; or kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=2, help="Of each; the best counts.")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    photos = Dataset.load(options.source, progress=False).photos
    photos = photos[:: max(1, len(photos) // options.photos)][: options.photos]
    if options.child:
        with executing("local"):
            print(extract(photos, Path(options.child)))
    elif options.kills:
        kill(photos, options.source, options.kills, options.photos)
    else:
        compare(photos, options.turns)


def extract(photos: Sequence[Photo], cache: Path) -> str:
    """Return the digest of all features, each photo's kept once."""
    store = FeatureStore(cache)
    extractor = open_extractor(ExtractionSettings(), store=store, progress=Silent())
    table, failures, _ = extractor.extract(photos)
    if failures:
        raise RuntimeError(f"{len(failures)} photos failed")
    space = open_space(store, extractor.backbone, extractor.engine)
    kept = sum(path.stat().st_size for path in space.folder.glob("*.keys")) // _KEY_BYTES
    if kept != len({photo.digest for photo in photos}):
        raise RuntimeError(f"{kept} rows are kept for {len(photos)} photos")
    digest = hashlib.sha256()
    for start in range(0, len(photos), 1000):
        some = [photo.digest for photo in photos[start : start + 1000]]
        digest.update(table.rows(some).tobytes())
    return digest.hexdigest()


def compare(photos: Sequence[Photo], turns: int) -> None:
    """Time both, in turns, and what the object store holds meanwhile."""
    from ray._private.internal_api import memory_summary

    seconds: dict[str, list[float]] = {"off": [], "local": []}
    processor: dict[str, list[float]] = {"off": [], "local": []}
    digests, used = set(), [0.0]
    start = time.perf_counter()
    with executing("local"), tempfile.TemporaryDirectory() as first:
        extract(photos[:64], Path(first))  # Ray and its actors are there afterwards
        starting = time.perf_counter() - start
        for _ in range(turns):
            for where, own in seconds.items():
                with tempfile.TemporaryDirectory() as cache, _here(where), _watched(used):
                    start, ticks = time.perf_counter(), _ticks()
                    digests.add(extract(photos, Path(cache)))
                    own.append(time.perf_counter() - start)
                    processor[where].append(_ticks() - ticks)
        spilled = memory_summary(stats_only=True)
    here, there = (len(photos) / min(own) for own in seconds.values())
    report(
        "ray_extraction",
        num_photos=len(photos),
        photos_per_second=here,
        photos_per_second_on_ray=there,
        ratio=there / here,
        seconds=seconds,
        processor_seconds=processor,
        processor_ratio=min(processor["off"]) / min(processor["local"]),
        seconds_to_start=starting,
        same_features=len(digests) == 1,
        most_bytes_in_object_store=int(used[0]),
        spilled="Spilled" in spilled,
    )


@contextmanager
def _here(where: str) -> Iterator[None]:
    """Let this process do it, where it says so."""
    from photograft.core.executors.base import InProcess

    if where == "off":
        with executing(InProcess()):
            yield
    else:
        yield


@contextmanager
def _watched(used: list[float]) -> Iterator[None]:
    """Note the most that is in the object store."""
    import ray

    ended = threading.Event()
    whole = ray.cluster_resources()["object_store_memory"]

    def watch() -> None:
        while not ended.wait(0.5):
            left = ray.available_resources().get("object_store_memory", whole)
            used[0] = max(used[0], whole - left)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def kill(photos: Sequence[Photo], source: str, kills: int, count: int) -> None:
    """Kill workers and the driver at moments by a seed, and go on until all is done."""
    with tempfile.TemporaryDirectory() as cache:
        expected = extract(photos, Path(cache))
    done = {"workers": 0, "driver": 0}
    rounds = wrong = 0
    generator = random.Random(0)
    while sum(done.values()) < kills:
        with tempfile.TemporaryDirectory() as cache:
            rounds += 1
            digest = ""
            while not digest:
                digest = _until_killed(source, count, cache, generator, done, kills)
            wrong += digest != expected
    report(
        "ray_extraction --kills",
        num_photos=len(photos),
        killed=done,
        extractions=rounds,
        wrong_digests=wrong,
    )


def _until_killed(
    source: str,
    count: int,
    cache: str,
    generator: random.Random,
    done: dict[str, int],
    kills: int,
) -> str:
    """Extract in a process of its own, killing; return the digest where it came to its end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.ray_extraction", source),
            *("--photos", str(count), "--child", cache),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    before = _kept(cache)
    # Once there are more: before that a kill only costs the start.
    while process.poll() is None and _kept(cache) == before:
        time.sleep(0.05)
    while process.poll() is None and sum(done.values()) < kills:
        time.sleep(generator.uniform(0, 2))
        if generator.random() < 0.2:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done["driver"] += 1
        elif workers := _workers_of(process.pid):
            os.kill(generator.choice(workers), signal.SIGKILL)
            done["workers"] += 1
    output, _ = process.communicate()
    return output.strip()


def _ticks() -> float:
    """Return the processor seconds of this process and all that it has started."""
    parents: dict[int, int] = {}
    spent: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        spent[process] = int(fields[11]) + int(fields[12])
    own, found = os.getpid(), 0
    for process, ticks in spent.items():
        ancestor = process
        while ancestor != own and ancestor in parents:
            ancestor = parents[ancestor]
        found += ticks if ancestor == own else 0
    return found / os.sysconf("SC_CLK_TCK")


def _kept(cache: str) -> int:
    """Return the bytes of all keys that are kept."""
    return sum(path.stat().st_size for path in Path(cache).glob("features/*/*.keys"))


def _workers_of(driver: int) -> list[int]:
    """Return the processes of Ray's actors that a driver has started, by way of its raylet."""
    parents, actors = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (path / "cmdline").read_bytes().startswith(b"ray::Worker"):
                actors.append(int(path.name))
        except (OSError, IndexError):
            continue
    return sorted(p for p in actors if parents.get(parents.get(p, 0)) == driver)


if __name__ == "__main__":
    main()
