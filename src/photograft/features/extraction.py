"""Features of photos: from the store, or from the backbone while other photos are decoded."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from photograft.backbones.engines import Engine, engine_code, engine_versions
from photograft.backbones.int8.ranges import digest_of
from photograft.backbones.registry import BATCH_SIZE, Backbone
from photograft.backbones.running import num_at_once
from photograft.core.arrays import Floats, Pixels
from photograft.core.errors import ImageError
from photograft.core.parallel import in_order
from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from photograft.data import images
from photograft.data.sources.members import NUM_AT_ONCE, is_far
from photograft.features import preprocessing
from photograft.features.looks import JoinedNetwork

#: Positions, their features, and the positions and errors of files that failed.
FeatureBatch = tuple[list[int], Floats, list[tuple[int, ImageError]]]

#: Photos are handed to the network by this many: no fewer than keep every core busy.
GROUP_SIZE = max(BATCH_SIZE, 2 * num_at_once())

#: Photos decoded ahead of the network: enough to even out large and small ones.
_WINDOW = 8 * GROUP_SIZE


def _as_it_is(pixels: Pixels, digest: bytes) -> Pixels:
    del digest
    return pixels


@dataclass(frozen=True)
class Mirrored:
    """Mirrors what another change gives.

    Attributes:
        change: As in `View`.
    """

    change: Callable[[Pixels, bytes], Pixels]

    def __call__(self, pixels: Pixels, digest: bytes) -> Pixels:
        """Return the mirror image."""
        return np.ascontiguousarray(self.change(pixels, digest)[:, ::-1])


@dataclass(frozen=True)
class View:
    """A way to look at each photo.

    Attributes:
        name: Part of the store's key: another name for whatever gives other pixels.
        change: From prepared pixels ``(h, w, 3)`` and the photo's content digest to what the
            network is to see; to be sent to other processes, it has to be picklable.
        margin: Photos are prepared larger by this factor, at least 1.
    """

    name: str
    change: Callable[[Pixels, bytes], Pixels] = _as_it_is
    margin: float = 1.0


PLAIN = View("plain")
FLIPPED = View("flip", Mirrored(_as_it_is))


def mirrored_view(view: View) -> View:
    """Return the view in which a photo is the mirror image of what it is in another one."""
    if view is PLAIN:
        return FLIPPED
    return View(f"{view.name}, mirrored", Mirrored(view.change), view.margin)


def open_space(
    store: FeatureStore, backbone: Backbone, engine: Engine, view: View = PLAIN
) -> Space:
    """Return the part of the store that holds a backbone's features of a view."""
    return store.space(space_key(backbone, engine, view=view.name), backbone.num_features)


def space_key(backbone: Backbone, engine: Engine, *, view: str = "plain") -> dict[str, Any]:
    """Return everything that decides a photo's features, apart from the photo."""
    # What was kept before there were ranges has the key that it had.
    ranges = {"ranges": digest_of(engine.ranges)} if engine.ranges else {}
    return {
        **ranges,
        # An ONNX file is the same wherever it lies.
        "backbone": "" if backbone.is_onnx else backbone.name.partition("@")[0],
        "architecture": backbone.architecture,
        "weights_sha256": backbone.weights_sha256,
        "preprocessing": backbone.preprocessing(),
        "layers": [[layer.name, layer.pooling] for layer in backbone.layers],
        "engine": engine.name,
        "precision": engine.precision,
        "device": engine.device,
        "view": view,
        "code": [images.CODE_VERSION, preprocessing.CODE_VERSION, *engine_code(engine)],
        "versions": engine_versions(engine),
    }


def feature_batches(
    reads: Iterable[Callable[[], bytes]],
    backbone: Backbone,
    network: Callable[[], JoinedNetwork],
    *,
    view: View = PLAIN,
    max_pixels: int = images.DEFAULT_MAX_PIXELS,
) -> Generator[FeatureBatch, None, None]:
    """Decode files in other threads while the network runs in this one.

    Args:
        reads: Each returns one file's bytes.
        backbone: Prepares the pixels, for each of its looks.
        network: Opens the networks of the looks; called once the first photo is decoded.
        view: What the network sees of each photo.
        max_pixels: Photos with more pixels fail.

    Yields:
        For each batch, in order: the positions of its photos in `reads`, their features of shape
        ``(n, backbone.num_features)``, and the positions and errors of the files that failed
        since the batch before. Every position comes up exactly once.
    """
    looks = [
        preprocessing.enlarged(look, view.margin) if view.margin > 1 else look
        for look in backbone.looks
    ]

    def load(read: Callable[[], bytes]) -> list[Pixels] | ImageError:
        try:
            data = read()
            seen = preprocessing.prepare_looks(data, looks, max_pixels=max_pixels)
            if view is PLAIN:
                return seen
            digest = hashlib.sha256(data).digest()
            return [view.change(pixels, digest) for pixels in seen]
        except ImageError as error:
            return error
        except OSError as error:
            return ImageError("unreadable", error.strerror or str(error))

    run: JoinedNetwork | None = None
    indices: list[int] = []
    batch: list[list[Pixels]] = []
    failed: list[tuple[int, ImageError]] = []
    nothing = np.empty((0, backbone.num_features), np.float32)
    left = iter(reads)
    first = list(itertools.islice(left, 1))
    # What waits for another machine, mostly, keeps no core busy.
    threads = NUM_AT_ONCE if first and is_far(first[0]) else None
    loaded = in_order(load, itertools.chain(first, left), window=_WINDOW, num_threads=threads)
    try:
        for i, pixels in enumerate(loaded):
            if isinstance(pixels, ImageError):
                failed.append((i, pixels))
            else:
                indices.append(i)
                batch.append(pixels)
            if len(batch) == GROUP_SIZE or len(failed) == GROUP_SIZE:
                if batch:
                    run = run or network()
                yield indices, run(*_stacks(batch)) if batch and run else nothing, failed
                indices, batch, failed = [], [], []
        if batch:
            run = run or network()
            yield indices, run(*_stacks(batch)), failed
        elif failed:
            yield indices, nothing, failed
    finally:
        loaded.close()


def _stacks(batch: Sequence[Sequence[Pixels]]) -> list[Pixels]:
    """Return the photos' pixels as each look sees them, a stack a look."""
    return [np.stack(seen) for seen in zip(*batch, strict=True)]
