"""A comparison's time: ``python -m benchmarks.compare SOURCE``.

Three embedded backbones × features. First everything is looked at; then the comparison is made anew
from the stored features; then asked for once more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from benchmarks.common import photograft, report


def main() -> None:
    """Compare three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out, cache = Path(folder, "out"), Path(folder, "cache")
        command = ["compare", str(options.source), "--strategies", "features", "--out", str(out)]
        cold = photograft(*command, "--budget", "1h", cache=cache)
        shutil.rmtree(out)
        stored = photograft(*command, "--budget", "1h", cache=cache)
        again = photograft(*command, "--budget", "1h", cache=cache)
        info = json.loads((out / "comparison.json").read_text())
    report(
        "compare",
        source=options.source.name,
        folds=info["folds"],
        seconds_with_extraction=cold.seconds,
        seconds_after_extraction=stored.seconds,
        seconds_again=again.seconds,
        winner=info["winner"],
        candidates={
            row["id"]: [round(row["accuracy"], 4), row["verdict"]] for row in info["candidates"]
        },
    )


if __name__ == "__main__":
    main()
