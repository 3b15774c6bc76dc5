"""What int8 costs and gains: ``python -m benchmarks.int8 SOURCE... [--seeds N] [OPTIONS]``.

Trains in each precision with each seed, and compares the answers to held-out photos (the test, or
validation where there is none) photo by photo with those of fp32; then runs the trained networks in
turn. Options that are not this script's own go to `photograft train`.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Finished, metrics, photograft, report
from photograft.backbones.engines import Network, open_network
from photograft.backbones.precision import choose_precision
from photograft.classifier.classifier import Classifier
from photograft.core.files import read_table
from photograft.data.dataset import Dataset
from photograft.features.extraction import feature_batches
from photograft.features.preprocessing import prepare

#: Photos that the rates are measured on, and how often.
_PHOTOS, _TURNS = 256, 5


def main() -> None:
    """Train on each source in each precision; print what that changes, and the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rates", action=argparse.BooleanOptionalAction, default=True)
    options, others = parser.parse_known_args()
    precisions = ["fp32", *["bf16"] * (choose_precision("auto") == "bf16"), "int8"]
    with tempfile.TemporaryDirectory() as folder:
        for source in options.sources:
            runs = {}
            for seed in range(options.seeds):
                ended = {}
                for precision in precisions:
                    runs[precision] = Path(folder, f"{source.name}-{seed}-{precision}")
                    arguments = ("--precision", precision, "--seed", str(seed), *others)
                    place = ("--out", str(runs[precision]))
                    cache = Path(folder, f"cache-{seed}-{precision}")
                    ended[precision] = photograft(
                        "train", str(source), *arguments, *place, cache=cache
                    )
                for precision in precisions:
                    figures = _compared(runs["fp32"], runs[precision])
                    _report(source, seed, precision, ended[precision], figures)
            if options.rates:
                report("int8 rates", source=source.name, **_rates(source, runs))


def _report(
    source: Path, seed: int, precision: str, ended: Finished, figures: dict[str, Any]
) -> None:
    own = {"source": source.name, "seed": seed, "precision": precision}
    report("int8", **own, seconds=ended.seconds, **figures)


def _compared(exact: Path, other: Path) -> dict[str, Any]:
    """Return the scores of a run, and how its answers differ from another's on the same photos."""
    part = "test" if metrics(other)["test"] else "validation"
    scores = metrics(other)[part]
    before, after = (_answers(run, part) for run in (exact, other))
    names = sorted(before)
    losses = np.array([after[name][0] - before[name][0] for name in names])
    right = np.array([after[name][1] - before[name][1] for name in names])
    root = np.sqrt(len(names))
    return {
        "part": part,
        "num_photos": len(names),
        "accuracy": scores["accuracy"],
        "log_loss": scores["log_loss"],
        "more_right": float(right.mean()),
        "more_right_se": float(right.std() / root),
        "more_loss": float(losses.mean()),
        "more_loss_se": float(losses.std() / root),
    }


def _answers(run: Path, part: str) -> dict[str, tuple[float, int]]:
    """Return the loss and whether it is right, of each photo of a part, by its name."""
    names = Classifier.load(run).class_names
    return {
        row["name"]: (
            -float(np.log(max(row["probabilities"][names.index(row["label"])], 1e-7))),
            int(row["label"] == row["predicted"]),
        )
        for row in read_table(run / "predictions.parquet").to_pylist()
        if row["split"] == part
    }


def _rates(source: Path, runs: dict[str, Path]) -> dict[str, float]:
    """Return photos/s of each network: alone, beside decoding, and for a second of processor."""
    photos = Dataset.load(source).photos
    photos = photos[:: max(1, len(photos) // _PHOTOS)][:_PHOTOS]
    reads = [photo.read for photo in photos]
    work: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in runs.items():
            made = Classifier.load(run).located()
            network = open_network(
                made.backbone, made.weights_path, made.engine, Path(folder, name)
            )
            pixels = np.stack([prepare(read(), made.backbone) for read in reads])
            work[f"{name}_alone"] = functools.partial(network, pixels)
            work[f"{name}_decoding"] = functools.partial(_looked_at, reads, made, network)
    return _timed(work, len(photos))


def _looked_at(reads: list[Callable[[], bytes]], made: Classifier, network: Network) -> None:
    for _ in feature_batches(reads, made.backbone, lambda: network):
        pass


def _timed(work: dict[str, Callable[[], object]], num_photos: int) -> dict[str, float]:
    """Return the best rates of several turns, in wall-clock and in processor seconds."""
    found: dict[str, float] = {}
    for _ in range(_TURNS):
        for name, run in work.items():
            before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_SELF)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            for key, value in ((name, seconds), (f"{name}_per_core_second", spent)):
                found[key] = max(found.get(key, 0.0), num_photos / value)
    return found


if __name__ == "__main__":
    main()
