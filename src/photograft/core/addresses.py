"""Addresses such as ``s3://bucket/photos``, as text: what one is, and what of it may be shown."""

from __future__ import annotations

import re

#: Scheme, what stands before the first slash, path, and what stands behind ``?``.
FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL)

#: Where what stands before ``@`` is a container's or a user's name, and a secret behind a colon.
_NAMED = ("abfs", "abfss", "hdfs", "viewfs", "sftp", "ssh")
#: Options that are no secret, and without which the same store would not be found again.
_SHOWN = (
    "anonymous",
    "endpoint_override",
    "force_virtual_addressing",
    "region",
    "scheme",
)


def is_address(text: object) -> bool:
    """Return whether a text has the form of an address.

    >>> is_address("s3://bucket/photos"), is_address("photos/a.jpg"), is_address("hf:beans")
    (True, False, False)
    """
    return isinstance(text, str) and "://" in text[:64] and FORM.match(text) is not None


def shown_address(text: str) -> str:
    """Return a text without the secrets of an address, if it is one; any other as it is.

    >>> shown_address("s3://key:secret@bucket/photos?region=eu-central-1&token=1")
    's3://bucket/photos?region=eu-central-1'
    """
    match = FORM.fullmatch(text) if is_address(text) else None
    if match is None:
        return text
    scheme, authority, path, options = match.groups()
    kept = [one for one in (options or "").split("&") if one.partition("=")[0] in _SHOWN]
    return f"{scheme}://{shown_place(scheme, authority)}{path}" + (
        f"?{'&'.join(kept)}" if kept else ""
    )


def shown_place(scheme: str, authority: str) -> str:
    """Return what stands before an address's first slash, without secrets.

    >>> shown_place("abfs", "photos:secret@account.dfs.core.windows.net")
    'photos@account.dfs.core.windows.net'
    """
    user, _, place = authority.rpartition("@")
    name = user.partition(":")[0] if scheme.lower() in _NAMED else ""
    return f"{name}@{place}" if name else place
