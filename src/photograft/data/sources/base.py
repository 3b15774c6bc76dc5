"""What every source hands over: items that can be read, and files that it passed over."""

from __future__ import annotations

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from photograft.core.columnar import Codes, Column, Records, Texts
from photograft.core.errors import SourceError
from photograft.data.sources.reads import Reads

#: Kinds of sources that only Python can name: tables and photos in memory.
IN_MEMORY = ("table", "memory")

#: The reason for files that operating systems and programs leave, and for those with a dot.
HIDDEN = "hidden or system file"

#: What a split may be called in a folder name or a manifest, and the name it has here.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Item:
    """One file of a source that may be a photo; nothing of it has been read yet.

    Attributes:
        name: How it is shown and recorded: relative to the source, ``/``-separated, valid UTF-8,
            unique within the source.
        label: The name of its class.
        split: ``"train"``, ``"validation"``, ``"test"``, or None where the source gives no split.
        group: Photos with the same group stay on one side of a split; None where none is given.
        read: Returns the file's bytes; raises OSError where that fails.
        is_pixels: Whether it is no file: its bytes are made of pixels, in a format of our choice.
    """

    name: str
    label: str
    split: str | None
    group: str | None
    read: Callable[[], bytes]
    is_pixels: bool = False


class Items(Records[Item]):
    """Items, a column for each of their fields."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        columns: dict[str, Column] = {
            "name": Texts(),
            "label": Codes(),
            "split": Codes(),
            "group": Codes(),
            "read": Reads(),
            "is_pixels": Codes(),
        }
        super().__init__(Item, columns, items)


@dataclass(frozen=True)
class SkippedFile:
    """A file that is not used, and why.

    Attributes:
        name: As in `Item`.
        reason: A short phrase under which such files are counted, such as ``"hidden"``.
        detail: What exactly was wrong with this one; may be empty.
        label: The class that it would be of; empty where the source does not say.
    """

    name: str
    reason: str
    detail: str = ""
    label: str = ""

    @property
    def is_system(self) -> bool:
        """Whether it is none that people mean to show: nothing is wrong where it is left out."""
        return self.reason == HIDDEN

    @property
    def told(self) -> str:
        """The reason as it is told of several files; with the format, and the way out of it."""
        told_with = self.reason == "unsupported format" and self.detail
        return f"{self.reason} ({self.detail})" if told_with else self.reason


@dataclass(frozen=True)
class Listing:
    """All that a source holds, sorted by name.

    Attributes:
        kind: ``"folder"``, ``"manifest"``, ``"arrays"``, ``"archive"``, ``"parquet"``,
            ``"webdataset"``, ``"tfds"``, ``"hf"``, or one of `IN_MEMORY`.
        items: The files that may be photos, sorted by name.
        skipped: The files known at sight not to be, sorted by name.
        notes: What the user should know about how the source was understood.
        empty: The names of classes, such as folders', that hold no file at all.
    """

    kind: str
    items: Sequence[Item]
    skipped: tuple[SkippedFile, ...] = ()
    notes: tuple[str, ...] = field(default=())
    empty: tuple[str, ...] = ()


def split_name(name: str) -> str | None:
    """Return the split that a folder or a manifest's value names, or None where it names none.

    >>> split_name("Valid"), split_name("cats")
    ('validation', None)
    """
    return SPLIT_NAMES.get(name.strip().lower())


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names in the same order, those that came before told apart by ``#2``, ``#3``...

    >>> unique_names(["a.jpg", "a.jpg", "a.jpg#2"])
    ['a.jpg', 'a.jpg#3', 'a.jpg#2']
    """
    taken = set(names)
    if len(taken) == len(names):
        return list(names)
    seen: dict[str, int] = {}
    result = []
    for name in names:
        if name not in seen:
            seen[name] = 1
            result.append(name)
            continue
        unique = name
        while unique in taken:
            seen[name] += 1
            unique = f"{name}#{seen[name]}"
        taken.add(unique)
        result.append(unique)
    return result


def lookalikes(labels: Iterable[str]) -> list[str]:
    """Return a note for each set of labels that differ in nothing that can be seen well.

    >>> lookalikes(["cats", "Cats", "dogs"])
    ["classes 'Cats', 'cats' differ only by case, space or Unicode form; they are kept apart"]
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        alike[unicodedata.normalize("NFC", label).strip().casefold()].append(label)
    return [
        f"classes {', '.join(map(repr, group))} differ only by case, space or Unicode form; "
        "they are kept apart"
        for group in alike.values()
        if len(group) > 1
    ]


def make_listing(
    kind: str,
    items: Iterable[Item],
    skipped: Iterable[SkippedFile] = (),
    notes: Iterable[str] = (),
    empty: Iterable[str] = (),
) -> Listing:
    """Return a listing whose names are unique and sorted, with notes on classes that look alike.

    Args:
        kind: As in `Listing`.
        items: In any order; among items of one name, the first keeps it.
        skipped: In any order; an item keeps its name before a skipped file does.
        notes: What the user should know.
        empty: As in `Listing`.

    Returns:
        The listing.
    """
    used = items if isinstance(items, Items) else Items(items)
    used = _sorted(used)
    passed = sorted(skipped, key=lambda file: file.name)
    plain = [*used.columns["name"], *(file.name for file in passed)]
    names = unique_names(plain)
    if names != plain:
        told = Texts()
        told.extend(names[: len(used)])
        used.columns["name"] = told
        used = _sorted(used)
    passed = [
        file if file.name == name else replace(file, name=name)
        for file, name in zip(passed, names[len(used) :], strict=True)
    ]
    return Listing(
        kind=kind,
        items=used,
        skipped=tuple(sorted(passed, key=lambda file: file.name)),
        notes=(*notes, *lookalikes(used.columns["label"])),
        empty=tuple(empty),
    )


def _sorted(items: Items) -> Items:
    names = list(items.columns["name"])
    if all(one <= other for one, other in itertools.pairwise(names)):
        return items
    return items.take(np.array(sorted(range(len(names)), key=names.__getitem__)))


def nothing_here(source: str, expected: str, got: str = "") -> SourceError:
    """Return the error for a source that holds no file which might be a labelled photo."""
    return SourceError(
        f"{source} holds no photos in class folders",
        expected=expected,
        got=got,
        fix="See `photograft inspect --help` for the layouts that are understood.",
    )
