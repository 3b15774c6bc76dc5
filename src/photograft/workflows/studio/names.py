"""Names that people give to classes and groups: which may be taken, and which look the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from photograft.core.errors import InputError, UnknownNameError
from photograft.data.corrections import ACTIONS
from photograft.workflows.studio.journal import Record

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


def like(name: str, names: Sequence[str]) -> str:
    """Return the one of the names that a name is, or looks like; itself where it is a new one.

    >>> like("CATS", ["cats", "dogs"]), like("bees", ["cats"])
    ('cats', 'bees')
    """
    if name in names:
        return name
    return next((other for other in names if _looks(other) == _looks(name)), name)


def answer_value(action: str | None, value: str | None, names: Sequence[str]) -> str | None:
    """Return the value of an answer to a finding: a class, a group, or None where it has none.

    Args:
        action: One of those of corrections, or None for an answer that is taken back.
        value: What somebody chose or typed.
        names: Those of all classes.

    Raises:
        InputError: There is no such action, or its value is missing.
    """
    if action is not None and action not in ACTIONS:
        raise InputError(f"there is no answer {action!r}", expected=", ".join(ACTIONS))
    if action == "relabel":
        return like(class_name(value or ""), names)
    return group_name(value or "") if action == "group" else None


def class_change(action: str, name: str, to: str | None, names: Sequence[str]) -> Record:
    """Return the record of a change of classes.

    Args:
        action: ``"create"``, ``"rename"``, ``"merge"`` or ``"remove"``.
        name: The class.
        to: Its new name, or the class that it becomes part of.
        names: Those of all classes.

    Raises:
        InputError: A name can't be taken, or there is no such action.
        UnknownNameError: There is no such class.
    """
    record = {"do": "class", "action": action, "name": name}
    if action == "create":
        name = class_name(name)
        if like(name, names) in names:
            raise InputError(f"there is a class {like(name, names)} already")
        return {**record, "name": name}
    if name not in names:
        raise UnknownNameError("class", name, names)
    if action == "remove":
        return record
    if action == "rename":
        to = class_name(to or "")
        other = like(to, [one for one in names if one != name])
        if other != name and other in names:
            raise InputError(
                f"there is a class {other} already", fix="Merge the two, or choose another name."
            )
    elif action == "merge":
        if to not in names:
            raise UnknownNameError("class", to or "", names)
        if to == name:
            raise InputError(f"{name} can't be merged into itself")
    else:
        raise InputError(f"there is no action {action!r}", expected="create, rename, merge, remove")
    return {**record, "to": to}


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
