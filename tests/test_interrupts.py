"""Processes that tests start can be interrupted, however the tests themselves were started."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def test_a_process_can_be_interrupted() -> None:
    code = "import signal, time; signal.raise_signal(signal.SIGINT); time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == -signal.SIGINT, done
    assert "KeyboardInterrupt" in done.stderr


def test_so_it_can_where_the_tests_were_started_with_interrupts_ignored(tmp_path: Path) -> None:
    """As a shell without job control starts what it runs in the background."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += [
        "--basetemp",
        str(tmp_path / "temp"),
        "-k",
        test_a_process_can_be_interrupted.__name__,
    ]
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command, __file__],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
