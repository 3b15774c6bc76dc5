"""What the main jobs say of one small seeded set stays what it was; see `golden/` for what it was.

Written anew, after a change that is meant to change results, by running this file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
from drawing import draw_folder
from photograft.core.store import FeatureStore
from photograft.evaluation.comparison.candidates import make_candidates
from photograft.workflows.compare import compare_candidates
from photograft.workflows.doctor import doctor
from system_helpers import read_json, read_rows

GOLDEN = Path(__file__).parent / "golden"
#: Processors add up in different orders; where a choice hung on it, far more would differ.
TOLERANCE = 2e-3
#: Such as differ from run to run and from machine to machine.
TIMES = ("ms_per_photo", "train_seconds")


def draw_set(folder: Path) -> Path:
    """Draw photos of three classes with two wrong labels, a copy, and three near duplicates."""
    draw_folder(folder, ("circle", "square", "triangle"), n=16, seed=4)
    first, second = folder / "circle" / "03.jpg", folder / "square" / "05.jpg"
    spare = folder / "spare.jpg"
    for source, target in ((first, spare), (second, first), (spare, second)):
        source.replace(target)
    shutil.copy(folder / "triangle" / "01.jpg", folder / "triangle" / "01 copy.jpg")
    for name in ("circle/07", "square/09", "triangle/11"):
        with Image.open(folder / f"{name}.jpg") as image:
            image.save(folder / f"{name} again.jpg", quality=60)
    return folder


def results(job: str, photos: Path, folder: Path, store: FeatureStore) -> dict[str, Any]:
    """Run one of the main jobs, and return what it found as plain JSON types."""
    if job == "doctor":
        config = photograft.TrainConfig(precision="fp32")
        doctor(photos, config, out=folder, store=store)
        return {"findings": read_rows(folder / "findings.parquet")}
    if job == "compare":
        config = photograft.TrainConfig(precision="fp32")
        candidates = make_candidates(
            ["efficientnet_lite0"], ["features", "features+augment"], [], config
        )
        found = compare_candidates(photos, candidates, config, out=folder, store=store)
        rows = read_json(folder / "comparison.json")["candidates"]
        kept = [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
        return {"candidates": kept, **run_results(found.run.path)}
    config = photograft.TrainConfig(strategy=job, precision="fp32")
    photograft.train(photos, config, out=folder, store=store)
    return run_results(folder)


def run_results(folder: Path) -> dict[str, Any]:
    """Return a run's scores, answers and findings."""
    found = {
        "metrics": read_json(folder / "metrics.json"),
        "selection": read_json(folder / "selection.json"),
        "predictions": read_rows(folder / "predictions.parquet"),
    }
    if (folder / "findings.parquet").is_file():
        found["findings"] = read_rows(folder / "findings.parquet")
    return found


def differences(here: Any, there: Any, place: str = "") -> Iterator[str]:
    """Yield each place at which two results differ by more than processors do."""
    if isinstance(there, dict) and isinstance(here, dict):
        if sorted(here) != sorted(there):
            yield f"{place}: {sorted(here)} instead of {sorted(there)}"
            return
        for key in there:
            yield from differences(here[key], there[key], f"{place}.{key}")
    elif isinstance(there, list) and isinstance(here, list):
        if len(here) != len(there):
            yield f"{place}: {len(here)} instead of {len(there)}"
            return
        for i, (a, b) in enumerate(zip(here, there, strict=True)):
            yield from differences(a, b, f"{place}[{i}]")
    elif isinstance(there, float) and isinstance(here, int | float):
        if not np.isclose(here, there, rtol=TOLERANCE, atol=TOLERANCE):
            yield f"{place}: {here} instead of {there}"
    elif here != there:
        yield f"{place}: {here!r} instead of {there!r}"


def test_differences_are_seen() -> None:
    there = {"a": [1.0, 2.0], "b": "x", "c": 3}
    assert list(differences({"a": [1.0, 2.0001], "b": "x", "c": 3}, there)) == []
    assert list(differences({"a": [1.1, 2.0], "b": "y", "c": 4}, there)) == [
        ".a[0]: 1.1 instead of 1.0",
        ".b: 'y' instead of 'x'",
        ".c: 4 instead of 3",
    ]
    assert list(differences({"a": [1.0], "b": "x", "c": 3}, there)) == [".a: 1 instead of 2"]
    assert list(differences({"a": [1.0, 2.0]}, there)) == [": ['a'] instead of ['a', 'b', 'c']"]


@pytest.mark.slow
@pytest.mark.parametrize("job", ["features", "features+augment", "compare", "doctor"])
def test_results_stay_what_they_were(job: str, tmp_path: Path, warm_cache: Path) -> None:
    found = results(job, draw_set(tmp_path / "photos"), tmp_path / "out", FeatureStore(warm_cache))
    assert list(differences(found, read_json(GOLDEN / f"{job}.json"))) == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        drawn = draw_set(place / "photos")
        for name in ("features", "features+augment", "compare", "doctor"):
            said = results(name, drawn, place / name, FeatureStore(place / "cache"))
            text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
            (GOLDEN / f"{name}.json").write_text(text, encoding="utf-8")
