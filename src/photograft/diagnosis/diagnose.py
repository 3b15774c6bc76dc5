"""A diagnosis, made anew or remembered."""

from __future__ import annotations

import hashlib

from photograft.core.blas import one_thread
from photograft.core.choices import STREAM_ABOVE
from photograft.core.feature_table import Table
from photograft.core.memo import remembered
from photograft.core.progress import Progress
from photograft.core.text import size
from photograft.data.dataset import Dataset
from photograft.data.thumbnails import load_thumbnails
from photograft.diagnosis.examine import Diagnosis, examine
from photograft.diagnosis.findings import Finding, Flagged
from photograft.features.extractor import Extractor
from photograft.features.layers import last_columns

#: Part of the key under which a diagnosis is remembered: raise it whenever another is made.
_CODE_VERSION = 7


@one_thread()
def diagnose(
    dataset: Dataset,
    extractor: Extractor,
    table: Table | None,
    *,
    seed: int,
    most_bytes: int = STREAM_ABOVE,
    progress: Progress,
) -> Diagnosis:
    """Examine photos and labels, or say again what was found of the very same ones before.

    Args:
        dataset: The photos; all of them decode.
        extractor: The backbone that has looked at them, and the store.
        table: Its features of every photo; None where it has not: what needs them is left out.
        seed: Decides the folds.
        most_bytes: Where its features of every photo take more, they are not held in memory, and
            what needs them is left out, too.
        progress: Told how far it is.
    """
    columns = last_columns(extractor.backbone.layers)
    taken = 4 * len(dataset.photos) * len(columns)
    if table is not None and taken > most_bytes:
        progress.say(
            f"Labels are not judged: the photos' features take {size(taken)}, more than "
            f"{size(most_bytes)}."
        )
        table = None
    alike = repr([(photo.alike, photo.series) for photo in dataset.photos]).encode()
    skipped = repr(
        [(file.name, file.reason, file.detail, file.label) for file in dataset.skipped]
    ).encode()
    key = {
        "what": "diagnosis",
        "code": _CODE_VERSION,
        "data": dataset.fingerprint(),
        "alike": hashlib.sha256(alike).hexdigest(),
        "dropped": list(dataset.dropped),
        "skipped": hashlib.sha256(skipped).hexdigest(),
        "right": sorted(dataset.right),
        "features": None if table is None else extractor.space_key(),
        "seed": seed,
    }

    def make() -> object:
        thumbnails, _ = load_thumbnails(
            dataset.photos, extractor.store, max_pixels=dataset.max_pixels, progress=progress
        )
        features = (
            None
            if table is None
            else table.rows([photo.digest for photo in dataset.photos], columns)
        )
        found = examine(dataset, thumbnails, features, seed=seed, progress=progress)
        plain = [{**vars(f), "photos": [vars(photo) for photo in f.photos]} for f in found.findings]
        return {"findings": plain, "figures": found.figures}

    answer = remembered(extractor.store.cache, key, make)
    findings = (
        Finding(**{**f, "photos": tuple(Flagged(**photo) for photo in f["photos"])})
        for f in answer["findings"]
    )
    return Diagnosis(tuple(findings), answer["figures"])
