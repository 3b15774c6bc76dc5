"""Photos in class folders on the disk."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.data.known_files import FileOnDisk
from photograft.data.sources.base import Listing
from photograft.data.sources.layout import build_listing
from photograft.data.sources.tree import Passed, Tree, is_hidden

#: The files that tell folders which Photograft wrote, and what those are.
MARKERS = {
    "comparison.json": "a comparison",
    "run.json": "a run",
    "classifier.json": "a classifier",
    "journal.jsonl": "a project of the studio",
}

_Identity = tuple[int, int]


def list_folder(root: Path, tree: Tree) -> Listing:
    """List the photos of a folder of class folders, flat or already split, that was walked.

    Args:
        root: The folder, absolute.
        tree: What lies in it.

    Returns:
        The listing, of kind ``"folder"``.

    Raises:
        SourceError: No file lies in a class folder.
    """
    return build_listing("folder", printable(root), tree, lambda inner: FileOnDisk(root / inner))


def walk_folder(root: Path, *, passed_over: Path | None = None) -> Tree:
    """Return the files and folders below a folder.

    Links are followed, except where they lead back to a folder above them. Nothing is opened but
    folders, and nothing is changed.

    Args:
        root: The folder, absolute.
        passed_over: A folder below it that is taken for not there; absolute.

    Raises:
        SourceError: The folder can't be read.
    """
    try:
        return _walk(root, passed_over)
    except OSError as error:
        raise SourceError(
            f"the folder {printable(root)} can't be read",
            expected="a folder that you may list",
            got=error.strerror or str(error),
            fix="Check its permissions with `ls -ld`.",
        ) from error


def refuse_our_own(root: Path, *, passed_over: Path | None = None) -> None:
    """Raise an error where a folder, or one in it, is what Photograft wrote.

    Else its pictures would be taken for a class.

    Args:
        root: The folder.
        passed_over: One in it that may be.

    Raises:
        SourceError: It is.
    """
    what, where = _made_here(root), root
    if not what:
        with suppress(OSError), os.scandir(root) as entries:
            for entry in entries:
                if passed_over is not None and entry.path == str(passed_over):
                    continue
                if entry.is_dir() and (what := _made_here(Path(entry.path))):
                    where = Path(entry.path)
                    break
    if what:
        beside = "" if where == root else f"{printable(root)} holds more than photos: "
        raise SourceError(
            f"{beside}{printable(where)} is {what} that Photograft wrote",
            expected="a folder of class folders",
            fix="Give the photos themselves. To classify others by it: `photograft predict "
            f"{shlex.quote(printable(where))} PHOTOS`.",
        )


def _made_here(folder: Path) -> str:
    """Return what of ours a folder is; empty for any other."""
    with suppress(OSError):
        return next((what for name, what in MARKERS.items() if (folder / name).is_file()), "")
    return ""


def _walk(root: Path, passed_over: Path | None) -> Tree:
    tree = Tree()
    # An explicit stack: folders may be nested deeper than Python's recursion limit.
    pending = [(PurePosixPath(), _above(root))]
    while pending:
        folder, above = pending.pop()
        try:
            with os.scandir(root / folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            if not folder.parts:
                raise
            detail = error.strerror or str(error)
            tree.passed.append(Passed(folder, "unreadable", detail, is_folder=True))
            continue
        for entry in entries:
            if passed_over is not None and entry.path == str(passed_over):
                continue
            inner = _place(entry, folder / entry.name, above, tree)
            if inner is not None:
                pending.append((folder / entry.name, above | {inner}))
    return tree


def _place(
    entry: os.DirEntry[str], path: PurePosixPath, above: frozenset[_Identity], tree: Tree
) -> _Identity | None:
    """Put an entry into the tree; return its identity if it is a folder to be walked."""
    if is_hidden(entry.name):
        is_folder = False
        with suppress(OSError):
            is_folder = entry.is_dir()
        (tree.folders if is_folder else tree.files).append(path)
        return None
    try:
        if entry.is_file(follow_symlinks=False):  # Known without a stat, on most file systems.
            tree.files.append(path)
            return None
        status = os.stat(entry.path)
    except OSError as error:
        tree.passed.append(_failed(entry, path, error))
        return None
    if stat.S_ISREG(status.st_mode):
        tree.files.append(path)
    elif not stat.S_ISDIR(status.st_mode):
        tree.passed.append(Passed(path, "not a regular file"))
    elif (identity := (status.st_dev, status.st_ino)) in above:
        tree.passed.append(Passed(path, "symlink loop", f"leads back to {_target(entry)}"))
    else:
        tree.folders.append(path)
        return identity
    return None


def _failed(entry: os.DirEntry[str], path: PurePosixPath, error: OSError) -> Passed:
    if error.errno == errno.ELOOP:
        return Passed(path, "symlink loop", f"leads to {_target(entry)}")
    if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Passed(path, "broken link", f"leads to {_target(entry)}, which is not there")
    return Passed(path, "unreadable", error.strerror or str(error))


def _above(root: Path) -> frozenset[_Identity]:
    """Return the identities of the root and all folders above it, which no link may lead back to.

    Without those above the root, a link to the user's home would drag all of it in.
    """
    real = Path(os.path.realpath(root))
    identities = set()
    for folder in (real, *real.parents):
        with suppress(OSError):
            status = folder.stat()
            identities.add((status.st_dev, status.st_ino))
    return frozenset(identities)


def _target(entry: os.DirEntry[str]) -> str:
    try:
        return printable(os.readlink(entry.path))
    except OSError:
        return "a folder above it"
