"""Addresses such as ``s3://bucket/photos``, as text: what one is, and what of it may be shown."""

from __future__ import annotations

import re

#: Scheme, what stands before the first slash, path, and what stands behind ``?``.
FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL)

#: Where what stands before ``@`` is a container's or a user's name, and a secret behind a colon.
NAMED = ("abfs", "abfss", "hdfs", "viewfs", "sftp", "ssh")
#: Stores of buckets: what stands before the first slash is no host, and has no port.
BUCKETS = ("s3", "gs", "gcs")
#: Options that are no secret, and without which the same store would not be found again.
SHOWN = (
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
    if holds_open_secret(scheme, authority, f"{path}?{options or ''}"):
        return f"{scheme}://…"
    kept = [
        _without_user(one) for one in (options or "").split("&") if one.partition("=")[0] in SHOWN
    ]
    return f"{scheme}://{shown_place(scheme, authority)}{path}" + (
        f"?{'&'.join(kept)}" if kept else ""
    )


def holds_open_secret(scheme: str, authority: str, rest: str) -> bool:
    """Return whether a secret seems to hold a slash, so that it is taken for a path.

    Args:
        scheme: What stands before ``://``.
        authority: What stands behind it up to the first slash.
        rest: What follows.

    >>> holds_open_secret("s3", "key:half", "/half@bucket/photos")
    True
    >>> holds_open_secret("hdfs", "host:8020", "/photos/me@home.jpg")
    False
    """
    _, colon, port = authority.partition(":")
    if not colon or "@" in authority:
        return False
    return scheme.lower() in BUCKETS or ("@" in rest and not port.isdecimal())


def _without_user(option: str) -> str:
    name, _, value = option.partition("=")
    return f"{name}={re.sub('.*(?:@|%40)', '', value)}"


def shown_place(scheme: str, authority: str) -> str:
    """Return what stands before an address's first slash, without secrets.

    >>> shown_place("abfs", "photos:secret@account.dfs.core.windows.net")
    'photos@account.dfs.core.windows.net'
    """
    user, _, place = authority.rpartition("@")
    name = user.partition(":")[0] if scheme.lower() in NAMED else ""
    return f"{name}@{place}" if name else place
