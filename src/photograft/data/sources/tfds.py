"""Sets of TensorFlow Datasets."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from photograft.core.errors import SourceError, first_line
from photograft.core.files import printable
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing
from photograft.data.sources.named_sets import NamedSet
from photograft.data.sources.rows import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    choose_column,
    choose_splits,
    number_items,
)
from photograft.data.sources.spool import spool

_FIX_INSTALL = "Run: pip install 'photograft[tfds]'"

# No namespace: what stands under one may be code from elsewhere, which would be run.
_NAME = re.compile(r"\w+(?:/[\w.+-]+)?(?::[\d.*]+)?", re.ASCII)

#: Can be read in any order without TensorFlow; sets that are prepared here are kept so.
_FILE_FORMAT = "array_record"


def read_tfds(
    named: NamedSet, *, data_dir: Path | None = None, library: Any | None = None
) -> Listing:
    """List the photos of a set of TensorFlow Datasets; prepare it where that is not done yet.

    Args:
        named: Its name is ``NAME``, ``NAME/CONFIG``, either with ``:VERSION``.
        data_dir: Where prepared sets lie; ``$TFDS_DATA_DIR`` or ``~/tensorflow_datasets`` where
            not given, as for everyone who uses TensorFlow Datasets.
        library: The package `tensorflow_datasets`, or a stand-in.

    Returns:
        The listing, of kind ``"tfds"``. Each item reads as the bytes that the set holds.

    Raises:
        SourceError: The package is not installed, the set is not here and can't be fetched, or
            it is not one for image classification.
        StorageError: There is no room for a temporary copy.
    """
    if not _NAME.fullmatch(named.name):
        raise SourceError(
            f"{named.text!r} names no set of TensorFlow Datasets",
            expected="tfds:NAME, tfds:NAME/CONFIG, either with :VERSION such as :1.0.0",
        )
    tfds = _library() if library is None else library
    folder = data_dir or Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    builder = _prepared(tfds, named, folder.expanduser().absolute())
    features = dict(builder.info.features.items())
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    pictures = [name for name, feature in features.items() if _is_a(feature, tfds.features.Image)]
    image, notes = choose_column("image", pictures, IMAGE_COLUMNS, kinds)
    classes = [n for n, feature in features.items() if _is_a(feature, tfds.features.ClassLabel)]
    if not classes:
        classes = [n for n in LABEL_COLUMNS if n in features and kinds[n] in ("Text", "Scalar")]
    label, more = choose_column("label", classes, LABEL_COLUMNS, kinds)
    chosen, how = choose_splits(named, [str(name) for name in builder.info.splits])
    decoders = {name: tfds.decode.SkipDecoding() for name in pictures}
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for split, part in chosen.items():
        rows = _rows(tfds, builder, named, part, decoders)
        photos, values = _read_rows(rows, image, label, named.text)
        labels = [_text(value, features[label]) for value in values]
        found, passed = number_items(split, labels, partial(_reader, photos))
        items += found
        skipped += passed
    if not items:
        raise SourceError(f"{named.text!r} holds no labelled photo", expected="rows with a label")
    return make_listing("tfds", items, skipped, [*how, *notes, *more])


def _library() -> Any:
    try:
        import tensorflow_datasets  # slow to import, and an extra
    except ImportError as error:
        raise SourceError(
            "sets of TensorFlow Datasets need a package that is not installed",
            expected="tensorflow-datasets",
            fix=_FIX_INSTALL,
        ) from error
    return tensorflow_datasets


def _prepared(tfds: Any, named: NamedSet, data_dir: Path) -> Any:
    """Return the builder of a set that is on the disk, fetched and prepared if need be."""
    try:
        builder = tfds.builder(named.name, data_dir=str(data_dir))
        if not builder.is_prepared():
            builder = tfds.builder(named.name, data_dir=str(data_dir), file_format=_FILE_FORMAT)
            builder.download_and_prepare()
    except Exception as error:  # whatever its many sets and the network raise
        name = named.short_name
        raise SourceError(
            f"the set {named.name!r} is not on this machine and can't be fetched "
            f"({first_line(error)})",
            expected=f"a prepared set in {printable(data_dir / name)}",
            fix="Check its name. Without a network here: where there is one, run "
            f"`python -c \"import tensorflow_datasets as t; t.data_source('{named.name}')\"` "
            f"and copy ~/tensorflow_datasets/{name} to {printable(data_dir / name)}.",
        ) from error
    return builder


class _Stored:
    """Rows in files that can be read in any order."""

    def __init__(self, rows: Sequence[Any], image: str) -> None:
        self._rows = rows
        self._image = image
        self._lock = threading.Lock()  # the readers of such files promise nothing about threads

    def read(self, index: int) -> bytes:
        try:
            with self._lock:
                return bytes(self._rows[index][self._image])
        except Exception as error:
            raise OSError(f"row {index:,} can't be read: {first_line(error)}") from error


class _Copied:
    """Rows from files that are read from their beginning to their end, copied to the disk."""

    def __init__(self, file: IO[bytes], sizes: Sequence[int]) -> None:
        self._file = file
        self._sizes = sizes
        self._starts = [0]
        for size in sizes:
            self._starts.append(self._starts[-1] + size)
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self._file.close()

    def read(self, index: int) -> bytes:
        with self._lock:
            self._file.seek(self._starts[index])
            return self._file.read(self._sizes[index])


class _Stream:
    """The images of rows, one behind the other, as a stream; the rest is noted in passing."""

    def __init__(self, rows: Iterator[Any], image: str, label: str) -> None:
        self._rows = rows
        self._image, self._label = image, label
        self._rest = b""
        self.sizes: list[int] = []
        self.values: list[Any] = []

    def read(self, size: int, /) -> bytes:
        while not self._rest:
            try:
                row = next(self._rows, None)
            except Exception as error:  # TensorFlow's own errors are of many kinds
                raise OSError(first_line(error)) from error
            if row is None:
                return b""
            self._rest = bytes(row[self._image])
            self.sizes.append(len(self._rest))
            self.values.append(row[self._label])
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _rows(
    tfds: Any, builder: Any, named: NamedSet, part: str, decoders: dict[str, Any]
) -> Sequence[Any] | Iterator[Any]:
    """Return the rows of a part: a sequence where the files allow it, else an iterator."""
    try:
        try:
            rows: Sequence[Any] = builder.as_data_source(split=part, decoders=decoders)
        except NotImplementedError:  # it was prepared in another format
            dataset = builder.as_dataset(split=part, shuffle_files=False, decoders=decoders)
            stream: Iterator[Any] = iter(tfds.as_numpy(dataset))
            return stream
        return rows
    except ImportError as error:
        raise SourceError(
            f"{named.text!r} was prepared in a format that only TensorFlow reads",
            expected=f"a set that was prepared with file_format={_FILE_FORMAT!r}",
            fix="Run: pip install tensorflow. Or remove the prepared set to have it made anew.",
        ) from error
    except Exception as error:
        raise SourceError(
            f"the part {part!r} of {named.text!r} can't be read",
            expected="slices that lie within their split",
            got=first_line(error),
        ) from error


def _read_rows(
    rows: Sequence[Any] | Iterator[Any], image: str, label: str, shown: str
) -> tuple[_Stored | _Copied, list[Any]]:
    """Return the images of rows, to be read one at a time, and the values of their labels."""
    if isinstance(rows, Iterator):
        stream = _Stream(rows, image, label)
        return _Copied(spool(stream, shown), stream.sizes), stream.values
    try:
        return _Stored(rows, image), [rows[index][label] for index in range(len(rows))]
    except Exception as error:
        raise SourceError(
            f"{shown!r} is damaged or incomplete",
            got=first_line(error),
            fix="Prepare it again.",
        ) from error


def _reader(photos: _Stored | _Copied, index: int) -> Callable[[], bytes]:
    return partial(photos.read, index)


def _is_a(feature: Any, kind: type) -> bool:
    return isinstance(feature, kind)


def _text(value: Any, feature: Any) -> str:
    """Return a label's name; empty where it has none, as unlabelled test sets write -1."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    count = getattr(feature, "num_classes", None)
    if count is None:
        return str(value)
    return str(feature.int2str(int(value))).strip() if 0 <= int(value) < count else ""
