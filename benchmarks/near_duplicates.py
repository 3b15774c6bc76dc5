"""Near duplicates planted and found: ``python -m benchmarks.near_duplicates SOURCE...``.

A twentieth of each set's photos get a changed copy: half the size, JPEG quality 40, a twentieth
cut off, mirrored, a tenth brighter or darker. Recall: planted pairs that are found. Precision: of
the pairs found that a planted photo is part of, those that are right: with its original, or with
one that was a near duplicate of the original before. Then 25,000 thumbnails made of the sets' own
are searched, for time and memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.common import report
from benchmarks.planting import KINDS, plant_near_duplicates
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.near_duplicates import find_near_duplicates
from photograft.data.thumbnails import Thumbnails, load_thumbnails

_MANY = 25_000


def main() -> None:
    """Plant, find, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    sets, pool = {}, []
    for source in options.sources:
        name = source.name if source.name != "all" else source.parent.name
        before = Dataset.load(source)
        looks, _ = load_thumbnails(before.photos, FeatureStore(options.cache))
        pool.append(looks.pixels)
        names = [photo.name for photo in before.photos]
        known = {(names[p.first], names[p.second]) for p in find_near_duplicates(looks)}
        sets[name] = {
            "num_photos": len(names),
            "pairs_found_as_it_is": len(known),
            **_planted(source, known, range(options.seeds), options.cache),
        }
    report("near_duplicates", sets=sets, many=_many(np.concatenate(pool)))


def _planted(
    source: Path, known: set[tuple[str, str]], seeds: range, cache: Path | None
) -> dict[str, object]:
    num_planted = num_found = num_right = num_flagged = 0
    missed: Counter[str] = Counter()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            planted = plant_near_duplicates(source, Path(folder, "set"), seed=seed)
            dataset = Dataset.load(Path(folder, "set"))
            looks, _ = load_thumbnails(dataset.photos, FeatureStore(cache))
            names = [photo.name for photo in dataset.photos]
            found = {(names[p.first], names[p.second]) for p in find_near_duplicates(looks)}
        kinds = {tuple(sorted((p.name, p.original))): p.kind for p in planted}
        origin = {p.name: p.original for p in planted}
        found = {(min(a, b), max(a, b)) for a, b in found}
        hits = found & set(kinds)
        missed.update(kinds[pair] for pair in set(kinds) - hits)
        flagged = {pair for pair in found if pair[0] in origin or pair[1] in origin}
        pairs = {tuple(sorted((origin.get(a, a), origin.get(b, b)))) for a, b in flagged - hits}
        wrong = {pair for pair in pairs if pair[0] != pair[1] and pair not in known}
        num_planted, num_found = num_planted + len(kinds), num_found + len(hits)
        num_flagged, num_right = num_flagged + len(flagged), num_right + len(flagged) - len(wrong)
    return {
        "seeds": len(seeds),
        "recall": round(num_found / num_planted, 4),
        "precision": round(num_right / max(num_flagged, 1), 4),
        "missed": {kind: missed[kind] for kind in KINDS if missed[kind]},
    }


def _many(thumbnails: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> dict[str, object]:
    """Search 25,000 mixtures of real thumbnails, a twentieth of them doubled with noise."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(thumbnails), size=(2, _MANY))
    share = rng.uniform(0.3, 0.7, (_MANY, 1, 1)).astype(np.float32)
    mixed = share * thumbnails[first] + (1 - share) * thumbnails[second][:, :, ::-1]
    doubled = rng.permutation(_MANY // 2)[: _MANY // 20]
    mixed[doubled + _MANY // 2] = mixed[doubled] + rng.normal(0, 3, (len(doubled), 1, 1))
    pixels = np.clip(mixed, 0, 255).astype(np.uint8)
    del mixed
    blank = np.zeros(_MANY, np.float32)
    nowhere = np.full((_MANY, 2), np.nan)
    looks = Thumbnails(pixels, blank, blank, blank, blank, blank, nowhere[:, 0], nowhere)
    start = time.perf_counter()
    pairs = find_near_duplicates(looks)
    seconds = time.perf_counter() - start
    found = {(p.first, p.second) for p in pairs}
    tracemalloc.start()
    find_near_duplicates(looks.take(np.arange(_MANY // 2)))
    half = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    find_near_duplicates(looks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "num_photos": _MANY,
        "seconds": round(seconds, 2),
        "peak_mb": round(peak / 1e6, 1),
        "peak_mb_half_as_many": round(half / 1e6, 1),
        "found": sum((int(i), int(i) + _MANY // 2) in found for i in doubled) / len(doubled),
    }


if __name__ == "__main__":
    main()
