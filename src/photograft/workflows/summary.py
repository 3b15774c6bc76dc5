"""A network layer by layer, of a backbone or a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.backbones.get import get_backbone
from photograft.backbones.joined import is_more_than_one
from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import DEFAULT_BACKBONE, Preprocessing
from photograft.core.errors import InputError
from photograft.core.optional import need_torch
from photograft.learning.recipes import get_recipe, list_recipes
from photograft.learning.settings import TrainConfig

if TYPE_CHECKING:
    from photograft.learning.loop.summary import Summary


def summarise_name(
    name: str,
    *,
    input_size: int | None = None,
    num_classes: int | None = None,
    unfreeze: str | None = None,
) -> Summary:
    """Return the summary of a backbone, or of a recipe's network with its head.

    Args:
        name: Of a backbone or a recipe.
        input_size: Side of the input in pixels; the network's own where not given.
        num_classes: Of a recipe's head; those of the recipe's own data where not given.
        unfreeze: What is trained; the recipe's own, or all of a backbone, where not given.

    Raises:
        UnknownNameError: There is neither.
        InputError: The recipe has no network, a folder has the name, or torch is not installed.
    """
    if Path(name).is_dir():
        raise InputError(
            f"{name} is a folder",
            expected="the name of a backbone or a recipe",
            fix="The report of a run says which backbone it has.",
        )
    if is_file_name(name):
        raise InputError(f"{name} is an ONNX file, of which there is no summary")
    if is_more_than_one(name):
        raise InputError(
            f"{name} is several looks at a photo, of which there is no one summary",
            fix="Ask for each of its networks.",
        )
    need_torch("a network's summary")
    if name.upper() not in {recipe.id for recipe in list_recipes()}:
        size = Preprocessing(input_size=input_size or 0)
        backbone = get_backbone(name, "random", preprocessing=size, pooling="flatten")
        from photograft.learning.loop.summarising import base_summary  # torch, only where needed

        return base_summary(backbone, unfreeze=unfreeze or "all")
    recipe = get_recipe(name)
    if recipe.config is None:
        raise InputError(f"{recipe.id} has no network: it copies photos")
    config = recipe.config
    if input_size:
        preprocessing = replace(config.preprocessing, input_size=input_size)
        config = replace(config, preprocessing=preprocessing)
    from photograft.learning.loop.summarising import summarise

    num_classes = num_classes or recipe.num_classes
    return summarise(
        recipe_backbone(config),
        config.hidden,
        config.dropout,
        num_classes,
        target_encoding="binary"
        if config.target_encoding == "binary" and num_classes == 2
        else "sparse",
        unfreeze=unfreeze or _trained_part(config),
        freeze_batch_norm=config.loop.freeze_batch_norm,
    )


def recipe_backbone(config: TrainConfig) -> Backbone:
    """Return the record of a recipe's network with random weights."""
    name = DEFAULT_BACKBONE if config.backbone == "auto" else config.backbone
    return get_backbone(
        name,
        "random",
        preprocessing=config.preprocessing,
        pooling=config.pooling,
        layer=config.layer,
    )


def _trained_part(config: TrainConfig) -> str:
    if config.strategy == "scratch":
        return "all"
    return config.unfreeze if config.strategy == "finetune" else "0"
