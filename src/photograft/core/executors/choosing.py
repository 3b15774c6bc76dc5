"""The one place where it is chosen where work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from photograft.core.errors import InputError
from photograft.core.executors.base import Executor, InProcess, Team

#: What `--ray` is where nobody says otherwise.
OFF = "off"

_CHOSEN: ContextVar[Executor] = ContextVar("executor", default=InProcess())  # noqa: B039 (no state)


def current() -> Executor:
    """Return what does the work that is asked for here: in this process, unless chosen."""
    return _CHOSEN.get()


def team() -> Team | None:
    """Return what trains a network with several workers; None where that is not chosen."""
    chosen = current()
    return chosen if isinstance(chosen, Team) and chosen.workers > 1 else None


@contextmanager
def executing(where: str | Executor = OFF, *, workers: int = 1) -> Iterator[Executor]:
    """Choose what does the work that is asked for in a ``with`` block.

    Args:
        where: ``"off"`` for what was chosen before, this process by default; ``"local"``,
            ``"auto"`` or an address for Ray (see `OnRay`); or an executor, which stays open.
        workers: How many train a network together, on Ray.

    Raises:
        InputError: There are to be several workers, and no Ray; or Ray is not installed, or no
            cluster is there.
    """
    if where == OFF:
        if workers > 1:
            raise InputError(
                f"{workers} workers that train together need Ray, or torchrun",
                fix="Add --ray local, or run: "
                f"torchrun --nproc-per-node {workers} -m photograft train …",
            )
        yield current()
        return
    executor: Executor
    if isinstance(where, str):
        from photograft.core.executors.ray_cluster import OnRay

        executor = OnRay(where, workers=workers)
    else:
        executor = where
    token = _CHOSEN.set(executor)
    try:
        yield executor
    finally:
        _CHOSEN.reset(token)
        if isinstance(where, str):
            executor.close()
