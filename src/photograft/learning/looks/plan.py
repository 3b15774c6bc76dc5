"""Which looks an effort tries, and what it may spend on them.

What is spent is counted in multiply-adds, not in seconds: the same photos, seed and versions give
the same classifier on a slow machine and on a fast one.
"""

from __future__ import annotations

from dataclasses import dataclass

from photograft.backbones.settings import Preprocessing
from photograft.learning.settings import TrainConfig

#: Looks at photos that are auditioned on, at most: enough to tell who is worth a look at all of
#: them.
AUDITION_PHOTOS = 400


@dataclass(frozen=True)
class Plan:
    """What an effort may try.

    Attributes:
        looks: Names of looks besides the first one; see `photograft.backbones.joined`.
        most: What all looks at every photo may cost together, as a multiple of the first one's.
            Auditions come on top: they are looks at `AUDITION_PHOTOS` at most.
        most_kept: Looks that the classifier has in the end, at most.
    """

    looks: tuple[str, ...]
    most: float
    most_kept: int


PLANS = {
    "quick": Plan((), 1.0, 1),
    "standard": Plan(("efficientnet_lite2", "efficientnet_lite0@320"), 4.0, 2),
    "thorough": Plan(
        (
            "efficientnet_lite2",
            "efficientnet_lite0@320",
            "efficientnet_lite2@320",
            "efficientnet_lite0@mirror",
            "efficientnet_lite2@mirror",
            "efficientnet_lite2@320,mirror",
            "efficientnet_lite0@448",
        ),
        24.0,
        4,
    ),
}


def plan_for(config: TrainConfig) -> Plan:
    """Return what the settings' effort may try; nothing more where the user names the network."""
    own = (
        config.backbone == "auto"
        and config.weights == "pretrained"
        and config.pooling == "avg"
        and config.preprocessing == Preprocessing()
        and config.precision != "int8"
        and config.test_views == "plain"
    )
    return PLANS[config.effort if own else "quick"]
