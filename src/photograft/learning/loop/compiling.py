"""A network's trained part, compiled by torch where that pays, and as it is where that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from photograft.core.errors import PhotograftError, first_line
from photograft.learning.loop.feeds import Model

R = TypeVar("R")
#: From what a model's `upper` takes to logits.
Upper = Callable[[Tensor], Tensor]
#: As `torch.compile` is: a function, and options, to one that does the same.
Compiler = Callable[..., Any]

#: Batches that make up for the minute or so that compiling takes.
_PAYS_FROM = 1000


def pays(wanted: str, device: str, num_batches: int) -> bool:
    """Return whether a network is to be compiled.

    On processors it is not, unless that is asked for: see docs/accelerators.md for figures.

    Args:
        wanted: ``"auto"``, ``"on"`` or ``"off"``.
        device: torch's name of what it is trained on.
        num_batches: Of the whole training.
    """
    return wanted == "on" or (wanted == "auto" and device == "cuda" and num_batches >= _PAYS_FROM)


class Compiled:
    """What takes batches of one size through a model, compiled; others go through it as it is.

    Args:
        model: What is trained.
        batch_size: Of a whole batch: to compile for others, too, would take longer than they do.
        compiler: `torch.compile`, or what stands for it; None to leave the model as it is.

    Attributes:
        note: What the user should know of it; empty where there is nothing.
    """

    def __init__(self, model: Model, batch_size: int, compiler: Compiler | None) -> None:
        self.note = ""
        self._model, self._batch_size = model, batch_size
        self._compiler = compiler
        self._compiled: Upper | None = None

    def upper(self, x: Tensor) -> Tensor:
        """Return logits for what a feed's `enter` gave."""
        if self._compiler is None or len(x) != self._batch_size:
            return self._model.upper(x)
        compiled: Upper = self._compiled or self._compiler(self._model.upper, dynamic=False)
        self._compiled = compiled
        return compiled(x)

    def trying(self, step: Callable[[], R], hold: Callable[[], Callable[[], object]]) -> R:
        """Return what a step gives; where it fails by being compiled, as it gives it without.

        Args:
            step: Forwards and backwards of a batch.
            hold: Called before; what it gives takes back all that a failed step has changed.
        """
        if self._compiler is None or self._compiled is not None:
            return step()
        random, undo = torch.get_rng_state(), hold()
        try:
            return step()
        except (PhotograftError, torch.OutOfMemoryError):  # no fault of the compiler's
            raise
        except Exception as error:  # whatever it raises
            self._compiler = None
            self.note = (
                f"torch.compile failed ({first_line(error)}): the network was trained without it"
            )
            undo()
            torch.set_rng_state(random)
            return step()
