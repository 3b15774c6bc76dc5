"""Processes that find each other by the variables that ``torchrun`` sets: one leads, one helps."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CODE = """
import os, pathlib, sys
import training_helpers as small
from photograft.core.executors.launched import launched
from photograft.core.progress import Silent
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.launched import lead_or_help
from photograft.learning.loop.together import Task, carry_out

X, Y = small.problem(41)

class Wrong(small.Rows):
    def read(self, order, batch_size, epoch):
        rank, _, kind = sys.argv[2].partition(" ")
        if os.environ["RANK"] == rank:
            from photograft.core import errors
            raise getattr(errors, kind, LookupError)("the third photo is gone")
        yield from super().read(order, batch_size, epoch)

def lead():
    enter = {"enter": lambda x: x} if sys.argv[2] == "unsendable" else {}
    task = Task(
        small.head_model(), Feed(Wrong(X), Y, **enter), small.feed(X[:9], Y[:9]),
        small.PLAIN_LOOP, small.setting(),
    )
    carry_out(task, Checkpoint(pathlib.Path(sys.argv[1]), {}), [], Silent())
    return [round(p, 3) for p in task.model.head.layers[0].bias.tolist()]

try:
    print(lead_or_help(launched(), lead))
except Exception as error:
    print(type(error).__name__, error)
"""


def both(*arguments: str) -> list[str]:
    """What each of two processes printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in (0, 1):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        sizes = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environment = {
            **os.environ, **own, **sizes, **where, "PYTHONPATH": os.pathsep.join(sys.path)
        }  # fmt: skip
        command = [sys.executable, "-c", CODE, *arguments]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
    return [process.communicate(timeout=200)[0].strip() for process in processes]


def test_both_return_what_the_first_one_found(tmp_path: object) -> None:
    one, other = both(str(tmp_path), "nobody")
    assert one == other
    assert one.startswith("[")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("0 InputError", "InputError the third photo is gone"),
        ("1 InputError", "InputError the third photo is gone"),
        ("1 LookupError", "LookupError the third photo is gone"),
        ("unsendable", "InputError this can't be handed to other processes (Can't pickle local"),
    ],
)
def test_what_is_wrong_in_one_of_them_is_said_by_the_first(
    wrong: str, words: str, tmp_path: object
) -> None:
    assert both(str(tmp_path), wrong)[0].startswith(words)
