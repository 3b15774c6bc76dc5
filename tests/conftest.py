"""What every test gets: a cache folder of its own, a maker of photos, and a Ctrl-C that works."""

from __future__ import annotations

import gc
import shutil
import signal
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import studio_helpers
import system_helpers
from drawing import MakePhotos, draw_folder
from executor_helpers import Squares, results
from photograft.core.executors.ray_cluster import OnRay
from photograft.workflows.studio.project import Project
from server_helpers import RunningServer, serving


def pytest_sessionstart() -> None:
    """Heed SIGINT, also where a shell started the tests in the background and had it ignored.

    Processes that tests start would inherit that, and could not be interrupted.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among what is imported and collected: it all stays, and is a lot."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, let files that take long come first.

    Else one of them is left alone with such a file at the end. Files stay whole, since what a
    module's fixtures made is not made twice.
    """
    if not hasattr(config, "workerinput"):
        return
    seconds: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        names = {mark.name for mark in item.iter_markers()}
        seconds[item.path] += 10 if "slow" in names else 3 if "browser" in names else 0.2
    items.sort(key=lambda item: -seconds[item.path])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of this test's own as the user's cache; not inside `tmp_path`."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands say nothing of how far they are, however slow the machine is just now."""
    monkeypatch.setattr("photograft.interfaces.cli.views.progress.PATIENCE", 3600.0)


@pytest.fixture
def make_photos() -> MakePhotos:
    """Makes a folder of class folders; see `draw_folder`."""
    return draw_folder


@pytest.fixture
def warm_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The session's cache in place of an empty one, to save seconds."""
    del cache
    folder = system_helpers.shared_cache(tmp_path_factory)
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's class folders of drawn photos; not to be changed."""
    return system_helpers.shared_photos(tmp_path_factory)


@pytest.fixture
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's run on `photos`; not to be changed."""
    return system_helpers.shared_run(tmp_path_factory)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file that shows a square."""
    return (system_helpers.shared_photos(tmp_path_factory) / "square" / "00.jpg").read_bytes()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[OnRay]:
    """The session's cluster of this machine: to start one takes seconds."""
    executor = OnRay("local")
    assert results(executor, Squares(), [1]) == {0: 1}
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def on_ray(ray_cluster: OnRay) -> Iterator[OnRay]:
    """Work on the session's cluster; its cores are free again for the next module."""
    yield ray_cluster
    ray_cluster.rest()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of the session's run, for tests that change nothing about it."""
    run = system_helpers.shared_run(tmp_path_factory)
    cache_ = system_helpers.shared_cache(tmp_path_factory)
    with serving(cache_, f"shapes={run}", "--unknown") as found:
        yield found


@pytest.fixture
def unlabelled(photos: Path, tmp_path: Path, warm_cache: Path) -> Iterator[Project]:
    """A project of twelve drawn photos a class, none with a label."""
    folder = studio_helpers.flat_photos(photos, tmp_path / "shapes")
    with Project.open(folder) as project:
        yield project


@pytest.fixture
def done(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, warm_cache: Path
) -> Iterator[Project]:
    """A project in which all was done once."""
    folder = tmp_path / "done"
    shutil.copytree(studio_helpers.done_project(tmp_path_factory), folder)
    with Project.open(None, folder) as project:
        yield project
