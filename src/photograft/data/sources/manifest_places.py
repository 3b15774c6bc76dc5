"""Where the files are that the rows of a manifest name: on this machine, or at addresses."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from photograft.core.addresses import is_address, shown_address
from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.data.sources.addresses import Address, local_path, parse_address
from photograft.data.sources.members import Member
from photograft.data.sources.places import FarFolder

#: A folder is listed once so many of its files are asked for, and no further than this.
_MANY, _MOST_LISTED = 32, 4_000_000
#: Stores that the rows of any manifest at an address may name; of others, only its own.
_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs")
#: Among paths, each between two line ends: those that are not below the root as they are written.
_ODD = (
    "\0",
    "//",
    "\n/",
    "/\n",
    "\n\n",
    *(f"{before}{dots}{after}" for dots in (".", "..") for before in "\n/" for after in "\n/"),
)


class Places:
    """Where the files of a manifest are, and whether they are there.

    To list a folder once is far quicker than to ask for each of its files.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = os.path.join(root, "")
        self._there: dict[str, set[str]] = {}
        self._asked: Counter[str] = Counter()

    @property
    def shown(self) -> str:
        """What messages call the folder that paths are relative to."""
        return printable(self._root)

    def files(self, paths: Sequence[str]) -> list[str]:
        """Return paths as absolute ones; addresses stay what they are."""
        if os.sep == "/" and _are_plain(paths):
            return [self._prefix + path for path in paths]
        are_absolute = os.sep == "/" and all(path.startswith("/") for path in paths)
        if are_absolute and _are_plain([path[1:] for path in paths]):
            return list(paths)
        told = map(local_path, paths) if any("://" in path for path in paths) else paths
        return [path if is_address(path) else os.fspath(self._root / path) for path in told]

    def names(self, files: Sequence[str]) -> list[str]:
        """Return what files are called: by their paths below the root, where they lie there."""
        cut = len(self._prefix)
        if all(file.startswith(self._prefix) for file in files):
            below = [file[cut:] for file in files]
            is_plain = os.sep == "/" and "".join(below).isascii()
            return below if is_plain else [printable(path) for path in below]
        return [
            printable(shown_address(file)) if is_address(file) else _name(Path(file), self._root)
            for file in files
        ]

    def fault(self, file: str) -> tuple[str, str] | None:
        """Return why a file can't be read, as reason and detail, or None; nothing is opened."""
        if is_address(file):
            return _fault_of_address(file)
        folder, _, name = file.rpartition(os.sep)
        there = self._there.get(folder)
        if there is None:
            self._asked[folder] += 1
            if self._asked[folder] < _MANY:
                return _fault(Path(file))
            there = self._there[folder] = _regular_files(folder)
        return None if name in there else _fault(Path(file))

    def reads(self, files: Sequence[str]) -> list[Callable[[], bytes] | str]:
        """Return what reads each file; a path for itself."""
        if not any("://" in file for file in files):
            return list(files)
        return [_member(parse_address(file)) if is_address(file) else file for file in files]


def _are_plain(paths: Sequence[str]) -> bool:
    """Return whether paths are relative and written in the one shortest way."""
    together = "\n".join(("", *paths, ""))
    return not any(odd in together for odd in _ODD)


def _regular_files(folder: str) -> set[str]:
    """Return the names of a folder's files, as far as it can be listed, and is not huge."""
    with contextlib.suppress(OSError, ValueError), os.scandir(folder or os.sep) as entries:
        some = itertools.islice(entries, _MOST_LISTED)
        return {entry.name for entry in some if entry.is_file(follow_symlinks=False)}
    return set()


def _name(file: Path, folder: Path) -> str:
    return printable(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _fault(file: Path) -> tuple[str, str] | None:
    """Return why a file can't be read, as reason and detail, or None; nothing is opened."""
    try:
        mode = os.stat(file).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if file.is_symlink():
            return "broken link", f"leads to {printable(os.readlink(file))}, which is not there"
        return "missing", f"there is no {printable(file)}"
    except ValueError:
        return "missing", "the path holds a NUL character"
    except OSError as error:
        return "unreadable", error.strerror or str(error)
    return None if stat.S_ISREG(mode) else ("not a regular file", printable(file))


class FarPlaces:
    """Where the files of a manifest at an address are; whether they are there, their reading tells.

    Args:
        root: The manifest's folder.
    """

    def __init__(self, root: Address) -> None:
        self._root = root

    @property
    def shown(self) -> str:
        """What messages call the folder that paths are relative to."""
        return printable(str(self._root))

    def files(self, paths: Sequence[str]) -> list[str]:
        """Return paths as those in the manifest's bucket; what is elsewhere stays as it is."""
        return [self._file(path) for path in paths]

    def _file(self, path: str) -> str:
        if is_address(path):
            return path
        found = self._root.resolve(path) if path else None
        if found is not None:
            return found.path
        return f"/{path.lstrip('/')}" if path else ""  # such a path lies outside

    def names(self, files: Sequence[str]) -> list[str]:
        """Return what files are called: by their paths below the root, where they lie there."""
        start = f"{self._root.path}/" if self._root.path else ""
        return [printable(shown_address(file)).removeprefix(start) for file in files]

    def fault(self, file: str) -> tuple[str, str] | None:
        """Return why a file can't be read, as reason and detail, or None; nothing is opened."""
        if is_address(file):
            return _fault_of_address(file) or self._fault_of_other(parse_address(file))
        if file.startswith("/"):
            return "missing", f"{printable(file)} lies outside {self._root.root}"
        return None

    def _fault_of_other(self, address: Address) -> tuple[str, str] | None:
        # fsspec knows several names of this machine's files, and joins file systems by ::.
        if address.scheme not in (*_STORES, self._root.scheme) or "::" in address.place:
            return "missing", f"{address} is of no store that a manifest at an address may name"
        if address.names_secrets:  # where secrets go is for who runs this to say
            return "missing", f"{address} names a user or options, which only the manifest's may"
        is_elsewhere = "." in address.place and not address.place.endswith(".core.windows.net")
        if address.scheme.startswith("abfs") and is_elsewhere and address.place != self._root.place:
            # Azure's own credentials would be shown to whatever host a row names.
            return "missing", f"{address} is at no host of Azure's"
        return None

    def reads(self, files: Sequence[str]) -> list[Callable[[], bytes] | str]:
        """Return what reads each file."""
        bucket = FarFolder(self._root.root)
        return [
            _member(self.address(file)) if is_address(file) else Member(bucket, file)
            for file in files
        ]

    def address(self, file: str) -> Address:
        """Return the address of a file that has no fault."""
        found = self._root.resolve(file) if is_address(file) else None
        return self._root.at(file) if found is None else found


#: Where files are.
AnyPlaces = Places | FarPlaces


def _member(address: Address) -> Member:
    return Member(FarFolder(address.root), address.path)


def _fault_of_address(text: str) -> tuple[str, str] | None:
    try:
        parse_address(text)
    except SourceError as error:
        return "missing", error.what
    return None
