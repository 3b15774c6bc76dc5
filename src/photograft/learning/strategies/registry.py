"""The strategies: one line each, their modules imported when they are used."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from photograft.core.errors import UnknownNameError
from photograft.learning.job import Fitted, Job

#: The strategies: what the user calls them, and the module with their `fit`.
REGISTRY = {
    "features": "photograft.learning.strategies.features",
    "features+augment": "photograft.learning.strategies.features_augment",
    "finetune": "photograft.learning.strategies.finetune",
    "scratch": "photograft.learning.strategies.scratch",
    "auto": "photograft.learning.strategies.auto",
}


class Fit(Protocol):
    """The one function of a strategy's module."""

    def __call__(self, job: Job) -> Fitted:
        """Learn from the training photos, with validation to choose by."""


def find_strategy(name: str) -> Fit:
    """Return a strategy's `fit`; its module is imported only now.

    Raises:
        UnknownNameError: There is no such strategy.
    """
    if name not in REGISTRY:
        raise UnknownNameError("strategy", name, REGISTRY)
    module = importlib.import_module(REGISTRY[name])
    return cast("Fit", module.fit)
