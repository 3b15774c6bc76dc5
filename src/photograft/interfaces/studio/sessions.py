"""Who may use the page: who has the address with its token, once; then who has the cookie."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from starlette.requests import cookie_parser

from photograft.core.store import default_cache_dir

#: Seconds that a browser keeps the cookie.
_KEPT = 30 * 24 * 3600


class Sessions:
    """Tells those who may use a studio from others.

    Args:
        key: What the cookie holds.
        port: Where the studio listens: cookies don't tell ports apart.

    Attributes:
        token: What opens the page once.
    """

    def __init__(self, key: str, port: int) -> None:
        self._key = key
        self._name = f"photograft-studio-{port}"
        self.token: str = secrets.token_urlsafe(24)
        self._is_spent = False

    def has_cookie(self, header: str) -> bool:
        """Return whether a header ``Cookie`` has the right one."""
        found = cookie_parser(header).get(self._name)
        return found is not None and _same(found, self._key)

    def spend(self, token: str) -> bool:
        """Return whether a token is the right one and was not used before; now it was."""
        if self._is_spent or not _same(token, self.token):
            return False
        self._is_spent = True
        return True

    def cookie(self) -> str:
        """Return the value of a header ``Set-Cookie``."""
        return f"{self._name}={self._key}; Max-Age={_KEPT}; Path=/; HttpOnly; SameSite=Strict"


def key_of(project: Path) -> str:
    """Return the key of a project, so that pages that are open outlive a new start of the studio.

    It is in the user's cache folder, which only he can read, not in the project, which he may hand
    on.

    Args:
        project: The project's folder, absolute.
    """
    name = hashlib.sha256(os.fsencode(project)).hexdigest()[:32]
    path = default_cache_dir() / "studio" / f"{name}.key"
    with contextlib.suppress(OSError):
        found = path.read_text(encoding="ascii", errors="replace").strip()
        if re.fullmatch(r"[\w-]{32,}", found, re.ASCII):
            return found
    key = secrets.token_urlsafe(32)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key)
    return key


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(
        hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest(),
        hashlib.sha256(right.encode()).digest(),
    )
