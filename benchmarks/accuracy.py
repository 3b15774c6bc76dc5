"""The accuracy that one command reaches: ``python -m benchmarks.accuracy SOURCE [OPTIONS]``.

Options that are not this script's own go to `photograft train`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.common import metrics, photograft, report


def main() -> None:
    """Train once and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--seed", default="0")
    options, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        arguments = (
            "--backbone",
            options.backbone,
            "--seed",
            options.seed,
            *others,
            "--out",
            str(run),
        )
        ended = photograft("train", str(options.source), *arguments, cache=Path(folder, "cache"))
        scores, info = metrics(run), json.loads((run / "run.json").read_text())
    report(
        "accuracy",
        source=options.source.name,
        backbone=options.backbone,
        seed=int(options.seed),
        options=others,
        kept=info["strategy"],
        layers=info["layers"],
        seconds=ended.seconds,
        **{
            f"{part}_{name}": scores[part][name]
            for part in ("validation", "test")
            if scores[part]
            for name in ("accuracy", "log_loss", "expected_calibration_error")
        },
    )


if __name__ == "__main__":
    main()
