"""The time to write a run's page, and its size: ``python -m benchmarks.report_speed SOURCE``.

The run is made from SOURCE first, which is not timed; options that are not this script's own go to
`photograft train`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.common import photograft
from benchmarks.common import report as print_report
from photograft.workflows.report import report


def main() -> None:
    """Train once, then write the page some times; the fastest counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--times", type=int, default=3)
    options, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        run, page = Path(folder, "run"), Path(folder, "page.html")
        photograft(
            "train", str(options.source), *others, "--out", str(run), cache=Path(folder, "cache")
        )
        seconds = []
        for _ in range(options.times):
            start = time.perf_counter()
            report(run, output=page, progress=False)
            seconds.append(time.perf_counter() - start)
        info = json.loads((run / "run.json").read_text())
        num_bytes, num_pictures = page.stat().st_size, page.read_text().count("data:image/jpeg")
    print_report(
        "report_speed",
        source=options.source.name,
        num_photos=info["data"]["num_photos"],
        num_classes=len(info["data"]["class_names"]),
        num_pictures=num_pictures,
        seconds=min(seconds),
        first_seconds=seconds[0],
        num_bytes=num_bytes,
    )


if __name__ == "__main__":
    main()
