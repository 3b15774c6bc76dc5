"""Sources at addresses: told apart by content, and read by what reads those on this machine."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import PurePosixPath

from photograft.core.errors import SourceError, either
from photograft.core.files import printable
from photograft.data.sources.addresses import parse_address
from photograft.data.sources.archives import ZIP_MAGICS, read_archive
from photograft.data.sources.base import Listing
from photograft.data.sources.layout import build_listing
from photograft.data.sources.manifest import read_manifest
from photograft.data.sources.members import Member
from photograft.data.sources.parquet_photos import holds_photos, read_parquet
from photograft.data.sources.places import AnyFile, FarFile, files_at, find_at
from photograft.data.sources.shards import Shard, expand_braces, has_braces, make_shards, shards_in
from photograft.data.sources.tables import PARQUET_MAGIC
from photograft.data.sources.tars import is_tar
from photograft.data.sources.tree import SHARD_SUFFIXES
from photograft.data.sources.webdataset import read_tars

_HEAD_BYTES = 1024

_EXPECTED = (
    "a folder of class folders, a CSV or Parquet manifest, Parquet files with photos, a tar, or a "
    "zip of class folders"
)


def read_far(text: str) -> Listing:
    """List the photos of a source at an address; a manifest is copied, and photos are not.

    Args:
        text: The address; with braces, as in ``train-{0000..0009}.tar``, of several files.

    Raises:
        SourceError: There is nothing there, or it can't be read, or is no source.
        StorageError: There is no room for a copy of a manifest.
    """
    address = parse_address(text)
    # Braces may also be in a name; a bucket's holds none.
    found = None if has_braces(address.place) else find_at(address)
    if found is None and has_braces(text):
        addresses = [parse_address(one) for one in expand_braces(text)]
        folder = posixpath.commonpath([posixpath.dirname(one.path) for one in addresses])
        names = [posixpath.relpath(one.path, folder or ".") for one in addresses]
        return read_shards([FarFile(one) for one in addresses], names)
    if found is None:
        raise SourceError(
            f"there is no {printable(str(address))}",
            expected=_EXPECTED,
            fix="Check the address, and that your credentials may list it.",
        )
    if isinstance(found, FarFile):
        return _read_file(found)
    tree, files = files_at(address)
    shards = shards_in(tree)
    if shards and _hold_photos(shards, [files[path] for path in shards]):
        return read_shards([files[path] for path in shards], list(map(str, shards)))
    return build_listing(
        "folder", printable(str(address)), tree, lambda inner: Member(found, str(inner))
    )


def read_shards(files: Sequence[AnyFile], names: Sequence[str]) -> Listing:
    """List the photos of several Parquet files, or of several tar files.

    Args:
        files: The files, all of one kind.
        names: Their paths below the set.

    Raises:
        SourceError: They are of both kinds or of another, or can't be read.
    """
    kinds = {PurePosixPath(name).suffix.lower() for name in names}
    other = next((n for n in names if PurePosixPath(n).suffix.lower() not in SHARD_SUFFIXES), None)
    if other is not None:
        raise SourceError(
            f"{printable(other)} can't be one of several files of a set",
            expected=f"names that end in {either(SHARD_SUFFIXES)}",
            fix="Give a folder, a manifest or a zip alone; unpack a compressed tar.",
        )
    if len(kinds) > 1:
        raise SourceError(
            "the files of one set are of several kinds",
            expected="Parquet files, or tar files",
            got=" and ".join(sorted(kinds)),
            fix="Give them one kind after another.",
        )
    shards, notes = make_shards(files, names)
    return (read_parquet if kinds == {".parquet"} else read_tars)(shards, notes)


def _hold_photos(paths: Sequence[PurePosixPath], files: Sequence[AnyFile]) -> bool:
    """Return whether shards are of a kind that holds photos, and does not only name them."""
    pairs = zip(files, paths, strict=True)
    first = next((file for file, path in pairs if path.suffix.lower() == ".parquet"), None)
    return first is None or holds_photos(first)


def _read_file(file: FarFile) -> Listing:
    try:
        head = file.read_at(0, _HEAD_BYTES)
    except OSError as error:
        raise SourceError(f"{file.shown} can't be read", got=str(error)) from error
    suffix = PurePosixPath(file.name).suffix.lower()
    if head.startswith(PARQUET_MAGIC):
        return read_parquet([Shard(file, "")]) if holds_photos(file) else read_manifest(file)
    if is_tar(head) or suffix == ".tar" or head.startswith(ZIP_MAGICS):
        return read_archive(file)
    if head and suffix in (".csv", ".tsv", ".txt"):
        return read_manifest(file)
    raise SourceError(
        f"{file.shown} is of no kind that is understood at an address",
        expected=_EXPECTED,
        got=f"a file that begins with {head[:16]!r}" if head else "an empty file",
    )
