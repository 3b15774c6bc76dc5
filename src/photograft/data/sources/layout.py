"""Which files belong to which class and split, told from their paths alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.core.text import times
from photograft.data.sources.base import (
    Item,
    Listing,
    SkippedFile,
    make_listing,
    nothing_here,
    split_name,
    unique_names,
)
from photograft.data.sources.tree import Parts, Passed, Tree, TreeView, show

_EXPECTED = (
    "class folders, each with photos (cats/1.jpg, dogs/2.jpg), "
    "or train/ and test/ folders that hold such class folders"
)


class Placed(NamedTuple):
    """A file, its class, and its split or None."""

    path: PurePosixPath
    label: str
    split: str | None


@dataclass
class Layout:
    """How a tree was understood."""

    placed: list[Placed] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def arrange(tree: Tree) -> Layout:
    """Return which files of a tree belong to which class and split.

    Args:
        tree: The paths below the source's root.

    Returns:
        The files with their classes, those that are skipped, notes, and empty classes.

    Raises:
        SourceError: A split folder can't be read.
    """
    view = TreeView(tree)
    layout = Layout(skipped=view.skipped)
    top = view.top()
    split = view.is_split(top)
    if top:
        layout.notes.append(f"classes were taken from {show(top)}/")
    if split:
        layout.notes += _split_notes(view, top)
    else:
        layout.notes += [
            f"{show((*top, name))}/ was taken as a class, since no class folders are in it"
            for name in view.subfolders(top)
            if split_name(name) == "train"
        ]
    depth = len(top) + (1 if split else 0)
    found: list[tuple[PurePosixPath, str, str | None]] = []
    filled: set[Parts] = set()
    for path in view.files:
        parts = path.parts
        part_of = split_name(parts[len(top)]) if split and len(parts) > len(top) + 1 else None
        if split and part_of is None and len(parts) > len(top) + 1:
            layout.skipped.append(SkippedFile(printable(path), "outside the split folders"))
        elif len(parts) < depth + 2:
            layout.skipped.append(SkippedFile(printable(path), "not in a class folder"))
        else:
            found.append((path, parts[depth], part_of))
            filled.add(parts[: depth + 1])
    roots = [(*top, name) for name in view.subfolders(top) if split_name(name)] if split else [top]
    classes = [(*root, name) for root in roots for name in view.subfolders(root)]
    known = set(classes)
    labels = _labels({folder[-1] for folder in classes})
    for passed in view.passed:
        parts = passed.path.parts
        if split and passed.is_folder and parts in roots:
            raise _unreadable_split(passed)
        within = parts if passed.is_folder else parts[:-1]
        of = within[: depth + 1] if within[: depth + 1] in known else None
        if of is not None:
            filled.add(of)
        name = printable(passed.path) + ("/" if passed.is_folder else "")
        label = "" if of is None else labels[of[-1]]
        layout.skipped.append(SkippedFile(name, passed.reason, passed.detail, label))
    bare = [folder for folder in classes if folder not in filled]
    layout.notes += [f"class folder {show(folder)} is empty" for folder in bare]
    layout.empty = sorted({labels[folder[-1]] for folder in bare})
    layout.placed = [Placed(path, labels[folder], part_of) for path, folder, part_of in found]
    return layout


def build_listing(
    kind: str,
    shown: str,
    tree: Tree,
    reader: Callable[[PurePosixPath], Callable[[], bytes]],
) -> Listing:
    """Return the listing of a source whose classes are folders.

    Args:
        kind: As in `Listing`.
        shown: What the error calls the source.
        tree: The paths in it.
        reader: Returns the function that reads the file at such a path.

    Returns:
        The listing.

    Raises:
        SourceError: No file lies in a class folder.
    """
    layout = arrange(tree)
    if not layout.placed:
        reasons = Counter(file.reason for file in layout.skipped)
        got = times(dict(reasons.most_common()))
        raise nothing_here(shown, _EXPECTED, got or "no files")
    items = (  # made one after another: they end as columns
        Item(printable(path), label, split, None, reader(path))
        for path, label, split in layout.placed
    )
    return make_listing(kind, items, layout.skipped, layout.notes, layout.empty)


def _unreadable_split(passed: Passed) -> SourceError:
    """Return the error for a folder such as ``test/``: without it, all would be split anew."""
    return SourceError(
        f"the split folder {printable(passed.path)}/ can't be read",
        got=passed.detail,
        fix="Check its permissions with `ls -ld`, or take it away.",
    )


def _split_notes(view: TreeView, top: Parts) -> list[str]:
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for name in view.subfolders(top):
        split = split_name(name)
        if split is not None:
            folders[split].append(name)
    notes = [
        f"{' and '.join(show((*top, name)) + '/' for name in names)} "
        f"were taken together as the {split} split"
        for split, names in folders.items()
        if len(names) > 1
    ]
    notes += [
        f"split folder {show((*top, name))}/ holds no class folders"
        for names in folders.values()
        for name in names
        if not view.subfolders((*top, name))
    ]
    return notes


def _labels(folders: set[str]) -> dict[str, str]:
    ordered = sorted(folders)
    shown = unique_names([printable(name) for name in ordered])
    return dict(zip(ordered, shown, strict=True))
