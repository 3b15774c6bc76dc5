"""`photograft inspect`, `backbones` and `cache`: what they say and write."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import system_helpers as system
from drawing import MakePhotos
from photograft.core.store import FeatureStore

pytestmark = pytest.mark.usefixtures("warm_cache")


def test_inspect_accounts_without_training(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=4)
    whole = (source / "circle" / "00.jpg").read_bytes()
    (source / "circle" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (source / "square" / "notes.txt").write_text("text")
    (source / "square" / "copy.jpg").write_bytes(whole)
    (source / "circle" / "jpeg.png").write_bytes((source / "circle" / "01.jpg").read_bytes())
    before = system.snapshot(tmp_path)
    result = system.invoke(capsys, "inspect", source)
    assert result.code == 0
    assert system.snapshot(tmp_path) == before
    assert re.search(r"circle\W+5\b", result.out)
    assert re.search(r"square\W+5\b", result.out)
    assert "Skipped 2 files: " in result.out
    assert "circle/cut.jpg (truncated" in result.out
    assert "square/notes.txt (not an image" in result.out
    assert "circle/jpeg.png (a JPEG named .png)" in result.out
    assert "1 photo is under several labels with the very same content" in result.out
    assert "circle/00.jpg and square/copy.jpg" in result.out


def test_inspect_shows_the_given_split(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    make_photos(tmp_path / "train", n=4)
    make_photos(tmp_path / "test", n=2, seed=1)
    out = system.invoke(capsys, "inspect", tmp_path).out
    assert re.search(r"class\W+photos\W+train\W+test", out)
    assert re.search(r"circle\W+6\W+4\W+2", out)


@pytest.mark.parametrize(
    ("number", "groups", "lie"), [(1, "1 group", "lies"), (2, "2 groups", "lie")]
)
def test_inspect_counts_groups_and_their_photos(
    capsys: pytest.CaptureFixture[str],
    make_photos: MakePhotos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    groups: str,
    lie: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    make_photos(tmp_path / "train", n=4)
    make_photos(tmp_path / "test", n=2, seed=1)
    for i in range(number):
        for copy in ("one", "two"):
            name = f"circle/{copy}{i}.jpg"
            shutil.copy(tmp_path / "train" / f"circle/0{i}.jpg", tmp_path / "test" / name)
    out = system.invoke(capsys, "inspect", tmp_path).out
    assert f"Warning: {groups} of photos that belong together (copies, or one group of" in out
    assert f") {lie} on several sides of the split, {3 * number} photos in all" in out
    are = "photo is" if number == 1 else "photos are"
    assert f"{number} {are} there more than once" in out


def test_inspect_writes_a_row_per_file(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=3)
    (source / "circle" / "empty.jpg").touch()
    target = tmp_path / "account.parquet"
    result = system.invoke(capsys, "inspect", source, "--files", target)
    assert result.code == 0
    assert f"Files: {target}" in result.out
    rows = system.read_rows(target)
    assert [row["name"] for row in rows] == sorted(
        str(p.relative_to(source)) for p in source.rglob("*.jpg")
    )
    skipped = [(row["name"], row["reason"]) for row in rows if row["status"] == "skipped"]
    assert skipped == [("circle/empty.jpg", "empty file")]
    assert {row["label"] for row in rows} == {"circle", "square", None}


def test_inspect_limit_of_pixels(
    capsys: pytest.CaptureFixture[str], make_photos: MakePhotos, tmp_path: Path
) -> None:
    source = make_photos(tmp_path / "photos", n=2)
    out = system.invoke(capsys, "inspect", source, "--max-pixels", 1000).out
    assert "Skipped 4 files: 4 × too large" in out
    assert "the limit is 1,000" in out


@pytest.mark.parametrize("option", ["--files", "--json"])
def test_unwritable_extra_file_is_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str], photos: Path, run_path: Path, tmp_path: Path, option: str
) -> None:
    command = ["inspect"] if option == "--files" else ["evaluate", run_path]
    (tmp_path / "file").touch()
    result = system.invoke(capsys, *command, photos, option, tmp_path / "file" / "x.json")
    system.assert_one_line(result, "x.json can't be written: ", "file is not a folder", option)
    assert result.out == ""
    result = system.invoke(capsys, *command, photos, option, tmp_path / "new" / "deep" / "x.json")
    assert result.code == 0
    assert (tmp_path / "new" / "deep" / "x.json").is_file()


def test_backbones(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys, "backbones")
    assert result.code == 0
    for name in ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "Apache-2.0"):
        assert name in result.out


@pytest.mark.slow
def test_backbones_search(capsys: pytest.CaptureFixture[str]) -> None:
    result = system.invoke(capsys, "backbones", "--search", "resnet18")
    assert result.code == 0
    assert any(line.startswith("resnet18") for line in result.out.splitlines())
    nothing = system.invoke(capsys, "backbones", "--search", "zzzz")
    system.assert_one_line(nothing, "'zzzz'")


def test_cache_info_prune_and_clear(
    capsys: pytest.CaptureFixture[str],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(cache))
    empty = system.invoke(capsys, "cache", "info")
    assert empty.code == 0
    assert str(cache / "features") in empty.out.replace("\n", "")
    assert system.invoke(capsys, "cache", "clear").out == "Freed 0 B\n"

    import numpy as np

    space = FeatureStore(cache).space({"backbone": "b", "engine": "e", "precision": "fp32"}, 250)
    for start in (0, 10):
        with space.writer() as writer:
            digests = [bytes([start + i]) * 32 for i in range(10)]
            writer.append(digests, np.ones((10, 250), np.float32))
    info = system.invoke(capsys, "cache", "info")
    assert re.search(r"b, e, fp32\W+20\b", info.out)
    assert system.invoke(capsys, "cache", "prune", "--max-size", "1MB").out == "Freed 0 B\n"
    pruned = system.invoke(capsys, "cache", "prune", "--max-size", "12kB")
    assert (pruned.code, pruned.out) == (0, "Freed 10.4 kB\n")
    assert system.num_stored(cache) == 10
    assert system.invoke(capsys, "cache", "clear").out == "Freed 10.4 kB\n"
    assert system.num_stored(cache) == 0
