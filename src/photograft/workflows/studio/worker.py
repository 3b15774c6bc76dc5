"""One job of a studio, in a process of its own: ``python -m photograft.workflows.studio.worker``.

What is to be done comes as one line of JSON on standard input, which then stays open: the job ends
when it is closed, be it that the studio stops it or is no more. How far it is goes as lines of JSON
to standard output: ``{"at": {...}}``, ``{"say": text}``, and at the end ``{"done": {...}}`` or
``{"failed": text}``.
"""

from __future__ import annotations

import _thread
import contextlib
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from photograft.core.bars import Pace, ticking
from photograft.core.errors import PhotograftError
from photograft.core.progress import Step

#: Seconds between two lines on a step, and those that a job has to end by itself.
_TICK, _PATIENCE = 0.2, 3.0
#: By how much the work is less urgent than the page.
_NICE = 5

Options = dict[str, Any]


class Lines:
    """A `Progress` that tells all it hears as lines of JSON.

    Args:
        stream: Where they go.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock = stream, threading.Lock()
        self._steps: list[Pace] = []

    @contextmanager
    def step(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Tell several times a second how far the innermost step is."""
        pace = Pace(what, total, unit)
        self._steps.append(pace)
        self._at(pace)
        try:
            with ticking(_TICK, lambda: self._at(pace)):
                yield pace
        finally:
            self._at(pace)
            self._steps.remove(pace)

    def say(self, message: str) -> None:
        """Tell a line of the log."""
        self.write({"say": message})

    def write(self, line: dict[str, Any]) -> None:
        """Write a line."""
        with self._lock:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()

    def _at(self, pace: Pace) -> None:
        if self._steps and self._steps[-1] is pace:
            left = pace.seconds_left
            at = {
                "step": pace.what,
                "done": pace.done,
                "total": pace.total,
                "unit": pace.unit,
                "seconds_left": None if left is None else round(left, 1),
                "words": pace.words,
            }
            self.write({"at": at})


def run_job(kind: str, options: Options, progress: Lines) -> dict[str, Any]:
    """Do a job; one whose result is there already is done.

    Args:
        kind: A key of `JOBS`.
        options: Of the function there.
        progress: Told how far it is.

    Returns:
        What came of it, as plain JSON types.

    Raises:
        PhotograftError: What the user is to know.
    """
    return JOBS[kind](options, progress)


def _doctor(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.workflows.doctor import doctor

    checkup = doctor(
        options["source"], out=options["out"], progress=progress, **options.get("settings", {})
    )
    return {
        "path": options["out"],
        "num_photos": len(checkup.dataset.photos),
        "num_findings": len(checkup.diagnosis.findings),
    }


def _train(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.runs.folder import RUN
    from photograft.runs.run import Run
    from photograft.workflows.train import train

    out = Path(options["out"])
    if (out / RUN).is_file():  # ended between its last line and the note of it
        run = Run.load(out)
    else:
        run = train(options["source"], out=out, progress=progress, **options.get("settings", {}))
    found = run.metrics
    return {"path": str(run.path), "accuracy": found.accuracy if found else None}


def _compare(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.workflows.compare import compare

    found = compare(
        options["source"], out=options["out"], progress=progress, **options.get("settings", {})
    )
    scores = found.run.metrics
    return {
        "path": str(found.run.path),
        "comparison": str(found.path),
        "verdict": found.info["verdict"],
        "accuracy": scores.accuracy if scores else None,
    }


def _learning_curve(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.workflows.learning_curve import learning_curve

    curve = learning_curve(options["source"], progress=progress, **options.get("settings", {}))
    gains = [
        {"name": one.name, "gain": one.gain, "low": one.low, "high": one.high}
        for one in curve.classes
    ]
    return {"sentences": curve.sentences(), "gains": gains}


def _export(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.workflows.export import export

    exported = export(
        options["run"],
        options["out"],
        to=options["to"],
        progress=progress,
        **options.get("settings", {}),
    )
    return {"path": str(exported.folder), "to": options["to"], "model": str(exported.model)}


def _predict(options: Options, progress: Lines) -> dict[str, Any]:
    from photograft.workflows.predict import (
        check_apart,
        expand_inputs,
        load_classifier,
        read_rules,
        write_predictions,
    )

    out, folder = Path(options["out"]), options["folder"]
    check_apart(out, [folder])
    classifier = load_classifier(options["run"])
    carried = classifier.uncertainty
    can_tell = carried is not None and carried.ood_detector is not None
    rules = read_rules(classifier, unknown=can_tell)
    paths = list(expand_inputs([folder]))
    with progress.step("Classifying", len(paths), "photos") as step:
        counts = write_predictions(
            classifier, paths, "csv", out, io.StringIO(), rules=rules, advance=step.advance
        )
    return {
        "path": str(out),
        "url": f"/{out.as_posix()}",
        "num_photos": counts.rows - counts.failed,
        "words": counts.sentence(),
    }


#: What a studio has done for it.
JOBS: dict[str, Callable[[Options, Lines], dict[str, Any]]] = {
    "doctor": _doctor,
    "train": _train,
    "compare": _compare,
    "learning-curve": _learning_curve,
    "export": _export,
    "predict": _predict,
}


def _asked() -> dict[str, Any]:
    """Return the line that standard input begins with."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            break
        line += part
    found: dict[str, Any] = json.loads(line)
    return found


def _watch(is_over: threading.Event) -> None:
    """End the process when nobody is there any more who waits for it."""
    # Not by way of `sys.stdin`, which would be locked when the interpreter ends.
    while os.read(0, 1024):
        pass
    if is_over.is_set():
        return
    _thread.interrupt_main()
    time.sleep(_PATIENCE)
    os._exit(1)


def main() -> int:
    """Do the job that standard input names; return the exit status."""
    # Who starts this may ignore interrupts: then they would not end what is under way here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The page, which somebody looks at, goes first.
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)
    # What a library prints must not come between the lines.
    lines, sys.stdout = Lines(sys.stdout), sys.stderr
    asked, is_over = _asked(), threading.Event()
    threading.Thread(target=_watch, args=(is_over,), daemon=True).start()
    try:
        done = run_job(asked["kind"], asked["options"], lines)
        is_over.set()
        lines.write({"done": done})
    except PhotograftError as error:
        lines.write({"failed": _in_a_line(error)})
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        traceback.print_exc()
        lines.write({"failed": f"Something went wrong: {_in_a_line(error)}"})
        return 1
    return 0


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
