"""What the strategies keep, beside plain features: ``python -m benchmarks.strategies SOURCE...``.

Every strategy is trained on the same split, and its scores on photos that it has not seen are
compared with those of plain features, photo by photo: none should be worse beyond noise, since
what does not help is not to be kept. Where the source has a test part, that is scored, else the
validation photos.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.common import metrics, photograft, report

STRATEGIES = ("features", "features+augment", "finetune", "auto")


def hits(run: Path, part: str) -> dict[str, bool]:
    """Return which photos of a part were classified rightly."""
    rows = pq.read_table(run / "predictions.parquet").to_pylist()
    return {row["name"]: row["label"] == row["predicted"] for row in rows if row["split"] == part}


def main() -> None:
    """Train each strategy on each source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--cache", type=Path, help="Keep features here.")
    options = parser.parse_args()
    for source in options.sources:
        with tempfile.TemporaryDirectory() as folder:
            cache = options.cache or Path(folder, "cache")
            rows: dict[str, dict[str, object]] = {}
            plain: dict[str, bool] = {}
            for strategy in STRATEGIES:
                run = Path(folder, strategy.replace("+", "-"))
                common = ("--backbone", options.backbone, "--seed", options.seed)
                ended = photograft(
                    "train", str(source), "--strategy", strategy, *common, "--out", str(run),
                    cache=cache,
                )  # fmt: skip
                scores, info = metrics(run), json.loads((run / "run.json").read_text())
                part = "test" if scores["test"] else "validation"
                own = hits(run, part)
                plain = plain or own
                gains = np.array([own[name] - float(plain[name]) for name in plain])
                noise = float(gains.std() / math.sqrt(len(gains)))
                rows[strategy] = {
                    "kept": info["strategy"],
                    "accuracy": round(scores[part]["accuracy"], 4),
                    "gain": round(float(gains.mean()), 4),
                    "noise": round(noise, 4),
                    "worse_beyond_noise": bool(gains.mean() < -2 * noise),
                    "seconds": round(ended.seconds, 1),
                }
        report(
            "strategies",
            source=source.name if source.name != "all" else source.parent.name,
            part=part,
            num_photos=len(plain),
            backbone=options.backbone,
            seed=int(options.seed),
            strategies=rows,
        )


if __name__ == "__main__":
    main()
