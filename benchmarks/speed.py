"""The time of the whole command, cold and warm, beside a bare loop of the same network.

``python -m benchmarks.speed SOURCE``. The bare loop runs in the same minutes on the same machine.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common import bare_loop, metrics, photograft, report
from photograft.data.dataset import Dataset


def main() -> None:
    """Train three times: nothing kept, the converted network kept, all features kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    num_photos = len(Dataset.load(options.source).photos)
    arguments = ("train", str(options.source), "--engine", options.engine, "--out")
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        first = photograft(*arguments, f"{folder}/first", cache=cache)
        for path in cache.glob("features/*/*.keys"):
            path.unlink()
        second = photograft(*arguments, f"{folder}/second", cache=cache)
        warm = photograft(*arguments, f"{folder}/warm", cache=cache)
        scores = [metrics(Path(folder, name)) for name in ("first", "second", "warm")]
        help_seconds = min(photograft("--help", cache=cache).seconds for _ in range(3))
    bare = bare_loop(num_photos)
    report(
        "speed",
        source=options.source.name,
        engine=options.engine,
        num_photos=num_photos,
        bare_loop=bare.name,
        bare_loop_seconds=bare.seconds,
        cold_seconds=first.seconds,
        cold_limit_seconds=1.25 * bare.seconds + 6,
        cold_with_converted_network_seconds=second.seconds,
        warm_seconds=warm.seconds,
        help_seconds=help_seconds,
        cold_over_bare=first.seconds / bare.seconds,
        same_scores=scores[0] == scores[1] == scores[2],
        peak_mb_cold=first.peak_mb,
        peak_mb_warm=warm.peak_mb,
    )


if __name__ == "__main__":
    main()
