"""Work in processes of this machine, each on a core: one that dies takes nothing else with it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from typing import Any

from photograft.core.executors.base import Dealing, Done, R, T, Work, sending
from photograft.core.executors.dealing import WAIT, Answer, deal
from photograft.core.executors.frames import UnreadableError, receive, send
from photograft.core.parallel import num_cores

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from photograft.core.executors.worker import main; main()"
)


class Processes:
    """Work is done by processes of this machine.

    Args:
        size: How many; as many as there are cores where not given.
    """

    is_remote = True

    def __init__(self, size: int | None = None) -> None:
        self.size = size or num_cores()

    def __repr__(self) -> str:
        return f"Processes({self.size})"

    def run(
        self, work: Work[T, R], things: Iterable[T], dealing: Dealing[T] | None = None
    ) -> Generator[Done[R], None, None]:
        """Do work, and yield what is done; see `Executor.run`."""
        dealing = dealing or Dealing()
        pool = _Pool(work, 1 if dealing.accelerated else self.size)
        try:
            yield from deal(pool, things, dealing)  # type: ignore[misc]  # the work's own results
        finally:
            pool.close()

    def close(self) -> None:
        """Nothing is left of it after each run."""


class _Pool:
    """The processes of one run; a worker is known by its number."""

    def __init__(self, work: object, size: int) -> None:
        self.size = size
        self._work = work
        self._cores = max(1, num_cores() // size)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._hired = 0
        self._answers: queue.SimpleQueue[Answer[int]] = queue.SimpleQueue()

    def hire(self) -> int:
        path = [os.path.abspath(place) for place in sys.path]
        process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-c", _CODE, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(self._cores)},
        )
        self._hired += 1
        self._processes[self._hired] = process
        # It reads while it starts; and nothing is said of it before this.
        self._answers.put(Answer(self._hired, is_ready=True))
        threading.Thread(target=self._listen, args=(self._hired, process), daemon=True).start()
        self._send(self._hired, (self._cores, self._work))
        return self._hired

    def give(self, worker: int, batch: Sequence[object]) -> None:
        self._send(worker, batch)

    def answers(self) -> list[Answer[int]]:
        try:
            answer = self._answers.get(timeout=WAIT)
        except queue.Empty:
            return []
        if answer.died:
            self._processes[answer.worker].kill()  # where the pipe alone is broken
            _end(self._processes.pop(answer.worker))
        return [answer]

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            _end(process)

    def _send(self, worker: int, thing: Any) -> None:
        stdin = self._processes[worker].stdin
        with sending(), suppress(OSError):  # it is dead, and its listener has said so
            if stdin is not None:
                send(stdin, thing)

    def _listen(self, worker: int, process: subprocess.Popen[bytes]) -> None:
        try:
            while process.stdout is not None:
                result, error = receive(process.stdout)
                self._answers.put(Answer(worker, result=result, error=error))
        except UnreadableError as error:
            what = RuntimeError(f"a worker's answer can't be read: {error}")
            self._answers.put(Answer(worker, error=what))
        except (EOFError, OSError):
            self._answers.put(Answer(worker, died=True))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Take a process that is dead, or about to be, off the system's list."""
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
