"""Work on a Ray cluster: one started here for the time being, or one that is running."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, first_line
from photograft.core.executors.base import Dealing, Done, R, T, Work
from photograft.core.executors.dealing import deal
from photograft.core.executors.ray_actors import Pool
from photograft.core.optional import need_packages
from photograft.core.parallel import num_cores

#: Bytes of the object store of a cluster that is started here. What is under way is bounded by the
#: batches that workers hold: addresses, files' bytes, features.
STORE_BYTES = 256 * 2**20
#: Begins the name of the folder for what such a cluster writes; a process's number follows.
_FOLDER = "photograft-ray-"
#: Seconds in which a cluster has to answer.
_PATIENCE = 5.0
#: A socket in it must have a short path.
_PLACE = "/tmp" if os.name == "posix" else None  # noqa: S108


class OnRay:
    """Work is done by actors, as many as the cluster has cores, or accelerators.

    Args:
        address: ``"local"`` for a cluster of this machine, started at the first work and ended by
            `close`; ``"auto"`` for the one that runs here, or is named by ``RAY_ADDRESS``; or where
            one is, such as ``"10.0.0.1:6379"``.
        workers: How many train a network together.

    Raises:
        InputError: Ray is not installed, or no cluster is there.
    """

    is_remote = True

    def __init__(self, address: str = "local", *, workers: int = 1) -> None:
        need_packages("--ray", ["ray"], "ray")
        # Read as Ray is imported: nothing of what is done here is told to anybody.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self.address, self.workers = address, workers
        self._folder: Path | None = None
        self._is_ours = False
        self._printing: Any = None
        self._pools: dict[bool, Pool] = {}
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
        if dealing.accelerated not in self._pools:
            # Actors that wait for work hold the cores that those of the other pool need.
            self.rest()
            self._pools[dealing.accelerated] = Pool(accelerated=dealing.accelerated)
        pool = self._pools[dealing.accelerated]
        pool.begin(work)
        try:
            yield from deal(pool, things, dealing)  # type: ignore[misc]  # the work's own results
        finally:
            pool.end()

    def together(
        self, work: Callable[[Callable[[object], None]], None], *, folder: Path, accelerated: bool
    ) -> Iterator[object]:
        """Have workers do the same work; see `Team`."""
        from photograft.core.executors.ray_training import train_together

        self._connect()
        self.rest()
        yield from train_together(work, self.workers, folder=folder, accelerated=accelerated)

    def rest(self) -> None:
        """End the actors that wait for work, so that others may have their cores."""
        for kind, pool in [*self._pools.items()]:
            if pool.is_idle:
                self._pools.pop(kind).close()

    def close(self) -> None:
        """Leave the cluster; end it, and remove what it wrote, where it was started here."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
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
                    _reach(self.address)
                    ray.init(address=self.address, **quiet)
                except (OSError, ValueError, RuntimeError) as error:
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

        path = os.environ.get("PYTHONPATH")
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
        except Exception as error:  # its own kinds have no common base
            ray.shutdown()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise InputError(
                f"Ray can't be started here ({first_line(error)})",
                fix="Try again when the machine is less busy, or leave --ray out.",
            ) from error
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = before
            del os.environ["PYTHONPATH"]
            os.environ.update({} if path is None else {"PYTHONPATH": path})


def _reach(address: str) -> None:
    """Make sure that somebody answers at an address: Ray itself waits for minutes.

    Raises:
        OSError: Nobody does.
        ValueError: It is no address.
    """
    from ray._private.utils import read_ray_address

    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or read_ray_address() or ""
        if not address:
            raise ConnectionError("none was started, and RAY_ADDRESS names none")
    if "://" in address:  # of Ray's client
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("an address is HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
        pass


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
    if os.name == "nt":  # there the signal 0 is Ctrl-C
        return True
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
