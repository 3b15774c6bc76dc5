"""Which pretrained networks there are, and taking one to machines without torch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from photograft.backbones.engines import PREPARING, choose_engine
from photograft.backbones.get import get_backbone
from photograft.backbones.joined import is_more_than_one
from photograft.backbones.networks import open_network
from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import EMBEDDED, Backbone
from photograft.backbones.settings import Preprocessing
from photograft.backbones.weights import check_fetchable, locate_weights
from photograft.core.arrays import Floats, Pixels
from photograft.core.bars import progress_of
from photograft.core.errors import ConversionError, InputError
from photograft.core.files import check_free, new_folder, path_of
from photograft.core.optional import need_torch
from photograft.core.progress import Watched
from photograft.core.store import default_cache_dir

_KERAS_SUFFIX = ".h5"

#: An engine's features may differ from torch's by this share of the largest.
_TOLERANCE = 1e-3


def embedded_backbones() -> list[Backbone]:
    """Return the records of the backbones whose weights come with the installation."""
    return list(EMBEDDED.values())


def search_backbones(part: str) -> list[str]:
    """Return the names of timm's pretrained models that have a text in them.

    Raises:
        InputError: torch is not installed.
    """
    need_torch("the list of timm's networks")
    from photograft.backbones.pytorch import zoo  # torch, only where needed

    return zoo.search(part)


def convert_backbone(
    name: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] = "pretrained",
    input_size: int = 0,
    progress: Watched = True,
) -> Path:
    """Write a network as an ONNX file with its record, for machines without torch.

    Args:
        name: Of an embedded backbone or any timm model, or a Keras file (``.h5``) whose name begins
            with its network's.
        out: The folder, new or empty.
        weights: ``"pretrained"``, ``"random"``, or the path of a weight file.
        input_size: Side of the square input in pixels; 0 for the network's own.
        progress: Told how far it is.

    Returns:
        The record's path: what `train` takes as a backbone.

    Raises:
        UnknownNameError: There is no such backbone.
        InputError: torch is not installed, or the network takes no such photos.
        WeightsError: The weights are not here and can't be fetched, or are another network's.
        ConversionError: The network can't be exported.
        StorageError: The folder can't be written.
    """
    name, weights = os.fspath(name), os.fspath(weights)
    folder, progress, cache = path_of(out, "the folder"), progress_of(progress), default_cache_dir()
    check_free(folder)
    if name.lower().endswith(_KERAS_SUFFIX):
        name, weights = _keras_name(name), name
    if is_file_name(name):
        raise InputError(
            f"{name} is no network that can be converted",
            expected="the name of a network, or a Keras file (.h5)",
            fix="Weights of a known network: give its name, and --weights FILE.",
        )
    if is_more_than_one(name):
        raise InputError(
            f"{name} is several looks at a photo, which are no one network",
            fix="Convert each of its networks.",
        )
    check_fetchable(name, weights, cache)
    preprocessing = Preprocessing(input_size=input_size)
    backbone = get_backbone(name, weights, preprocessing=preprocessing)
    need_torch(f"converting {name}")
    backbone, path = locate_weights(backbone, cache, progress=progress)
    from photograft.backbones.pytorch.converting import convert, file_names

    with progress.step(f"Converting {name}", 1, "networks") as step:
        converted = convert(backbone, path)
        file, record = file_names(backbone)
        with new_folder(folder) as partial:
            (partial / file).write_bytes(converted.model)
            (partial / record).write_text(converted.record, encoding="utf-8")
            _check(partial / record, converted.pixels, converted.features)
        step.advance()
    return folder / record


def _check(record: Path, pixels: Pixels, expected: Floats) -> None:
    """Make sure that an engine makes of a file what torch does."""
    engine = choose_engine(precision="fp32", device="cpu")
    if engine.name not in PREPARING:
        return
    backbone, path = locate_weights(get_backbone(os.fspath(record)), default_cache_dir())
    with tempfile.TemporaryDirectory() as folder:
        found = open_network(backbone, path, engine, Path(folder))(pixels)
    if np.abs(found - expected).max() > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ConversionError(f"{engine.name} gives other features for it than torch")


def _keras_name(file: str) -> str:
    """Return the network that a Keras file is of, by its name."""
    need_torch(f"converting {file}")
    from photograft.backbones.pytorch.keras_networks import name_in

    return name_in(Path(file).name)
