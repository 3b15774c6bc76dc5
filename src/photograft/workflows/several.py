"""Doing the same with each of several folders, as a shell's ``runs/*`` names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from photograft.core.errors import ClassifierError

T = TypeVar("T")


def each_usable(
    folders: Sequence[Path], do: Callable[[Path], T]
) -> tuple[dict[Path, T], list[str]]:
    """Do something with each folder that it can be done with.

    Args:
        folders: At least one. One that is not there is an error, as a misspelt name is.
        do: Raises ClassifierError where a folder is not of the kind.

    Returns:
        What came of each, in order, and why the others were left out, a sentence each.

    Raises:
        ClassifierError: It can't be done with any, or one is not there.
    """
    found: dict[Path, T] = {}
    notes: list[str] = []
    first: ClassifierError | None = None
    for folder in folders:
        try:
            found[folder] = do(folder)
        except ClassifierError as error:
            if not folder.exists():
                raise
            first = first or error
            notes.append(error.what)
    if not found and first is not None:
        raise first
    return found, notes
