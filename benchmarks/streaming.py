"""A head on a million photos' features, fitted in passes: ``python -m benchmarks.streaming``.

Features are drawn with a seed, float16, into a temporary file that is removed: classes whose means
lie near each other, in directions of falling variance, as features of networks have them, passed
through a rectifier. Each head is fitted by streaming on all rows; and on ``--sample`` of them by
streaming and in memory. All are scored on photos that none has seen.
"""

from __future__ import annotations

import argparse
import mmap
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import report
from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import select

_CHUNK = 10_000


def draw(path: Path, num_rows: int, num_features: int, num_classes: int) -> npt.NDArray[np.int64]:
    """Write float16 features, and return their classes."""
    rng = np.random.default_rng(0)
    rank = min(200, num_features)
    spread = (1 + np.arange(rank)) ** -0.5
    axes = rng.standard_normal((rank, num_features)).astype(np.float32) / np.sqrt(rank)
    centres = rng.standard_normal((num_classes, rank)) * spread * 0.16
    labels = rng.integers(0, num_classes, num_rows)
    with path.open("wb") as file:
        for start in range(0, num_rows, _CHUNK):
            own = labels[start : start + _CHUNK]
            hidden = centres[own] + rng.standard_normal((len(own), rank)) * spread
            rows = hidden.astype(np.float32) @ axes
            rows += 0.05 * rng.standard_normal(rows.shape, np.float32)
            file.write(np.maximum(rows + 0.1, 0).astype(np.float16).tobytes())
    return labels


def main() -> None:
    """Fit each kind of head, and tell of time, memory and accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--sample", type=int, default=50_000)
    parser.add_argument("--heads", nargs="+", default=["auto"])
    options = parser.parse_args()
    n, d, unseen = options.photos, options.features, options.sample
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "features")
        labels = draw(path, n + unseen, d, options.classes)
        rows = np.memmap(path, np.float16, "r", shape=(n + unseen, d))
        for head in options.heads:
            compare(head, rows, labels, n, options.sample)


def compare(head: str, rows: Any, labels: npt.NDArray[np.int64], n: int, sample: int) -> None:
    """Fit one kind of head, and print its figures."""

    def gather(which: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        found: Floats = np.asarray(rows)[which][:, columns].astype(np.float32)
        rows._mmap.madvise(mmap.MADV_DONTNEED)  # as the store does: what was read is no memory
        return found

    d = rows.shape[1]

    def fit(num: int, stream_above: int) -> tuple[Any, tuple[float, float], int]:
        start, said = time.perf_counter(), [""]
        busy = time.process_time()
        own = labels[:num]
        keys = [i.to_bytes(32, "big") for i in range(num)]
        chosen = select(
            gather,
            own,
            np.arange(num),
            keys,
            backbone_layers=[Layer("last", d)],
            layers="last",
            head=head,
            balanced=False,
            seed=0,
        )
        found = fit_head(
            gather,
            chosen,
            own,
            balanced=False,
            stream_above=stream_above,
            tell=lambda text: said.append(text.partition(":")[0]),
        )
        took = (time.perf_counter() - start, time.process_time() - busy)
        return found, took, len(set(said)) - 1

    def accuracy(found: Any) -> float:
        hits = 0
        for start in range(n, len(labels), _CHUNK):
            seen = np.arange(start, min(start + _CHUNK, len(labels)))
            hits += int(
                (found.predict_proba(gather(seen, np.arange(d))).argmax(1) == labels[seen]).sum()
            )
        return hits / (len(labels) - n)

    whole, seconds, passes = fit(n, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / (1024**2 if sys.platform == "darwin" else 1024)
    streamed, streamed_seconds, _ = fit(sample, 0)
    exact, exact_seconds, _ = fit(sample, 10**15)
    report(
        "streaming",
        head=head,
        num_photos=n,
        num_features=d,
        num_classes=int(labels.max()) + 1,
        seconds=seconds[0],
        processor_seconds=seconds[1],
        passes=passes,
        peak_mb=peak_mb,
        accuracy=accuracy(whole),
        num_sample=sample,
        sample_streamed_accuracy=accuracy(streamed),
        sample_exact_accuracy=accuracy(exact),
        sample_streamed_seconds=streamed_seconds[0],
        sample_exact_seconds=exact_seconds[0],
    )


if __name__ == "__main__":
    main()
