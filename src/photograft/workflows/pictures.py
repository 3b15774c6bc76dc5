"""What the smaller tools do: summaries by name, curves of runs, pictures of augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.backbones.get import get_backbone
from photograft.backbones.registry import Backbone
from photograft.backbones.settings import DEFAULT_BACKBONE, Preprocessing
from photograft.core.errors import InputError, UnknownNameError
from photograft.core.files import new_file
from photograft.core.progress import Progress
from photograft.data.dataset import Dataset
from photograft.learning.recipes import get_recipe, list_recipes
from photograft.learning.settings import TrainConfig

if TYPE_CHECKING:
    from photograft.learning.loop.summary import Summary


def summarise_name(
    name: str, *, input_size: int | None = None, num_classes: int = 2, unfreeze: str | None = None
) -> Summary:
    """Return the summary of a backbone, or of a recipe's network with its head.

    Args:
        name: Of a backbone or a recipe.
        input_size: Side of the input in pixels; the network's own where not given.
        num_classes: Of a recipe's head.
        unfreeze: What is trained; the recipe's own, or all of a backbone, where not given.

    Raises:
        UnknownNameError: There is neither.
        InputError: The recipe has no network.
    """
    from photograft.learning.loop.summary import base_summary, summarise  # torch, only where needed

    if name.upper() not in {recipe.id for recipe in list_recipes()}:
        size = Preprocessing(input_size=input_size or 0)
        backbone = get_backbone(name, "random", preprocessing=size, pooling="flatten")
        return base_summary(backbone, unfreeze=unfreeze or "all")
    recipe = get_recipe(name)
    if recipe.config is None:
        raise InputError(f"{recipe.id} has no network: it copies photos")
    config = recipe.config
    if input_size:
        preprocessing = replace(config.preprocessing, input_size=input_size)
        config = replace(config, preprocessing=preprocessing)
    return summarise(
        recipe_backbone(config),
        config.hidden,
        config.dropout,
        num_classes,
        coding="binary" if config.coding == "binary" and num_classes == 2 else "sparse",
        unfreeze=unfreeze or _trained_part(config),
        freeze_batch_norm=config.loop.freeze_batch_norm,
    )


def plot_runs(runs: Sequence[Path], output: Path, *, smoothing: float) -> None:
    """Draw the curves of runs into one chart.

    Args:
        runs: Run folders.
        output: A ``.png`` or ``.svg`` file.
        smoothing: Factor of the moving average, in [0, 1); 0 for none.

    Raises:
        InputError: A run has no curves, or the file is of another kind.
        StorageError: The file can't be written.
    """
    from photograft.report.plots import epochs  # Matplotlib is slow to import
    from photograft.runs.history import load_history

    if output.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"{output} is no picture by its name", expected=".png or .svg")
    histories = {}
    for run in runs:
        title = run.resolve().name
        while title in histories:
            title += "'"
        histories[title] = load_history(run)
    with new_file(output, fix="Choose another file with --output.") as partial:
        epochs.plot(histories, partial, smoothing=smoothing)


def augmentation_picture(
    source: str,
    output: Path,
    *,
    photo: str | None,
    settings: str,
    recipe: str | None,
    views: int,
    size: int,
    seed: int,
    progress: Progress,
) -> str:
    """Draw a grid of augmented versions of one photo; return the photo's name.

    Args:
        source: Labelled photos.
        output: A ``.png`` file.
        photo: Its name in the source; the first one where not given.
        settings: As `augmentation.parse` takes them.
        recipe: Whose augmentation is taken in place of `settings`.
        views: Pictures in the grid, the photo as it is among them.
        size: Side of each in pixels.
        seed: Of the changes.
        progress: Told how far it is.

    Raises:
        InputError: There is no such photo, or a setting is wrong.
    """
    from photograft.features.augmentation import parse
    from photograft.report.plots.augmentation import augmentation_grid

    if output.suffix.lower() != ".png":
        raise InputError(f"{output} is no picture by its name", expected=".png")
    if recipe is None:
        wanted = parse(settings)
    else:
        config = get_recipe(recipe).config
        if config is None or config.augmentation is None or not config.augmentation.changes:
            raise InputError(f"{recipe} changes no photos", expected="such as A3, B4 or D5")
        wanted = config.augmentation
    dataset = Dataset.load(source, progress=progress)
    photos = {item.name: item for item in dataset.photos}
    if not photos:
        raise InputError(f"{source} has no usable photo")
    if photo is not None and photo not in photos:
        raise UnknownNameError("photo", photo, photos, fix="`photograft inspect` lists them.")
    chosen = photos[photo] if photo is not None else dataset.photos[0]
    with new_file(output, fix="Choose another file with --output.") as partial:
        augmentation_grid(
            chosen.read,
            (size, size),
            wanted,
            views=views,
            seed=seed,
            path=partial,
            title=chosen.name,
        )
    return chosen.name


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
