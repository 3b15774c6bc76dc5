"""Addresses such as ``s3://bucket/photos``, taken apart.

What one says of a user, a secret or an endpoint is used and not shown: it stands in no message, and
in nothing that is written; and it goes to no other host than the one that it was given for.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from photograft.core.addresses import (
    BUCKETS,
    FORM,
    NAMED,
    SHOWN,
    holds_open_secret,
    is_address,
    shown_address,
    shown_place,
)
from photograft.core.errors import SourceError, first_line
from photograft.core.files import printable

_WEB = ("http", "https", "ftp")
#: Whose user is the name of a container, which is no secret, and no reason to ask another host.
_AZURE = ("abfs", "abfss")
#: Shorter texts are not masked: they would be found in every word.
_LEAST_SECRET = 3


@dataclass(frozen=True)
class Address:
    """An address, taken apart.

    Attributes:
        scheme: What stands before ``://``, in lower case.
        place: What stands behind it up to the first slash, without a user: mostly a bucket.
        path: What follows, without slashes at either end.
        user: What stands before ``@``.
        options: What stands behind ``?``.
    """

    scheme: str
    place: str
    path: str
    user: str = field(default="", repr=False)
    options: str = field(default="", repr=False)

    def __str__(self) -> str:
        place = shown_place(self.scheme, f"{self.user}@{self.place}")
        return "/".join(filter(None, (f"{self.scheme}://{place}", self.path)))

    @property
    def name(self) -> str:
        """The last part of its path, or of its bucket."""
        return posixpath.basename(self.path) or self.place

    @property
    def root(self) -> Address:
        """The whole bucket."""
        return replace(self, path="")

    @property
    def names_secrets(self) -> bool:
        """Whether it has options, or a user who is more than the name of Azure's container."""
        is_name = self.scheme in _AZURE and ":" not in self.user
        return bool(self.options or (self.user and not is_name))

    def at(self, path: str) -> Address:
        """Return another address of the same bucket."""
        return replace(self, path=path.strip("/"))

    def above(self) -> Address:
        """Return the address of the folder that it is in."""
        return self.at(posixpath.dirname(self.path))

    def resolve(self, text: str) -> Address | None:
        """Return what a text stands for in a table that lies in this folder.

        Args:
            text: A path below the folder; or an address, which has this one's user and options
                where it is of the same host (of S3 and Google's: of any bucket) and names none of
                its own.

        Returns:
            None where it is a path of this machine, or leads out of the bucket.
        """
        if is_address(text):
            other = parse_address(text)
            is_same = other.scheme == self.scheme and (
                other.place == self.place or other.scheme in BUCKETS
            )
            if not is_same or other.names_secrets:
                return other
            _, colon, secret = self.user.partition(":")
            user = f"{other.user}{colon}{secret}" if other.user else self.user
            return replace(other, user=user, options=self.options)
        path = posixpath.normpath(posixpath.join(self.path, text))
        return None if text.startswith("/") or path.split("/")[0] == ".." else self.at(path)


def parse_address(text: str) -> Address:
    """Return an address, taken apart.

    Args:
        text: Such as ``"s3://key:secret@bucket/photos?region=eu-central-1"``.

    Raises:
        SourceError: It is none, or one on the web.

    >>> address = parse_address("s3://key:secret@bucket/photos/?region=eu-central-1")
    >>> str(address), address.user, address.options
    ('s3://bucket/photos', 'key:secret', 'region=eu-central-1')
    """
    match = FORM.fullmatch(text)
    if match is None:
        raise SourceError(f"{printable(text)} is no address", expected="such as s3://bucket/photos")
    scheme, authority, path, options = match.groups()
    if holds_open_secret(scheme, authority, f"{path}?{options or ''}"):
        raise SourceError(
            f"an address of {scheme}:// holds a colon and no @ before its first slash",
            expected=f"such as {scheme}://KEY:SECRET@PLACE/PATH",
            fix="In a key or a secret write / as %2F, ? as %3F and @ as %40"
            + ("; a port belongs into ?endpoint_override=HOST:PORT." if scheme == "s3" else "."),
        )
    user, _, place = authority.rpartition("@")
    found = Address(scheme.lower(), place, path.strip("/"), user, options or "")
    if found.scheme in _WEB:
        raise SourceError(
            f"{printable(str(found))} can't be read: addresses on the web are not fetched",
            expected="a path, or an address of a store such as s3://, gs://, abfs:// or hdfs://",
            fix="Download the photos first.",
        )
    return found


def masked(address: Address, error: Exception) -> str:
    """Return the first line of what an error says, without the secrets of an address."""
    text = str(error)
    name, _, secret = address.user.partition(":")
    found = {secret} if address.scheme in NAMED else {address.user, name, secret}
    for option in address.options.split("&"):
        key, _, value = option.partition("=")
        if key == "endpoint_override":
            value = unquote(value).rpartition("@")[0].rpartition("//")[2]
            found |= {value, *value.split(":")}
        elif key not in SHOWN and not key.endswith(("_timeout", "_seconds")):
            found |= {option, value}
    found |= {unquote(one) for one in found}
    found |= {quote(one, safe="") for one in found}
    for one in sorted(found, key=len, reverse=True):
        text = text.replace(one, "…") if len(one) >= _LEAST_SECRET else text
    # What a library adds of its own accord: users before a host, and signatures of Azure's.
    text = re.sub(r"(?<=://)[^/\s@]*:[^/\s@]*@", "…@", text)
    text = re.sub(r"\bsig(=|%3[Dd])[^&\s'\"]+", r"sig\1…", text)
    return first_line(Exception(text.strip() or type(error).__name__))


def local_path(text: str) -> str:
    """Return the path of a ``file://`` address; any other text as it is.

    Raises:
        SourceError: It is of another machine.
    """
    if text[:7].lower() != "file://":
        return text
    host, _, path = text[7:].partition("/")
    if host not in ("", "localhost"):
        raise SourceError(
            f"{printable(shown_address(text))} is an address of another machine",
            expected="file:///PATH",
        )
    path = unquote(path)
    return path if re.match(r"[A-Za-z]:[/\\]", path) else f"/{path}"
