"""A manifest of a million rows, to its first batch of features: ``python -m benchmarks.manifest``.

Some hundred drawn photos are linked under a million names, so that each name is a file. Two ways
are measured, each in a process of its own: the listing of labelled photos, as `train` reads it,
and the stream that `predict` reads. Neither has read the photos by then: `train` reads each file
once before it splits them, which is measured on the first ones.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import report

_CONTENTS, _PER_FOLDER, _EXAMINED = 500, 10_000, 20_000


def make(folder: Path, num_rows: int) -> None:
    """Write photos under that many names, and manifests of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    for number in range(_CONTENTS):
        pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
        image = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.jpg", quality=80)
    paths, labels = [], []
    for i in range(num_rows):
        name = f"photos/{i // _PER_FOLDER:04}/{i:08}.jpg"
        if i % _PER_FOLDER == 0:
            (folder / name).parent.mkdir(parents=True)
        os.link(folder / f"{i % _CONTENTS}.jpg", folder / name)
        paths.append(name)
        labels.append(f"class {i % _CONTENTS % 20:02}")
    columns = {"path": pa.array(paths), "label": pa.array(labels)}
    pq.write_table(pa.table(columns), folder / "photos.parquet")
    with (folder / "photos.csv").open("w") as file:
        file.write("path,label\n")
        file.writelines(f"{path},{label}\n" for path, label in zip(paths, labels, strict=True))


def measure(manifest: Path, way: str) -> None:
    """Go from the manifest to the first batch of features; print seconds and memory."""
    start = time.perf_counter()
    from photograft.core.files import read_file
    from photograft.core.progress import Silent
    from photograft.core.store import FeatureStore
    from photograft.data.photo import examine_all
    from photograft.data.sources.open import open_source
    from photograft.data.sources.tables import read_paths
    from photograft.features.extraction import feature_batches
    from photograft.features.opening import open_extractor
    from photograft.features.settings import ExtractionSettings

    listing = None
    if way == "listing":
        listing = open_source(manifest)
        reads = (item.read for item in listing.items)
    else:
        reads = (functools.partial(read_file, Path(path)) for path in read_paths(manifest))
    opened = time.perf_counter() - start
    extractor = open_extractor(ExtractionSettings(), store=FeatureStore(), progress=Silent())
    _, features, _ = next(feature_batches(reads, extractor.backbone, extractor.network))
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"opened_seconds": opened, "seconds": seconds, "peak_mb": peak_mb}
    found["processor_seconds"] = time.process_time()
    if listing is not None:
        found["num_rows"] = len(listing.items)
        begin = time.perf_counter()
        examine_all(listing.items[:_EXAMINED], 10**9)
        found["examined_per_second"] = _EXAMINED / (time.perf_counter() - begin)
    assert np.isfinite(features).all()
    print(json.dumps(found))


def main() -> None:
    """Measure both ways on both kinds of manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("MANIFEST", "WAY"))
    options = parser.parse_args()
    if options.measure:
        measure(Path(options.measure[0]), options.measure[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.rows)
        own = [sys.executable, "-m", "benchmarks.manifest", "--measure"]
        # Once before, so that the network is converted for its engine.
        for name in ("photos.parquet", "photos.parquet", "photos.csv"):
            for way in ("listing", "stream"):
                command = [*own, os.path.join(folder, name), way]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                report("manifest", rows=options.rows, file=name, way=way, **json.loads(done.stdout))


if __name__ == "__main__":
    main()
