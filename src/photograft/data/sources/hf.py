"""Sets from the Hugging Face Hub, or in a folder of the same form, read by `datasets`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from photograft.core.errors import PhotograftError, SourceError, either, first_line
from photograft.core.files import MAX_FILE_BYTES, printable, read_file
from photograft.core.store import default_cache_dir
from photograft.data.sources.base import Item, Listing, SkippedFile, make_listing
from photograft.data.sources.named_sets import NamedSet
from photograft.data.sources.rows import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    choose_column,
    choose_splits,
    number_items,
)

#: The only readers of `datasets` that are used ("cache" reads what another one has prepared):
#: none of them runs or unpickles what a set holds.
BUILDERS = ("parquet", "arrow", "imagefolder", "webdataset", "cache")

_FIX_INSTALL = "Run: pip install 'photograft[hf]'"


def read_hub(named: NamedSet, *, cache: Path | None = None, library: Any | None = None) -> Listing:
    """List the photos of a set from the Hugging Face Hub, or of a folder of Parquet files.

    Args:
        named: Its name is ``NAME``, ``OWNER/NAME``, either with ``:CONFIG``, or a folder's path.
        cache: The user's cache folder: what is made of local folders lies in it. What comes from
            the Hub lies where `datasets` keeps it, so that what is there already is found.
        library: The package `datasets`, or a stand-in.

    Returns:
        The listing, of kind ``"hf"``. Each item reads as the bytes that the set holds.

    Raises:
        SourceError: `datasets` is not installed, the set is not here and can't be fetched, or it
            is not one for image classification.
    """
    datasets = _library() if library is None else library
    folder = Path(named.name).expanduser()
    is_local = folder.exists()
    try:
        with _quiet(datasets):
            if is_local:
                kept = (default_cache_dir() if cache is None else cache) / "datasets" / "hf"
                builder = datasets.load_dataset_builder(
                    str(folder.absolute()), cache_dir=str(kept.absolute())
                )
            else:
                name, _, config = named.name.partition(":")
                builder = datasets.load_dataset_builder(name, config or None)
            _check_builder(builder, named)
            builder.download_and_prepare()
    except PhotograftError:
        raise
    except Exception as error:  # whatever its many readers and the network raise
        raise (_unreadable if is_local else _not_here)(named, error) from error
    chosen, notes = choose_splits(named, [str(name) for name in builder.info.splits or ()])
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for split, part in chosen.items():
        try:
            table = builder.as_dataset(split=part)
            images, labels, more = _columns(datasets, table)
        except PhotograftError:
            raise
        except Exception as error:
            raise _bad_part(named, part, error) from error
        found, passed = number_items(split, labels, partial(_reader, images))
        items += found
        skipped += passed
        notes += [note for note in more if note not in notes]
    if not items:
        raise SourceError(f"{named.text!r} holds no labelled photo", expected="rows with a label")
    return make_listing("hf", items, skipped, notes)


def _library() -> Any:
    try:
        import datasets  # slow to import, and an extra
    except ImportError as error:
        raise SourceError(
            "sets of the Hugging Face Hub need the package datasets, which is not installed",
            fix=_FIX_INSTALL,
        ) from error
    return datasets


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Keep the library's own progress bars off what is not a terminal."""
    if sys.stderr.isatty() or datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _check_builder(builder: Any, named: NamedSet) -> None:
    # The module of a packaged reader is datasets.packaged_modules.NAME.NAME.
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in BUILDERS:
        raise SourceError(
            f"{named.text!r} is kept in a form that is not read",
            expected=either(BUILDERS),
            got=kind,
        )


class _Images:
    """A column of images as the bytes that the set holds."""

    def __init__(self, table: Any, column: str) -> None:
        self._table = table
        self._column = column

    def read(self, index: int) -> bytes:
        try:
            cell = self._table[index][self._column]
        except Exception as error:  # Arrow's own errors are of many kinds
            raise OSError(f"row {index:,} can't be read: {error}") from error
        data = cell["bytes"] if cell else None
        if data is None and cell and cell["path"]:
            return read_file(Path(cell["path"]))
        if not data:
            raise OSError(f"row {index:,} holds no image")
        if len(data) > MAX_FILE_BYTES:
            raise OSError(f"row {index:,} has more than {MAX_FILE_BYTES:,} bytes")
        return bytes(data)


def _reader(images: _Images, index: int) -> Callable[[], bytes]:
    return partial(images.read, index)


def _columns(datasets: Any, table: Any) -> tuple[_Images, list[str], list[str]]:
    """Return a table's images, its labels as text, and notes on which columns they are."""
    features = table.features
    kinds = {name: _kind(feature) for name, feature in features.items()}
    found = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    if not found:
        found = [name for name in features if _is_encoded(name, features[name])]
    image, notes = choose_column("image", found, IMAGE_COLUMNS, kinds)
    found = [name for name, f in features.items() if isinstance(f, datasets.ClassLabel)]
    if not found:
        found = [
            name
            for name in LABEL_COLUMNS
            if name in features and _is_plain(features[name], ("string", "large_string", "int"))
        ]
    label, more = choose_column("label", found, LABEL_COLUMNS, kinds)
    values = table.select_columns([label])[:][label]
    names = getattr(features[label], "names", None)
    undecoded = table.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    return _Images(undecoded, image), [_text(value, names) for value in values], notes + more


def _kind(feature: Any) -> str:
    dtype = getattr(feature, "dtype", None)
    return dtype if isinstance(dtype, str) else type(feature).__name__


def _is_plain(feature: Any, dtypes: tuple[str, ...]) -> bool:
    """Return whether a feature is one value a row, of such a type."""
    return type(feature).__name__ == "Value" and str(feature.dtype).startswith(dtypes)


def _is_encoded(name: str, feature: Any) -> bool:
    """Return whether a column is one of images by its name, written without saying so."""
    if name.lower() not in IMAGE_COLUMNS:
        return False
    if isinstance(feature, dict):
        return set(feature) == {"bytes", "path"} and _is_plain(feature["bytes"], ("binary",))
    return _is_plain(feature, ("binary", "large_binary"))


def _text(value: Any, names: list[str] | None) -> str:
    if value is None:
        return ""
    if names is None:
        return str(value).strip()
    return str(names[value]).strip() if 0 <= value < len(names) else ""


def _unreadable(named: NamedSet, error: Exception) -> SourceError:
    return SourceError(
        f"{printable(named.name)} can't be read as a set of the Hugging Face Hub's form",
        expected="a folder of Parquet files with a column of images and one of classes",
        got=first_line(error),
    )


def _not_here(named: NamedSet, error: Exception) -> SourceError:
    name = named.name.partition(":")[0]
    return SourceError(
        f"the set {name!r} is not on this machine and can't be fetched ({first_line(error)})",
        fix="Check its name. Without a network here: where there is one, run "
        f"`hf download --repo-type dataset {name} --local-dir FOLDER`, bring the folder here, "
        "and give hf:/PATH/TO/FOLDER.",
    )


def _bad_part(named: NamedSet, part: str, error: Exception) -> SourceError:
    return SourceError(
        f"the part {part!r} of {named.text!r} can't be read",
        expected="slices that lie within their split",
        got=first_line(error),
    )
