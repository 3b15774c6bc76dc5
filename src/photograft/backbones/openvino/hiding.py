"""Importing a library without another one that it would take along."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let imports find that a package is not installed.

    Args:
        name: Of the package.
    """
    before = {
        found: module
        for found, module in sys.modules.items()
        if found == name or found.startswith(f"{name}.")
    }
    for found in before:
        del sys.modules[found]
    sys.modules[name] = None  # type: ignore[assignment]  # which is how Python marks it
    try:
        yield
    finally:
        del sys.modules[name]
        sys.modules.update(before)
