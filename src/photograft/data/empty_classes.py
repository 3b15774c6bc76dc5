"""Classes that a source names and that no photo can be used of: told, and never lost in silence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from photograft.core.errors import DatasetError
from photograft.core.files import printable
from photograft.core.text import count, short, times
from photograft.data.sources.base import SkippedFile

#: Classes, and reasons of one class, that a message names.
_MOST = 4


def refuse(source: str, names: Sequence[str], skipped: Iterable[SkippedFile]) -> DatasetError:
    """Return the error for classes of which no photo can be used.

    Args:
        source: What it calls the source.
        names: The classes; at least one.
        skipped: The source's files that can't be used.
    """
    files = of_classes(names, skipped)
    if len(names) == 1:
        which, got, them = f"the class {short(names[0])!r}", told(files[names[0]]), "it"
    else:
        which, them = count(len(names), "class", "classes"), "them"
        each = [f"{short(name)!r}: {told(files[name])}" for name in names[:_MOST]]
        if len(names) > _MOST:
            each.append(f"and {count(len(names) - _MOST, 'more class', 'more classes')}")
        got = "; ".join(each)
    return DatasetError(
        f"no photo of {which} in {source} can be used",
        got=got,
        fix="Mend or convert such files, or remove the class; --empty-classes drop goes on "
        f"without {them}.",
    )


def nothing_usable(source: str, counts: Mapping[str, int]) -> DatasetError:
    """Return the error for a source without any usable photo.

    Args:
        source: What it calls the source.
        counts: How many files were skipped, by reason.
    """
    return DatasetError(
        f"{printable(source)} has no usable photo",
        got=times(counts),
        fix="`photograft inspect` lists every file and why it was skipped.",
    )


def left_out(names: Sequence[str], skipped: Iterable[SkippedFile]) -> list[str]:
    """Return a note for each class that is gone on without; the arguments are those of `refuse`."""
    return [
        f"goes on without the class {short(name)!r}: {told(files)}, none of which can be used"
        if files
        else f"goes on without the class {short(name)!r}, which has no files"
        for name, files in of_classes(names, skipped).items()
    ]


def of_classes(
    names: Sequence[str], skipped: Iterable[SkippedFile]
) -> dict[str, list[SkippedFile]]:
    """Return the skipped files of each of some classes."""
    files: dict[str, list[SkippedFile]] = {name: [] for name in names}
    for file in skipped:
        if file.label in files:
            files[file.label].append(file)
    return files


def told(files: Sequence[SkippedFile]) -> str:
    """Return how many files a class has, and why none can be used.

    >>> told([SkippedFile("a.jpg", "empty file"), SkippedFile("b.jpg", "truncated", "3 bytes")])
    '2 files (1 × empty file, 1 × truncated: 3 bytes)'
    >>> told([])
    'no files'
    """
    if not files:
        return "no files"
    by_reason: defaultdict[str, list[SkippedFile]] = defaultdict(list)
    for file in files:
        by_reason[file.told].append(file)
    ordered = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    reasons = [_reason(reason, found) for reason, found in ordered[:_MOST]]
    if len(ordered) > _MOST:
        reasons.append(f"{sum(len(found) for _, found in ordered[_MOST:]):,} for other reasons")
    folders = sum(file.name.endswith("/") for file in files)
    kinds = [
        count(number, kind)
        for number, kind in ((len(files) - folders, "file"), (folders, "folder"))
        if number
    ]
    return f"{' and '.join(kinds)} ({', '.join(reasons)})"


def _reason(reason: str, files: Sequence[SkippedFile]) -> str:
    detail = files[0].detail if reason == files[0].reason else ""  # else it is told already
    several = len({file.detail for file in files}) > 1
    first = ", the first: " if several else ": "
    return times({reason: len(files)}) + (f"{first}{detail}" if detail else "")
