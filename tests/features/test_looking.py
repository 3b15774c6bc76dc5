"""Photos looked at elsewhere: the same features, bit for bit, whatever dies on the way."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drawing import draw_folder
from executor_helpers import NEEDS_RAY, Sabotaged
from photograft.backbones.engines import Engine
from photograft.core.executors.base import Executor, InProcess
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from photograft.core.progress import Silent
from photograft.core.segments import Space
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.features import Featurizer
from photograft.features.extraction import PLAIN, View, mirrored_view, open_space
from photograft.features.extractor import Extractor
from photograft.features.looking import ListedPhoto, _is_address
from photograft.features.opening import open_extractor
from photograft.features.settings import DEFAULT_AUGMENTATION, ExtractionSettings
from photograft.learning.strategies.features_augment import make_view
from recording import Recorder
from s3_server import s3_server

HAS_RAY = importlib.util.find_spec("ray") is not None
BACKBONES = {
    "openvino": ("efficientnet_lite0", Engine("openvino", "fp32")),
    "onnxruntime": ("efficientnet_lite0", Engine("onnxruntime", "fp32")),
    "torch": ("efficientnet_lite0", Engine("torch", "fp32")),
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 150 small photos."""
    return draw_folder(tmp_path_factory.mktemp("many") / "photos", n=75, size=48)


@pytest.fixture(
    params=[
        "processes",
        pytest.param("ray", marks=NEEDS_RAY),
    ]
)
def executor(request: pytest.FixtureRequest) -> Executor:
    """Each executor but this process, which the others are compared with."""
    if request.param == "ray":
        found: Executor = request.getfixturevalue("on_ray")
        return found
    return Processes(2)


def extractor_in(
    folder: Path, engine: str = "openvino", progress: Recorder | Silent | None = None
) -> Extractor:
    """What looks at photos by the default network, and a store of its own."""
    name, chosen = BACKBONES[engine]
    settings = ExtractionSettings(backbone=name)
    own = progress or Silent()
    extractor = open_extractor(settings, store=FeatureStore(folder), progress=own)
    return replace(extractor, engine=chosen)


def digest(space: Space, dataset: Dataset) -> str:
    """Of all features that are kept, in the photos' order; each photo is there once."""
    keys = b"".join(path.read_bytes() for path in sorted(space.folder.glob("*.keys")))
    own = [keys[i : i + 32] for i in range(0, len(keys), 36)]
    assert sorted(own) == sorted({photo.digest for photo in dataset.photos})
    rows = space.find(own).rows([photo.digest for photo in dataset.photos])
    return hashlib.sha256(rows.tobytes()).hexdigest()


def extracted(folder: Path, source: Path, engine: str = "openvino", view: View = PLAIN) -> str:
    dataset = Dataset.load(source, progress=False)
    extractor = extractor_in(folder, engine)
    _, failures, ran = extractor.extract(dataset.photos, view)
    assert not failures
    return digest(open_space(ran.store, ran.backbone, ran.engine, view), dataset)


