"""The folder of a comparison: one at a time works in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from photograft.core.errors import StorageError
from photograft.core.exclusive import exclusive
from photograft.core.files import check_free


def check_folder(folder: Path) -> None:
    """Make sure that a comparison can be written to a folder, or go on in it.

    Raises:
        StorageError: It holds something else.
    """
    try:
        taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    except OSError:
        taken = True
    if not taken:
        check_free(folder)
    elif not (folder / "candidates").is_dir():
        raise StorageError(
            f"{folder} exists already, and is no comparison",
            fix="Choose another folder with --out, or remove this one.",
        )
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"{folder} can't be written to", fix="Choose another folder with --out.")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a comparison folder for oneself; made where it is missing, gone again where unused.

    Raises:
        StorageError: Another comparison is at work in it, or it can't be written.
    """
    place, fix = folder / "candidates", "Choose another folder with --out."
    try:
        # First of all: by this a later call knows the folder again, even after a kill.
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder} can't be written ({error.strerror or error})", fix=fix
        ) from error
    with exclusive(
        folder,
        taken=f"another comparison is at work in {folder}",
        wait="Wait until it is done, or choose another folder with --out.",
        fix=fix,
    ):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                place.rmdir()  # only where nothing was found out
                (folder / ".lock").unlink()
                folder.rmdir()
