"""Names that people give to classes and groups: which are taken, and which look the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from photograft.core.errors import InputError, UnknownNameError

_MAX_LENGTH = 100


def class_name(text: str) -> str:
    """Return what somebody typed as the name of a class.

    Raises:
        InputError: It is empty, too long, or holds what can't be seen.
    """
    return _name(text, "class")


def group_name(text: str) -> str:
    """Likewise, of a group."""
    return _name(text, "group")


def existing(name: str, names: Sequence[str]) -> str:
    """Return the name of a class that there is.

    Raises:
        UnknownNameError: There is none that is called so.
    """
    if name not in names:
        raise UnknownNameError("class", name, names)
    return name


def like(name: str, names: Sequence[str]) -> str:
    """Return the one of the names that a name is, or looks like; itself where it is a new one.

    >>> like("CATS", ["cats", "dogs"]), like("bees", ["cats"])
    ('cats', 'bees')
    """
    if name in names:
        return name
    return next((other for other in names if _looks(other) == _looks(name)), name)


def _looks(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _name(text: str, what: str) -> str:
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InputError(f"the {what} has no name", fix="Type one.")
    if len(name) > _MAX_LENGTH:
        raise InputError(
            f"the name of the {what} is too long", expected=f"{_MAX_LENGTH} characters at most"
        )
    if not name.replace("\u200c", "").replace("\u200d", "").isprintable():
        raise InputError(f"the name of the {what} holds characters that can't be seen")
    return name
