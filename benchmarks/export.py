"""How far exports are the library: ``python -m benchmarks.export SOURCE [--photos N] [--run RUN]``.

A classifier is trained on the source, and exported in each format and precision. Printed is what
each certificate says of N of the photos that were set aside in training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import report
from photograft.classifier.export.exporters import EXPORTERS
from photograft.core.choices import EXPORT_PRECISIONS
from photograft.runs.run import Run
from photograft.workflows.export import export
from photograft.workflows.train import train


def main() -> None:
    """Train, export in every way, print what the certificates say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--run", type=Path, help="A run on the source, to train none.")
    parser.add_argument("--to", nargs="+", default=("onnx", "openvino"))
    parser.add_argument("--precision", nargs="+", default=EXPORT_PRECISIONS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or train(options.source, out=Path(folder, "run")).path
        for precision in options.precision:
            for to in options.to:
                if EXPORTERS[to].runtime:
                    out = Path(folder, f"{to}-{precision}")
                    own = {"source": options.source.name, "to": to, "precision": precision}
                    report("export", **own, **_exported(run, out, to, precision, options.photos))


def _exported(run: Path, out: Path, to: str, precision: str, most: int) -> dict[str, Any]:
    """Return what a certificate says, in short."""
    start = time.perf_counter()
    found = export(Run.load(run), out, to=to, precision=precision, num_photos=most)
    seconds = time.perf_counter() - start
    certificate = found.certificate
    own, accuracy = certificate["own"], certificate["accuracy"]
    return {
        "num_photos": own["num_photos"],
        "largest_difference": f"{own['largest_difference']:.2g}",  # more digits than a report has
        "same_label": own["same_label"] / own["num_photos"],
        "same_decision": own["same_decision"] / own["num_photos"],
        "equal_pixels": own["photos_with_equal_pixels"] / own["num_photos"],
        "accuracy": accuracy["export"],
        "accuracy_of_library": accuracy["library"],
        "megabytes": sum(path.stat().st_size for path in out.rglob("model.*")) / 1e6,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
