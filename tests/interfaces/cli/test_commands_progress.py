"""What commands show of how far they are, on a terminal and where none is."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from pathlib import Path

import pytest

import system_helpers as system
from drawing import MakePhotos

pytestmark = pytest.mark.usefixtures("warm_cache")


def test_output_that_is_kept_has_a_line_a_phase_and_no_line_broken(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("photograft.interfaces.cli.views.progress.PATIENCE", 0.0)
    monkeypatch.setenv("COLUMNS", "40")
    long_name = "a_photo_with_a_name_longer_than_a_terminal_is_wide_" * 2 + ".jpg"
    folder = make_photos(tmp_path / ("a_class_of_a_long_name_" * 4), n=3)
    (folder / "circle" / long_name).write_bytes(b"nothing")
    (folder / "circle").rename(folder / ("circles_of_all_sizes_" * 4))
    result = system.invoke(capsys, "inspect", folder)
    assert result.code == 0
    assert result.err.splitlines() == ["Reading files: 7 files", "Decoding photos: 6 photos"]
    assert long_name in result.out
    assert "circles_of_all_sizes_" * 4 in result.out
    assert "…" not in result.out


def test_soon_done_is_quiet_when_standard_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str], photos: Path, run_path: Path, tmp_path: Path
) -> None:
    for arguments in (
        ("inspect", photos),
        ("train", photos, "--out", tmp_path / "run"),
        ("evaluate", run_path, photos),
        ("predict", run_path, photos, "-o", tmp_path / "answers.csv"),
    ):
        result = system.invoke(capsys, *arguments)
        assert (result.code, result.err) == (0, "")


def read_terminal(arguments: list[str], cache: Path, cwd: Path) -> tuple[int, str]:
    """Run a command on a terminal of 100 columns; return its exit code and all that it drew."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover
        os.chdir(cwd)
        os.environ.update(PHOTOGRAFT_CACHE=str(cache), TERM="xterm-256color", COLUMNS="100")
        os.execv(arguments[0], arguments)
    drawn = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not data:
            break
        drawn += data
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    return os.waitstatus_to_exitcode(status), text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_progress_on_a_terminal(
    make_photos: MakePhotos, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    system.shared_run(tmp_path_factory)
    cache = system.without_rows(system.shared_cache(tmp_path_factory), tmp_path / "cache")
    make_photos(tmp_path / "photos", n=100, size=64)
    code, drawn = read_terminal(system.command("train", "photos", "--out", "run"), cache, tmp_path)
    assert code == 0, drawn
    assert "Extracting features" in drawn
    assert re.search(r"Extracting features[^\n]*\b200/200\b", drawn)
    counts = {int(n) for n in re.findall(r"Extracting features[^\r\n]*?(\d+)/200", drawn)}
    assert len(counts) > 2, "it moves"
    assert re.search(r"Extracting features[^\r\n]*\d photos/s", drawn)
    assert re.search(r"Extracting features[^\r\n]*\d:\d\d left", drawn)
    assert "Run:        run" in drawn
    code, drawn = read_terminal(
        system.command("predict", "run", "photos/circle/00.jpg"), cache, tmp_path
    )
    assert code == 0
    # Rows on the screen come without a bar, which would get in their way; a file comes with one.
    assert re.fullmatch(r"photos/circle/00\.jpg  circle \d+\.\d%\r\n", drawn)
    code, drawn = read_terminal(
        system.command("predict", "run", "photos", "-o", "answers.csv"), cache, tmp_path
    )
    assert code == 0
    assert re.search(r"Classifying[^\n]*\b200/200\b", drawn)
    assert drawn.endswith("Predictions: answers.csv\r\n200 photos: circle 100, square 100\r\n")
