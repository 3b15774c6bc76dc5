"""The file systems that addresses are of, and what their errors mean.

PyArrow's own file systems come first (S3, Google's, Azure's, Hadoop's), with their own chains of
credentials; else what fsspec knows, where it is installed.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from photograft.core.errors import SourceError, either
from photograft.core.files import printable
from photograft.data.sources.addresses import Address, masked

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

_NO_BUCKET = r"NO_SUCH_BUCKET|NoSuchBucket|bucket .*does not exist"
#: What errors of file systems say, and what it means.
_CAUSES = (
    (_NO_BUCKET, "there is no such bucket"),
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH"
        r"|HTTP.{0,20}\b40[13]\b|AuthorizationFailure|AuthenticationFailed|Forbidden|PermissionDenied|PERMISSION_DENIED|UNAUTHENTICATED|Unauthorized",
        "access is denied",
    ),
    (
        r"[Cc]redential|MetadataService|EC2 metadata|AuthorizationHeader",
        "no credentials were found",
    ),
    (
        r"NO_SUCH_KEY|RESOURCE_NOT_FOUND|HTTP.{0,20}\b404\b|does not exist|not found|No such file",
        "missing",
    ),
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


def cause_of(address: Address, error: Exception) -> str:
    """Return what an error about an address means, in a few words, and without its secrets."""
    text = masked(address, error)
    signs = text.replace(address.path, "") if address.path else text  # a name is no sign
    if isinstance(error, FileNotFoundError) and not re.search(_NO_BUCKET, signs):
        return "missing"
    return next((cause for sign, cause in _CAUSES if re.search(sign, signs)), text)


def unreachable(address: Address, error: Exception) -> SourceError:
    """Return the error of an address from which nothing can be read."""
    cause = cause_of(address, error)
    return SourceError(
        f"{printable(str(address))} can't be read",
        got=cause,
        fix=_FIXES.get(cause, "Check the address."),
    )


def _refused(root: Address, error: Exception) -> SourceError:
    # What it says may repeat the address, with all that is in it.
    return SourceError(f"{root} can't be opened", got=masked(root, error), fix="Check the address.")
