"""Workers that train together on a Ray cluster, by Ray Train."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from photograft.core.errors import WorkersLostError, first_line
from photograft.core.executors.base import sending
from photograft.core.executors.ray_actors import opened
from photograft.core.executors.ray_nodes import Part, loopback, nodes, together
from photograft.core.executors.worker import as_sent
from photograft.core.parallel import keep_to
from photograft.core.text import count

#: Seconds between looks at what was told.
_EVERY = 0.2
#: Seconds in which workers have to notice that nobody listens any more.
_PATIENCE = 20.0
#: How often workers that die are replaced.
_TRIES = 3

Work = Callable[[Callable[[object], None]], None]


class Mailbox:
    """Becomes an actor: keeps what workers tell until it is taken."""

    def __init__(self) -> None:
        self._things: list[object] = []

    def put(self, thing: object) -> None:
        """Keep something."""
        self._things.append(thing)

    def take(self) -> list[object]:
        """Return what was put since."""
        things, self._things = self._things, []
        return things


class Failed:
    """Told by a worker: that the work raised.

    Args:
        error: What.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error


def train_together(work: Work, size: int, *, folder: Path, accelerated: bool) -> Iterator[object]:
    """Have workers do the same work, and yield what they tell; see `base.Team`."""
    part = together(nodes(), size, accelerated=accelerated)
    for attempt in range(1, _TRIES + 1):
        trainer = _Trainer(work, part, folder)
        try:
            for thing in trainer.run():
                if isinstance(thing, Failed):
                    raise thing.error
                yield thing
        finally:
            trainer.close()
        if trainer.error is None:
            return
        if not _is_death(trainer.error):
            raise trainer.error
        if attempt == _TRIES:
            raise WorkersLostError(
                f"workers that train together died {_TRIES} times ({_why(trainer.error)})",
                fix="What was trained is kept, to the last whole epoch: run the same command again,"
                " where they lack memory with fewer --workers.",
            )
        yield ("say", f"A worker died: {count(size, 'worker')} go on from the last whole epoch")


def _is_death(error: Exception) -> bool:
    """Return whether an error of Ray Train's is that workers died.

    Raises:
        WorkersLostError: There was no room to start them, which Ray has tried often enough.
    """
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    if not isinstance(getattr(error, "controller_failure", RayError()), RayError):
        raise WorkersLostError(
            f"workers that are to train together can't be started ({_why(error)})",
            fix="Other work may hold the cores of the cluster: try again later, or give fewer "
            "--workers.",
        )
    return isinstance(error, (TrainingFailedError, RayError))


def _why(error: Exception) -> str:
    """Return what is behind an error of Ray Train's: the death, rather than who noticed."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    dead = [one for one in failures.values() if not isinstance(one, WorkersLostError)]
    cause = next(iter([*dead, *failures.values()]), error)
    for name in ("controller_failure", "health_check_failure"):
        cause = getattr(cause, name, cause)
    return first_line(cause)


class _Trainer:
    """One try: Ray Train's own trainer in a thread, and a mailbox."""

    def __init__(self, work: Work, part: Part, folder: Path) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.error: Exception | None = None
        self._thread: threading.Thread | None = None
        # In a list: what goes wrong where it is unpickled is then an error of the work.
        with sending():
            reference = ray.put(work)
        # Here, and so not lost with a node that workers are on.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox: Any = ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote()
        self._config = {"work": [reference], "mailbox": self._mailbox, "cores": part.cores}
        self._part, self._folder = part, folder

    def run(self) -> Iterator[object]:
        """Yield what is told until all is done, or goes wrong."""
        import ray

        # In a thread of its own it leaves Ctrl-C to this process.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's, of its own parts
            trainer = self._trainer()
        self._thread = thread = threading.Thread(target=self._fit, args=(trainer,), daemon=True)
        thread.start()
        is_over = False
        while not is_over:
            thread.join(_EVERY)
            is_over = not thread.is_alive()
            yield from ray.get(self._mailbox.take.remote())

    def close(self) -> None:
        """End what is still at work: a worker that can tell nobody stops."""
        import ray

        with suppress(Exception):
            ray.kill(self._mailbox)
        if self._thread is not None:
            # It must not ask Ray anything once Ray is shut down: that would end this process.
            self._thread.join(_PATIENCE)

    def _fit(self, trainer: Any) -> None:
        try:
            trainer.fit()
        except Exception as error:
            self.error = error

    def _trainer(self) -> Any:
        """Return Ray Train's own trainer."""
        from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        part, interface = self._part, loopback(nodes())
        gpus = {"GPU": part.gpus} if part.gpus else {}
        # gloo would listen where the name of this machine leads to.
        variables = {"GLOO_SOCKET_IFNAME": interface} if interface else {}
        return TorchTrainer(
            _in_worker,
            train_loop_config=self._config,
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=part.size,
                use_gpu=bool(gpus),
                resources_per_worker={"CPU": part.cores, **gpus},
            ),
            run_config=RunConfig(
                storage_path=str(self._folder),
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=_TRIES),
                logging_config=LoggingConfig(log_level="ERROR"),
                worker_runtime_env={"env_vars": variables},
            ),
        )


def _in_worker(config: dict[str, Any]) -> None:
    """Do the work in one of Ray Train's workers."""
    import ray

    keep_to(config["cores"])

    def tell(thing: object) -> None:
        ray.get(config["mailbox"].put.remote(thing))

    try:
        opened(config["work"])(tell)
    except WorkersLostError:  # another one has died: all begin anew
        raise
    except Exception as error:
        tell(Failed(as_sent(error)))
        raise
