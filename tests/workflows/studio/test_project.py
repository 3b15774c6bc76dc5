"""A project: what is opened, what is said of its photos, and what other commands make of it."""

from __future__ import annotations

import csv
import os
import re
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from drawing import MakePhotos
from photograft.core.errors import InputError, StorageError, UnknownNameError
from photograft.data import Corrections, Dataset
from photograft.workflows.studio.overview import overview, photo_details
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.shelves import shelf
from photograft.workflows.studio.writing import Writer


@pytest.fixture
def photos(tmp_path: Path, make_photos: MakePhotos) -> Path:
    """Four photos of each of two classes, and two of none."""
    folder = make_photos(tmp_path / "photos", ("ants", "bees"), n=4, size=32)
    for i in range(2):
        shutil.copy(folder / "ants" / f"0{i}.jpg", folder / f"new{i}.jpg")
    return folder


def ids_of(project: Project, label: str | None) -> list[str]:
    return [r.photo.id for r in project.view().rows if r.label == label and not r.is_excluded]


def counts(project: Project) -> dict[str | None, int]:
    return dict(project.view().counts)


def test_the_users_folder_stays_as_it_is(photos: Path) -> None:
    def all_of() -> dict[str, tuple[int, int]]:
        files = sorted(photos.rglob("*"))
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}

    before = all_of()
    with Project.open(photos) as project:
        project.start_scan()
        project.label(ids_of(project, None), "wasps")
        project.change_class("rename", "ants", "Ameisen")
        project.exclude(ids_of(project, "bees")[:1], excluded=True)
        project.save_folders(photos.parent / "saved")
    assert all_of() == before
    assert project.folder == photos.parent / "photos.studio"


def test_labels_come_from_the_folders_and_what_lies_beside_has_none(photos: Path) -> None:
    with Project.open(photos) as project:
        assert counts(project) == {"ants": 4, "bees": 4, None: 2}
        assert project.class_names == ("ants", "bees")


def test_a_flat_folder_and_an_empty_one(tmp_path: Path, photos: Path) -> None:
    with Project.open(photos / "ants") as project:
        assert counts(project) == {None: 4}
    (tmp_path / "empty").mkdir()
    with Project.open(tmp_path / "empty") as project:
        assert overview(project)["num_photos"] == 0


def test_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Project.open() as project:
        assert project.folder == tmp_path / "photograft-studio"
        project.change_class("create", "bees")
    with Project.open() as project:
        assert project.class_names == ("bees",)


