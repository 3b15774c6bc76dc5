"""The ranges of what flows in a network: all that int8 has to know of it beyond its weights."""

from __future__ import annotations

import hashlib
import json

#: Part of the feature store's key: raise it whenever the same ranges give other features.
CODE_VERSION = 1

#: The name of a tensor, and the least and the largest value that it is to stand for.
Ranges = tuple[tuple[str, float, float], ...]


def digest_of(ranges: Ranges) -> str:
    """Return what tells ranges from all others: part of the store's key."""
    return hashlib.sha256(json.dumps(ranges).encode()).hexdigest()
