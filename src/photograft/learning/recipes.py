"""Recipes: systems from the literature as plain data, with the figures that were published.

Each is a TOML file in ``recipe_data``: what it is, `reference` (its published figures) and `config`
(a `TrainConfig`). A file of one's own with a `config` serves `photograft train --config` as well,
and so does a run's ``run.json``, which repeats the run.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, UnknownNameError
from photograft.core.schema import check_range
from photograft.learning.settings import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A system from the literature.

    Attributes:
        id: What it is called here, such as ``"D4"``.
        title: What it is.
        source: Where it is from.
        data: What it was tried on there.
        num_classes: How many classes that has.
        reference: The figures that were published.
        config: The settings that it stands for; None where it is no training.
        subset: Photos of each class for each part, where it makes a subset; else empty.
        note: What is to be known about it.
        text: The file as it is.
    """

    id: str
    title: str
    source: str
    data: str
    num_classes: int
    reference: Mapping[str, Any]
    config: TrainConfig | None
    subset: Mapping[str, int]
    note: str
    text: str

    @property
    def accuracy(self) -> tuple[str, float] | None:
        """The published accuracy, and the part of the data that it is of."""
        for name, part in (
            ("test_accuracy", "test"),
            ("accuracy", "test"),
            ("val_accuracy", "validation"),
        ):
            if name in self.reference:
                return part, float(self.reference[name])
        return None


def list_recipes() -> list[Recipe]:
    """Return all recipes in the order of their names."""
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files("photograft").joinpath("learning", "recipe_data").iterdir()
        if entry.name.endswith(".toml")
    )
    return [get_recipe(name) for name in names]


def get_recipe(name: str) -> Recipe:
    """Return a recipe.

    Raises:
        UnknownNameError: There is none of that name.
    """
    folder = resources.files("photograft").joinpath("learning", "recipe_data")
    known = {entry.name.removesuffix(".toml").upper(): entry for entry in folder.iterdir()}
    entry = known.get(name.upper())
    if entry is None or not entry.name.endswith(".toml"):
        raise UnknownNameError(
            "recipe", name, sorted(known), fix="`photograft recipe list` lists them."
        )
    text = entry.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return Recipe(
        id=data["id"],
        title=data["title"],
        source=data["source"],
        data=data["data"],
        num_classes=data["num_classes"],
        reference=data["reference"],
        config=TrainConfig.from_json(data["config"]) if "config" in data else None,
        subset=data.get("subset", {}),
        note=data.get("note", ""),
        text=text,
    )


def read_config(path: Path) -> TrainConfig:
    """Read settings from a file: a recipe's, one that holds settings alone, or a run's.

    Args:
        path: A TOML file; one whose name ends in ``.json``, such as ``run.json``, is read as JSON.

    Raises:
        InputError: The file can't be read, is no TOML or JSON, or a setting in it is wrong.
    """
    is_json = path.suffix.lower() == ".json"
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if is_json else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # both formats' errors, and UnicodeDecodeError
        raise InputError(f"{path} is no {'JSON' if is_json else 'TOML'} file ({error})") from error
    config = data.get("config", data) if isinstance(data, Mapping) else data
    if not isinstance(config, Mapping):
        raise InputError(f"config in {path} is no table", got=repr(config))
    return TrainConfig.from_json(config)


def with_epochs(config: TrainConfig, epochs: int) -> TrainConfig:
    """Return settings whose loops run for at most so many epochs.

    Args:
        config: The settings.
        epochs: At least 1.
    """
    from dataclasses import replace

    check_range("epochs", epochs, 1, 100_000)
    training = replace(config.loop, epochs=min(epochs, config.loop.epochs))
    head = config.head_training
    if head is not None:
        head = replace(head, epochs=min(epochs, head.epochs))
    return replace(config, training=training, head_training=head)
