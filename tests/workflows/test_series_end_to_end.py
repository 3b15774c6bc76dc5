"""Series among photos, from files to what users are told, and to splits and folds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.learning.job import Job
from photograft.learning.preparation import prepare, prepare_dataset
from photograft.learning.settings import TrainConfig
from photograft.workflows import doctor

pytestmark = pytest.mark.usefixtures("warm_cache")

SIDE, VIEWS, THINGS = 64, 4, 14
CLASSES = ("a", "b")


def photo(rng: np.random.Generator, thing: int) -> Image.Image:
    """One of a thing's views: its blobs moved, under another light, on another ground."""
    own = np.random.default_rng([7, thing])
    y, x = np.mgrid[:SIDE, :SIDE]
    ground = own.uniform(60, 190, 3) + rng.uniform(-25, 25, 3)
    pixels = np.broadcast_to(ground, (SIDE, SIDE, 3)).copy()
    move = rng.uniform(-8, 8, 2)
    for _ in range(7):
        at = own.uniform(8, 56, 2) + move + rng.normal(0, 1.5, 2)
        radius, colour = own.uniform(5, 13), own.uniform(0, 255, 3)
        radius *= rng.uniform(0.85, 1.15)
        pixels[(y - at[0]) ** 2 + (x - at[1]) ** 2 < radius**2] = colour
    pixels = pixels * rng.uniform(0.75, 1.25) + rng.normal(0, 4, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write(folder: Path, *, names: str = "numbers", views: int = VIEWS) -> Path:
    """Things whose classes are drawn by lot: only who has seen one can tell its class."""
    rng = np.random.default_rng(3)
    for c, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(THINGS * VIEWS):
            thing = c * THINGS * VIEWS + i // views
            exif = Image.Exif()
            stem = f"IMG_{i:04}"
            if names != "numbers":
                stem = hashlib.sha256(f"{c} {i}".encode()).hexdigest()[:16]
            if names == "times":
                day, minute = thing % THINGS * 5 % 28 + 1, i % views
                exif.get_ifd(0x8769)[36867] = f"2026:0{1 + c}:{day:02} 10:{minute:02}:00"
            photo(rng, thing).save(folder / name / f"{stem}.jpg", quality=92, exif=exif)
    return folder


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("series") / "photos")


def prepared(source: Path, **settings: object) -> Job:
    config = TrainConfig(**settings)  # type: ignore[arg-type]
    return prepare(str(source), config, store=FeatureStore(), progress=Silent())


def things(dataset: Dataset) -> list[tuple[str, int]]:
    return [(p.label, int(Path(p.name).stem[4:]) // VIEWS) for p in dataset.photos]


def test_views_of_a_thing_are_on_one_side(series: Path) -> None:
    job = prepared(series)
    groups = content_groups(job.dataset)
    known: dict[tuple[str, int], set[int]] = {}
    for thing, group in zip(things(job.dataset), groups.tolist(), strict=True):
        known.setdefault(thing, set()).add(group)
    assert np.mean([len(found) == 1 for found in known.values()]) > 0.8
    train, test = (set(groups[job.split.parts()[part]].tolist()) for part in ("train", "test"))
    assert not train & test
    assert any("told by their file names" in note for note in job.dataset.notes)
    # Near duplicates are another matter: these views are none.
    plain = content_groups(job.dataset, with_series=False)
    assert len(np.unique(plain)) > 0.9 * len(plain)


def test_the_doctor_and_a_run_say_what_to_expect(series: Path, tmp_path: Path) -> None:
    run = photograft.train(series, effort="quick", out=tmp_path / "run", progress=False)
    compared = run.info["doctor"]["series"]
    assert compared["random"] > compared["grouped"] + 0.15
    within, across = (f"{compared[name]:.1%}" for name in ("random", "grouped"))
    sentence = f"within series {within} are right, across series {across}: expect the latter"
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert sentence in page
    (found,) = [one for one in doctor.doctor(series).diagnosis.findings if one.kind == "series"]
    assert found.severity == "worth a look"
    assert sentence in found.title
    assert len(found.photos) == compared["num_photos"] > 60
    # What was told of the classifier is of things that it has not seen.
    test = run.scores["test"]["accuracy"]
    assert abs(test - compared["grouped"]) < abs(test - compared["random"])


def test_times_tell_where_names_do_not(tmp_path: Path) -> None:
    job = prepared(write(tmp_path / "photos", names="times"))
    assert any("told by their times" in note for note in job.dataset.notes)


def test_nothing_is_said_of_photos_of_a_thing_each(tmp_path: Path) -> None:
    job = prepared(write(tmp_path / "photos", views=1))
    assert all(photo.series is None for photo in job.dataset.photos)
    assert not any("series" in note for note in job.dataset.notes)


@pytest.mark.parametrize("settings", [{"near_duplicates": "ignore"}, {"group_by": r"IMG_(\d)"}])
def test_who_says_what_belongs_together_is_believed(
    series: Path, settings: dict[str, object]
) -> None:
    job = prepared(series, **settings)
    assert all(photo.series is None for photo in job.dataset.photos)


def given_split(source: Path, out: Path, every: int) -> Path:
    """Copy photos into train and test, so many in a row to one side."""
    for name in CLASSES:
        for i, file in enumerate(sorted((source / name).iterdir())):
            target = out / ("test" if i // every % 4 == 0 else "train") / name
            target.mkdir(parents=True, exist_ok=True)
            (target / file.name).write_bytes(file.read_bytes())
    return out


def test_a_given_split_that_parts_series_is_as_it_is(series: Path, tmp_path: Path) -> None:
    """What it asks for is photos of known things: so do the folds, and the user is told."""
    source = given_split(series, tmp_path / "photos", 1)
    job = prepared(source, validation=0.0)
    assert len(job.split.test) == len(job.dataset.photos) // 4
    assert job.split.num_leaks == 0
    assert len(np.unique(job.groups("train"))) > len(job.split.train) * 0.9
    assert any("folds are like it" in note for note in job.dataset.notes)
    (found,) = [one for one in doctor.doctor(source).diagnosis.findings if one.kind == "series"]
    assert "on several sides: its scores are flattered" in found.fix
    assert found.severity == "worth a look"


def test_a_given_split_that_knows_of_series_is_like_the_folds(series: Path, tmp_path: Path) -> None:
    job = prepared(given_split(series, tmp_path / "photos", VIEWS), validation=0.0)
    assert len(np.unique(job.groups("train"))) < len(job.split.train) / 2
    assert any("keeps each series on one side" in note for note in job.dataset.notes)


def test_what_is_known_is_not_asked_again(series: Path) -> None:
    """A comparison looks for series once: its candidates have the same folds and the same test."""
    dataset = Dataset.load(series)
    job = prepare_dataset(
        dataset, TrainConfig(), store=FeatureStore(), progress=Silent(), finds_series=False
    )
    assert all(photo.series is None for photo in job.dataset.photos)


def test_a_comparison_keeps_series_whole(series: Path, tmp_path: Path) -> None:
    found = photograft.compare(
        series,
        backbones=["efficientnet_lite0"],
        strategies=["features"],
        out=tmp_path / "comparison",
        progress=False,
    )
    assert any("series" in note for note in found.info["data"]["notes"])
    (row,) = found.info["candidates"]
    assert row["accuracy"] < 0.85
