"""The files and folders below a source's root, known by their paths alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from photograft.core.files import printable
from photograft.data.sources.base import HIDDEN, SkippedFile, split_name

#: The names of the folders on the way from the root; empty for the root itself.
Parts = tuple[str, ...]

_SYSTEM_NAMES = {
    "__macosx",
    "thumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "@eadir",
    "__pycache__",
}

# Only for telling a photo that lies beside the class folders from a README; what is used as a
# photo is decided by its content.
PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".gif", ".webp", ".bmp"),
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".ppm", ".pgm"),
}


#: What files of many photos are called.
SHARD_SUFFIXES = (".parquet", ".tar")


class Passed(NamedTuple):
    """Something that was passed over before its place in the layout was known."""

    path: PurePosixPath
    reason: str
    detail: str = ""
    is_folder: bool = False


@dataclass
class Tree:
    """What lies below the root of a source; all paths are relative to that root.

    Attributes:
        files: The files, hidden ones too.
        folders: The folders, at least those that hold no file; of hidden ones nothing below.
        passed: What can't be used wherever it lies.
        outside: What lies nowhere below the root.
    """

    files: list[PurePosixPath] = field(default_factory=list)
    folders: list[PurePosixPath] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    outside: list[SkippedFile] = field(default_factory=list)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is one that people don't mean to show.

    >>> is_hidden(".DS_Store"), is_hidden("cats")
    (True, False)
    """
    return name.startswith(".") or name.endswith("~") or name.lower() in _SYSTEM_NAMES


def show(parts: Parts) -> str:
    """Return a folder's path as text."""
    return printable(PurePosixPath(*parts))


class TreeView:
    """The visible part of a tree, by folder.

    Args:
        tree: The tree.

    Attributes:
        files: The files that are visible, in the tree's order.
        skipped: What is hidden, and what lies outside.
        passed: What else was passed over.
    """

    def __init__(self, tree: Tree) -> None:
        self.files: list[PurePosixPath] = []
        self.skipped = list(tree.outside)
        self.passed: list[Passed] = []
        self._children: defaultdict[Parts, set[str]] = defaultdict(set)
        self._known: set[Parts] = set()
        self._with_photos: set[Parts] = set()
        self._hidden: set[Parts] = set()
        for path in tree.folders:
            if not self._note_hidden(path, is_folder=True):
                self._register(path.parts)
        for path in tree.files:
            if not self._note_hidden(path, is_folder=False):
                self.files.append(path)
                self._register(path.parts[:-1])
                if path.suffix.lower() in PHOTO_SUFFIXES:
                    self._with_photos.add(path.parts[:-1])
        for passed in tree.passed:
            if self._note_hidden(passed.path, is_folder=passed.is_folder):
                continue
            self.passed.append(passed)
            self._register(passed.path.parts if passed.is_folder else passed.path.parts[:-1])
        self.skipped += [SkippedFile(show(parts) + "/", HIDDEN) for parts in self._hidden]

    def subfolders(self, folder: Parts) -> list[str]:
        """Return the names of the visible folders in a folder, sorted."""
        return sorted(self._children.get(folder, ()))

    def is_split(self, folder: Parts) -> bool:
        """Return whether the folders in a folder are splits, and not classes."""
        names = self.subfolders(folder)
        splits = {name: split for name in names if (split := split_name(name))}
        if "train" not in splits.values():
            return len(names) >= 2 and len(splits) == len(names)
        if len(splits) == 1 and len(names) >= 3:
            # bus/, car/, train/: a class that happens to be called so holds photos, no folders.
            only = (*folder, next(iter(splits)))
            return bool(self._children.get(only)) or only not in self._with_photos
        return True

    def top(self) -> Parts:
        """Return the folder that holds the class or split folders: the root, or what it wraps."""
        top: Parts = ()
        while not self.is_split(top):
            inner = self.subfolders(top)
            if len(inner) != 1 or top in self._with_photos:
                wraps = len(inner) >= 2 and top not in self._with_photos
                return top if wraps else ()
            top = (*top, inner[0])
        return top

    def _register(self, folder: Parts) -> None:
        for depth in range(len(folder), 0, -1):
            if folder[:depth] in self._known:
                return
            self._known.add(folder[:depth])
            self._children[folder[: depth - 1]].add(folder[depth - 1])

    def _note_hidden(self, path: PurePosixPath, *, is_folder: bool) -> bool:
        parts = path.parts
        for depth, name in enumerate(parts, start=1):
            if is_hidden(name):
                if depth < len(parts) or is_folder:
                    self._hidden.add(parts[:depth])
                else:
                    self.skipped.append(SkippedFile(printable(path), HIDDEN))
                return True
        return False
