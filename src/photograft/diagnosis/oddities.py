"""Files that are odd to look at, and sizes or formats that give the class away.

What is odd is judged within the set: where a good part of all photos is dark, dark is how these
photos are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from photograft.core.statistics import wilson_interval
from photograft.core.text import count, of
from photograft.data.dataset import Dataset, Photo
from photograft.data.thumbnails import Thumbnails
from photograft.diagnosis.findings import Finding, Flagged

#: Photos with a shorter side than this show little: a network looks at some 224 pixels.
_TINY = 64
#: What more of the photos than this have in common is not odd.
_COMMON = 0.2
_DARK, _BRIGHT, _PLAIN = 0.95, 0.95, 0.97
#: Variance of the Laplacian under which a photo is blurred, if it also is far less sharp than
#: its set: by this many robust standard deviations of the logarithm.
_BLURRED, _BLURRED_DEVIATIONS = 4e-4, 3.0
#: Sides that differ by this factor more than is usual in the set.
_ASPECT = 2.5

#: A property that tells the class of this share more of the photos than chance is a shortcut.
_SHORTCUT_GAIN = 0.1
_SHORTCUT_SEVERE = 0.3

#: Fewer photos than this in a class are few ...
_FEW = 20
#: ... and a class that is smaller than the largest by this factor is small.
_UNEVEN = 10.0


def find_oddities(dataset: Dataset, thumbnails: Thumbnails) -> list[Finding]:
    """Return photos that are odd to look at, a finding for each way of being odd.

    Args:
        dataset: The photos.
        thumbnails: Of the same photos, in the same order.
    """
    photos = dataset.photos
    if not photos:
        return []
    width = np.array([photo.width for photo in photos], np.float64)
    height = np.array([photo.height for photo in photos], np.float64)
    ratio = np.log(np.maximum(width, 1) / np.maximum(height, 1))
    unusual = np.abs(ratio - np.median(ratio))
    sharpness = np.log10(np.maximum(thumbnails.sharpness.astype(np.float64), 1e-8))
    middle = float(np.median(sharpness))
    spread = max(1.4826 * float(np.median(np.abs(sharpness - middle))), 0.1)
    plain = thumbnails.plain_share >= _PLAIN
    dark = thumbnails.dark_share >= _DARK
    bright = thumbnails.bright_share >= _BRIGHT
    blurred = (thumbnails.sharpness < _BLURRED) & (
        middle - sharpness > _BLURRED_DEVIATIONS * spread
    )
    even = plain & ~dark & ~bright
    return [
        found
        for found in (
            _odd(
                dataset,
                "tiny",
                np.minimum(width, height) < _TINY,
                f"have a side of less than {_TINY} pixels",
                "Replace them by larger versions where there are any, or exclude them.",
                lambda i: f"{photos[i].width} × {photos[i].height}",
            ),
            _odd(
                dataset,
                "dark",
                dark,
                "are all but black",
                "Exclude those that show nothing.",
                lambda i: f"{thumbnails.dark_share[i]:.0%} black",
            ),
            _odd(
                dataset,
                "blown out",
                bright,
                "are all but white",
                "Exclude those that show nothing.",
                lambda i: f"{thumbnails.bright_share[i]:.0%} white",
            ),
            _odd(
                dataset,
                "one colour",
                even,
                "are of nearly one colour",
                "Look whether they show anything, and exclude those that do not.",
                lambda i: f"{thumbnails.plain_share[i]:.0%} of one colour",
            ),
            _odd(
                dataset,
                "blurred",
                blurred & ~(dark | bright | plain),
                "are blurred, to go by the others",
                "Exclude those in which you could not tell the class yourself.",
                lambda i: _blur(10 ** (sharpness[i] - middle)),
            ),
            _odd(
                dataset,
                "aspect",
                unusual > np.log(_ASPECT),
                "are of an extreme shape and will be squeezed",
                "Crop such photos to what they show.",
                lambda i: f"{photos[i].width} × {photos[i].height}",
            ),
        )
        if found is not None
    ]


def find_shortcuts(dataset: Dataset) -> list[Finding]:
    """Return properties of the files that tell the class: a network would learn those instead.

    A property tells as much as guessing each photo's class by the other photos of the same property
    does, compared to guessing the commonest class.
    """
    found: list[Finding] = []
    properties: tuple[tuple[str, Callable[[Photo], object]], ...] = (
        ("file format", lambda photo: photo.format),
        ("image size", lambda photo: (photo.width, photo.height)),
        ("shape", lambda photo: (photo.width > photo.height) - (photo.width < photo.height)),
    )
    labels = [photo.label for photo in dataset.photos]
    if len(set(labels)) < 2:
        return []
    base = Counter(labels).most_common(1)[0][1] / len(labels)
    for name, value_of in properties:
        values = [value_of(photo) for photo in dataset.photos]
        right = _guessed(values, labels)
        low, _ = wilson_interval(int(right.sum()), len(right))
        gain = float(right.mean()) - base
        if gain < _SHORTCUT_GAIN or low <= base + _SHORTCUT_GAIN / 2:
            continue
        found.append(
            Finding(
                "shortcut",
                "serious" if gain >= _SHORTCUT_SEVERE else "worth a look",
                gain,
                f"the {name} alone tells the class of {right.mean():.0%} of the photos "
                f"(always the commonest class: {base:.0%}); {_example(values, labels, name)}",
                "A network may learn that instead of what the photos show, and fail where it no "
                "longer holds. Bring all photos to one format and size by the same program, or "
                "take them alike.",
            )
        )
        if name == "image size":
            break  # the shape says no more than the size does
    return found


def check_class_sizes(dataset: Dataset) -> list[Finding]:
    """Return what is to be said of how many photos each class has."""
    counts = dataset.class_counts()
    if len(counts) < 2:
        return [
            Finding(
                "one class",
                "serious",
                1.0,
                f"all photos are of one class, {name}: there is nothing to tell it from",
                "Add photos of what it is to be told from, in a folder beside it.",
            )
            for name in counts
        ]
    found = []
    few = {name: number for name, number in counts.items() if number < _FEW}
    if few:
        shown = ", ".join(f"{name} ({number})" for name, number in list(few.items())[:6])
        more = f" and {len(few) - 6} more" if len(few) > 6 else ""
        found.append(
            Finding(
                "few photos",
                "worth a look",
                sum(few.values()) / len(dataset.photos),
                f"fewer than {_FEW} photos of {shown}{more}",
                "Add photos of them first: what is learned from so few, and what is said of how "
                "well, is uncertain.",
            )
        )
    smallest, largest = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
    if counts[smallest] * _UNEVEN < counts[largest]:
        found.append(
            Finding(
                "uneven classes",
                "note",
                counts[smallest] / len(dataset.photos),
                f"{count(counts[largest], 'photo')} of {largest} to {counts[smallest]:,} of "
                f"{smallest}",
                "--class-weight balanced gives every class the same say; look at each class's "
                "recall rather than at the accuracy.",
            )
        )
    return found


def _odd(
    dataset: Dataset,
    kind: str,
    which: npt.NDArray[np.bool_],
    what: str,
    fix: str,
    detail: Callable[[int], str],
) -> Finding | None:
    found = int(which.sum())
    if not found:
        return None
    share = found / len(which)
    if share > _COMMON and found > 1:
        title = (
            f"{of(found, len(which), 'photo')} {what}: that is how this set is, so none is listed"
        )
        return Finding(kind, "note", share / 10, title, "Nothing, if you expected that.")
    photos = tuple(
        Flagged(dataset.photos[i].name, dataset.photos[i].label, group, "", None, detail(i))
        for group, i in enumerate(np.flatnonzero(which).tolist())
    )
    one = what.replace("have ", "has ", 1).replace("are ", "is ", 1).replace("and will", "and will")
    title = f"{count(found, 'photo')} {one if found == 1 else what}"
    return Finding(kind, "worth a look", share / 2, title, fix, photos)


def _guessed(values: Sequence[object], labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return whether each photo's class is the commonest among the others of its value."""
    counts: dict[object, Counter[str]] = defaultdict(Counter)
    for value, label in zip(values, labels, strict=True):
        counts[value][label] += 1
    everywhere = Counter(labels)
    right = []
    for value, label in zip(values, labels, strict=True):
        own = counts[value]
        alone = sum(own.values()) == 1
        # Itself left out; nobody else has the value: the commonest class of all.
        seen = everywhere if alone else own
        others = max((n for other, n in seen.items() if other != label), default=0)
        right.append(seen[label] - 1 > others)
    return np.array(right, np.bool_)


def _blur(share: float) -> str:
    """Return how much less sharp than usual, in words."""
    return f"{1 / share:.0f} times less sharp than usual"


def _example(values: Sequence[object], labels: Sequence[str], name: str) -> str:
    """Return the value that says most, in words."""
    counts: dict[object, Counter[str]] = defaultdict(Counter)
    for value, label in zip(values, labels, strict=True):
        counts[value][label] += 1
    value, own = max(counts.items(), key=lambda pair: max(pair[1].values()) ** 2 / pair[1].total())
    label, most = own.most_common(1)[0]
    if name == "image size" and isinstance(value, tuple):
        value = f"{value[0]} × {value[1]}"
    if name == "shape":
        value = {1: "wide", 0: "square", -1: "tall"}.get(int(str(value)), value)
    return (
        f"{most:,} of the {own.total():,} that are {value} {'is' if most == 1 else 'are'} {label}"
    )
