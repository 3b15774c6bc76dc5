"""Pictures on demand: the epochs of runs, and augmented versions of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photograft.core.errors import InputError, UnknownNameError
from photograft.core.files import new_file
from photograft.core.progress import Progress
from photograft.data.dataset import Dataset
from photograft.data.empty_classes import nothing_usable
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.data.loading import check_outside
from photograft.learning.recipes import get_recipe
from photograft.runs import plot
from photograft.runs.history import load_history
from photograft.workflows.several import each_usable


def plot_runs(runs: Sequence[Path], output: Path, *, smoothing: float) -> list[str]:
    """Draw the curves of runs into one chart; return which were left out, and why.

    Args:
        runs: Run folders; of several those without epochs are left out, as is what is none.
        output: A ``.png`` or ``.svg`` file.
        smoothing: Factor of the moving average, in [0, 1); 0 for none.

    Raises:
        ClassifierError: No run has curves, or one is not there.
        InputError: The file is of another kind.
        StorageError: The file can't be written.
    """
    if output.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"{output} is no picture by its name", expected=".png or .svg")
    found, notes = each_usable(runs, load_history)
    histories = {}
    for run, history in found.items():
        title = run.resolve().name
        while title in histories:
            title += "'"
        histories[title] = history
    with new_file(output, fix="Choose another file with --output.") as partial:
        plot.plot_epochs(histories, partial, smoothing=smoothing)
    return notes


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
    max_pixels: int = DEFAULT_MAX_PIXELS,
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
        max_pixels: Photos with more pixels are passed over.
        progress: Told how far it is.

    Raises:
        InputError: There is no such photo, no usable one at all, or a setting is wrong.
        StorageError: The file would lie among the photos, or can't be written.
    """
    from photograft.features.augmentation import parse
    from photograft.report.plots.augmentation import augmentation_grid

    if output.suffix.lower() != ".png":
        raise InputError(f"{output} is no picture by its name", expected=".png")
    check_outside(output, source, option="--output")
    if recipe is None:
        wanted = parse(settings)
    else:
        config = get_recipe(recipe).config
        if config is None or config.augmentation is None or not config.augmentation.changes:
            raise InputError(f"{recipe} changes no photos", expected="such as A3, B4 or D5")
        wanted = config.augmentation
    dataset = Dataset.load(source, max_pixels=max_pixels, empty_classes="drop", progress=progress)
    photos = {item.name: item for item in dataset.photos}
    if not photos:
        raise nothing_usable(source, dataset.skipped_counts())
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
            max_pixels=max_pixels,
            path=partial,
            title=chosen.name,
        )
    return chosen.name
