"""Near duplicates among very many photos: ``python -m benchmarks.near_duplicates_scale``.

Thumbnails are drawn: mixtures of smooth random fields, so that many are somewhat alike, a
twentieth of them changed copies (mirrored, cut by a tenth, noisier, brighter). They are searched by
lists and, up to where that is the usual way, exactly: for time, memory, planted pairs, and what the
lists miss of what the exact search finds.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common import report
from photograft.data.near_duplicates import MOST_EXACT, find_near_duplicates
from photograft.data.thumbnails import SIDE, Thumbnails

_FIELDS, _CHUNK = 600, 4096


def draw(n: int, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Return thumbnails, and the number of the one that each is a copy of, or -1."""
    rng = np.random.default_rng(seed)
    fields = np.empty((_FIELDS, SIDE, SIDE), np.float32)
    for i in range(_FIELDS):
        cells = (4, 6, 9, 14, 24)[i % 5]
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells), np.uint8))
        fields[i] = np.asarray(noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    fields -= 128
    pixels = np.empty((n, SIDE, SIDE), np.uint8)
    for start in range(0, n, _CHUNK):
        count = min(_CHUNK, n - start)
        mixed = np.zeros((count, SIDE, SIDE), np.float32)
        for _ in range(5):
            own = fields[rng.integers(_FIELDS, size=count)]
            mixed += own * rng.uniform(0.2, 1, (count, 1, 1)).astype(np.float32)
        pixels[start : start + count] = np.clip(mixed * 0.7 + 128, 0, 255)
    copied = np.full(n, -1, np.intp)
    chosen = rng.permutation(n)[: n // 20 * 2].reshape(2, -1)
    for number, (source, target) in enumerate(chosen.T.tolist()):
        pixels[target] = _changed(pixels[source], number % 4, rng)
        copied[target] = source
    return pixels, copied


def _changed(
    photo: npt.NDArray[np.uint8], kind: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    if kind == 0:
        return photo[:, ::-1]
    if kind == 1:
        side = SIDE - 4
        top, left = rng.integers(0, 5, 2)
        cut = Image.fromarray(photo[top : top + side, left : left + side])
        return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    if kind == 2:
        noisy = photo + rng.normal(0, 4, photo.shape)
        return np.asarray(np.clip(noisy, 0, 255), np.uint8)
    return np.asarray(np.clip(photo * 1.1, 0, 255), np.uint8)


def thumbnails_of(pixels: npt.NDArray[np.uint8]) -> Thumbnails:
    """Return thumbnails of which nothing but the pixels is known."""
    blank = np.zeros(len(pixels), np.float32)
    never, nowhere = np.full(len(pixels), np.nan), np.full((len(pixels), 2), np.nan)
    return Thumbnails(pixels, blank, blank, blank, blank, blank, never, nowhere)


def search(looks: Thumbnails, most_exact: int) -> tuple[set[tuple[int, int]], dict[str, float]]:
    """Return the pairs, and what they took."""
    start, busy = time.perf_counter(), time.process_time()
    found = {(p.first, p.second) for p in find_near_duplicates(looks, most_exact=most_exact)}
    return found, {
        "pairs": len(found),
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(time.process_time() - busy, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Search by lists and, where the photos are not too many for it, exactly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    options = parser.parse_args()
    n = options.photos
    pixels, copied = draw(n)
    looks = thumbnails_of(pixels)
    planted = {(min(i, j), max(i, j)) for i, j in enumerate(copied.tolist()) if j >= 0}
    figures: dict[str, object] = {"num_photos": n, "planted": len(planted)}
    listed, figures["by_lists"] = search(looks, 0)
    figures["planted_found_by_lists"] = len(listed & planted) / len(planted)
    if n <= MOST_EXACT:
        exact, figures["exact"] = search(looks, n)
        figures["planted_found_exactly"] = len(exact & planted) / len(planted)
        figures["recall_of_exact"] = len(exact & listed) / max(len(exact), 1)
        figures["more_than_exact"] = len(listed - exact)
    report("near_duplicates_scale", **figures)


if __name__ == "__main__":
    main()
