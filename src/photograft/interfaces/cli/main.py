"""The command line: a command is run, and its end told as one line and an exit code."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import sys
import traceback
from typing import Any, NoReturn

from photograft.core.errors import PhotograftError, one_line
from photograft.core.executors.launched import is_first
from photograft.interfaces.cli.interrupts import INTERRUPTED, MESSAGE, Interrupts

#: What an option's type says of a wrong value, and what is said in place of that.
_PLAIN = {
    "Input should be a valid integer.*": "expected a whole number, all of its digits written out",
    "Input should be a valid number.*": "expected a number",
    "Input should be greater than or equal to (.*)": r"expected at least \1",
    "Input should be less than or equal to (.*)": r"expected at most \1",
}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 the user's input, 1 our fault, 130 interrupted."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # a file's name need not be valid text
            stream.reconfigure(errors=errors)
    # Python's own threshold has it look for garbage dozens of times while modules are imported,
    # which make none: a tenth of the time that one photo takes.
    gc.set_threshold(50_000, 20, 20)
    interrupts = Interrupts()
    code = run(sys.argv[1:] if arguments is None else arguments)
    interrupts.end(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        # Only here: a Ctrl-C while they are imported ends as any other does.
        import typer

        from photograft.interfaces.cli.app import app

        command: Any = typer.main.get_command(app)
        code = command.main(arguments, prog_name="photograft", standalone_mode=False) or 0
        sys.stdout.flush()
    except PhotograftError as error:
        return _say(str(error), 2)
    except (KeyboardInterrupt, Exception, SystemExit) as error:
        code = _code_of(error)
    if code == INTERRUPTED:  # Typer turns Ctrl-C into this, and says nothing
        _say(MESSAGE, INTERRUPTED)
    return int(code)


def _code_of(error: BaseException) -> int:
    """Say what went wrong, unless that was the user's own doing, and return the exit code."""
    kind: str = type(error).__name__
    if kind in ("KeyboardInterrupt", "Abort"):
        return INTERRUPTED
    if kind == "NoArgsIsHelpError":
        print(error, file=sys.stderr)
        return 2
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # Click: wrong usage
        where = getattr(getattr(error, "ctx", None), "command_path", "photograft")
        said = _plain(error.format_message().rstrip("."))
        return _say(f"{said}{'' if said.endswith('?') else '.'} See `{where} --help`.", 2)
    cause = error.__context__ if isinstance(error, SystemExit) else error
    number = cause.errno if isinstance(cause, OSError) else None
    if number in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader of our output has had enough, such as `| head`; Typer and Rich exit then.
        return 0 if number == errno.EPIPE else _say("no space left to write to", 2)
    traceback.print_exception(error)
    return _say("this is a fault of Photograft, not yours: please report the lines above", 1)


def _plain(said: str) -> str:
    """Return what Click says of a value, without the words of those who made its types."""
    for theirs, ours in _PLAIN.items():
        said = re.sub(theirs, ours, said)
    return said


def _say(message: str, code: int) -> int:
    if is_first():  # of those that torchrun has started
        print(one_line(message), file=sys.stderr)
    return code
