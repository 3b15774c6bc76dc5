"""Sets of photos that go by a name: ``mnist``, ``tfds:NAME``, ``hf:NAME``, and parts of them.

    tfds:cats_vs_dogs                                             the splits that the set has
    tfds:cats_vs_dogs[train[:80%]]                                one part, to be split anew
    hf:user/name[train=train[:80%],test=train[80%:]+validation]   parts, each for one split

A part is written as TensorFlow Datasets and `datasets` write it: splits joined by ``+``, each
whole or sliced by rows or percent.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from photograft.core.addresses import is_address, shown_address
from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.data.sources.base import split_name

#: Names that need no scheme, and the folder of each in the cache; all are read by `mnist`.
PLAIN_NAMES = ("mnist", "fashion-mnist", "kmnist")

#: What may stand before the colon.
SCHEMES = ("tfds", "hf")

# Both bounds in rows or both in percent: `datasets` takes train[2:30%] for train[2%:30%].
_TERM = re.compile(r"[\w.-]+?(?:\[(?:(?:-?\d+)?:(?:-?\d+)?|(?:-?\d+%)?:(?:-?\d+%)?)\])?")

#: What stands for several files, and what goes before it.
_PATTERN = re.compile(r"[-_.]?\{[^{}/]*(?:\.\.|,)[^{}/]*\}")
#: How files at addresses end; what ends otherwise is a folder.
_FILES = (".csv", ".parquet", ".tar", ".tsv", ".txt", ".zip")

#: A table that is called so, for all that it is of; and how the studio's projects end.
_LABELS = "labels.csv"
_PROJECT = ".studio"

_EXAMPLES = "a part such as [train[:80%]], or one for each split: [train=train[:80%],test=test]"


@dataclass(frozen=True)
class NamedSet:
    """A set that goes by a name.

    Attributes:
        text: As the user wrote it.
        scheme: ``"tfds"``, ``"hf"``, or empty for one of `PLAIN_NAMES`.
        name: What stands between the scheme and the brackets.
        parts: What stands in the brackets: our split, or None for a part that is to be split
            anew, and the part in the set's own terms. Empty where there are no brackets.
    """

    text: str
    scheme: str
    name: str
    parts: tuple[tuple[str | None, str], ...] = ()

    @property
    def short_name(self) -> str:
        """The name without owner, configuration, version and parts, for naming runs."""
        if self.scheme == "tfds":
            return re.split("[/:]", self.name)[0]
        if self.scheme == "hf":
            path = Path(self.name).expanduser()
            return path.resolve().name if path.exists() else self.name.split(":")[0].split("/")[-1]
        return self.name


def named_set(source: str | os.PathLike[str]) -> NamedSet | None:
    """Return the set that a source names, or None where it is the path of something.

    What is on the disk under that path comes first: a folder called ``mnist`` is that folder.

    Args:
        source: As the user gave it.

    Raises:
        SourceError: It begins as such a name, and what follows is none.
    """
    text = os.fsdecode(source)
    try:
        if os.path.lexists(os.path.expanduser(text)):
            return None
    except ValueError:  # a NUL byte, which no name holds either
        return None
    return parse_set(text)


def short_name(source: str | os.PathLike[str]) -> str:
    """Return a short name for a source: the last part of its path, without its extension.

    Of a set that goes by a name, that name without owner, version and parts; of a ``labels.csv``,
    as the studio's projects have one, the name of its folder, or of the project.

    Args:
        source: As the user gave it; nothing need be there.

    Raises:
        SourceError: It begins as the name of a set, and what follows is none.

    >>> short_name("photos/fruit.zip"), short_name("hf:user/beans[train]")
    ('fruit', 'beans')
    >>> short_name("photos/birds.studio/labels.csv"), short_name("s3://bucket/birds/labels.csv")
    ('birds', 'birds')
    """
    named = named_set(source)
    if named is not None:
        return printable(named.short_name)
    text = _PATTERN.sub("", os.fsdecode(source))
    path: PurePath
    if is_address(text):
        path = PurePosixPath(shown_address(text).partition("?")[0])
        is_folder = not path.name.lower().endswith(_FILES)
    else:
        path = Path(text).resolve()
        is_folder = path.is_dir()
    if path.name.lower() == _LABELS and not is_folder:
        folder = path.parent.name.removesuffix(_PROJECT)
        if folder:
            return printable(folder)
    return printable(path.name if is_folder else path.name.split(".")[0])


def parse_set(text: str) -> NamedSet | None:
    """Return the set that a text names, or None where it has not the form of such a name.

    Args:
        text: Such as ``"mnist"`` or ``"tfds:cats_vs_dogs[train[:80%]]"``.

    Raises:
        SourceError: It has a known scheme, and what follows is malformed.

    >>> parse_set("hf:beans[train=train[:80%]]").parts
    (('train', 'train[:80%]'),)
    """
    if text in PLAIN_NAMES:
        return NamedSet(text, "", text)
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES or rest.startswith("//"):
        return None
    name, inner = _split_brackets(text, rest)
    if not name:
        raise SourceError(f"{text!r} names no set", expected=f"{scheme}:NAME")
    return NamedSet(text, scheme, name, () if inner is None else _parse_parts(text, inner))


def split_terms(part: str) -> list[str]:
    """Return the names of the set's own splits that a part is taken from.

    >>> split_terms("train[:80%]+test")
    ['train', 'test']
    """
    return [term.partition("[")[0] for term in part.split("+")]


def _split_brackets(text: str, rest: str) -> tuple[str, str | None]:
    """Return the name, and what stands in the brackets after it, or None without brackets."""
    if ("[" not in rest and "]" not in rest) or os.path.exists(os.path.expanduser(rest)):
        return rest, None
    depth = 0
    for at in range(len(rest) - 1, -1, -1):
        depth += {"]": 1, "[": -1}.get(rest[at], 0)
        if depth <= 0:
            break
    if depth != 0 or not rest.endswith("]"):
        raise _malformed(text, "brackets that don't match")
    return rest[:at], rest[at + 1 : -1]


def _parse_parts(text: str, inner: str) -> tuple[tuple[str | None, str], ...]:
    entries = ["".join(entry.split()) for entry in inner.split(",")]
    parts: list[tuple[str | None, str]] = []
    for entry in entries:
        name, equals, part = entry.rpartition("=")
        for term in part.split("+"):
            if not _TERM.fullmatch(term):
                raise _malformed(text, repr(term) if term else "an empty part")
        ours = split_name(name) if equals else None
        if equals and ours is None:
            raise SourceError(
                f"{name!r} in {text!r} is no split",
                expected="train=, validation= or test=",
                fix="Before = stands what the part is used for, after it what it is taken from.",
            )
        if not equals and len(entries) > 1:
            ours = split_name(split_terms(part)[0]) if "+" not in part else None
            if ours is None:
                raise SourceError(
                    f"it is not clear what {part!r} in {text!r} is for",
                    expected="train=, validation= or test= before each of several parts",
                )
        if ours in [taken for taken, _ in parts]:
            raise SourceError(
                f"{text!r} gives the split {ours} twice",
                expected="each split once",
                fix=f"Join parts with +: {ours}={parts[-1][1]}+{part}.",
            )
        parts.append((ours, part))
    return tuple(parts)


def _malformed(text: str, got: str) -> SourceError:
    return SourceError(
        f"the part of the set in {text!r} can't be understood", expected=_EXAMPLES, got=got
    )
