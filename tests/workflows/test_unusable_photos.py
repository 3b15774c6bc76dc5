"""Photos that can't be used, from the command line: classes without any, formats, sizes, places."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import photograft
import system_helpers as system
from drawing import MakePhotos
from photograft.core.errors import DatasetError

pytestmark = pytest.mark.usefixtures("warm_cache")

JPEG_XL = b"\xff\x0a" + bytes(20)
TOLD = "a JPEG XL picture; convert it to JPEG or PNG"


@pytest.fixture
def with_elk(tmp_path: Path, make_photos: MakePhotos) -> Path:
    """Two classes of a dozen photos, and a third whose two files can't be used."""
    root = make_photos(tmp_path / "photos")
    (root / "elk").mkdir()
    for number in range(2):
        (root / "elk" / f"{number}.jxl").write_bytes(JPEG_XL)
    return root


@pytest.mark.parametrize(
    "command",
    ["train", "compare", "learning-curve", "evaluate", "subset", "recipe run D4"],
)
def test_a_class_without_a_usable_photo_stops_the_command(
    command: str,
    with_elk: Path,
    run_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments: list[object] = [*command.split(), with_elk]
    if command == "evaluate":
        arguments.insert(1, run_path)
    if command == "subset":
        arguments.append(tmp_path / "small")
    result = system.invoke(capsys, *arguments)
    assert result.code == 2
    assert result.err.startswith(
        f"photograft: no photo of the class 'elk' in {with_elk} can be used; got 2 files "
        f"(2 × unsupported format ({TOLD}))"
    )
    assert "--empty-classes drop" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_with_the_users_word_it_is_the_gravest_finding(with_elk: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the class 'elk'"):
        photograft.train(with_elk, out=tmp_path / "run")
    run = photograft.train(with_elk, out=tmp_path / "run", empty_classes="drop")
    first = run.findings()[0]
    assert (first.kind, first.severity) == ("lost class", "serious")
    assert first.title == (
        f"no photo of the class 'elk' can be used: 2 files (2 × unsupported format ({TOLD}))"
    )
    assert repr(first).startswith("Finding('lost class', serious, 2 files: ")
    assert run.classifier.class_names == ("circle", "square")
    assert "lost class, 2 files" in run.report.read_text("utf-8")
    assert f"unsupported format ({TOLD})" in run.report.read_text("utf-8")


@pytest.mark.parametrize("command", ["learning-curve", "compare"])
def test_what_does_not_end_with_findings_says_what_it_goes_on_without(
    command: str, with_elk: Path, tmp_path: Path
) -> None:
    (with_elk / "fox").mkdir()
    if command == "compare":
        found = photograft.compare(
            with_elk,
            backbones=["efficientnet_lite0"],
            strategies=["features"],
            out=tmp_path / "comparison",
            empty_classes="drop",
        )
        notes = found.info["notes"]
    else:
        notes = photograft.learning_curve(with_elk, seeds=1, empty_classes="drop").notes
    elk, fox = (note for note in notes if "goes on without the class" in note)
    assert "the class 'elk': 2 files" in elk
    assert fox.endswith("the class 'fox', which has no files")


def test_the_doctor_and_inspect_tell_of_it(
    with_elk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (with_elk / "fox").mkdir()
    result = system.invoke(capsys, "doctor", with_elk)
    assert result.code == 0
    assert "\n 1  SERIOUS: no photo of the class 'elk' can be used: 2 files" in result.out
    assert "SERIOUS: no photo of the class 'fox' can be used: no files" in result.out
    result = system.invoke(capsys, "inspect", with_elk)
    assert result.code == 0
    said = " ".join(result.out.split())
    assert "│ elk │ 0 │" in said
    assert "Warning: no photo of the class 'elk' can be used: 2 files" in said
    assert f"Skipped 2 files: 2 × unsupported format ({TOLD})" in said


def test_what_systems_leave_is_accounted_for_and_no_finding(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    for name in (".DS_Store", "circle/Thumbs.db", "circle/desktop.ini", "circle/._00.jpg"):
        (root / name).write_bytes(b"\0\5\x16\7")
    kinds = {finding.kind for finding in photograft.doctor(root).diagnosis.findings}
    assert "unusable" not in kinds
    result = system.invoke(capsys, "train", root, "--out", tmp_path / "run")
    assert "Skipped" not in result.out
    result = system.invoke(capsys, "inspect", root)
    assert "Skipped 4 files: 4 × hidden or system file" in result.out


@pytest.mark.parametrize("command", ["predict", "explain", "inspect"])
def test_raw_photos_that_only_their_names_tell(
    command: str,
    photos: Path,
    run_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is read of a TIFF of that name might be a thumbnail; other bytes say nothing."""
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    nef, mos = root / "circle" / "a.nef", root / "circle" / "b.mos"
    Image.open(photos / "circle" / "00.jpg").save(nef, "TIFF")
    mos.write_bytes(bytes(range(128, 256)))
    arguments: dict[str, list[object]] = {
        "predict": [run_path, root],
        "explain": [run_path, nef, mos, "--out", tmp_path / "why"],
        "inspect": [root],
    }
    result = system.invoke(capsys, command, *arguments[command])
    for kind in ("NEF", "MOS"):
        assert f"a raw photo ({kind}); convert it to JPEG or PNG" in result.out


def test_what_systems_leave_is_nothing_to_classify(
    photos: Path, run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photos / "circle" / "00.jpg", tmp_path)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/._00.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    result = system.invoke(capsys, "predict", run_path, tmp_path, "--format", "csv")
    assert (result.code, result.out.count("\n")) == (0, 2)


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain", "suggest"])
def test_a_bound_on_pixels_where_a_classifier_reads_photos(
    command: str, run_path: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photos / "circle" / "00.jpg" if command in ("predict", "explain") else photos
    limits = ["--max-pixels", 96 * 96 - 1]
    more = ["--out", tmp_path / "why"] if command == "explain" else []
    result = system.invoke(capsys, command, run_path, source, *more, *limits)
    assert result.code == 2
    assert "too large" in result.out + result.err
    limits[1] = 96 * 96
    assert system.invoke(capsys, command, run_path, source, *more, *limits).code == 0


@pytest.mark.parametrize("folder", ["run", "run/classifier", "."])
def test_a_run_given_as_photos_is_recognised(
    folder: str, run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = run_path.parent / folder if folder != "." else tmp_path
    shutil.copytree(run_path, tmp_path / "first")
    what = "classifier" if "/" in folder else "run"
    result = system.invoke(capsys, "inspect", given)
    system.assert_one_line(result, f"is a {what} that Photograft wrote", "Give the photos")


def test_a_pattern_that_the_shell_left_as_it_was(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = tmp_path / "*.jpg"
    result = system.invoke(capsys, "predict", run_path, pattern, "--format", "csv")
    assert result.code == 2
    assert f"{pattern},unreadable: no file matches this pattern," in result.out
    result = system.invoke(capsys, "explain", run_path, pattern, "--out", tmp_path / "why")
    assert "no file matches this pattern" in result.out
    result = system.invoke(capsys, "train", pattern)
    system.assert_one_line(result, f"nothing matches the pattern {pattern}")
    result = system.invoke(capsys, "suggest", run_path, pattern)
    system.assert_one_line(result, "Give a folder in place of a pattern")


def test_the_run_that_can_not_be_written_is_called_as_it_would_be(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    result = system.invoke(capsys, "train", photos)
    assert result.code == 2
    assert re.match(r"photograft: runs/photos-\d{8}-\d{6} can't be written: ", result.err)


def test_a_subset_recommends_no_option_that_it_lacks(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("text")
    result = system.invoke(capsys, "subset", photos, tmp_path / "taken")
    system.assert_one_line(result, "exists already. Choose another folder, or remove this one.")
    assert "--out" not in result.err


@pytest.mark.slow
def test_a_prepared_network_that_finds_no_room_is_not_kept(photos: Path, tmp_path: Path) -> None:
    """It is prepared again the next time: what was asked for is done."""

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))

    done = subprocess.run(
        system.command("train", photos, "--out", tmp_path / "run", "--engine", "openvino"),
        env={**os.environ, "PHOTOGRAFT_CACHE": str(tmp_path / "cache")},
        preexec_fn=lower,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "cache").rglob("*.onnx"))
