"""The rate of ``photograft predict`` beside a bare loop of the same network.

``python -m benchmarks.predict SOURCE FOLDER``: trains on SOURCE, classifies the photos in FOLDER.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common import bare_loop, photograft, report


def main() -> None:
    """Train, classify, and time the network alone on as many photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, cache = f"{folder}/run", Path(folder, "cache")
        photograft(
            "train", str(options.source), "--engine", options.engine, "--out", run, cache=cache
        )
        output = Path(folder, "answers.csv")
        ended = photograft("predict", run, str(options.folder), "-o", str(output), cache=cache)
        num_photos = len(output.read_text().splitlines()) - 1
    bare = bare_loop(num_photos)
    report(
        "predict",
        engine=options.engine,
        num_photos=num_photos,
        photos_per_second=num_photos / ended.seconds,
        bare_loop=bare.name,
        bare_loop_photos_per_second=num_photos / bare.seconds,
        rate_over_bare=bare.seconds / ended.seconds,
        peak_mb=ended.peak_mb,
    )


if __name__ == "__main__":
    main()
