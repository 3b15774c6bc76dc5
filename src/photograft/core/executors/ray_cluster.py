"""Work on a Ray cluster: one started here for the time being, or one that is running."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, first_line
from photograft.core.executors.base import Dealing, Done, R, T, Work
from photograft.core.executors.dealing import Answer, deal
from photograft.core.executors.worker import Reply, reply_to
from photograft.core.optional import need_packages
from photograft.core.parallel import keep_to, num_cores

#: Bytes of the object store of a cluster that is started here. What is under way is bounded by the
#: batches that workers hold: addresses, files' bytes, features.
STORE_BYTES = 256 * 2**20
#: Begins the name of the folder for what such a cluster writes; a process's number follows.
_FOLDER = "photograft-ray-"
#: A socket in it must have a short path.
_PLACE = "/tmp" if os.name == "posix" else None  # noqa: S108


class OnRay:
    """Work is done by actors, as many as the cluster has cores, or accelerators.

    Args:
        address: ``"local"`` for a cluster of this machine, started at the first work and ended by
            `close`; ``"auto"`` for the one that runs here, or is named by ``RAY_ADDRESS``; or where
            one is, such as ``"10.0.0.1:6379"``.

    Raises:
        InputError: Ray is not installed, or no cluster is there.
    """

    is_remote = True

    def __init__(self, address: str = "local") -> None:
        need_packages("--ray", ["ray"], "ray")
        # Read as Ray is imported: nothing of what is done here is told to anybody.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self.address = address
        self._folder: Path | None = None
        self._is_ours = False
        self._printing: Any = None
        if address != "local":
            self._connect()

    def __repr__(self) -> str:
        return f"OnRay({self.address!r})"

    def run(
        self, work: Work[T, R], things: Iterable[T], dealing: Dealing[T] | None = None
    ) -> Generator[Done[R], None, None]:
        """Do work, and yield what is done; see `Executor.run`."""
        self._connect()
        dealing = dealing or Dealing()
        pool = _Pool(work, accelerated=dealing.accelerated)
        try:
            yield from deal(pool, things, dealing)  # type: ignore[misc]  # the work's own results
        finally:
            pool.close()

    def close(self) -> None:
        """Leave the cluster; end it, and remove what it wrote, where it was started here."""
        if not self._is_ours:
            return
        import ray

        ray.shutdown()
        ray._private.worker.print_to_stdstream = self._printing
        self._is_ours = False
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _connect(self) -> None:
        import ray

        if ray.is_initialized():  # by us, or by whoever calls us: then it is theirs to end
            return
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        with _terminating_as_before(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.address == "local":
                self._start(quiet)
            else:
                try:
                    ray.init(address=self.address, **quiet)
                except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                    where = "here" if self.address == "auto" else f"at {self.address}"
                    raise InputError(
                        f"there is no Ray cluster {where} ({first_line(error)})",
                        fix="Run `ray start --head` first, or choose --ray local.",
                    ) from error
        # Ray would print among our own output what becomes of its processes.
        self._printing = ray._private.worker.print_to_stdstream
        ray._private.worker.print_to_stdstream = _say_nothing
        self._is_ours = True

    def _start(self, quiet: dict[str, Any]) -> None:
        import ray
        from ray._private import ray_constants

        # What is imported here is found there, too.
        os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
        self._folder = _new_folder()
        # Its servers listen on 127.0.0.1 alone only where Ray may have no other machines.
        before = ray_constants.ENABLE_RAY_CLUSTER
        ray_constants.ENABLE_RAY_CLUSTER = False
        try:
            ray.init(
                address="local",
                num_cpus=num_cores(),
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(self._folder),
                **quiet,
            )
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = before


class Worker:
    """Becomes an actor: opens what the work needs once, and does batches.

    Args:
        work: A reference to it, in a list: so what goes wrong where it is unpickled comes back as
            an error, and is not the actor's end.
        cores: How many it may use.
    """

    def __init__(self, work: Sequence[Any], cores: int) -> None:
        keep_to(cores)
        self._given = work
        self._work: Work[Any, Any] | None = None

    def ready(self) -> None:
        """Return as soon as it is there."""

    def do(self, batch: Sequence[Any]) -> tuple[Reply, str]:
        """Return what came of a batch, and on which node."""
        import ray

        place = ray.get_runtime_context().get_node_id()
        if self._work is None:
            try:
                self._work = ray.get(self._given[0])
            except Exception as error:
                return (None, RuntimeError(first_line(error))), place
        return reply_to(self._work.__call__, batch), place


class _Pool:
    """The actors of one run; a worker is known by its number."""

    def __init__(self, work: object, *, accelerated: bool) -> None:
        import ray

        there = ray.cluster_resources()
        cpus, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
        self.size = max(1, gpus if accelerated else cpus)
        cores = max(1, cpus // self.size)
        options = {"num_gpus": 1} if accelerated else {}
        # Whose death is put down to what is for us to say: Ray tries nothing again.
        self._class = ray.remote(num_cpus=cores, max_restarts=0, max_task_retries=0, **options)(
            Worker
        )
        self._given = [ray.put(work)], cores
        self._actors: dict[int, Any] = {}
        self._coming: dict[Any, int] = {}
        self._under_way: dict[int, deque[Any]] = {}
        self._hired = 0
        self._places: dict[str, str] = {}

    def hire(self) -> int:
        self._hired += 1
        self._actors[self._hired] = self._class.remote(*self._given)
        self._under_way[self._hired] = deque()
        self._coming[self._actors[self._hired].ready.remote()] = self._hired
        return self._hired

    def give(self, worker: int, batch: Sequence[object]) -> None:
        self._under_way[worker].append(self._actors[worker].do.remote(batch))

    def answers(self) -> list[Answer[int]]:
        import ray
        from ray.exceptions import RayError

        first = {held[0]: worker for worker, held in self._under_way.items() if held}
        (reference,), _ = ray.wait([*first, *self._coming], num_returns=1)
        if reference in first:
            return [self._answer(first[reference], reference)]
        worker = self._coming.pop(reference)
        try:
            ray.get(reference)
        except RayError:
            return [self._lost(worker)]
        return [Answer(worker, is_ready=True)]

    def close(self) -> None:
        import ray

        for actor in self._actors.values():
            with suppress(Exception):  # it, or the cluster, is gone
                ray.kill(actor)

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


def _say_nothing(*arguments: object, **named: object) -> None:
    del arguments, named


def _new_folder() -> Path:
    """Return a new folder for what a cluster writes, having removed those of dead processes."""
    for old in Path(_PLACE or tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        number = old.name.removeprefix(_FOLDER).partition("-")[0]
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=_PLACE))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _terminating_as_before() -> Iterator[None]:
    """Keep what is done on SIGTERM: Ray sets its own way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
