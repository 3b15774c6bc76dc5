"""Names of files and folders made from any text: such as every system takes, and none hides."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from photograft.data.sources.tree import is_hidden

#: What Windows has no file or folder called.
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10)))
)
_FORBIDDEN = frozenset('<>:"/\\|?*')
#: Dots hide what begins with them; no system but some keep what is blank, or dots, at an end.
_ENDS = re.compile(r"^[. ]+|[~. ]+$")
#: Leaves room, of the 255 bytes that file systems allow, for what tells equal names apart.
_MAX_BYTES = 200


def safe_name(text: str, suffix: str = "") -> str:
    """Return text as the name of a file or folder that any system takes, and none hides.

    Args:
        text: Anything.
        suffix: Of a file, such as ``".jpg"``: it follows as it is.

    >>> safe_name("T-shirt/top"), safe_name(".."), safe_name("con", ".jpg"), safe_name("  ")
    ('T-shirt_top', '__', 'con_.jpg', '__')
    """
    name = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in text)
    name = name.encode()[: _MAX_BYTES - len(suffix.encode())].decode("utf-8", "ignore")
    name = _ENDS.sub(lambda match: "_" * len(match[0]), name) or "_"
    if name.partition(".")[0].lower() in _DEVICES:
        name = f"{name}_"
    return f"_{name}{suffix}" if is_hidden(name + suffix) else name + suffix


def free_name(name: str, taken: set[str]) -> str:
    """Return a name that is not among those in small letters in `taken`, and put it there.

    >>> free_name("a.jpg", {"a.jpg", "a-2.jpg"})
    'a-3.jpg'
    """
    path, found, number = PurePosixPath(name), name, 2
    while found.casefold() in taken:
        found = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        number += 1
    taken.add(found.casefold())
    return found
