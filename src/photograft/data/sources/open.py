"""The one way to open a source of any kind."""

from __future__ import annotations

import glob
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from photograft.core.addresses import is_address
from photograft.core.errors import SourceError, nearest
from photograft.core.files import path_of, printable
from photograft.core.spreadsheets import is_workbook
from photograft.data.sources.addresses import local_path
from photograft.data.sources.archives import ZIP_MAGICS, read_archive
from photograft.data.sources.arrays import read_arrays
from photograft.data.sources.base import Listing
from photograft.data.sources.far import read_far, read_shards
from photograft.data.sources.folder import list_folder, refuse_our_own, walk_folder
from photograft.data.sources.hf import read_hub
from photograft.data.sources.manifest import read_manifest
from photograft.data.sources.mnist import read_mnist
from photograft.data.sources.named_sets import PLAIN_NAMES, SCHEMES, NamedSet, named_set
from photograft.data.sources.parquet_photos import holds_photos, read_parquet
from photograft.data.sources.places import local_file
from photograft.data.sources.shards import Shard, expand_braces, has_braces, shards_in
from photograft.data.sources.spool import DAMAGED, damaged
from photograft.data.sources.tables import PARQUET_MAGIC
from photograft.data.sources.tars import is_tar
from photograft.data.sources.tfds import read_tfds
from photograft.data.sources.tree import Tree

_HEAD_BYTES = 1024
#: How alike a name has to be to be taken for what was meant.
_CLOSE = 0.6

_EXPECTED = (
    "a folder of class folders, a zip or tar archive of one, a CSV or Parquet manifest, Parquet "
    "files or WebDataset's tars of photos, an address of any of these such as s3://BUCKET/PHOTOS, "
    "an .npz file of arrays, or the name of a set: mnist, tfds:NAME or hf:NAME"
)

_IMAGE_MAGICS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  ",
    b"P5\n",
    b"P6\n",
)
_IMAGE_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_OTHER_MAGICS = {
    b"\x93NUMPY": (".npy file", "Save images and labels together: np.savez(file, X=..., y=...)."),
    b"Rar!\x1a\x07": ("RAR archive", "Unpack it and give the folder."),
    b"7z\xbc\xaf\x27\x1c": ("7z archive", "Unpack it and give the folder."),
    b"\x28\xb5\x2f\xfd": ("Zstandard archive", "Unpack it and give the folder."),
    b"\x89HDF\r\n": ("HDF5 file", "Save its arrays with np.savez(file, X=..., y=...)."),
    b"\xd0\xcf\x11\xe0": ("Microsoft Office file", "Save the table as CSV in UTF-8."),
}
_TEXT_SUFFIXES = {".csv", ".tsv", ".txt"}


def source_path(source: object, expected: str = "a path, or a Dataset") -> Path:
    """Return the path, or the name of a set, that somebody gave for a source.

    Args:
        source: What was given; a `Dataset` is for the caller to tell apart.
        expected: What it should have been, in words.

    Raises:
        InputError: It is something else; of a table or of arrays it says how to make them one.
    """
    fix = ""
    if hasattr(source, "columns") or isinstance(source, Mapping):
        fix = "A table becomes one by Dataset.from_frame(table, path=..., label=...)."
    elif hasattr(source, "shape") or isinstance(source, (list, tuple)):
        fix = "Photos and their labels become one by Dataset.from_arrays(photos, labels)."
    found = path_of(source, "the source", expected, fix=fix)
    return Path(local_path(source)) if isinstance(source, str) else found


