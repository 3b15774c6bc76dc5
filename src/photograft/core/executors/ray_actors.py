"""Actors that do work on a Ray cluster: what is dealt to them, and what they say."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from photograft.core.executors.base import sending
from photograft.core.executors.dealing import WAIT, Answer
from photograft.core.executors.ray_nodes import apart, nodes
from photograft.core.executors.worker import Reply, reply_to
from photograft.core.parallel import keep_to


def opened(work: Sequence[Any]) -> Any:
    """Return the work that a reference in a list stands for.

    Raises:
        Exception: What went wrong as it was unpickled.
    """
    import ray
    from ray.exceptions import RaySystemError

    try:
        return ray.get(work[0])
    except RaySystemError as error:
        if isinstance(error.client_exc, Exception):
            raise error.client_exc from error
        raise


class Worker:
    """Becomes an actor: opens what the work needs once, and does batches.

    Args:
        cores: How many it may use.
    """

    def __init__(self, cores: int) -> None:
        keep_to(cores)
        self._number = 0
        self._work: Any = None

    def ready(self) -> None:
        """Return as soon as it is there."""

    def do(self, number: int, work: Sequence[Any], batch: Sequence[Any]) -> tuple[Reply, str]:
        """Return what came of a batch, and on which node.

        Args:
            number: Of the work; the last one is kept.
            work: A reference to it, in a list: so what goes wrong where it is unpickled comes back
                as an error, and is not the actor's end.
            batch: The batch.
        """
        import ray

        place = ray.get_runtime_context().get_node_id()
        if number != self._number:
            self._work = None  # two of them might not fit
            try:
                self._work = opened(work)
            except Exception as error:
                self._work = error
            self._number = number
        return reply_to(self._work, batch), place


class Pool:
    """Actors, which stay for the next run; a worker is known by its number."""

    def __init__(self, *, accelerated: bool) -> None:
        import ray

        part = apart(nodes(), accelerated=accelerated)
        self.size, self._cores = part.size, part.cores
        # Whose death is put down to what is for us to say: Ray tries nothing again.
        self._class = ray.remote(
            num_cpus=part.cores, num_gpus=part.gpus, max_restarts=0, max_task_retries=0
        )(Worker)
        self._work: list[Any] = []
        self._number = 0
        self._actors: dict[int, Any] = {}
        self._coming: dict[Any, int] = {}
        self._under_way: dict[int, deque[Any]] = {}
        self._idle: list[int] = []
        self._there: list[int] = []
        self._hired = 0
        self._places: dict[str, str] = {}

    @property
    def is_idle(self) -> bool:
        """Whether it has no work to do."""
        return not self._work

    def begin(self, work: object) -> None:
        """Have another work to do."""
        import ray

        with sending():
            self._work = [ray.put(work)]
        self._number += 1
        self._idle = [*self._actors]

    def end(self) -> None:
        """Keep those that have nothing to do, and end the others."""
        for worker in {*self._coming.values(), *(w for w, own in self._under_way.items() if own)}:
            self._lost(worker)
        self._coming.clear()
        self._there.clear()
        self._work = []

    def close(self) -> None:
        """End all of them."""
        for worker in [*self._actors]:
            self._lost(worker)

    def hire(self) -> int:
        """Take one that stayed, or start another; see `Workers`."""
        if self._idle:
            self._there.append(self._idle.pop())
            return self._there[-1]
        self._hired += 1
        self._actors[self._hired] = self._class.remote(self._cores)
        self._under_way[self._hired] = deque()
        self._coming[self._actors[self._hired].ready.remote()] = self._hired
        return self._hired

    def give(self, worker: int, batch: Sequence[object]) -> None:
        """Hand over a batch; see `Workers`."""
        with sending():
            reference = self._actors[worker].do.remote(self._number, self._work, batch)
        self._under_way[worker].append(reference)

    def answers(self) -> list[Answer[int]]:
        """Wait for one; see `Workers`."""
        import ray
        from ray.exceptions import RayError

        if self._there:
            return [Answer(self._there.pop(), is_ready=True)]
        first = {held[0]: worker for worker, held in self._under_way.items() if held}
        answered, _ = ray.wait([*first, *self._coming], num_returns=1, timeout=WAIT)
        if not answered:
            return []
        (reference,) = answered
        if reference in first:
            return [self._answer(first[reference], reference)]
        worker = self._coming.pop(reference)
        try:
            ray.get(reference)
        except RayError:
            return [self._lost(worker)]
        return [Answer(worker, is_ready=True)]

    def _answer(self, worker: int, reference: Any) -> Answer[int]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            (result, error), node = ray.get(reference)
        except RayTaskError as raised:  # the work can't be unpickled there, say
            return Answer(worker, error=raised.as_instanceof_cause())
        except RayError:  # the actor, its node, or its answer is lost
            return self._lost(worker)
        self._under_way[worker].popleft()
        return Answer(worker, result=result, error=error, place=self._place(node))

    def _lost(self, worker: int) -> Answer[int]:
        import ray

        with suppress(Exception):
            ray.kill(self._actors[worker])
        del self._actors[worker], self._under_way[worker]
        return Answer(worker, died=True)

    def _place(self, node: str) -> str:
        """Return a node's name; with a bit of its number where several have the same."""
        if node not in self._places:
            import ray

            names = {n["NodeID"]: n["NodeName"] for n in ray.nodes()}
            twice = [*names.values()].count(names.get(node, "")) > 1
            self._places[node] = f"{names.get(node, '')}{f' ({node[:4]})' if twice else ''}"
        return self._places[node]
