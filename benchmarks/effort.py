"""What effort brings: ``python -m benchmarks.effort SOURCE...``.

Each source is trained on as before there were efforts (one look, logistic heads, a head that learns
from the training photos alone), and with each effort. Features are computed anew for each, so that
their times can be compared, unless ``--cache`` names a folder to keep them in.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import metrics, photograft, report

_WAYS = {
    "before": ("--effort", "quick", "--head", "logistic", "--final", "train"),
    "quick": ("--effort", "quick"),
    "standard": ("--effort", "standard"),
    "thorough": ("--effort", "thorough"),
}
_FIGURES = ("accuracy", "log_loss", "expected_calibration_error")


def main() -> None:
    """Train on each source in each way, and print a line a source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--ways", default=",".join(_WAYS))
    parser.add_argument("--seed", default="0")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    for source in options.sources:
        found: dict[str, Any] = {}
        for way in options.ways.split(","):
            found |= _trained(source, way, options.seed, options.cache)
        report("effort", source=source.name, seed=int(options.seed), **found)


def _trained(source: Path, way: str, seed: str, cache: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        arguments = ("train", str(source), *_WAYS[way], "--seed", seed, "--out", str(run))
        ended = photograft(*arguments, cache=cache or Path(folder, "cache"))
        scores = metrics(run)
        info = json.loads((run / "run.json").read_text())
    part = "test" if scores["test"] else "validation"
    figures = {f"{way}_{name}": scores[part][name] for name in _FIGURES}
    looks = info["backbone"]["name"]
    return {
        **figures,
        f"{way}_looks": looks,
        f"{way}_seconds": ended.seconds,
        f"{way}_core_seconds": ended.processor_seconds,
        "scored_on": part,
    }


if __name__ == "__main__":
    main()
