"""Series that nobody names, found and not found: ``python -m benchmarks.series SOURCE...``.

First each source is searched as it is, with its names and without: photos that are independent
should have no series. Then series are planted: some photos become two to six views (cropped, seen
from another side, brighter, darker, blurred), others one; and some more, one view of each, are
photos of new series. Asked is how many views are found again, by running numbers, by times, and by
likeness alone; and how far accuracy that is cross-validated, and that of a test that is split off,
is from the accuracy on new series, without and with what was found.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.common import report
from photograft.core.arrays import Floats
from photograft.core.feature_table import Table
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups
from photograft.data.images import decode
from photograft.data.loading import with_near_duplicates
from photograft.data.series import Series, find_series
from photograft.data.splits import make_split
from photograft.features.layers import last_columns
from photograft.features.opening import open_extractor
from photograft.features.settings import ExtractionSettings
from photograft.learning.head.candidates import gather_from
from photograft.learning.head.fitting import fit_head
from photograft.learning.head.selection import Selection, select

#: Photos that are planted at most: those of a training set, and new ones.
_MOST = 160
_VIEWS = (2, 3, 4, 5, 6)
_SHARE = 0.6
_MINUTE, _DAY = 60.0, 86_400.0


def main() -> None:
    """Search each source as it is and with planted series, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--as-they-are", action="store_true", help="Plant nothing.")
    parser.add_argument("--plant-only", action="store_true", help="Nothing but what is planted.")
    parser.add_argument("--cache", type=Path, help="Where features of the sources are kept.")
    options = parser.parse_args()
    for source in options.sources:
        if not options.plant_only:
            with tempfile.TemporaryDirectory() as folder:
                store = FeatureStore(options.cache or Path(folder, "cache"))
                report("series", source=source.name, **_as_it_is(source, store))
        for draw in range(0 if options.as_they_are else options.draws):
            with tempfile.TemporaryDirectory() as folder:
                found = _planted(source, Path(folder), draw)
            report("series, planted", source=source.name, draw=draw, **found)


class _Looked:
    """Photos, and what a backbone sees in them."""

    def __init__(self, source: Path, store: FeatureStore) -> None:
        settings = ExtractionSettings()
        dataset = Dataset.load(source)
        dataset = with_near_duplicates(dataset, settings, store=store, progress=Silent())
        extractor = open_extractor(settings, store=store, progress=Silent())
        table, failures, self.extractor = extractor.extract(dataset.photos)
        self.dataset = dataset.without(failures)
        self.table: Table = table
        self.digests = [photo.digest for photo in self.dataset.photos]

    def search(
        self, names: list[str] | None = None, taken: npt.NDArray[np.float64] | None = None
    ) -> Series | None:
        """Search by names and times, or by likeness alone where there are none."""
        columns = last_columns(self.extractor.backbone.layers)
        return find_series(
            names or [photo.digest.hex() for photo in self.dataset.photos],
            self.dataset.labels,
            content_groups(self.dataset),
            lambda rows: self.table.rows([self.digests[i] for i in rows.tolist()], columns),
            taken=taken,
        )

    def marked(self, series: Series | None) -> Dataset:
        """Return the photos with a series' numbers."""
        if series is None:
            return self.dataset
        photos = [
            replace(photo, series=number) if number >= 0 else photo
            for photo, number in zip(self.dataset.photos, series.numbers.tolist(), strict=True)
        ]
        return replace(self.dataset, photos=tuple(photos))

    def choose(self, dataset: Dataset, rows: npt.NDArray[np.intp]) -> Selection:
        """Choose a head on some of the photos."""
        return select(
            gather_from(self.table, [self.digests[i] for i in rows.tolist()]),
            dataset.labels[rows],
            content_groups(dataset)[rows],
            [self.digests[i] for i in rows.tolist()],
            backbone_layers=self.extractor.backbone.layers,
            layers="auto",
            balanced=False,
            seed=0,
        )

    def fit(self, selection: Selection, dataset: Dataset, rows: npt.NDArray[np.intp]) -> Any:
        """Fit what was chosen."""
        gather = gather_from(self.table, [self.digests[i] for i in rows.tolist()])
        return fit_head(gather, selection, dataset.labels[rows], balanced=False)


def _share(series: Series | None) -> float:
    return 0.0 if series is None else float((series.numbers >= 0).mean())


def _as_it_is(source: Path, store: FeatureStore) -> dict[str, Any]:
    looked = _Looked(source, store)
    named = looked.search([photo.name for photo in looked.dataset.photos])
    return {
        "num_photos": len(looked.digests),
        "in_series": _share(named),
        "told_by": [] if named is None else list(named.told_by),
        "in_series_without_names": _share(looked.search()),
    }


