"""Photos decoded in processes of their own, so that none can take the server's memory or time."""

from __future__ import annotations

import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import cast

import numpy as np

from photograft.backbones.registry import Backbone
from photograft.core.arrays import Pixels
from photograft.core.errors import ImageError
from photograft.data.pillow_state import Room
from photograft.features.packing import Shape, look_shapes, packed_shape, unpack
from photograft.workflows.serving.decoding_worker import ERROR, JOB, NUMBER, PIXELS, SIZE
from photograft.workflows.serving.limits import Limits

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from photograft.workflows.serving.decoding_worker import main; main()"
)
#: Of a pipe to a worker: the pixels of most networks.
_PIPE_BYTES = 1 << 19
#: Seconds between two looks at whether a worker is overdue.
_LOOK = 0.2


@dataclass(frozen=True)
class Record:
    """How photos are prepared for a backbone, as workers are told.

    Attributes:
        text: The backbone's record as JSON.
        shape: Of the pixels: height, width, 3; or how many numbers there are, where several looks'
            lie one after another.
        looks: Of each look's pixels.
    """

    text: bytes
    shape: tuple[int, ...]
    looks: tuple[Shape, ...]

    @classmethod
    def of(cls, backbone: Backbone) -> Record:
        """Return that of a backbone."""
        looks = look_shapes(backbone)
        return cls(json.dumps(backbone.to_json()).encode(), packed_shape(looks), looks)

    def stacks(self, pixels: Pixels) -> list[Pixels]:
        """Return each look's pixels, ``(n, height, width, 3)``, of those of n photos."""
        return unpack(pixels, self.looks)


class Decoders:
    """Worker processes, one photo each at a time.

    Args:
        limits: How many there are, and what they may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = Room(2 * limits.max_pixels)
        self._threads = ThreadPoolExecutor(limits.num_decoders, thread_name_prefix="decode")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker() for _ in range(limits.num_decoders)]
        for worker in self._workers:
            worker.start()
            self._idle.put(worker)
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._kill_overdue, name="overdue", daemon=True)
        self._watch.start()

    def decode(self, data: bytes | memoryview, record: Record) -> Future[Pixels]:
        """Return what will be a photo's pixels, uint8, shape ``(height, width, 3)``.

        Args:
            data: The file.
            record: How it is prepared.

        The future raises ImageError where the file is no usable picture, or takes more than it may.
        """
        return self._threads.submit(self._decode, data, record)

    def close(self) -> None:
        """Drop what has not begun, and end the workers."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._closed.set()
        self._watch.join()
        for worker in self._workers:
            worker.end()

    def _decode(self, data: bytes | memoryview, record: Record) -> Pixels:
        worker = self._idle.get()
        try:
            answer = worker.ask(data, record.text, self._limits, self._room)
        except (OSError, EOFError) as error:
            took_long = worker.was_killed
            worker.end()
            worker.start()
            if took_long:
                seconds = self._limits.decode_seconds
                detail = f"decoding it takes more than {seconds:g} seconds"
                raise ImageError("too large", detail) from error
            raise ImageError("unreadable", "its decoder failed") from error
        finally:
            self._idle.put(worker)
        return np.frombuffer(answer, np.uint8).reshape(record.shape)

    def _kill_overdue(self) -> None:
        while not self._closed.wait(_LOOK):
            for worker in self._workers:
                worker.kill_if_overdue()


class _Worker:
    """One process; used by one thread at a time, and killed by another where it takes too long."""

    def __init__(self) -> None:
        self.was_killed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process; it is ready by the time that it has read its first photo."""
        path = [os.path.abspath(place) for place in sys.path]
        process = subprocess.Popen(  # noqa: S603 (our own module, and nothing of a client's)
            [sys.executable, "-I", "-c", _CODE, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # As many photos are decoded at once as there are cores.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        _widen(process)
        with self._lock:
            self._process, self._deadline, self.was_killed = process, float("inf"), False

    def ask(self, data: bytes | memoryview, record: bytes, limits: Limits, room: Room) -> bytearray:
        """Return a photo's pixels.

        Raises:
            ImageError: It is no usable picture.
            OSError, EOFError: The process has ended.
        """
        job = JOB.pack(len(record), len(data), limits.max_pixels)
        with ExitStack() as stack:
            stack.callback(self._allow, float("inf"))
            self._allow(limits.decode_seconds)
            for part in (job + record, data):
                self._write(part)
            kind, number = self._head()
            if kind == SIZE:
                self._allow(float("inf"))  # to wait for others is not its fault
                stack.enter_context(room.take(number))
                self._allow(limits.decode_seconds)
                self._write(SIZE)
                kind, number = self._head()
            answer = self._read(number)
        if kind == ERROR:
            raise ImageError(*json.loads(answer))
        if kind != PIXELS:
            raise EOFError
        return answer

    def kill_if_overdue(self) -> None:
        """End the process at once, where its photo has had its time."""
        with self._lock:
            if time.monotonic() > self._deadline and self._process is not None:
                self.was_killed = True
                self._process.kill()

    def end(self) -> None:
        """End the process, which is idle or dead, and take it off the system's list."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _allow(self, seconds: float) -> None:
        with self._lock:
            self._deadline = time.monotonic() + seconds

    def _write(self, part: bytes | memoryview) -> None:
        pipe = self._process.stdin if self._process is not None else None
        left = memoryview(part)
        while left:
            if pipe is None:
                raise EOFError
            left = left[pipe.write(left) or 0 :]

    def _head(self) -> tuple[bytes, int]:
        head = self._read(1 + NUMBER.size)
        return bytes(head[:1]), int(NUMBER.unpack(head[1:])[0])

    def _read(self, length: int) -> bytearray:
        found = bytearray(length)
        left = memoryview(found)
        while left:
            pipe = self._process.stdout if self._process is not None else None
            count = cast("io.FileIO", pipe).readinto(left) if pipe is not None else 0
            if not count:
                raise EOFError
            left = left[count:]
        return found


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let a photo and its pixels go through the pipes in one piece, where the system can."""
    if sys.platform != "linux":
        return
    import fcntl

    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
