"""Writing files so that a reader never sees half of one, and folders likewise."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.core.columns import arrow_column
from photograft.core.errors import InputError, PhotograftError, StorageError, described

#: Files larger than this (bytes) are not read at all.
MAX_FILE_BYTES = 512 * 2**20


#: What helps where a folder can't be made, in commands that have this option.
_CHOOSE = "Choose another folder with --out."

#: What helps where `is_full` holds.
_FREE_SPACE = "Free some space and run the same command again: what was computed is kept."


def is_full(error: OSError) -> bool:
    """Return whether the disk is full, or the user's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def new_folder(path: Path, *, fix: str = _CHOOSE) -> Iterator[Path]:
    """Make a folder that appears complete or not at all.

    Args:
        path: Where it will be. It must not exist yet, or be empty.
        fix: What the user can do where that fails, other than on a full disk.

    Yields:
        A temporary folder beside it, renamed to `path` at the end, deleted on any error. What a
        killed process left there is removed first.

    Raises:
        StorageError: `path` holds something, or its parent can't be written to.
    """
    partial = path.parent / f".{path.name}.partial"
    try:
        check_free(path, fix=fix)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        if path.exists():
            path.rmdir()
        os.replace(partial, path)
    except PhotograftError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} can't be written ({error.strerror or error})",
            fix=_FREE_SPACE if is_full(error) else fix,
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def new_file(path: Path, *, fix: str) -> Iterator[Path]:
    """Write a file that appears, or takes an older one's place, complete or not at all.

    Args:
        path: Where it will be. Folders above it are made.
        fix: What the user can do where that fails, other than on a full disk.

    Yields:
        The path of a temporary file beside it, to be written; renamed to `path` at the end,
        deleted on any error.

    Raises:
        StorageError: It can't be written.
    """
    # With the same suffix: what writes pictures goes by it.
    partial = path.parent / f".{path.stem}.{os.getpid()}.partial{path.suffix}"
    try:
        make_folder(path.parent, fix=fix)
        yield partial
        os.replace(partial, path)
    except PhotograftError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} can't be written ({error.strerror or error})",
            fix=_FREE_SPACE if is_full(error) else fix,
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def make_folder(folder: Path, *, fix: str) -> None:
    """Make a folder and those above it, where they are not there yet.

    Args:
        folder: Its path.
        fix: As in `new_file`.

    Raises:
        StorageError: It can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        is_file = isinstance(error, (FileExistsError, NotADirectoryError))
        reason = "a file is in the way" if is_file else error.strerror or str(error)
        raise StorageError(
            f"the folder {folder} can't be made ({reason})",
            fix=_FREE_SPACE if is_full(error) else fix,
        ) from error


def check_free(path: Path, *, fix: str = _CHOOSE) -> None:
    """Make sure that a new folder can be put at `path`.

    Args:
        path: Where it will be.
        fix: As in `new_folder`.

    Raises:
        StorageError: Something is there already, or the nearest existing parent is read-only.
    """
    try:
        taken = (
            os.path.islink(path)
            or os.path.isfile(path)
            or (os.path.isdir(path) and any(path.iterdir()))
        )
    except OSError:
        taken = True
    if taken or not path.name:  # "." and "/" are there, and no new folder can take their place
        raise StorageError(f"{path} exists already", fix=f"{fix.rstrip('.')}, or remove this one.")
    _check_parent(path, fix)


def check_file(path: Path, *, fix: str) -> None:
    """Make sure, before any long work, that `new_file` can write a file.

    Args:
        path: Where it will be.
        fix: As in `new_file`.

    Raises:
        StorageError: It is a folder, or the nearest existing parent is read-only.
    """
    if os.path.isdir(path):
        raise StorageError(f"{path} can't be written: it is a folder", fix=fix)
    _check_parent(path, fix)


def _check_parent(path: Path, fix: str) -> None:
    # By os.path: Path's own methods raise an error below a folder that nobody may enter.
    parent = path.absolute().parent
    while not os.path.exists(parent):
        parent = parent.parent
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK)):
        raise StorageError(
            f"{path} can't be written: {parent} is not a folder that you may write to", fix=fix
        )


def write_json(path: Path, data: Any) -> None:
    """Write plain JSON types, readably, in the order given. NaN is refused."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length as Parquet."""
    import pyarrow as pa  # slow to import
    import pyarrow.parquet as pq

    # Opened here: PyArrow takes no path that is not valid Unicode.
    with path.open("wb") as file:
        made = {
            name: cells if isinstance(cells, pa.Array) else arrow_column(cells)
            for name, cells in columns.items()
        }
        pq.write_table(pa.table(made), file)


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Return a Parquet file as a ``pyarrow.Table``, or some of its columns.

    Read by this thread alone: PyArrow's own, still ending when the program does, would abort it.
    """
    import pyarrow.parquet as pq  # slow to import

    with path.open("rb") as file, pq.ParquetFile(file) as table:
        return table.read(columns=None if columns is None else list(columns), use_threads=False)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a path as ``/``-separated valid UTF-8, bytes that are not UTF-8 shown as ``\xNN``."""
    raw = os.fsencode(path)
    return raw.decode("utf-8", "backslashreplace").replace(os.sep, "/")


def path_of(value: object, what: str, expected: str = "a path", *, fix: str = "") -> Path:
    """Return what somebody gave for a path.

    Args:
        value: Text or a path, one would hope.
        what: What an error calls it.
        expected: What it should have been, in words.
        fix: What to do where it is something else.

    Raises:
        InputError: It is something else.
    """
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise InputError(
        f"{what} can't be understood", expected=expected, got=described(value), fix=fix
    )


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        OSError: It can't be read, is a pipe or device, or is larger than `MAX_FILE_BYTES`.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a NUL byte in the name
        raise OSError(str(error)) from error
    except FileNotFoundError as error:
        if glob.has_magic(os.fspath(path)):  # a shell leaves it so where nothing matches
            raise FileNotFoundError(
                errno.ENOENT, "no file matches this pattern", os.fspath(path)
            ) from error
        raise
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError("not a regular file")  # opening a pipe would wait for someone to write
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # of a folder that can't be listed, that is what is to be said
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", os.fspath(path))
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise OSError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return file.read()