def _planted(source: Path, folder: Path, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    truth = _plant(source, folder, rng)
    store = FeatureStore(folder / "cache")
    looked, new = _Looked(folder / "photos", store), _Looked(folder / "new", store)
    names = [photo.name for photo in looked.dataset.photos]
    own = np.array([truth[Path(name).stem] for name in names])
    # Series a day apart, in any order; their views a minute apart.
    day = rng.permutation(own.max() + 1)
    taken = day[own] * _DAY + np.arange(len(own)) * _MINUTE
    ways = {
        "numbers": looked.search(names),
        "times": looked.search(taken=taken),
        "likeness": looked.search(),
    }
    found: dict[str, Any] = {"num_photos": len(names), "num_series": int(own.max()) + 1}
    for way, series in ways.items():
        found |= {f"{way}_{k}": v for k, v in _judged(series, looked.dataset, own).items()}
    everything = np.arange(len(names))
    for way, series in {"nothing": None, **ways}.items():
        if way != "nothing" and series is None:
            continue
        dataset = looked.marked(series)
        selection = looked.choose(dataset, everything)
        head = looked.fit(selection, dataset, everything)
        split = make_split(dataset, validation=0.0, test=0.2, seed=seed)
        chosen = looked.choose(dataset, split.train)
        part = looked.fit(chosen, dataset, split.train)
        found |= {
            f"cross_validated_with_{way}": selection.accuracy,
            f"cross_validated_loss_with_{way}": selection.log_loss,
            f"split_off_with_{way}": _right(looked, chosen, part, split.test),
            f"new_with_{way}": _right(new, selection, head, np.arange(len(new.digests))),
            f"new_loss_with_{way}": _loss(new, selection, head),
        }
    return found


def _judged(
    series: Series | None, dataset: Dataset, own: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Return the shares of planted views that are with another one, and of wrong company.

    Near duplicates among them count as found: they are kept together, too.
    """
    photos = dataset.photos
    marks = [None] * len(photos) if series is None else series.numbers.tolist()
    marked = [
        replace(p, series=m if m is not None and m >= 0 else None)
        for p, m in zip(photos, marks, strict=True)
    ]
    groups = content_groups(replace(dataset, photos=tuple(marked)))
    together = groups[:, None] == groups
    same = own[:, None] == own
    np.fill_diagonal(together, val=False)
    np.fill_diagonal(same, val=False)
    views = same.any(axis=1)
    wrong = together & ~same
    return {
        "recall": float((together & same).any(axis=1)[views].mean()),
        "pairs": float((together & same).sum() / same.sum()),
        "wrong": float(wrong.any(axis=1).mean()),
    }


def _answers(
    looked: _Looked, selection: Selection, head: Any, rows: npt.NDArray[np.intp]
) -> Floats:
    digests = [looked.digests[i] for i in rows.tolist()]
    answers: Floats = head.predict_proba(looked.table.rows(digests, selection.columns))
    return answers


def _right(looked: _Looked, selection: Selection, head: Any, rows: npt.NDArray[np.intp]) -> float:
    answers = _answers(looked, selection, head, rows).argmax(axis=1)
    return float((answers == looked.dataset.labels[rows]).mean())


def _loss(looked: _Looked, selection: Selection, head: Any) -> float:
    rows = np.arange(len(looked.digests))
    answers = _answers(looked, selection, head, rows)
    own = answers[rows, looked.dataset.labels]
    return float(-np.log(np.maximum(own, 1e-7)).mean())


def _plant(source: Path, folder: Path, rng: np.random.Generator) -> dict[str, int]:
    """Write a training set with series, and new photos; return the series of each by its stem."""
    dataset = Dataset.load(source)
    labels, names = dataset.labels, dataset.class_names
    order = rng.permutation(len(labels))
    chosen = [order[labels[order] == c][: 2 * _MOST // len(names)] for c in range(len(names))]
    truth: dict[str, int] = {}
    number = 0
    for c, rows in enumerate(chosen):
        half = len(rows) // 2
        for part, some in (("photos", rows[:half]), ("new", rows[half:])):
            target = folder / part / f"class {c}"
            target.mkdir(parents=True)
            for i in some.tolist():
                image = decode(dataset.photos[i].read())
                is_series = part == "photos" and rng.random() < _SHARE
                for _ in range(int(rng.choice(_VIEWS)) if is_series else 1):
                    _view(image, rng).save(target / f"{len(truth):05d}.jpg", quality=90)
                    truth[f"{len(truth):05d}"] = number
                number += 1
    kept = sorted({truth[path.stem] for path in (folder / "photos").rglob("*.jpg")})
    places = {series: place for place, series in enumerate(kept)}
    return {stem: places[series] for stem, series in truth.items() if series in places}


def _view(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a photo as if it were taken again from another place, a little later."""
    width, height = image.size
    share = np.sqrt(rng.uniform(0.5, 0.9))
    left = rng.uniform(0, 1 - share) * width
    top = rng.uniform(0, 1 - share) * height
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * share * (width, height) + (left, top)
    corners += rng.uniform(-0.08, 0.08, (4, 2)) * (width, height)
    seen = image.transform(
        image.size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC
    )
    seen = ImageEnhance.Brightness(seen).enhance(rng.uniform(0.75, 1.3))
    seen = ImageEnhance.Contrast(seen).enhance(rng.uniform(0.8, 1.2))
    seen = ImageEnhance.Color(seen).enhance(rng.uniform(0.8, 1.2))
    return seen.filter(ImageFilter.GaussianBlur(rng.uniform(0, width / 300)))


if __name__ == "__main__":
    main()
