"""Every exception that Photograft raises on purpose.

    PhotograftError
    ├── InputError (ValueError)         what the user gave can't be used: the CLI exits 2
    │   ├── SourceError                 the source can't be read as a labelled set of photos
    │   ├── DatasetError                it can be read, and there is too little in it to learn from
    │   ├── ImageError                  one file is no usable picture; ``reason`` says why
    │   ├── UnknownNameError            no such backbone, class, photo ...; names the nearest
    │   └── ClassifierError             a saved classifier or run that is missing, changed, too new
    ├── ConversionError                 an engine can't run this network: another one is taken
    ├── WeightsError (OSError)          a backbone's weights are not here and can't be fetched
    ├── StorageError (OSError)          a folder can't be written, or the disk is full: exit 2
    └── WorkersLostError                processes that were to do work die one after another

Each message says what happened, what was expected, what came instead, and what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any


def either(names: Sequence[str]) -> str:
    """Return what may be chosen, one name at least: ``a, b or c``."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def as_typed(text: str) -> str:
    """Return what a user typed in quotes, and nothing in it escaped as `repr` would."""
    return f'"{text}"' if "'" in text else f"'{text}'"


#: What turns a terminal's colours on and off, and the like.
_COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")


class PhotograftError(Exception):
    """Base of all of Photograft's own errors.

    Args:
        what: What happened, as a sentence without its full stop.
        expected: What would have been right.
        got: What came instead.
        fix: What the user can do about it.

    Attributes:
        what: What happened, and no more; the whole message is the error's text.
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", fix: str = "") -> None:
        self.what = what
        parts = [what]
        if expected:
            parts.append(f"expected {expected}" + (f", got {got}" if got else ""))
        elif got:
            parts.append(f"got {got}")
        message = "; ".join(parts)
        if fix:
            message += f" {fix}" if message.endswith(("?", ".", "!")) else f". {fix}"
        # Of messages that we pass on, such as torch's, colours are noise.
        super().__init__(_COLOURS.sub("", message))


class InputError(PhotograftError, ValueError):
    """What the user gave can't be used."""


class SourceError(InputError):
    """The source can't be read as a labelled set of photos."""


class DatasetError(InputError):
    """The source was read, and there is too little in it to learn from."""


class ImageError(InputError):
    """One file is no usable picture.

    Args:
        reason: One of ``images.REASONS``, the word under which it is counted.
        detail: What exactly was wrong with this file.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class UnknownNameError(InputError):
    """A name that no registry holds.

    Args:
        kind: What sort of thing was looked for, such as ``"backbone"``.
        name: The name that was given.
        known: The names that there are.
        fix: What else the user can do.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, fix: str = "") -> None:
        self._given = kind, name, tuple(known), fix
        hint = did_you_mean(name, self._given[2])
        super().__init__(
            f"there is no {kind} named {as_typed(str(name))}", fix=f"{hint} {fix}".strip()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _unknown_name, self._given


def _unknown_name(kind: str, name: str, known: Sequence[str], fix: str) -> UnknownNameError:
    return UnknownNameError(kind, name, known, fix=fix)


class ClassifierError(InputError):
    """A saved classifier or run that is missing, changed since it was written, or too new."""


class ConversionError(PhotograftError):
    """An engine can't run this network, or not with the same result."""


class WeightsError(PhotograftError, OSError):
    """A backbone's weights are not on this machine and can't be fetched."""


class StorageError(PhotograftError, OSError):
    """A folder can't be written to, or the disk is full."""


class WorkersLostError(PhotograftError):
    """Processes that were to do work die one after another, whatever they are given."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the names that there are, as a question; empty where none is near.

    >>> did_you_mean("BEES", ["ants", "bees"]), did_you_mean("x", ["ants"])
    ('Did you mean bees?', '')
    """
    near = nearest(name, known)
    return f"Did you mean {either(near)}?" if near else ""


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.5) -> list[str]:
    """Return the names that are most like one that there is not, three at most, the nearest first.

    Args:
        name: That one; small and large letters are alike.
        known: The names that there are.
        cutoff: How alike they have to be, in [0, 1].
    """
    names = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(str(name).casefold(), list(names), n=3, cutoff=cutoff)
    return [names[key] for key in near]


def described(value: object, most: int = 60) -> str:
    """Return what somebody handed over by mistake, on one line: itself and its type.

    Of arrays and tables the type and the shape.

    >>> described(7), described([1, 2], 4), described(None)
    ('7, an int', '[1, …, a list', 'None')
    """
    if value is None:
        return "None"
    kind = type(value).__name__
    # "nd" is spelled out in speaking.
    kind = (
        f"{'an' if kind.startswith(('a', 'e', 'i', 'o', 'A', 'E', 'I', 'O', 'nd')) else 'a'} {kind}"
    )
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{kind} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= most else text[:most] + '…'}, {kind}"


def one_line(message: str) -> str:
    """Return a message as the one line that the command line prints of it."""
    return f"photograft: {' '.join(message.split())}"


def first_line(error: Exception) -> str:
    """Return the first line of what a library's error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
