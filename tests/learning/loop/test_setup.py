"""What a head begins with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drawing import draw_folder
from photograft.core.feature_table import FeatureTable
from photograft.learning.loop.setup import make_head
from training_helpers import make_job, tiny_config


@pytest.mark.parametrize("hidden", [(), (8,)])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_features_that_hardly_moved_are_not_loud(
    hidden: tuple[int, ...], level: float, tmp_path: Path, cache: Path
) -> None:
    """A head on few photos meets others, on which a feature moves that was constant before."""
    source = draw_folder(tmp_path / "photos", n=8, size=32)
    job = make_job(source, tiny_config("features", head="mlp"), cache, table=False)
    digests = job.digests("train")
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (len(digests), 20)).astype(np.float32)
    rows[:, 0] = level
    rows[:, 1] = level + 0.01 * rows[:, 1]
    table = FeatureTable(20, [rows], digests, np.arange(len(digests)))
    head = make_head(job, 20, hidden, table=table)
    usual = rows[:1].copy()
    with torch.no_grad():
        before = head(torch.from_numpy(usual))
        constant, slow, other = usual.copy(), usual.copy(), usual.copy()
        constant[0, 0] += 1
        slow[0, 1] += 1
        other[0, 2:] += 1
        changes = [
            float((head(torch.from_numpy(moved)) - before).abs().max())
            for moved in (constant, slow, other)
        ]
    assert changes[0] == 0
    assert changes[1] <= changes[2]


def test_features_none_of_which_moved(tmp_path: Path, cache: Path) -> None:
    source = draw_folder(tmp_path / "photos", n=8, size=32)
    job = make_job(source, tiny_config("features", head="mlp"), cache, table=False)
    digests = job.digests("train")
    rows = np.ones((len(digests), 5), np.float32)
    table = FeatureTable(5, [rows], digests, np.arange(len(digests)))
    head = make_head(job, 5, (4,), table=table)
    assert all(bool(p.isfinite().all()) for p in head.parameters())
