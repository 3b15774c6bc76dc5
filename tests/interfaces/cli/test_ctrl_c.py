"""Ctrl-C, once and impatiently: exit code 130, one line, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: A command that tidies up for some seconds, or waits where its work is done.
CODE = """
import sys, threading, time
from photograft.interfaces.cli.app import app
from photograft.interfaces.cli.main import main

@app.command()
def wait(tidying: float) -> None:
    print("ready", flush=True)
    try:
        time.sleep(60)
    finally:
        time.sleep(tidying)
        print("tidy", flush=True)

@app.command()
def load() -> None:
    exec("print('ready', flush=True); time.sleep(60)")  # as data classes are made on import

@app.command()
def leave() -> None:
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()  # the interpreter waits for it
    threading.Timer(0.5, lambda: print("ready", flush=True)).start()

main(sys.argv[1:])
"""


def interrupted(
    *arguments: str, times: int, pause: float = 0.05, module: Path | None = None
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that is interrupted so often."""
    start = ["-c", CODE]
    if module is not None:
        module.write_text(CODE, encoding="utf-8")
        start = ["-m", module.stem]
    process = subprocess.Popen(
        [sys.executable, *start, *arguments],
        cwd=None if module is None else module.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(times):
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    return process.returncode, out, errors


@pytest.mark.parametrize("times", [1, 2])
def test_one_ends_in_good_order_and_a_slip_of_the_finger_harms_nothing(times: int) -> None:
    code, out, errors = interrupted("wait", "0.3", times=times)
    assert (code, out) == (130, "tidy\n")
    assert errors.startswith("photograft: interrupted; what was computed is kept")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("tidying", ["0", "60"])
def test_four_quick_ones_end_at_once(tidying: str) -> None:
    code, _, errors = interrupted("wait", tidying, times=4)
    assert code == 130
    assert errors.strip().startswith("photograft: interrupted")
    assert len(errors.split("\n")) <= 3
    assert "Traceback" not in errors


def test_one_when_all_is_done_ends_the_wait() -> None:
    assert interrupted("leave", times=2) == (130, "", "")


@pytest.mark.parametrize("times", [1, 3])
def test_one_while_something_is_imported_ends_with_the_same_code(
    times: int, tmp_path: Path
) -> None:
    """As `python -m photograft`, which would end by the signal."""
    code, _, errors = interrupted("load", times=times, module=tmp_path / "commands.py")
    assert code == 130
    assert errors.startswith("photograft: interrupted")
