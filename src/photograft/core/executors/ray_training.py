"""Workers that train together on a Ray cluster, by Ray Train."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from photograft.core.errors import InputError, PhotograftError, WorkersLostError, first_line
from photograft.core.executors.base import unsendable
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
    cores = _room(size, accelerated)
    for attempt in range(1, _TRIES + 1):
        trainer = _Trainer(work, size, cores, folder, accelerated)
        try:
            for thing in trainer.run():
                if isinstance(thing, Failed):
                    raise thing.error
                yield thing
        finally:
            trainer.close()
        if trainer.error is None:
            return
        if not isinstance(trainer.error, _died()):
            raise trainer.error
        if attempt == _TRIES:
            raise WorkersLostError(
                f"workers that train together died {_TRIES} times ({first_line(trainer.error)})",
                fix="What was trained is kept, to the last whole epoch: run the same command again,"
                " where they lack memory with fewer --workers.",
            )
        yield ("say", f"A worker died: {count(size, 'worker')} go on from the last whole epoch")


def _room(size: int, accelerated: bool) -> int:
    """Return the cores for each worker.

    Raises:
        InputError: There are too few.
    """
    import ray

    there = ray.cluster_resources()
    kind, num = ("accelerator", "GPU") if accelerated and there.get("GPU") else ("core", "CPU")
    most = int(there.get(num, 0))
    if most < size:
        raise InputError(
            f"the cluster has {count(most, kind)}, too few for {count(size, 'worker')}",
            fix=f"Give --workers {most}." if most > 1 else "Leave --workers out.",
        )
    return max(1, int(there.get("CPU", size)) // size)


def _died() -> tuple[type[BaseException], ...]:
    from ray.train import TrainingFailedError

    return (TrainingFailedError,)


class _Trainer:
    """One try: Ray Train's own trainer in a thread, and a mailbox."""

    def __init__(self, work: Work, size: int, cores: int, folder: Path, accelerated: bool) -> None:
        import ray

        self.error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._mailbox: Any = ray.remote(num_cpus=0)(Mailbox).remote()
        # In a list: what goes wrong where it is unpickled is then an error of the work.
        try:
            reference = ray.put(work)
        except (AttributeError, TypeError) as error:
            raise unsendable(error) from error
        self._config = {"work": [reference], "mailbox": self._mailbox, "cores": cores}
        self._size, self._cores, self._folder = size, cores, folder
        self._accelerated = accelerated and bool(ray.cluster_resources().get("GPU"))

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
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.config import LoggingConfig

        gpus = {"GPU": 1} if self._accelerated else {}
        return TorchTrainer(
            _in_worker,
            train_loop_config=self._config,
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=self._size,
                use_gpu=self._accelerated,
                resources_per_worker={"CPU": self._cores, **gpus},
            ),
            run_config=RunConfig(
                storage_path=str(self._folder),
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=_TRIES),
                logging_config=LoggingConfig(log_level="ERROR"),
            ),
        )


def _in_worker(config: dict[str, Any]) -> None:
    """Do the work in one of Ray Train's workers."""
    import ray

    keep_to(config["cores"])

    def tell(thing: object) -> None:
        ray.get(config["mailbox"].put.remote(thing))

    try:
        ray.get(config["work"][0])(tell)
    except WorkersLostError:
        raise
    except PhotograftError as error:
        tell(Failed(error))
        raise
