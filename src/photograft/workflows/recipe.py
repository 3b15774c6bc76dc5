"""Running a system from the literature on one's own photos."""

from __future__ import annotations

import os
from dataclasses import replace

from photograft.core.errors import InputError
from photograft.core.progress import Watched
from photograft.core.store import FeatureStore
from photograft.data.images import DEFAULT_MAX_PIXELS
from photograft.learning.recipes import get_recipe, with_epochs
from photograft.runs.run import Run
from photograft.workflows.subset import run_subset
from photograft.workflows.train import train_with


def run_recipe(
    name: str,
    source: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    track: str = "",
    empty_classes: str = "error",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    store: FeatureStore | None = None,
    progress: Watched = True,
) -> Run | dict[str, dict[str, int]]:
    """Run a recipe on photos.

    Args:
        name: Of the recipe, such as ``"D4"``.
        source: As in `train`.
        out: As in `train`; a recipe that copies photos needs it.
        weights: ``"pretrained"``, ``"random"``, or a weight file; the recipe's own where not given.
        epochs: Train for at most so many epochs.
        seed: Decides all that is random.
        track: The experiment tracker that is told of the training.
        empty_classes: Where no photo of a class can be used, ``"error"``, or ``"drop"`` it.
        max_pixels: Photos with more pixels are skipped.
        store: Where features are kept; the user's cache where not given.
        progress: Told how far it is.

    Returns:
        The run; or, of a recipe that copies photos, how many were copied of each class to each
        part.

    Raises:
        UnknownNameError: There is no such recipe.
        InputError: The source, or a setting, can't be used.
    """
    recipe = get_recipe(name)
    if recipe.config is None:
        if out is None:
            raise InputError(f"{recipe.id} copies photos", expected="a folder with --out")
        num_train, num_validation, num_test = (
            recipe.subset[p] for p in ("train", "validation", "test")
        )
        return run_subset(
            source,
            out,
            train=num_train,
            validation=num_validation,
            test=num_test,
            empty_classes=empty_classes,
            max_pixels=max_pixels,
            progress=progress,
        )
    config = replace(
        recipe.config,
        seed=seed,
        track=track,
        empty_classes=empty_classes,
        max_pixels=max_pixels,
    )
    if weights is not None:
        config = replace(config, weights=weights)
    if epochs is not None:
        config = with_epochs(config, epochs)
    origin = {"id": recipe.id, "title": recipe.title, "reference": dict(recipe.reference)}
    return train_with(source, config, out=out, store=store, progress=progress, recipe=origin)
