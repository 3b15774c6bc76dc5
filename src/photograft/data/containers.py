"""Photos without labels, wherever they are: in a folder or a table, a tar, a Parquet, a bucket."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.data.photo_inputs import PhotoInput, Refused, far_photo
from photograft.data.sources.addresses import Address, parse_address
from photograft.data.sources.manifest_places import FarPlaces
from photograft.data.sources.parquet_photos import holds_photos, photos_in_parquet
from photograft.data.sources.places import (
    AnyFile,
    FarFile,
    FarFolder,
    copied,
    files_at,
    find_at,
    local_file,
)
from photograft.data.sources.shards import expand_braces
from photograft.data.sources.tables import is_manifest, path_batches, read_paths
from photograft.data.sources.tree import is_hidden
from photograft.data.sources.webdataset import photos_in_tar


def photos_in_file(path: str) -> Iterator[str | PhotoInput]:
    """Yield the photos that a file of this machine holds or names; else the path itself.

    A tar, a Parquet file or a manifest that can't be read, or not to its end, is one photo more,
    which can't either.

    Args:
        path: Of a tar, a Parquet file with photos, a manifest, or anything else.

    Raises:
        StorageError: There is no room to decompress a tar.
    """
    if path.lower().endswith((".tar", ".parquet")) and os.path.isfile(path):
        file = local_file(Path(path))
        if path.lower().endswith(".tar") or holds_photos(file):
            yield from _inner(file, path)
            return
    if is_manifest(path) and os.path.isfile(path):
        try:
            yield from read_paths(Path(path))
        except SourceError as error:
            yield _refused(path, error)
    else:
        yield path


def photos_at(text: str) -> PhotoInput | Iterator[PhotoInput]:
    """Return the photo at an address; or those of what is there: a folder, a tar, a table.

    A file of photos that can't be read is one that can't, as in `photos_in_file`.

    Args:
        text: The address, which may have braces, as in ``{0000..0009}.tar``.

    Raises:
        SourceError: It is no address, or nothing can be reached there.
    """
    addresses = [parse_address(one) for one in expand_braces(text)]
    if len(addresses) > 1:
        return (photo for one in addresses for photo in _at(one))
    (address,) = addresses
    is_table = is_manifest(address.path) or address.path.lower().endswith(".tar")
    if is_table or isinstance(find_at(address), FarFolder):
        return _at(address)
    return far_photo(address)


def _at(address: Address) -> Iterator[PhotoInput]:
    found = find_at(address)
    if isinstance(found, FarFolder):
        tree, shards = files_at(address)
        for path in tree.files:
            if any(map(is_hidden, path.parts)):
                continue
            inner = address.at(posixpath.join(address.path, str(path)))
            yield from _in_far_file(shards.get(path) or FarFile(inner))
    else:
        yield from _in_far_file(found or FarFile(address))


def _in_far_file(file: FarFile) -> Iterator[PhotoInput]:
    address = file.address
    if address.path.lower().endswith(".tar") or (
        address.path.lower().endswith(".parquet") and holds_photos(file)
    ):
        yield from _inner(file, file.shown)
    elif is_manifest(address.path):
        places = FarPlaces(address.above())
        try:
            with copied(file) as path:
                for paths in path_batches(path):
                    yield from (_named(places, name) for name in places.files(paths) if name)
        except SourceError as error:
            yield _refused(file.shown, error)
    else:
        yield far_photo(address)


def _named(places: FarPlaces, file: str) -> PhotoInput:
    fault = places.fault(file)
    if fault is None:
        return far_photo(places.address(file))
    return PhotoInput(places.names([file])[0], Refused(fault[1]))


def _inner(file: AnyFile, shown: str) -> Iterator[PhotoInput]:
    try:
        photos = photos_in_tar(file) if shown.lower().endswith(".tar") else photos_in_parquet(file)
        for name, read in photos:
            yield PhotoInput(f"{printable(shown)}/{name}", read)
    except SourceError as error:
        yield _refused(shown, error)


def _refused(shown: str, error: SourceError) -> PhotoInput:
    return PhotoInput(printable(shown), Refused(str(error)))
