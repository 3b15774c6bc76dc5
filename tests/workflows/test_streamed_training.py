"""A training whose features are too many for memory gives the same classifier, and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drawing import draw_folder
from photograft.core.store import FeatureStore
from photograft.workflows.train import train
from recording import Recorder


def test_streamed_training_says_so_and_is_no_other(tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", ("circle", "square"), n=20, seed=2)
    store, progress = FeatureStore(), Recorder()
    kept = train(photos, out=tmp_path / "kept", effort="quick", store=store, progress=False)
    streamed = train(
        photos,
        out=tmp_path / "streamed",
        effort="quick",
        stream_above="10KB",
        store=store,
        progress=progress,
    )
    (note,) = [n for n in streamed.info["notes"] if "in passes over the store" in n]
    assert "more than 10.0 kB (--stream-above)" in note
    assert not any("passes" in n for n in kept.info["notes"])
    assert streamed.info["config"]["stream_above"] == 10_000
    assert any(text.startswith("Labels are not judged") for text in progress.said)
    paths = sorted(photos.rglob("*.jpg"))
    one, other = (run.classifier.predict_proba(paths, progress=False) for run in (kept, streamed))
    np.testing.assert_allclose(one, other, atol=5e-3)
    assert kept.metrics is not None
    assert streamed.metrics is not None
    assert kept.metrics.accuracy == streamed.metrics.accuracy