@pytest.fixture(scope="module")
def undisturbed(many: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of all features, made by this process."""
    return extracted(tmp_path_factory.mktemp("undisturbed"), many)


def test_the_same_features(
    executor: Executor, many: Path, tmp_path: Path, undisturbed: str
) -> None:
    with executing(executor):
        assert extracted(tmp_path, many) == undisturbed


def test_photos_in_a_bucket_are_read_by_workers(photos: Path, tmp_path: Path) -> None:
    here = extracted(tmp_path / "here", photos)
    with s3_server() as store:
        for file in photos.rglob("*.jpg"):
            store.files[f"bucket/{file.relative_to(photos)}"] = file.read_bytes()
        dataset = Dataset.load(store.address("bucket"), progress=False)
        extractor = extractor_in(tmp_path / "there")
        assert all(map(_is_address, (ListedPhoto(photo) for photo in dataset.photos)))
        with executing(Processes(2)):
            _, failures, ran = extractor.extract(dataset.photos)
        assert not failures
        assert digest(open_space(ran.store, ran.backbone, ran.engine), dataset) == here


def test_rows_of_parquet_are_sent_as_bytes(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.jpg"))
    columns = {
        "bytes": [file.read_bytes() for file in files],
        "label": [file.parent.name for file in files],
    }
    pq.write_table(pa.table(columns), tmp_path / "p.parquet", row_group_size=5)
    dataset = Dataset.load(tmp_path / "p.parquet", progress=False)
    assert not any(map(_is_address, (ListedPhoto(photo) for photo in dataset.photos)))
    with executing(Processes(2)):
        there = extracted(tmp_path / "there", tmp_path / "p.parquet")
    assert there == extracted(tmp_path / "here", photos)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_the_same_features_by_other_engines(
    executor: Executor, photos: Path, tmp_path: Path, engine: str
) -> None:
    with executing(executor):
        found = extracted(tmp_path / "there", photos, engine)
    assert found == extracted(tmp_path / "here", photos, engine)


def test_the_same_views(photos: Path, tmp_path: Path) -> None:
    view = mirrored_view(make_view(DEFAULT_AUGMENTATION, 3, 1))
    with executing(Processes(2)):
        found = extracted(tmp_path / "there", photos, view=view)
    assert found == extracted(tmp_path / "here", photos, view=view)


@pytest.mark.slow
def test_workers_that_are_killed(
    executor: Executor, many: Path, tmp_path: Path, undisturbed: str
) -> None:
    """At moments by a seed; see `benchmarks.ray_extraction` for many more."""
    (tmp_path / "kills").mkdir()
    with executing(Sabotaged(executor, tmp_path / "kills", seed=5, kills=3)):
        assert extracted(tmp_path / "cache", many) == undisturbed
    assert len([*(tmp_path / "kills").iterdir()]) == 3


DRIVER = """
import sys
from pathlib import Path
from photograft.core.executors.choosing import executing
from photograft.core.executors.processes import Processes
from test_looking import extracted
with executing(Processes(2) if sys.argv[3] == "processes" else sys.argv[3]):
    print(extracted(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "off",
        "processes",
        pytest.param(
            "local",
            marks=[pytest.mark.ray, pytest.mark.skipif(not HAS_RAY, reason="no ray")],
        ),
    ],
)
def test_the_driver_is_killed(many: Path, tmp_path: Path, undisturbed: str, how: str) -> None:
    """As soon as some features are kept, and some moments by a seed later; called again it ends."""
    command = [sys.executable, "-c", DRIVER, str(tmp_path), str(many), how]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not any(p.stat().st_size for p in tmp_path.glob("features/*/*.keys")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(random.Random(how).uniform(0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = sum(p.stat().st_size for p in tmp_path.glob("features/*/*.keys")) // 36
    assert 0 < kept < 150
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == undisturbed, done.stderr


@pytest.mark.slow
def test_a_photo_that_ends_its_decoder_is_left_out(photos: Path, tmp_path: Path) -> None:
    with executing(Processes(2)):
        dataset = Dataset.load(photos, progress=False)
        bad = dataset.photos[3]
        recorder = Recorder()
        extractor = extractor_in(tmp_path, progress=recorder)
        _, failures, _ = extractor.extract(dataset.photos, View("deadly", Deadly(bad.digest)))
    assert set(failures) == {bad.digest}
    assert str(failures[bad.digest]) == "unreadable: each process that decoded it died"
    left = dataset.without(failures)
    assert [file.name for file in left.skipped][-1:] == [bad.name]
    assert recorder.done == {"Extracting features": len(dataset.photos)}


class Deadly:
    """A view in which one photo ends the process."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def __call__(self, pixels: np.ndarray, digest: bytes) -> np.ndarray:
        if digest == self.digest:
            os.kill(os.getpid(), signal.SIGKILL)
        return pixels


@pytest.mark.slow
def test_files_that_others_do_not_have_are_sent(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on machines that do not share a disk: there a relative path leads nowhere."""
    dataset = Dataset.load(photos, progress=False)
    here = tmp_path / "here"
    here.mkdir()
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    expected = extracted(tmp_path / "cache", photos)
    from photograft.data.known_files import FileOnDisk

    moved = []
    for i, photo in enumerate(dataset.photos):
        (here / str(i)).write_bytes(photo.read())
        moved.append(replace(photo, read=FileOnDisk(Path(str(i)))))
    monkeypatch.chdir(here)
    extractor = extractor_in(tmp_path / "other")
    with executing(InFolder(str(nowhere))):
        _, failures, _ = extractor.extract(moved)
    assert not failures
    space = open_space(extractor.store, extractor.backbone, extractor.engine)
    assert digest(space, dataset) == expected


class InFolder(Processes):
    """Processes that work in another folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(1)
        self.folder = folder

    def run(self, work, things, dealing=None):  # type: ignore[no-untyped-def]
        yield from super().run(Elsewhere(work, self.folder), things, dealing)  # type: ignore[arg-type]


class Elsewhere:
    def __init__(self, work: object, folder: str) -> None:
        self.work, self.folder = work, folder

    def __call__(self, batch: object) -> object:
        os.chdir(self.folder)
        return self.work(batch)  # type: ignore[operator]

    def stream(self, things: object) -> object:
        raise NotImplementedError


class OfTwoMachines(InProcess):
    """Work that is done in this process, as if by two machines in turns."""

    is_remote = True

    def run(self, work, things, dealing=None):  # type: ignore[no-untyped-def]
        for number, done in enumerate(super().run(work, things)):
            yield replace(done, place=f"node {number % 2}")


def test_how_fast_each_machine_is(photos: Path, tmp_path: Path) -> None:
    dataset = Dataset.load(photos, progress=False)
    recorder = Recorder()
    with executing(OfTwoMachines()):
        extractor_in(tmp_path, progress=recorder).extract(dataset.photos)
    assert recorder.done == {"Extracting features": len(dataset.photos)}
    assert re.fullmatch(r"node 0: \d+/s, node 1: \d+/s", recorder.notes[-1])


class TestFeaturizer:
    def test_a_batch_of_paths_or_bytes(self, photos: Path, tmp_path: Path) -> None:
        dataset = Dataset.load(photos, progress=False)
        own = dataset.photos[:5]
        paths = [str(photos / photo.name) for photo in own]
        featurizer = pickle.loads(pickle.dumps(Featurizer()))
        by_path = featurizer({"path": paths, "name": "abcde"})
        by_bytes = featurizer({"path": paths, "bytes": [photo.read() for photo in own]})
        assert list(by_path) == ["path", "name", "features", "error"]
        assert list(by_bytes) == ["path", "features", "error"]
        assert by_path["error"] == [""] * 5
        assert by_path["features"].dtype == np.float32
        assert by_path["features"].tobytes() == by_bytes["features"].tobytes()
        assert by_path["features"].shape == (5, featurizer.num_features) == (5, 1280)
        # They are those that are kept.
        extractor = open_extractor(
            ExtractionSettings(), store=FeatureStore(tmp_path), progress=Silent()
        )
        rows = extractor.extract(own)[0].rows([photo.digest for photo in own])
        assert rows[:, -1280:].tobytes() == by_path["features"].tobytes()

    def test_what_can_not_be_used(self, photos: Path) -> None:
        good = next((photos / "square").iterdir()).read_bytes()
        found = Featurizer()({"bytes": [b"no photo", good, b""]})
        assert [error.partition(":")[0] for error in found["error"]] == [
            "not an image",
            "",
            "empty file",
        ]
        assert np.isnan(found["features"]).all(axis=1).tolist() == [True, False, True]

    def test_other_layers_and_several_looks(self, photos: Path) -> None:
        path = next((photos / "square").iterdir())
        joined = Featurizer("efficientnet_lite0+efficientnet_lite0@160,mirror", layer="joined")
        found = joined({"path": [path]})["features"]
        assert found.shape == (1, joined.num_features)
        assert np.isfinite(found).all()
        assert repr(Featurizer(layer="blocks.4")).endswith("num_features=112)")

    def test_no_photos(self) -> None:
        assert Featurizer()({"path": []})["features"].shape == (0, 1280)
        with pytest.raises(ValueError, match="expected a column bytes or path, got x, y"):
            Featurizer()({"x": [], "y": []})
