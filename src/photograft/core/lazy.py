"""Names that a package hands out, each loaded when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def hand_out(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return a package's ``__getattr__``, ``__dir__`` and ``__all__``.

    Args:
        package: Its ``__name__``.
        homes: Each name, and the module in the package that it is from. No name may be that of a
            module in the package: which of the two one gets would hang on what was imported before.

    >>> get, names, _ = hand_out("photograft.core", {"InputError": "errors"})
    >>> get("InputError").__name__, names()
    ('InputError', ['InputError'])
    """

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return getattribute, lambda: sorted(homes), sorted(homes)
