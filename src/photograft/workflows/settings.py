"""What a user may ask for: settings, options and recipes, for those who call a workflow."""

from __future__ import annotations

from photograft.data.settings import DataSettings
from photograft.features.settings import Augmentation as Augmentation
from photograft.learning.options import Config as Config
from photograft.learning.options import TrainOptions as TrainOptions
from photograft.learning.options import read_settings as read_settings
from photograft.learning.recipes import Recipe as Recipe
from photograft.learning.recipes import get_recipe as get_recipe
from photograft.learning.recipes import list_recipes as list_recipes
from photograft.learning.settings import TrainConfig as TrainConfig


def doctor_options(settings: TrainConfig) -> dict[str, object]:
    """Return the options with which the doctor sees photos as a training with these settings."""
    data, usual = settings.part(DataSettings).to_json(), DataSettings().to_json()
    return {
        name: value
        for name, value in data.items()
        if value != usual[name] and name not in ("validation", "test", "empty_classes")
    }
