"""Progress as a line of text: where it is drawn, what is on it, and that it fits."""

from __future__ import annotations

import io
import re
import sys
import time
import types

import pytest

from photograft.core import bars
from photograft.core.bars import Bar, Pace, columns, followed, is_seen, progress_of
from photograft.core.errors import InputError
from photograft.core.progress import Progress, Silent
from recording import Recorder


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "_TICK", 0.01)


def work(progress: Progress, what: str = "Extracting features", n: int = 20) -> None:
    with progress.step(what, 1270, "photos") as step:
        for _ in range(n):
            step.advance(1270 // n)
            time.sleep(0.002)
        step.advance(1270 - 1270 // n * n)
        step.note("loss 0.1234 accuracy 0.987")


def drawn(stream: io.StringIO) -> list[str]:
    """All that was drawn, one upon the other."""
    return [line for line in re.split(r"[\r\n]", stream.getvalue()) if line.strip()]


def test_true_is_a_bar_where_somebody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not is_seen()
    assert isinstance(progress_of(True), Silent)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress_of(True), Bar)
    assert isinstance(progress_of(False), Silent)
    assert isinstance(progress_of(None), Silent)


def test_notebooks_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is no terminal there, but shown below the cell."""
    shell: object = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    work(progress_of(True))
    assert "1,270/1,270" in drawn(stream)[-1]
    shell = types.SimpleNamespace()  # IPython in a terminal, its output sent elsewhere
    assert isinstance(progress_of(True), Silent)


def test_whom_one_names_is_told() -> None:
    recorder = Recorder()
    assert progress_of(recorder) is recorder
    assert list(followed([3, 4], recorder, "Classifying", 2, "photos")) == [3, 4]
    assert (recorder.steps, recorder.done) == (["Classifying"], {"Classifying": 2})
    for wrong in ("yes", 1, print):
        with pytest.raises(InputError, match="an object with the methods step and say"):
            progress_of(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize(
    "what", ["Extracting features", "A step of a name as long as " * 3, "特徴" * 9]
)
def test_a_line_fits(width: int, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    work(Bar(stream), what)
    lines = drawn(stream)
    assert max(map(columns, lines)) < width, "one that fills the last column wraps in some"
    assert re.search(r"\d/1,270", lines[1])
    if what == "Extracting features":
        assert any(re.search(r"\d:\d\d left", line) for line in lines)
        if width >= 80:
            assert "accuracy 0.987" in lines[-1]
            assert "━" in lines[-1]
        if width >= 200:
            assert re.search(r"\d photos/s .*\d:\d\d so far", lines[-1])
    assert stream.getvalue().endswith("\n")


def test_it_moves_while_the_work_says_nothing() -> None:
    stream = Terminal()
    with Bar(stream).step("Fitting", 1, "heads"):
        time.sleep(0.1)
    assert len(drawn(stream)) > 2


def test_what_is_said_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    bar = Bar(stream)
    with bar.step("Fitting", 2, "heads") as step:
        bar.say("a word")
        step.advance()
        time.sleep(0.05)
    *_, last = stream.getvalue().rstrip("\n").split("\n")
    assert "\ra word\n" in stream.getvalue()
    assert "Fitting" in last
    assert "a word" not in last


def test_a_step_within_a_step_is_the_one_that_is_drawn() -> None:
    stream = Terminal()
    bar = Bar(stream)
    with bar.step("Outer", 1, "pages"):
        with bar.step("Inner", 1, "photos"):
            time.sleep(0.05)
        time.sleep(0.05)
    names = [line.split()[0] for line in drawn(stream)]
    assert list(dict.fromkeys(names)) == ["Outer", "Inner"]
    assert names[-1] == "Outer"
    assert stream.getvalue().count("\n") == 2, "each leaves its line"


def test_steps_that_take_no_time_leave_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "_TICK", 60.0)
    stream = Terminal()
    work(Bar(stream), n=1)
    assert stream.getvalue().split("\r")[-1].strip() == ""
    assert "\n" not in stream.getvalue()


def test_bytes_are_sizes_and_what_is_not_known_is_left_out() -> None:
    stream = Terminal()
    bar = Bar(stream)
    with bar.step("Fetching weights", 3_000_000, "bytes") as step:
        step.advance(1_500_000)
        time.sleep(0.05)
    assert "1.5 MB/3.0 MB" in drawn(stream)[-1]
    with bar.step("Classifying", 0, "photos") as step:
        step.advance(7)
        time.sleep(0.05)
    assert "left" not in drawn(stream)[-1]
    assert re.match(r"Classifying  7\b", drawn(stream)[-1])


def test_a_terminal_without_such_characters_gets_plain_ones() -> None:
    stream = Terminal()
    stream.encoding = "ascii"
    work(Bar(stream))
    assert "##" in drawn(stream)[-1]
    assert "━" not in stream.getvalue()


def test_a_stream_that_is_gone_stops_no_work() -> None:
    stream = Terminal()
    stream.close()
    bar = Bar(stream)
    bar.say("nobody hears it")
    work(bar)


def test_what_comes_all_at_once_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photos within a millisecond are no thousands a second."""
    now = 7.0
    monkeypatch.setattr("photograft.core.bars.time.monotonic", lambda: now)
    pace = Pace("Classifying", 2, "photos")
    pace.advance()
    now += 0.001
    pace.advance()
    assert pace.speed is None
    now += 1
    assert pace.speed == pytest.approx(1, rel=0.01)
