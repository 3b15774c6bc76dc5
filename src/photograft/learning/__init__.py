"""How heads and networks are fitted: from photos and settings to a classifier.

May import `classifier`, `features`, `data`, `backbones` and `core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.learning.job import Fitted as Fitted
    from photograft.learning.job import Job as Job
    from photograft.learning.options import read_settings as read_settings
    from photograft.learning.preparation import prepare as prepare
    from photograft.learning.recipes import get_recipe as get_recipe
    from photograft.learning.settings import LearningSettings as LearningSettings
    from photograft.learning.settings import TrainConfig as TrainConfig
    from photograft.learning.settings import Training as Training
    from photograft.learning.strategies.registry import find_strategy as find_strategy

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Fitted": "job",
        "Job": "job",
        "LearningSettings": "settings",
        "TrainConfig": "settings",
        "Training": "settings",
        "find_strategy": "strategies.registry",
        "get_recipe": "recipes",
        "prepare": "preparation",
        "read_settings": "options",
    },
)