@pytest.mark.parametrize("place", [".", "../photos", "ants/..", "ants/../"])
def test_the_folder_by_another_way(
    photos: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(photos)
    with Project.open(place) as project:
        assert project.folder == photos.with_name("photos.studio")


def test_all_that_was_said_is_there_again_and_can_be_undone(photos: Path) -> None:
    with Project.open(photos) as project:
        new = ids_of(project, None)
        project.label(new, "wasps")
        project.change_class("merge", "bees", "ants")
        project.group(new, "burst")
        revision = project.revision
    with Project.open(photos) as project:
        assert project.revision == revision
        assert counts(project) == {"ants": 8, "wasps": 2}
        assert {project.row(i).group for i in new} == {"burst"}
        assert project.undo() == "Undone: Group 2 photos as burst"
        project.undo()
        assert counts(project) == {"ants": 4, "bees": 4, "wasps": 2}
        project.redo()
        assert counts(project) == {"ants": 8, "wasps": 2}
    with Project.open(photos.parent / "photos.studio") as project:  # the project itself
        assert counts(project) == {"ants": 8, "wasps": 2}


def test_what_is_written_is_what_train_takes(photos: Path, tmp_path: Path) -> None:
    with Project.open(photos) as project:
        ants, bees, new = (ids_of(project, name) for name in ("ants", "bees", None))
        project.label(new[:1], "ants")
        project.answer(bees[:1], "relabel", "ants")
        project.answer(bees[1:2], "exclude")
        project.answer(bees[2:], "group", "pair")
        project.group(ants[:1], "pair")
        project.answer(ants[1:2], "ok")
        labels, corrections = project.write_labels(), project.write_corrections()
    assert corrections is not None
    dataset = Corrections.read(corrections).apply(Dataset.load(labels))
    assert {name: sum(p.label == name for p in dataset.photos) for name in ("ants", "bees")} == {
        "ants": 6,
        "bees": 2,
    }
    groups = [p.group for p in dataset.photos if p.group]
    assert (len(groups), len(set(groups))) == (3, 1)
    assert [f.reason for f in dataset.skipped] == ["excluded"]
    assert len(dataset.right) == 1
    with labels.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["path", "label", "group"]


def test_the_tables_are_written_by_themselves(photos: Path) -> None:
    with Project.open(photos) as project:
        path = project.folder / "labels.csv"
        project.label(ids_of(project, None), "wasps")
        deadline = time.monotonic() + 20
        while not path.exists() or path.read_text().count("wasps") != 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        project.undo()
    assert "wasps" not in path.read_text()


def test_splits_are_carried_and_new_photos_are_for_training(
    tmp_path: Path, make_photos: MakePhotos
) -> None:
    for part, seed in (("train", 0), ("test", 1)):
        make_photos(tmp_path / "photos" / part, ("ants", "bees"), n=3, size=32, seed=seed)
    shutil.copy(tmp_path / "photos/train/ants/00.jpg", tmp_path / "photos/train/new.jpg")
    with Project.open(tmp_path / "photos") as project:
        project.label(ids_of(project, None), "bees")
        dataset = Dataset.load(project.write_labels())
    splits = sorted(str(p.split) for p in dataset.photos)
    assert splits == ["test"] * 6 + ["train"] * 7


def test_a_second_studio_is_told_who_has_it(photos: Path) -> None:
    with Project.open(photos) as project:
        project.lock.tell("http://127.0.0.1:8765")
        with pytest.raises(InputError, match=f"process {os.getpid()}, at http://127.0.0.1:8765"):
            Project.open(photos)
    Project.open(photos).close()


def test_a_project_that_can_not_be_written(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "photos.studio").write_text("in the way")
    with pytest.raises(StorageError, match="--project"):
        Project.open(photos)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place(photos: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="--project"):
            Project.open(photos)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("place", ["none", "photos/ants/00.jpg"])
def test_a_folder_that_is_none(photos: Path, place: str) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        Project.open(photos.parent / place)


def test_a_folder_that_holds_something_else_is_no_project(photos: Path) -> None:
    with pytest.raises(InputError, match="no project of the studio"):
        Project.open(None, photos)


def test_photos_that_go_take_nothing_with_them(photos: Path) -> None:
    with Project.open(photos) as project:
        project.label(ids_of(project, None), "wasps")
    away = photos.with_name("away")
    photos.rename(away)
    with Project.open(photos.with_name("photos.studio")) as project:
        assert counts(project) == {}
        assert overview(project)["folders"][0]["problem"]
    away.rename(photos)
    with Project.open(photos) as project:
        assert counts(project)["wasps"] == 2


def test_a_project_beside_photos_is_not_taken_for_a_class(photos: Path) -> None:
    Project.open(photos).close()
    with pytest.raises(InputError, match=r"photos\.studio is a project of the studio"):
        Dataset.load(photos.parent)


def test_a_class_whose_photos_are_all_left_out(photos: Path) -> None:
    with Project.open(photos) as project:
        project.label(ids_of(project, None), "wasps")
        project.exclude(ids_of(project, "wasps"), excluded=True)
        labels, corrections = project.write_labels(), project.write_corrections()
        assert corrections is not None
        dataset = Corrections.read(corrections).apply(Dataset.load(labels))
        assert {photo.label for photo in dataset.photos} == {"ants", "bees"}
        assert dataset.class_names == ("ants", "bees")


def test_a_later_format_is_refused(photos: Path) -> None:
    Project.open(photos).close()
    path = photos.with_name("photos.studio") / "project.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="later version"):
        Project.open(photos)


def test_two_folders(photos: Path, tmp_path: Path, make_photos: MakePhotos) -> None:
    other = make_photos(tmp_path / "more", ("bees", "flies"), n=3, size=32, seed=5)
    with Project.open(photos) as project:
        revision = project.revision
        project.add_folder(other)
        assert project.revision > revision
        assert counts(project) == {"ants": 4, "bees": 7, "flies": 3, None: 2}
        shutil.copy(other / "bees" / "00.jpg", other / "bees" / "later.jpg")
        project.add_folder(other)
        assert counts(project)["bees"] == 8
    with Project.open(photos) as project:
        assert counts(project)["bees"] == 8
        project.remove_folder(other)
        assert counts(project) == {"ants": 4, "bees": 4, None: 2}
        with pytest.raises(InputError, match="no folder of this project"):
            project.remove_folder(other)
    with Project.open(photos) as project:
        assert counts(project)["bees"] == 4


@pytest.mark.parametrize(
    ("action", "name", "to", "error"),
    [
        ("create", "BEES", None, "there is a class bees already"),
        ("create", "  ", None, "has no name"),
        ("create", "a\u202eb", None, "can't be seen"),
        ("create", "x" * 101, None, "too long"),
        ("rename", "ants", "Bees", "there is a class bees already"),
        ("rename", "anst", "wasps", "Did you mean ants"),
        ("merge", "ants", "ants", "into itself"),
        ("merge", "ants", "wasps", "no class"),
        ("drop", "ants", None, "no action"),
    ],
)
def test_classes_that_can_not_be(
    photos: Path, action: str, name: str, to: str | None, error: str
) -> None:
    with Project.open(photos) as project:
        revision = project.revision
        with pytest.raises(InputError, match=error):
            project.change_class(action, name, to)
        assert project.revision == revision


def test_a_label_that_looks_like_a_class_is_that_class(photos: Path) -> None:
    with Project.open(photos) as project:
        project.label(ids_of(project, None), " BEES ")
        assert counts(project) == {"ants": 4, "bees": 6}
        project.change_class("rename", "bees", "Bees")
        assert counts(project) == {"ants": 4, "Bees": 6}


def test_photos_and_shelves_that_are_not_there(photos: Path) -> None:
    with Project.open(photos) as project:
        with pytest.raises(UnknownNameError):
            project.label(["0" * 16], "bees")
        with pytest.raises(InputError, match="no photo is chosen"):
            project.label([], "bees")
        with pytest.raises(UnknownNameError):
            shelf(project.view(), name="wasps")
        with pytest.raises(InputError, match="no shelf"):
            shelf(project.view(), "everything")
        with pytest.raises(InputError, match="nothing to undo"):
            project.undo()


def test_listeners_are_called_after_each_change(photos: Path) -> None:
    with Project.open(photos) as project:
        seen: list[int] = []
        project.on_change(lambda: seen.append(project.revision))
        project.label(ids_of(project, None), "bees")
        project.undo()
        assert seen == [1, 2]


class Thinks:
    """A classifier that is sure of something."""

    def __init__(self, order: list[str]) -> None:
        self.order = order

    def guesses(self, ids: Sequence[str]) -> list[tuple[str, float] | None]:
        return [("bees", 0.5) if i in self.order else None for i in ids]

    def useful(self) -> list[str] | None:
        return self.order

    def doubtful(self, class_name: str) -> list[str] | None:
        return self.order if class_name == "ants" else None


def test_shelves(photos: Path) -> None:
    with Project.open(photos) as project:
        ants, view = ids_of(project, "ants"), project.view()
        assert shelf(view, name="ants")["names"] == [f"ants/0{i}.jpg" for i in range(4)]
        assert shelf(view, "all")["labels"].count(None) == 2
        thinks = Thinks(ants[::-1])
        found = shelf(view, name="ants", order="doubtful", guesses=thinks)
        assert (found["ids"], found["order"]) == (ants[::-1], "doubtful")
        assert found["guesses"] == [["bees", 0.5]] * 4
        other = shelf(view, name="bees", order="doubtful", guesses=thinks)
        assert (other["order"], other["guesses"]) == ("name", [None] * 4)
        project.answer(ants[:1], "ok")
        project.exclude(ants[1:2], excluded=True)
        view = project.view()
        assert shelf(view, name="ants")["answers"] == {ants[0]: "ok"}
        assert shelf(view, "excluded")["ids"] == ants[1:2]


def test_what_is_known_of_a_photo(photos: Path) -> None:
    with Project.open(photos) as project:
        one = ids_of(project, "ants")[0]
        found = photo_details(project, one)
        assert (found["width"], found["height"], found["label"]) == (32, 32, "ants")
        assert found["num_bytes"] == (photos / "ants/00.jpg").stat().st_size
        assert project.id_of(found["path"]) == one
        (photos / "ants/00.jpg").unlink()
        assert photo_details(project, one)["unreadable"] == "unreadable"


def test_class_folders_are_copied_and_read_the_same(photos: Path, tmp_path: Path) -> None:
    with Project.open(photos) as project:
        project.label(ids_of(project, None), "a/b: c?")
        project.change_class("rename", "bees", "train")
        project.exclude(ids_of(project, "ants")[:1], excluded=True)
        assert project.save_folders(tmp_path / "saved") == 9
        with pytest.raises(StorageError, match="exists already"):
            project.save_folders(tmp_path / "saved")
        for inside in (photos / "x", photos / "ants", project.folder / "x"):
            with pytest.raises((InputError, StorageError)):
                project.save_folders(inside)
    dataset = Dataset.load(tmp_path / "saved")
    assert dataset.class_names == ("a_b_ c_", "ants", "train_")
    assert len(dataset.photos) == 9


def test_same_names_from_two_folders_are_told_apart(
    photos: Path, tmp_path: Path, make_photos: MakePhotos
) -> None:
    with Project.open(photos) as project:
        project.add_folder(make_photos(tmp_path / "more", ("ants", "BEES"), n=4, size=32, seed=9))
        project.save_folders(tmp_path / "saved")
    assert len(list((tmp_path / "saved").rglob("*.jpg"))) == 16
    assert (tmp_path / "saved/ants/00-2.jpg").is_file()


def test_the_python_of_its_page_runs(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "studio.md").read_text(encoding="utf-8")
    snippet = next(s for s in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "undo" in s)
    monkeypatch.chdir(photos.parent)
    exec(compile(snippet, "studio.md", "exec"), {})
    assert capsys.readouterr().out.strip() == str(photos.with_name("photos.studio") / "labels.csv")


def test_tables_that_can_not_be_written_are_told_and_labels_are_kept(photos: Path) -> None:
    with Project.open(photos) as project:
        (project.folder / "labels.csv").unlink(missing_ok=True)
        (project.folder / "labels.csv").mkdir()
        project.label(ids_of(project, None), "wasps")
        deadline = time.monotonic() + 20
        while not overview(project)["problem"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "labels.csv can't be written" in str(overview(project)["problem"])
        with pytest.raises(StorageError, match="can't be written"):
            project.write_labels()
        (project.folder / "labels.csv").rmdir()
    with Project.open(photos) as project:
        assert counts(project)["wasps"] == 2


def test_a_studio_that_is_refused_changes_nothing(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    with Project.open(photos) as project:
        noted = (project.folder / "project.json").read_bytes()
        with pytest.raises(InputError, match="open in another studio"):
            Project.open(other, project.folder)
        assert (project.folder / "project.json").read_bytes() == noted
    path = project.folder / "project.json"
    path.write_text("torn")
    with pytest.raises(InputError, match="can't be read"):
        Project.open(photos)
    path.write_bytes(noted)
    Project.open(photos).close()  # nobody holds it


def test_corrections_that_can_not_be_removed_are_told(photos: Path) -> None:
    with Project.open(photos) as project:
        (project.folder / "corrections.csv").mkdir()
        with pytest.raises(StorageError, match=r"corrections\.csv can't be removed"):
            project.write_corrections()
        (project.folder / "corrections.csv").rmdir()


def test_whatever_goes_wrong_in_writing_is_told_and_the_next_is_written() -> None:
    errors, written = [ValueError("odd")], threading.Event()

    def write() -> None:
        if errors:
            raise errors.pop()
        written.set()

    writer = Writer(write)
    deadline = time.monotonic() + 20
    while not writer.problem:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert writer.problem == "ValueError: odd"
    writer.ask()
    assert written.wait(20)
    writer.close()
    assert writer.problem == ""
