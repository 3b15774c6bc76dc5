"""Memory of reading and extracting at two sizes: ``python -m benchmarks.memory_flat``.

Small photos are drawn (a number behind the last byte makes each another content) and read, as
`train` reads them; a network of a few products gives 64 features of each, which go to a store.
Each size runs in a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common import report
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Layer
from photograft.core.arrays import Floats
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.features.extractor import extract

_WIDTH, _SIDE = 64, 32


def draw(folder: Path, num_photos: int) -> None:
    """Write photos as two class folders."""
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(100):
        cells = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8))
        file = io.BytesIO()
        cells.resize((48, 48), Image.Resampling.BICUBIC).save(file, "JPEG", quality=80)
        contents.append(file.getvalue())
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
    for number in range(num_photos):
        path = folder / ("cat", "dog")[number % 2] / f"{number:06}.jpg"
        path.write_bytes(contents[number % 100] + number.to_bytes(4, "big"))


def measure(folder: Path, cache: Path) -> None:
    """Read the photos and extract their features; print the memory held and the most."""
    weights = np.random.default_rng(0).standard_normal((_SIDE * _SIDE * 3, _WIDTH), np.float32)

    def network(pixels: npt.NDArray[np.uint8]) -> Floats:
        found: Floats = pixels.reshape(len(pixels), -1).astype(np.float32) @ weights
        return found

    backbone = dataclasses.replace(
        get_backbone("efficientnet_lite0"),
        input_size=(_SIDE, _SIDE),
        layers=(Layer("last", _WIDTH),),
    )
    start = time.perf_counter()
    dataset = Dataset.load(folder, progress=False)
    store = FeatureStore(cache)
    space = store.space({"backbone": "drawn", "engine": "numpy", "precision": "fp32"}, _WIDTH)
    table, failures = extract(dataset.photos, backbone, space, lambda: network)
    seconds = time.perf_counter() - start
    assert len(table) == len(dataset.photos)
    assert not failures
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    found = {
        "held_mb": pages * resource.getpagesize() / 2**20,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": seconds,
        "processor_seconds": time.process_time(),
    }
    print(json.dumps({name: round(value, 1) for name, value in found.items()}))


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 100_000])
    parser.add_argument("--measure", type=Path, nargs=2, metavar=("FOLDER", "CACHE"))
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    figures = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            photos, cache = Path(folder, "photos"), Path(folder, "cache")
            draw(photos, size)
            own = [sys.executable, "-m", "benchmarks.memory_flat", "--measure"]
            command = [*own, str(photos), str(cache)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures[str(size)] = json.loads(done.stdout)
    report("memory_flat", **figures)


if __name__ == "__main__":
    main()
