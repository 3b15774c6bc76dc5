"""A diagnosis, made anew or remembered."""

from __future__ import annotations

import hashlib

import numpy as np

from photograft.core.arrays import Floats
from photograft.core.memo import remembered
from photograft.core.progress import Progress
from photograft.core.segments import FeatureTable
from photograft.data.corrections import Corrections
from photograft.data.dataset import Dataset
from photograft.data.thumbnails import glimpse
from photograft.doctor.examine import Diagnosis, examine
from photograft.doctor.findings import Finding, Flagged
from photograft.features.extractor import Extractor
from photograft.learning.job import Job
from photograft.learning.settings import TrainConfig

#: Part of the key under which a diagnosis is remembered: raise it whenever another is made.
_CODE_VERSION = 4


def examine_job(job: Job) -> Diagnosis:
    """Examine the photos of a training, by the features that it has of them."""
    return _diagnosis(job.dataset, job.table, job.extractor, job.config, job.progress)


def _diagnosis(
    dataset: Dataset,
    table: FeatureTable | None,
    extractor: Extractor,
    config: TrainConfig,
    progress: Progress,
) -> Diagnosis:
    """Return the diagnosis, made anew or remembered."""
    right = Corrections.read(config.corrections).right if config.corrections else frozenset()
    alike = repr([photo.alike for photo in dataset.photos]).encode()
    skipped = repr([(file.name, file.reason, file.detail) for file in dataset.skipped]).encode()
    key = {
        "what": "diagnosis",
        "code": _CODE_VERSION,
        "data": dataset.fingerprint(),
        "alike": hashlib.sha256(alike).hexdigest(),
        "skipped": hashlib.sha256(skipped).hexdigest(),
        "right": sorted(right),
        "features": None if table is None else extractor.space_key(),
        "seed": config.seed,
    }

    def make() -> object:
        glimpses, _ = glimpse(
            dataset.photos, extractor.store, max_pixels=config.max_pixels, progress=progress
        )
        features = None if table is None else _last_layer(dataset, table, extractor)
        found = examine(
            dataset, glimpses, features, right=right, seed=config.seed, progress=progress
        )
        plain = [{**vars(f), "photos": [vars(photo) for photo in f.photos]} for f in found.findings]
        return {"findings": plain, "figures": found.figures}

    answer = remembered(extractor.store.cache, key, make)
    findings = (
        Finding(**{**f, "photos": tuple(Flagged(**photo) for photo in f["photos"])})
        for f in answer["findings"]
    )
    return Diagnosis(tuple(findings), answer["figures"])


def _last_layer(dataset: Dataset, table: FeatureTable, extractor: Extractor) -> Floats:
    total, last = extractor.backbone.num_features, extractor.backbone.layers[-1].num_features
    return table.rows([p.digest for p in dataset.photos], np.arange(total)[-last:])
