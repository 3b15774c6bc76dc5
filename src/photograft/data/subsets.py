"""A small set cut from a large one: so many photos of each class, in the order of their names.

``cat.0.jpg`` to ``cat.999.jpg`` for training, the next ones for validation, the next for the test:
the way in which the small set of Chollet's *Deep Learning with Python* is made.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from photograft.core.errors import DatasetError, InputError, SourceError, StorageError
from photograft.core.files import check_free, new_folder, printable, read_file
from photograft.core.parallel import in_order
from photograft.core.progress import Progress, Silent
from photograft.core.text import count, natural_key
from photograft.data.dataset import Dataset, Photo
from photograft.data.empty_classes import nothing_usable
from photograft.data.images import read_header
from photograft.data.names import free_name, safe_name
from photograft.data.photo import PIXELS, find_faults
from photograft.data.sources.base import HIDDEN, Item, Listing, SkippedFile, make_listing
from photograft.data.sources.tree import is_hidden

_ELSEWHERE = "Choose another folder."

#: Where a photo's class is told: by its folder (or whatever the source says), or by its name.
LABELS_FROM = ("folder", "name")

_EXTENSIONS = {"JPEG": ".jpg", "TIFF": ".tif", "PPM": ".ppm", "JPEG2000": ".jp2", "HEIF": ".heic"}


def make_subset(
    dataset: Dataset,
    out: Path,
    *,
    train: int,
    validation: int,
    test: int,
    start: int = 0,
    progress: Progress | None = None,
) -> dict[str, dict[str, int]]:
    """Copy so many photos of each class into ``OUT/train/CLASS/``, and so on; whole or not at all.

    Of each class, the usable photos are counted in the natural order of their names, whatever
    split the source puts them in. Those that do not decode are passed over and not counted.

    Args:
        dataset: The photos.
        out: The new folder; it must not exist yet, or be empty.
        train: Photos of each class for training.
        validation: Likewise for validation.
        test: Likewise for the test.
        start: How many usable photos of each class to pass over first.
        progress: Told how far it is.

    Returns:
        Under ``"train"``, ``"validation"`` and ``"test"`` the number of photos by class, under
        ``"skipped"`` the number of files by the reason why they were passed over.

    Raises:
        InputError: A number is negative, or no photo is asked for.
        DatasetError: A class has too few photos.
        SourceError: A photo has changed since it was listed.
        StorageError: The folder can't be written, or would lie in the source.
    """
    check_numbers(train, validation, test, start)
    if dataset.kind == "folder":
        check_out(out, dataset.source)
    else:  # a table's photos may lie anywhere, and its root may be the current folder
        check_free(out, fix=_ELSEWHERE)
    progress = progress or Silent()
    sizes = {"train": train, "validation": validation, "test": test}
    dataset, chosen = _choose(dataset, start, start + sum(sizes.values()), progress)
    folders = dict(zip(chosen, _distinct([safe_name(name) for name in chosen]), strict=True))
    plan: list[tuple[Photo, PurePosixPath]] = []
    counts: dict[str, dict[str, int]] = {part: {} for part in sizes}
    for label, photos in chosen.items():
        names = _distinct([_file_name(photo) for photo in photos])
        first = 0
        for part, size in sizes.items():
            counts[part][label] = size
            for photo, name in zip(photos[first : first + size], names[first:], strict=False):
                plan.append((photo, PurePosixPath(part, folders[label], name)))
            first += size
    with new_folder(out, fix=_ELSEWHERE) as partial_folder:
        for part, size in sizes.items():
            for label in chosen if size else ():
                (partial_folder / part / folders[label]).mkdir(parents=True)
        with progress.step("Copying photos", len(plan), "photos") as step:
            for data, (_, path) in zip(in_order(_read, [p for p, _ in plan]), plan, strict=True):
                if isinstance(data, SourceError):
                    raise data
                (partial_folder / path).write_bytes(data)
                step.advance()
    return {**counts, "skipped": dataset.skipped_counts()}


def list_by_name(source: str | os.PathLike[str]) -> Listing:
    """List photos whose names begin with their class, as in ``cat.0.jpg``.

    Args:
        source: A folder that holds the photos themselves.

    Returns:
        The listing. The class is what stands before the first dot, underscore or digit.

    Raises:
        SourceError: The source is no folder, can't be read, or holds no such file.
    """
    folder = Path(source).expanduser().absolute()
    if not folder.is_dir():
        raise SourceError(
            f"{printable(folder)} is no folder",
            expected="a folder of photos, where the class is told by their names",
            fix="Unpack an archive first." if folder.exists() else "Check the path.",
        )
    listing = make_listing("folder", *_scan(folder))
    items: list[Item] = []
    skipped = list(listing.skipped)
    for item in listing.items:
        label = label_in_name(PurePosixPath(item.name).name)
        if label:
            items.append(replace(item, label=label))
        else:
            skipped.append(SkippedFile(item.name, "no label", "the name begins with no class"))
    if not items:
        raise SourceError(
            f"{printable(source)} holds no file whose name begins with a class",
            expected="names such as cat.0.jpg and dog_17.png in the folder itself",
            fix="For class folders, leave --label-from out.",
        )
    return make_listing(listing.kind, items, skipped, listing.notes)


def label_in_name(name: str) -> str:
    """Return what a file's name says of its class; empty where it says nothing.

    >>> label_in_name("cat.10.jpg"), label_in_name("dog_2.png"), label_in_name("7.jpg")
    ('cat', 'dog', '')
    """
    return re.split(r"[._\d]", name, maxsplit=1)[0].strip(" -(")


def _scan(folder: Path) -> tuple[list[Item], list[SkippedFile]]:
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = printable(entry.name)
                if is_hidden(entry.name):
                    skipped.append(SkippedFile(name, HIDDEN))
                elif entry.is_dir():
                    skipped.append(SkippedFile(name + "/", "not in the folder itself"))
                else:
                    items.append(Item(name, "", None, None, partial(read_file, folder / name)))
    except OSError as error:
        raise SourceError(
            f"the folder {printable(folder)} can't be read", got=error.strerror or str(error)
        ) from error
    return items, skipped


def check_numbers(train: int, validation: int, test: int, start: int) -> None:
    """Raise `InputError` unless the numbers ask for some photo, and none is negative."""
    numbers = {"train": train, "validation": validation, "test": test, "start": start}
    for name, number in numbers.items():
        if number < 0:
            raise InputError(
                f"{name} is a number of photos of each class", expected="0 or more", got=str(number)
            )
    if not train + validation + test:
        raise InputError("no photo is asked for", fix="Give --train, --validation or --test.")


def check_out(out: Path, source: str | os.PathLike[str]) -> None:
    """Raise `StorageError` if `out` is taken, or lies among the photos of `source`."""
    check_free(out, fix=_ELSEWHERE)
    root = Path(source).expanduser()
    if root.is_dir() and out.resolve().is_relative_to(root.resolve()):
        raise StorageError(
            f"the subset would lie in {printable(root)}, among the photos",
            fix="Choose a folder elsewhere: nothing in the source is ever changed.",
        )


def _choose(
    dataset: Dataset, start: int, stop: int, progress: Progress
) -> tuple[Dataset, dict[str, Sequence[Photo]]]:
    """Return the photos of each class from `start` to `stop`, all of which decode.

    The dataset that is returned with them is without those that turned out not to.
    """
    if not dataset.photos:
        raise nothing_usable(dataset.source, dataset.skipped_counts())
    checked: set[str] = set()
    while True:
        by_class: defaultdict[str, list[Photo]] = defaultdict(list)
        for photo in sorted(dataset.photos, key=lambda photo: natural_key(photo.name)):
            by_class[photo.label].append(photo)
        ordered = {name: by_class[name] for name in sorted(by_class, key=natural_key)}
        few = {name: photos for name, photos in ordered.items() if len(photos) < stop}
        # Where there are too few, how many of them decode is still to be told; else also those
        # before `start`: whether they count must not depend on where one starts.
        looked = few or ordered
        wanted = [p for photos in looked.values() for p in photos[:stop] if p.name not in checked]
        if wanted:
            checked.update(photo.name for photo in wanted)
            dataset = dataset.without(find_faults(wanted, dataset.max_pixels, progress))
        elif few:
            raise _too_few(dataset, {name: len(photos) for name, photos in few.items()}, stop)
        else:
            return dataset, {name: photos[start:stop] for name, photos in ordered.items()}


def _too_few(dataset: Dataset, counts: Mapping[str, int], wanted: int) -> DatasetError:
    few = [f"{name} has {number:,}" for name, number in counts.items()]
    unusable = sum(not file.is_system for file in dataset.skipped)
    return DatasetError(
        f"there are too few usable photos: {', '.join(few[:10])}"
        + (f" and {count(len(few) - 10, 'more class', 'more classes')}" if few[10:] else ""),
        expected=f"{wanted:,} of each class",
        fix=f"{count(unusable, 'file')} can't be used; `photograft inspect` says why."
        if unusable
        else "",
    )


def _read(photo: Photo) -> bytes | SourceError:
    try:
        data = photo.read()
    except OSError as error:
        return SourceError(f"{photo.name} can't be read any more", got=error.strerror or str(error))
    if hashlib.sha256(data).digest() != photo.digest:
        return SourceError(f"{photo.name} has changed while it was being copied")
    return data


def _file_name(photo: Photo) -> str:
    """Return a safe name for a photo's copy, with an extension where it has none."""
    name = PurePosixPath(photo.name).name
    suffix = PurePosixPath(name).suffix
    if not re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{1,4}", suffix):
        kind = read_header(photo.read()).format if photo.format == PIXELS else photo.format
        suffix = _EXTENSIONS.get(kind, f".{kind.lower()}")
        return safe_name(name, suffix)
    return safe_name(name.removesuffix(suffix), suffix)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names told apart, also where upper and lower case are the same."""
    repeated = Counter(name.casefold() for name in names)
    taken = {name for name, count in repeated.items() if count == 1}
    return [name if repeated[name.casefold()] == 1 else free_name(name, taken) for name in names]
