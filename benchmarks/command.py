"""The commands as a whole beside the bare engine: ``python -m benchmarks.command SOURCE FOLDER``.

Trains on SOURCE with nothing kept, trains again with all kept, classifies the photos in FOLDER and
one of them, from the shell and from Python. The bare engine is the same engine at the same
precision on photos that lie decoded in memory; it runs before and after each command, on the same
machine. Processor time is that of all cores: on a machine that others use, compare that.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import photograft as library
from benchmarks.common import Finished, metrics, photograft, report
from photograft.backbones.engines import choose_engine
from photograft.backbones.get import get_backbone
from photograft.backbones.networks import Network, open_network
from photograft.backbones.weights import locate_weights
from photograft.data.dataset import Dataset
from photograft.data.inputs import files_in

#: Photos that the bare engine is timed on each time, and single photos.
_SAMPLE, _SINGLE = 400, 30


def bare_engine(precision: str) -> tuple[str, Network, tuple[int, int]]:
    """Return the default backbone as the commands run it: its name, itself, its input's size."""
    backbone, engine = get_backbone("efficientnet_lite0"), choose_engine("auto", precision)
    with tempfile.TemporaryDirectory() as folder:
        backbone, path = locate_weights(backbone, Path(folder))
        network = open_network(backbone, path, engine, Path(folder))
    return f"{engine.name} {engine.precision}", network, backbone.input_size


def main() -> None:
    """Run the commands and the bare engine in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    name, network, (height, width) = bare_engine(options.precision)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, height, width, 3), np.uint8)
    figures: dict[str, Any] = {}

    def bare() -> tuple[float, float]:
        """Return seconds and processor seconds that the bare engine takes for a photo."""
        wall, busy = time.perf_counter(), time.process_time()
        for _ in range(-(-_SAMPLE // len(pixels))):
            network(pixels)
        count = -(-_SAMPLE // len(pixels)) * len(pixels)
        return (time.perf_counter() - wall) / count, (time.process_time() - busy) / count

    def measure(what: str, num_photos: int, run: Callable[[], Finished]) -> None:
        before, ended, after = bare(), run(), bare()
        wall, busy = (num_photos * (a + b) / 2 for a, b in zip(before, after, strict=True))
        figures.update(
            {
                f"{what}_seconds": ended.seconds,
                f"{what}_bare_seconds": wall,
                f"{what}_processor_seconds": ended.processor_seconds,
                f"{what}_bare_processor_seconds": busy,
                f"{what}_peak_mb": ended.peak_mb,
            }
        )

    num_photos = len(Dataset.load(options.source, progress=False).photos)
    files = list(files_in(str(options.folder)))
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        train = ("train", str(options.source), "--precision", options.precision, "--out")
        bare()  # warm
        measure("cold", num_photos, lambda: photograft(*train, f"{folder}/cold", cache=cache))
        measure("warm", num_photos, lambda: photograft(*train, f"{folder}/warm", cache=cache))
        run = f"{folder}/warm"
        answers = ("-o", f"{folder}/answers.csv")
        predict = ("predict", run, str(options.folder), *answers)
        measure("predict", len(files), lambda: photograft(*predict, cache=cache))
        one = [photograft("predict", run, files[0], cache=cache) for _ in range(7)]
        classifier = library.Classifier.load(run)
        single = []
        for file in files[: _SINGLE + 3]:
            start = time.perf_counter()
            classifier.predict(file, progress=False)
            middle = time.perf_counter()
            network(pixels[:1])
            single.append((middle - start, time.perf_counter() - middle))
        same = metrics(Path(folder, "cold")) == metrics(Path(folder, "warm"))
    ours, its = (statistics.median(pair[k] for pair in single[3:]) for k in (0, 1))
    report(
        "command",
        source=options.source.name,
        num_photos=num_photos,
        num_predicted=len(files),
        bare_engine=name,
        **figures,
        same_scores=same,
        one_photo_seconds=min(ended.seconds for ended in one),
        one_photo_processor_seconds=statistics.median(ended.processor_seconds for ended in one),
        python_one_photo_seconds=ours,
        python_one_photo_bare_seconds=its,
        python_one_photo_over_bare=ours / its,
    )


if __name__ == "__main__":
    main()
