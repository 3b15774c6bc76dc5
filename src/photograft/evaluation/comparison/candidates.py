"""What a comparison compares: settings by a short name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from photograft._version import __version__
from photograft.backbones.get import hash_of_file
from photograft.backbones.onnx_files.record import is_file_name
from photograft.backbones.registry import EMBEDDED
from photograft.core.choices import STRATEGIES
from photograft.core.errors import InputError
from photograft.core.optional import has_torch
from photograft.core.schema import check_choice
from photograft.features.augmentation import view_name
from photograft.features.calibration import goes_by_photos
from photograft.features.settings import DEFAULT_AUGMENTATION, ExtractionSettings
from photograft.learning.feasibility import can_be_trained, check_can_run
from photograft.learning.recipes import get_recipe
from photograft.learning.settings import (
    LOOPS,
    LearningSettings,
    TrainConfig,
)

#: Raised when the scores of the same candidate would be other ones.
FORMAT = 2

#: Strategies that are compared by default, the cheap ones first.
DEFAULT_STRATEGIES = ("features", "features+augment", "finetune")

#: What tells a candidate's network and how it is run from others, whatever it learned.
NetworkKey = tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """Settings that are compared with others.

    Attributes:
        config: The settings.
        recipe: The name of the recipe that they are; empty where they are none.
    """

    config: TrainConfig
    recipe: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        if self.recipe:
            return f"recipe {self.recipe}"
        return f"{self.config.backbone} {self.config.strategy}"

    @property
    def is_stored(self) -> bool:
        """Whether a linear head on stored features is all that is learned.

        Features that go by the photos learned from are other ones in each fold.
        """
        config = self.config
        if goes_by_photos(config):
            return False
        return config.head != "mlp" and (
            config.strategy == "features"
            or (config.strategy == "features+augment" and config.views != -1)
        )

    @property
    def network(self) -> NetworkKey:
        """What decides how long a photo takes to classify."""
        c = self.config
        own = ("scratch",) if c.strategy == "scratch" else ()
        settings = (c.backbone, c.weights, c.preprocessing, c.pooling, c.test_views)
        return (*own, *map(str, (*settings, c.max_pixels, c.engine, c.precision, c.device)))

    def key(self, fingerprint: str) -> str:
        """Return what tells its scores on some photos from all others'.

        Args:
            fingerprint: Of the photos.
        """
        augmentation = self.config.augmentation or DEFAULT_AUGMENTATION
        parts = {
            "format": FORMAT,
            "version": __version__,
            "photos": fingerprint,
            "learning": self.config.part(LearningSettings).to_json(),
            "features": self.config.part(ExtractionSettings).to_json(),
            # Its name is another one where the file of a function of one's own is.
            "augmentation": view_name(augmentation, self.config.seed, 0),
        }
        if is_file_name(self.config.backbone):
            parts["backbone"] = hash_of_file(self.config.backbone)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_candidates(
    backbones: Sequence[str],
    strategies: Sequence[str],
    recipes: Sequence[str],
    config: TrainConfig,
) -> list[Candidate]:
    """Return every backbone with every strategy, and recipes.

    Args:
        backbones: Names; the embedded ones where empty, unless there are recipes only.
        strategies: Likewise; those of `DEFAULT_STRATEGIES` that can run here where empty.
            ``"scratch"`` has one network of its own, whatever the backbones. ONNX files and several
            looks are left out of those that train networks, unless there are no other backbones for
            them.
        recipes: Names of recipes.
        config: What else they are to have; a recipe has its own.

    Raises:
        InputError: A name is unknown, there is nothing to compare, or a strategy or recipe that is
            named takes torch, which is not installed.
    """
    for name in strategies:
        check_choice("strategy", name, STRATEGIES)
    found: list[Candidate] = []
    if not recipes or backbones or strategies:
        takers = [name for name in backbones if can_be_trained(name)]
        for strategy in strategies or _offered(config):
            for backbone in ["auto"] if strategy == "scratch" else (backbones or list(EMBEDDED)):
                fixed = not can_be_trained(backbone)
                if fixed and strategy in LOOPS and (takers or not strategies):
                    continue
                own = replace(config, strategy=strategy, backbone=backbone)
                # The comparison itself tells whether it is better than the frozen backbone.
                found.append(Candidate(replace(own, keep="always")))
    for name in recipes:
        recipe = get_recipe(name)
        if recipe.config is None:
            raise InputError(
                f"{recipe.id} is no training that could be compared",
                fix="`photograft recipe list` lists all recipes.",
            )
        own = replace(
            recipe.config, seed=config.seed, engine=config.engine, device=config.device,
            validation=config.validation, test=config.test, max_pixels=config.max_pixels,
            empty_classes=config.empty_classes,
        )  # fmt: skip
        found.append(Candidate(replace(own, keep="always"), recipe.id))
    for candidate in found:
        check_can_run(candidate.config)
    unique = list({candidate.name: candidate for candidate in found}.values())
    if not unique:
        raise InputError("there is nothing to compare", expected="a backbone or a recipe")
    return unique


def _offered(config: TrainConfig) -> list[str]:
    """Return the strategies that are compared where none are named: those that can run here."""
    has_loops = has_torch() and config.precision != "int8"
    return [name for name in DEFAULT_STRATEGIES if name not in LOOPS or has_loops]
