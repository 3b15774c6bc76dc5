"""Peak memory at two sizes of dataset: ``python -m benchmarks.memory SOURCE``.

The photos of SOURCE (class folders, or split ones) are copied as often as it takes; a number behind
each copy's last byte makes it another content, which is decoded and looked at anew.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from benchmarks.common import photograft, report
from photograft.data.dataset import Dataset


def copy_photos(source: Path, target: Path, num_photos: int) -> None:
    """Write that many photos of different content as class folders."""
    photos = Dataset.load(source).photos
    for number, photo in enumerate(itertools.islice(itertools.cycle(photos), num_photos)):
        path = target / photo.label / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.read() + number.to_bytes(4, "big"))


def main() -> None:
    """Train cold at both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 25000])
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            photos = Path(folder, "photos")
            copy_photos(options.source, photos, size)
            arguments = ("train", str(photos), "--engine", options.engine, "--out")
            cold = photograft(*arguments, f"{folder}/cold", cache=Path(folder, "cache"))
            warm = photograft(*arguments, f"{folder}/warm", cache=Path(folder, "cache"))
        figures |= {
            f"peak_mb_{size}": cold.peak_mb,
            f"seconds_{size}": cold.seconds,
            f"peak_mb_{size}_warm": warm.peak_mb,
            f"seconds_{size}_warm": warm.seconds,
        }
    report("memory", source=options.source.name, engine=options.engine, **figures)


if __name__ == "__main__":
    main()
