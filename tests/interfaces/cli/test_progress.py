"""What a command tells of long work where nobody watches a terminal."""

from __future__ import annotations

import io
import sys
import time

import pytest

from photograft.core.bars import Bar
from photograft.core.progress import Silent
from photograft.interfaces.cli.views import progress
from photograft.interfaces.cli.views.progress import Lines, make_progress


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_line_a_phase() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    with lines.step("Reading files", 127, "files") as step:
        step.advance(127)
    lines.say("1 of 3: net features; 9 min left")
    with lines.step("Fitting the head", 1, "heads"):
        pass
    with lines.step("Classifying", 0, "photos") as step:
        step.note("some words")
    assert stream.getvalue().splitlines() == [
        "Reading files: 127 files",
        "1 of 3: net features; 9 min left",
        "Fitting the head",
        "Classifying",
    ]


@pytest.mark.usefixtures("impatient")
def test_long_phases_say_again_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AGAIN", 0.05)
    stream = io.StringIO()
    with Lines(stream).step("Extracting features", 127, "photos") as step:
        step.advance(5)
        time.sleep(0.01)
        step.advance(40)
        time.sleep(0.3)
    first, *others = stream.getvalue().splitlines()
    assert first == "Extracting features: 127 photos"
    assert others
    assert others[-1].startswith("Extracting features: 45 of 127 photos, 0 s so far, about ")
    assert others[-1].endswith(" s left")


@pytest.mark.usefixtures("impatient")
def test_phases_of_a_kind_share_a_line() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for what in ("Epoch 1/30", "Epoch 2/30, about 3 min to go", "Epoch 3/30"):
        with lines.step(what, 200, "photos"):
            pass
    assert stream.getvalue() == "Epoch 1/30: 200 photos\n"


def test_what_is_soon_done_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    stream = io.StringIO()
    with Lines(stream).step("Reading files", 127, "files"):
        pass
    assert stream.getvalue() == ""


def test_lines_where_output_is_kept_and_a_bar_where_it_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert isinstance(make_progress(), Bar)
    assert isinstance(make_progress(quiet=True), Silent)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(make_progress(), Lines)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(make_progress(), Lines)
