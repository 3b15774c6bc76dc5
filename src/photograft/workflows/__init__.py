"""The verbs, one file each: what a user can ask for, from beginning to end.

May import everything but `interfaces`. The verbs themselves are handed out by `photograft`: here,
each is the name of its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photograft.core.lazy import hand_out

if TYPE_CHECKING:
    from photograft.workflows.doctor import Checkup as Checkup
    from photograft.workflows.evaluate import Evaluated as Evaluated
    from photograft.workflows.predict import load_classifier as load_classifier
    from photograft.workflows.settings import TrainConfig as TrainConfig
    from photograft.workflows.settings import read_settings as read_settings
    from photograft.workflows.suggest import SuggestedPhoto as SuggestedPhoto
    from photograft.workflows.suggest import Suggestions as Suggestions

__getattr__, __dir__, __all__ = hand_out(
    __name__,
    {
        "Checkup": "doctor",
        "Evaluated": "evaluate",
        "SuggestedPhoto": "suggest",
        "Suggestions": "suggest",
        "TrainConfig": "settings",
        "load_classifier": "predict",
        "read_settings": "settings",
    },
)
