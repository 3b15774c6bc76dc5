"""What a worker does: batches, one after another, and no error of a batch is its end."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from multiprocessing.reduction import ForkingPickler
from typing import IO, Any

from photograft.core.errors import PhotograftError, first_line
from photograft.core.executors.frames import UnreadableError, receive, send
from photograft.core.parallel import keep_to

#: What a worker answers: the result, or the error that came instead of it.
Reply = tuple[Any, Exception | None]


def reply_to(work: Any, batch: Any) -> Reply:
    """Do a batch; return what came of it.

    Args:
        work: Takes a batch; or the error that came in place of it.
        batch: A sequence; likewise.
    """
    try:
        for given in (work, batch):
            if isinstance(given, Exception):
                raise given
        return work(batch), None
    except Exception as error:
        return None, as_sent(error)


def as_sent(error: Exception) -> Exception:
    """Return an error that arrives in another process: itself, or what it says where it can't.

    Where it is none of our own, whose words are enough, it tells where it was raised.
    """
    found = error
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        found = RuntimeError(f"{type(error).__name__}: {first_line(error)}")
    if not isinstance(error, PhotograftError):
        lines = traceback.format_exception(error)
        found.add_note(f"Raised in another process:\n{''.join(lines)}")
    return found


def main() -> None:
    """Work for the process at the other end of standard input and output, as long as it is there.

    It sends the number of cores to use, the work, and batches.
    """
    # Whoever ends the one that is worked for ends the worker by closing the pipe.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What libraries print goes nowhere: the pipes are for frames.
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    batches: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, batches), daemon=True).start()
    first = batches.get()
    if first is None:
        os._exit(1)
    cores, work = (1, first) if isinstance(first, Exception) else first
    keep_to(cores)
    while (batch := batches.get()) is not None:
        reply = reply_to(work, batch)
        try:
            send(sink, reply)
        except OSError:
            break
        except Exception as error:  # the result can't be pickled
            send(sink, (None, as_sent(error)))
    os._exit(0)


def _read(source: IO[bytes], batches: queue.SimpleQueue[Any]) -> None:
    """Read ahead, so that whoever writes need not wait while a batch is done.

    In place of what can't be unpickled the error is put.
    """
    try:
        while True:
            try:
                batches.put(receive(source))
            except UnreadableError as error:
                batches.put(error.__cause__)
    except Exception:  # nobody is there any more
        batches.put(None)
