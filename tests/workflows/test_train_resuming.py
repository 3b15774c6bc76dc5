"""`photograft train` cold, warm, killed and interrupted."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

import photograft
import system_helpers as system
from drawing import draw_photo
from photograft.core.store import FeatureStore
from recording import Recorder

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for the extraction to take a second."""
    folder = tmp_path_factory.mktemp("many") / "photos"
    for number, name in enumerate(("circle", "square")):
        (folder / name).mkdir(parents=True)
        for i in range(150):
            image = draw_photo(np.random.default_rng([7, number, i]), number, 64)
            image.save(folder / name / f"{i:03}.jpg")
    return folder


@pytest.fixture(scope="module")
def cold(many_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that computed everything, and the cache that it filled."""
    system.shared_run(tmp_path_factory)  # converts the network
    shared = system.shared_cache(tmp_path_factory)
    cache = system.without_rows(shared, tmp_path_factory.mktemp("cold") / "cache")
    recorder = Recorder()
    store = FeatureStore(cache)
    run = photograft.train(many_photos, out=cache.parent / "run", store=store, progress=recorder)
    assert recorder.totals["Extracting features"] == recorder.done["Extracting features"] == 300
    return run.path, cache


def test_warm_run_equals_cold_run_and_extracts_nothing(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, cache = cold
    recorder = Recorder()
    warm = photograft.train(
        many_photos, out=tmp_path / "warm", store=FeatureStore(cache), progress=recorder
    )
    assert "Extracting features" not in recorder.totals
    assert system.same_results([run, warm.path])


@pytest.mark.slow
def test_killed_run_goes_on_and_ends_the_same(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, full_cache = cold
    cache = system.without_rows(full_cache, tmp_path / "cache")
    process = system.start(cache, "train", many_photos, "--out", "killed", cwd=tmp_path)
    system.wait_for_rows(cache, 24, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = system.num_stored(cache)
    assert 24 <= kept < 300
    assert not (tmp_path / "killed").exists()

    recorder = Recorder()
    again = photograft.train(
        many_photos, out=tmp_path / "again", store=FeatureStore(cache), progress=recorder
    )
    assert recorder.totals["Extracting features"] == 300 - kept
    assert system.same_results([run, again.path])


@pytest.mark.slow
def test_interrupted_run_says_so_and_goes_on(
    cold: tuple[Path, Path], many_photos: Path, tmp_path: Path
) -> None:
    run, full_cache = cold
    cache = system.without_rows(full_cache, tmp_path / "cache")
    process = system.start(cache, "train", many_photos, cwd=tmp_path)
    system.wait_for_rows(cache, 24, process)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert out == ""
    assert err == (
        "photograft: interrupted; what was computed is kept: run the same command again\n"
    )
    assert not list(tmp_path.glob("runs/*"))
    assert not list(cache.rglob("*.lock"))
    kept = system.num_stored(cache)
    assert 24 <= kept < 300

    recorder = Recorder()
    again = photograft.train(
        many_photos, out=tmp_path / "again", store=FeatureStore(cache), progress=recorder
    )
    assert recorder.totals["Extracting features"] == 300 - kept
    assert system.same_results([run, again.path])


def test_interrupted_while_writing_leaves_no_run(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from photograft.report.plots import figures

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "confusion_matrix", interrupt)
    result = system.invoke(capsys, "train", photos, "--out", tmp_path / "run")
    assert result.code == 130
    assert result.err.startswith("photograft: interrupted")
    assert list(tmp_path.iterdir()) == []
