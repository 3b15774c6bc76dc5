"""Processes that find each other by the variables that ``torchrun`` sets: one leads, one helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

#: Two processes for each case, forked from one that has imported all that they need. As under
#: ``torchrun``, they meet in a store that is there before them, at a port that was free.
CODE = """
import json, multiprocessing, os, pathlib, sys
import training_helpers as small
from photograft.core.errors import InputError
from photograft.core.executors.launched import launched
from photograft.core.progress import Silent
from photograft.learning.loop.checkpoints import Checkpoint
from photograft.learning.loop.feeds import Feed
from photograft.learning.loop.launched import lead_or_help
from photograft.learning.loop.together import Task, carry_out
from torch.distributed import TCPStore

X, Y = small.problem(41)

class Wrong(small.Rows):
    def __init__(self, case):
        super().__init__(X)
        self.case = case

    def read(self, order, batch_size, epoch):
        if os.environ["RANK"] == self.case:
            raise InputError("the third photo is gone")
        yield from super().read(order, batch_size, epoch)

def one(case, rank, pipe):
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(pipe.recv()),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }

    def lead():
        enter = {"enter": lambda x: x} if case == "unsendable" else {}
        task = Task(
            small.head_model(), Feed(Wrong(case), Y, **enter), small.feed(X[:9], Y[:9]),
            small.PLAIN_LOOP, small.setting(),
        )
        carry_out(task, Checkpoint(pathlib.Path(case), {}), [], Silent())
        return [round(p, 3) for p in task.model.head.layers[0].bias.tolist()]

    try:
        pipe.send(str(lead_or_help(launched(), lead)))
    except Exception as error:
        pipe.send(f"{type(error).__name__} {error}")

def both(case):
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=one, args=(case, rank, theirs), daemon=True)
        for rank, (_, theirs) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for ours, _ in pipes:
        ours.send(store.port)
    said = [ours.recv() if ours.poll(60) else "nothing" for ours, _ in pipes]
    for process in processes:
        process.join(60)
    return said

print(json.dumps({case: both(case) for case in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each of two processes said in each case: nothing is wrong, or something in one."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, "nobody", "0", "1", "unsendable"],
        cwd=tmp_path_factory.mktemp("launched"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_both_return_what_the_first_one_found(said: dict[str, list[str]]) -> None:
    one, other = said["nobody"]
    assert one == other
    assert one.startswith("[")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("0", "the third photo is gone"),
        ("1", "the third photo is gone"),
        ("unsendable", "this can't be handed to other processes (Can't pickle local object"),
    ],
)
def test_what_is_wrong_in_one_of_them_is_said_by_the_first(
    wrong: str, words: str, said: dict[str, list[str]]
) -> None:
    assert said[wrong][0].startswith(f"InputError {words}")
