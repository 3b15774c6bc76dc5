"""Addresses such as ``s3://bucket/photos``, taken apart, and the file systems that they are of.

PyArrow's own file systems come first (S3, Google's, Azure's, Hadoop's), with their own chains of
credentials; else what fsspec knows, where it is installed. What an address says of a user, a secret
or an endpoint is used and not shown: it stands in no message, and in nothing that is written.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from photograft.core.addresses import FORM, is_address, shown_place
from photograft.core.errors import SourceError, either, first_line
from photograft.core.files import printable

_WEB = ("http", "https", "ftp")

#: Seconds until a silent server is given up; and until another one tries no more to connect.
_REQUEST_SECONDS, _CONNECT_SECONDS, _RETRY_SECONDS = 20.0, 5.0, 30
_S3_OPTIONS = {
    "anonymous": bool,
    "connect_timeout": float,
    "endpoint_override": str,
    "force_virtual_addressing": bool,
    "region": str,
    "request_timeout": float,
    "role_arn": str,
    "scheme": str,
    "tls_ca_file_path": str,
}

#: What errors of file systems say, and what it means.
_CAUSES = (
    (r"NO_SUCH_BUCKET|NoSuchBucket|bucket .*does not exist", "there is no such bucket"),
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|\b40[13]\b"
        r"|Forbidden|PermissionDenied|PERMISSION_DENIED|UNAUTHENTICATED|Unauthorized",
        "access is denied",
    ),
    (
        r"[Cc]redential|MetadataService|EC2 metadata|AuthorizationHeader",
        "no credentials were found",
    ),
    (r"NO_SUCH_KEY|RESOURCE_NOT_FOUND|\b404\b|does not exist|not found|No such file", "missing"),
    (r"partial file|bytes missing", "its data end too early"),
    (r"Timeout was reached|timed out|Operation too slow", "no answer in time"),
    (r"NETWORK_CONNECTION|curlCode|[Cc]onnect|resolve", "it can't be reached"),
)
_FIXES = {
    "access is denied": "Check that your credentials may list and read it.",
    "no credentials were found": "Set them as the tools of that store want them, such as "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials; of a public bucket on S3 "
    "write ?anonymous=true behind the address.",
    "no answer in time": "Check the network and the address.",
    "it can't be reached": "Check the network and the address.",
}


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
                where it is of the same kind of store and names none of its own.

        Returns:
            None where it is a path of this machine, or leads out of the bucket.
        """
        if is_address(text):
            other = parse_address(text)
            if other.scheme == self.scheme and not (other.user or other.options):
                return replace(other, user=self.user, options=self.options)
            return other
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
    user, _, place = authority.rpartition("@")
    found = Address(scheme.lower(), place, path.strip("/"), user, options or "")
    if found.scheme in _WEB:
        raise SourceError(
            f"{printable(str(found))} can't be read: addresses on the web are not fetched",
            expected="a path, or an address of a store such as s3://, gs://, abfs:// or hdfs://",
            fix="Download the photos first.",
        )
    return found


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
            f"{printable(text)} is an address of another machine", expected="file:///PATH"
        )
    path = unquote(path)
    return path if re.match(r"[A-Za-z]:[/\\]", path) else f"/{path}"


def opened(address: Address) -> tuple[Any, str]:
    """Return the file system of an address (a ``pyarrow.fs.FileSystem``), and its path there.

    Raises:
        SourceError: Nothing here opens such addresses, or they name an option that there is not.
    """
    system, base = _opened(address.root)
    if address.scheme in _WITHOUT_PLACE and not base:
        return system, f"/{address.path}"
    return system, "/".join(filter(None, (base.rstrip("/"), address.path)))


#: Whose paths begin with a slash.
_WITHOUT_PLACE = ("file", "hdfs", "viewfs")


@functools.lru_cache(64)
def _opened(root: Address) -> tuple[Any, str]:
    import pyarrow as pa  # slow to import
    from pyarrow.fs import FileSystem

    try:
        if root.scheme == "s3":
            return _open_s3(root), root.place
        options = root.options
        if root.scheme in ("gs", "gcs") and "retry_limit_seconds" not in options:
            options = "&".join(filter(None, (options, f"retry_limit_seconds={_RETRY_SECONDS}")))
        system, base = FileSystem.from_uri(_uri(replace(root, options=options)))
        return system, "" if root.scheme in _WITHOUT_PLACE else base
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem type" not in str(error):
            raise _refused(root, error) from error
    except (pa.ArrowException, OSError) as error:
        raise unreachable(root, error) from error
    return _open_other(root)


def _uri(root: Address) -> str:
    place = f"{root.user}@{root.place}" if root.user else root.place
    return f"{root.scheme}://{place}/" + (f"?{root.options}" if root.options else "")


def _open_s3(root: Address) -> Any:
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    given: dict[str, Any] = {
        "request_timeout": _REQUEST_SECONDS,
        "connect_timeout": _CONNECT_SECONDS,
    }
    for name, value in parse_qsl(root.options, keep_blank_values=True):
        kind = _S3_OPTIONS.get(name)
        if kind is None:
            raise SourceError(
                f"{root} names the option {name!r}, which is not known",
                expected=either(sorted(_S3_OPTIONS)),
            )
        try:
            given[name] = value.lower() == "true" if kind is bool else kind(value)
        except ValueError as error:
            raise SourceError(
                f"the option {name} of {root} is no number", expected="seconds"
            ) from error
    key, _, secret = root.user.partition(":")
    if key:
        given |= {"access_key": unquote(key), "secret_key": unquote(secret)}
    where = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    if not {"region", "endpoint_override"} & set(given) and not any(map(os.environ.get, where)):
        given["region"] = resolve_s3_region(root.place)
    return S3FileSystem(**given)


def _open_other(root: Address) -> tuple[Any, str]:
    """Return a file system of fsspec's, and the root's path there."""
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        import fsspec  # an extra of other packages
    except ImportError as error:
        raise SourceError(
            f"nothing that is installed opens {root.scheme}:// addresses such as {root}",
            expected="s3://, gs://, abfs:// or hdfs://",
            fix="fsspec knows more of them: pip install fsspec.",
        ) from error
    if root.scheme not in fsspec.available_protocols():
        raise SourceError(
            f"{root.scheme}:// is the address of nothing that is known",
            expected="s3://, gs://, abfs://, hdfs://, or what fsspec knows",
            fix="Check how it is written.",
        )
    try:
        system, base = fsspec.core.url_to_fs(_uri(root))
    except Exception as error:  # whatever its many file systems raise
        raise _refused(root, error) from error
    return PyFileSystem(FSSpecHandler(system)), str(base)


def cause_of(error: Exception) -> str:
    """Return what an error of a file system means, in a few words."""
    text = first_line(error)
    if isinstance(error, FileNotFoundError) and "bucket" not in text:
        return "missing"
    return next((cause for sign, cause in _CAUSES if re.search(sign, text)), text)


def unreachable(address: Address, error: Exception) -> SourceError:
    """Return the error of an address from which nothing can be read."""
    cause = cause_of(error)
    return SourceError(
        f"{printable(str(address))} can't be read",
        got=cause,
        fix=_FIXES.get(cause, "Check the address."),
    )


def _refused(root: Address, error: Exception) -> SourceError:
    # What it says may repeat the address, with all that is in it.
    text = first_line(error)
    for secret in (root.options, root.user, *root.user.split(":")):
        text = text.replace(secret, "…") if secret else text
    return SourceError(f"{root} can't be opened", got=text, fix="Check the address.")