def open_source(source: str | os.PathLike[str]) -> Listing:
    """List the photos of a source, whatever kind it is of.

    Args:
        source: A folder of class folders, an archive of one, a CSV or Parquet manifest, Parquet
            files or WebDataset's tars with the photos in them (one, a folder of them, or a pattern
            such as ``train-{0000..0009}.tar``), or an ``.npz`` file. Files are told apart by
            content. Or an address; see `addresses`. Where nothing of that path is there, the name
            of a set: ``mnist``, ``tfds:NAME``, ``hf:NAME``; see `named_sets`.

    Returns:
        What the source holds; no photo has been read yet. A set that is not on this machine is
        fetched first.

    Raises:
        SourceError: There is nothing there, or it is no source of labelled photos.
        StorageError: There is no room to unpack a compressed source.
    """
    if not isinstance(source, (str, bytes, os.PathLike)):
        source_path(source, f"{_EXPECTED}, or a Dataset")
    text = local_path(os.fsdecode(source))
    if not text:
        raise SourceError("the source is an empty path", expected=_EXPECTED)
    if is_address(text):
        return read_far(text)
    named = named_set(text)
    if named is not None:
        return _open_set(named)
    path = Path(os.path.expanduser(text)).absolute()
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if has_braces(text):
            return _open_pattern(path)
        raise _missing(path, text) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        refuse_our_own(path)
        tree = walk_folder(path)
        return _open_shards(path, tree) or list_folder(path, tree)
    if not stat.S_ISREG(mode):
        raise SourceError(
            f"{printable(path)} is no regular file", expected=_EXPECTED, got="a device or pipe"
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _open_file(path, head)


def _open_shards(folder: Path, tree: Tree) -> Listing | None:
    """Return what lies in the Parquet or tar files that a folder consists of, if it does."""
    names = shards_in(tree)
    files = [local_file(folder / name) for name in names]
    first = next((f for f in files if f.name.lower().endswith(".parquet")), None)
    if not files or not (first is None or holds_photos(first)):
        return None
    return read_shards(files, list(map(str, names)))


def _open_pattern(pattern: Path) -> Listing:
    paths = [Path(text) for text in expand_braces(str(pattern))]
    folder = os.path.commonpath([path.parent for path in paths])
    names = [path.relative_to(folder).as_posix() for path in paths]
    return read_shards([local_file(path) for path in paths], names)


def _open_set(named: NamedSet) -> Listing:
    if named.scheme == "tfds":
        return read_tfds(named)
    return read_hub(named) if named.scheme == "hf" else read_mnist(named.name)


def _open_file(path: Path, head: bytes) -> Listing:
    if not head:
        raise SourceError(f"{printable(path)} is an empty file", expected=_EXPECTED)
    if is_workbook(path):
        raise SourceError(
            f"{printable(path)} can't be used",
            expected=_EXPECTED,
            got="a spreadsheet's own file",
            fix="Save it as CSV.",
        )
    if head.startswith(ZIP_MAGICS):
        return read_arrays(path) if _holds_arrays(path) else read_archive(path)
    if head.startswith(PARQUET_MAGIC):
        file = local_file(path)
        return read_parquet([Shard(file, "")]) if holds_photos(file) else read_manifest(path)
    if is_tar(head):
        return read_archive(path)
    if _is_image(head):
        raise SourceError(
            f"{printable(path)} is a single image",
            expected=_EXPECTED,
            fix="Give the folder that holds the class folders, such as "
            f"{printable(path.parent.parent)}. To classify one image, use `photograft predict`.",
        )
    for magic, (kind, fix) in _OTHER_MAGICS.items():
        if head.startswith(magic):
            raise SourceError(
                f"{printable(path)} can't be used", expected=_EXPECTED, got=f"a {kind}", fix=fix
            )
    if path.suffix.lower() in _TEXT_SUFFIXES:
        return read_manifest(path)
    if path.suffix.lower() == ".tar":
        return read_archive(path)
    raise SourceError(
        f"{printable(path)} is of no kind that is understood",
        expected=_EXPECTED,
        got=f"a file that begins with {head[:16]!r}",
    )


def _holds_arrays(path: Path) -> bool:
    """Return whether a zip file is one of arrays only, as NumPy writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except DAMAGED as error:
        raise damaged(printable(path), error) from error
    if path.suffix.lower() == ".npz":
        return True
    return bool(names) and all(name.endswith(".npy") and "/" not in name for name in names)


def _is_image(head: bytes) -> bool:
    return (
        head.startswith(_IMAGE_MAGICS)
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS)
        or (head.startswith(b"BM") and head[6:10] == b"\0\0\0\0")
    )


def _missing(path: Path, given: str) -> SourceError:
    shown = printable(path)
    if path.is_symlink():
        return SourceError(f"{shown} is a link to {printable(os.readlink(path))}, which is gone")
    fix = "Check the path."
    if glob.has_magic(given):
        return SourceError(
            f"nothing matches the pattern {shown}",
            expected=_EXPECTED,
            fix="Give the folder that holds the class folders, or check the pattern.",
        )
    found = path
    while not found.exists() and found != found.parent:
        wanted, found = found.name, found.parent
    near = _nearest(found, wanted)
    if near:
        fix = f"Did you mean {printable(found / near)}?"
    elif found != path.parent:
        fix = f"{printable(found)} is there, and holds no {wanted}."
    elif near_set := _nearest_set(given):
        fix = f"Did you mean {near_set}?"
    return SourceError(f"there is no {shown}", expected=_EXPECTED, fix=fix)


def _nearest(folder: Path, name: str) -> str | None:
    try:
        siblings = os.listdir(folder)
    except OSError:
        return None
    return next(iter(nearest(name, siblings, cutoff=_CLOSE)), None)


def _nearest_set(given: str) -> str | None:
    scheme, colon, rest = given.partition(":")
    known = SCHEMES if colon else PLAIN_NAMES
    near = nearest(scheme, known, cutoff=_CLOSE)
    return f"{near[0]}{colon}{rest}" if near else None


def _unreadable(path: Path, error: Exception) -> SourceError:
    got = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SourceError(
        f"{printable(path)} can't be read",
        expected=_EXPECTED,
        got=got,
        fix="Check its permissions with `ls -ld`.",
    )
