"""Settings as keyword arguments, under the names that the command line has for them.

They change a configuration, as options of a command change the file given with ``--config``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from photograft.backbones.settings import Preprocessing
from photograft.core.errors import InputError, UnknownNameError, described
from photograft.core.files import path_of
from photograft.core.store import parse_size
from photograft.core.text import parse_duration
from photograft.features.settings import Augmentation
from photograft.learning.recipes import read_config
from photograft.learning.settings import TrainConfig, Training

#: What settings may be given as: themselves, plain data, or a file of them.
Config = TrainConfig | Mapping[str, Any] | str | os.PathLike[str]

#: Options that are settings of the training loop, and of the preprocessing.
_LOOP = ("epochs", "batch_size", "learning_rate", "optimizer")
_PREPROCESSING = ("input_size",)


class DataOptions(TypedDict, total=False):
    """Options of the split and of what belongs together; see `DataSettings`."""

    validation: float | None
    test: float
    near_duplicates: str
    group_by: str
    corrections: str | os.PathLike[str]
    new_class: str | Sequence[str]
    seed: int
    max_pixels: int
    empty_classes: str


class ExtractionOptions(DataOptions, total=False):
    """Options that features depend on; see `BackboneSettings` and `ExecutionSettings`."""

    backbone: str | os.PathLike[str]
    weights: str | os.PathLike[str]
    layer: str
    pooling: str
    input_size: int
    preprocessing: Preprocessing
    engine: str
    precision: str
    device: str


class LearningOptions(ExtractionOptions, total=False):
    """Options of one training or of several; see `TrainConfig` for those of its own names.

    ``epochs``, ``batch_size``, ``learning_rate`` and ``optimizer`` change the training loop,
    ``augment`` is an augmentation in words, such as ``"rotation=20,zoom=0.1"``, and ``hidden`` may
    be text, such as ``"128,64"``.
    """

    effort: str
    strategy: str
    final: str
    head: str
    hidden: str | Sequence[int]
    dropout: float
    target_encoding: str
    class_weight: str
    compile: str
    unfreeze: str | int
    head_first: bool
    head_training: Training
    views: int
    test_views: str
    stream_above: int | str
    augment: str
    augmentation: Augmentation
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    training: Training
    keep: str
    include_weights: str
    track: str


class TrainOptions(LearningOptions, total=False):
    """Options of a training; ``budget`` is in seconds, or text such as ``"5m"``."""

    budget: str | float


def read_settings(config: Config | None = None, **options: Unpack[TrainOptions]) -> TrainConfig:
    """Return settings, changed by options.

    Args:
        config: The settings to begin with, or a file of them; the default ones where not given.
        options: By name.

    Raises:
        InputError: The settings can't be understood, a name is unknown, or a value is wrong.

    >>> read_settings(strategy="finetune", epochs=3).loop.epochs
    3
    """
    settings = _begin(config)
    given = cast("dict[str, Any]", dict(options))
    augment, hidden = given.pop("augment", None), given.get("hidden")
    loop = {name: given.pop(name) for name in _LOOP if name in given}
    prepared = {name: given.pop(name) for name in _PREPROCESSING if name in given}
    if isinstance(given.get("backbone"), os.PathLike):  # a path is no network's name
        given["backbone"] = os.path.join(os.curdir, given["backbone"])
    for name in ("corrections", "weights"):
        if name in given:
            given[name] = str(path_of(given[name], name)) if given[name] != "" else ""
    if isinstance(given.get("new_class"), str):
        given["new_class"] = [given["new_class"]]
    if "budget" in given:
        given["budget"] = parse_duration(given["budget"], "the budget")
    if "unfreeze" in given:
        given["unfreeze"] = str(given["unfreeze"])
    if isinstance(given.get("stream_above"), str):
        given["stream_above"] = parse_size(given["stream_above"])
    if hidden is not None:
        given["hidden"] = _widths(hidden) if isinstance(hidden, str) else hidden
    if augment is not None:
        if not isinstance(augment, str):
            raise InputError("augment can't be understood", expected="text", got=repr(augment))
        from photograft.features.augmentation import parse

        given["augmentation"] = parse(augment)
    known = {*TrainOptions.__annotations__, *TrainConfig.__dataclass_fields__}
    for name in given:
        if name not in known:
            listing = "`photograft train --help` lists them."
            raise UnknownNameError("setting", name, known, fix=listing)
    # By way of plain data: there, wrong types are said.
    checked = TrainConfig.from_json(given)
    settings = replace(settings, **{name: getattr(checked, name) for name in given})
    if prepared:
        merged = {**settings.preprocessing.to_json(), **prepared}
        settings = replace(settings, preprocessing=Preprocessing.from_json(merged))
    if loop:
        training = Training.from_json({**settings.loop.to_json(), **loop})
        settings = replace(settings, training=training)
    return settings


def _begin(config: Config | None) -> TrainConfig:
    if config is None:
        return TrainConfig()
    if isinstance(config, TrainConfig):
        return config
    if isinstance(config, Mapping):
        return TrainConfig.from_json(config)
    if isinstance(config, (str, os.PathLike)):
        return read_config(Path(config))
    raise InputError(
        "the settings can't be understood",
        expected="a TrainConfig, a mapping, or a TOML file or run.json",
        got=described(config),
    )


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(
            "hidden can't be understood", expected="widths such as 128,64", got=repr(text)
        ) from error
