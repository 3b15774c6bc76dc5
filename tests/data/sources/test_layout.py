from pathlib import Path, PurePosixPath

import pytest

from photograft.core.errors import SourceError
from photograft.core.files import printable
from photograft.data.sources.base import Item, SkippedFile, lookalikes, make_listing, unique_names
from photograft.data.sources.layout import Layout, arrange, build_listing
from photograft.data.sources.tree import Passed, Tree


def tree(*files: str, folders: tuple[str, ...] = ()) -> Tree:
    return Tree([PurePosixPath(f) for f in files], [PurePosixPath(f) for f in folders])


def placed(layout: Layout) -> set[tuple[str, str, str | None]]:
    return {(str(path), label, split) for path, label, split in layout.placed}


def skipped(layout: Layout) -> dict[str, str]:
    return {file.name: file.reason for file in layout.skipped}


def test_first_level_folders_are_the_classes_however_deep_the_files_lie() -> None:
    layout = arrange(tree("cats/1.jpg", "cats/young/2/3.png", "dogs/notes.txt"))
    assert placed(layout) == {
        ("cats/1.jpg", "cats", None),
        ("cats/young/2/3.png", "cats", None),
        ("dogs/notes.txt", "dogs", None),
    }
    assert layout.skipped == []
    assert layout.notes == []


def test_files_in_the_root_are_not_used() -> None:
    layout = arrange(tree("README.md", "1.jpg", "cats/1.jpg", "dogs/1.jpg"))
    assert skipped(layout) == {
        "README.md": "not in a class folder",
        "1.jpg": "not in a class folder",
    }
    assert len(layout.placed) == 2


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        "__MACOSX",
        "Thumbs.db",
        "DESKTOP.INI",
        "$RECYCLE.BIN",
        "System Volume Information",
        "@eaDir",
        "__pycache__",
        "old~",
    ],
)
def test_hidden_folders_are_one_skipped_entry_and_hidden_files_one_each(name: str) -> None:
    layout = arrange(tree(f"{name}/1.jpg", f"{name}/b/2.jpg", f"cats/{name}", "dogs/1.jpg"))
    assert skipped(layout) == {
        f"{name}/": "hidden or system file",
        f"cats/{name}": "hidden or system file",
    }
    assert placed(layout) == {("dogs/1.jpg", "dogs", None)}


def test_hidden_folder_that_is_listed_and_empty_is_reported() -> None:
    layout = arrange(tree("cats/1.jpg", "dogs/1.jpg", folders=(".cache", "cats/.thumbs")))
    assert skipped(layout) == {
        ".cache/": "hidden or system file",
        "cats/.thumbs/": "hidden or system file",
    }


def test_split_folders_under_any_of_their_names() -> None:
    layout = arrange(tree("Training/a/1.jpg", "dev/a/2.jpg", "TEST/b/3.jpg"))
    assert placed(layout) == {
        ("Training/a/1.jpg", "a", "train"),
        ("dev/a/2.jpg", "a", "validation"),
        ("TEST/b/3.jpg", "b", "test"),
    }


def test_folders_beside_a_train_folder_are_outside_the_splits() -> None:
    layout = arrange(tree("train/a/1.jpg", "train/2.jpg", "extra/a/3.jpg", "extra/4.jpg", "5.jpg"))
    assert placed(layout) == {("train/a/1.jpg", "a", "train")}
    assert skipped(layout) == {
        "train/2.jpg": "not in a class folder",
        "extra/a/3.jpg": "outside the split folders",
        "extra/4.jpg": "outside the split folders",
        "5.jpg": "not in a class folder",
    }


def test_two_folders_of_one_split_are_merged_with_a_note() -> None:
    layout = arrange(tree("train/a/1.jpg", "val/a/2.jpg", "valid/a/3.jpg"))
    assert {split for _, _, split in placed(layout)} == {"train", "validation"}
    assert layout.notes == ["val/ and valid/ were taken together as the validation split"]


def test_without_a_train_folder_all_folders_must_be_splits() -> None:
    both = arrange(tree("val/a/1.jpg", "test/a/2.jpg"))
    assert {split for _, _, split in placed(both)} == {"validation", "test"}
    alone = arrange(tree("test/a/1.jpg", "test/b/2.jpg"))
    assert {(label, split) for _, label, split in placed(alone)} == {("a", None), ("b", None)}
    mixed = arrange(tree("test/1.jpg", "cats/2.jpg"))
    assert {(label, split) for _, label, split in placed(mixed)} == {("test", None), ("cats", None)}


def test_split_folder_of_flat_photos_is_noted() -> None:
    layout = arrange(tree("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"))
    assert "split folder test/ holds no class folders" in layout.notes
    assert skipped(layout) == {"test/1.jpg": "not in a class folder"}


def test_class_that_happens_to_be_called_train() -> None:
    layout = arrange(tree("bus/1.jpg", "car/1.jpg", "train/1.jpg"))
    assert {label for _, label, _ in placed(layout)} == {"bus", "car", "train"}
    assert layout.notes == ["train/ was taken as a class, since no class folders are in it"]


def test_flat_train_and_test_are_not_taken_for_classes() -> None:
    layout = arrange(tree("train/cat.1.jpg", "test/2.jpg"))
    assert layout.placed == []


@pytest.mark.parametrize(
    "stray", ["README.md", "all/LICENSE.txt", ".DS_Store", "__MACOSX/all/1.jpg"]
)
def test_one_folder_around_the_classes_is_looked_through(stray: str) -> None:
    layout = arrange(tree(stray, "all/a/1.jpg", "all/b/2.jpg"))
    assert placed(layout) == {("all/a/1.jpg", "a", None), ("all/b/2.jpg", "b", None)}
    assert layout.notes == ["classes were taken from all/"]
    assert len(layout.skipped) == 1


def test_several_folders_around_splits_are_looked_through() -> None:
    layout = arrange(tree("x/y/train/a/1.jpg", "x/y/test/a/2.jpg", "x/3.txt"))
    assert {split for _, _, split in placed(layout)} == {"train", "test"}
    assert layout.notes[0] == "classes were taken from x/y/"
    assert skipped(layout) == {"x/3.txt": "not in a class folder"}


@pytest.mark.parametrize("photo", ["0.jpg", "all/0.JPG"])
def test_folder_with_photos_beside_folders_is_no_wrapper(photo: str) -> None:
    layout = arrange(tree(photo, "all/a/1.jpg", "all/b/2.jpg"))
    assert {label for _, label, _ in placed(layout)} == {"all"}


def test_single_class_with_one_folder_in_it_is_no_wrapper() -> None:
    assert placed(arrange(tree("cats/2020/1.jpg"))) == {("cats/2020/1.jpg", "cats", None)}


def test_empty_class_folders_are_noted() -> None:
    flat = arrange(tree("a/1.jpg", "b/.x", folders=("b", "c")))
    assert flat.notes == ["class folder b is empty", "class folder c is empty"]
    split = arrange(tree("train/a/1.jpg", folders=("train", "test/a")))
    assert split.notes == ["class folder test/a is empty"]


def test_class_folder_whose_files_were_passed_over_is_not_called_empty() -> None:
    given = tree("a/1.jpg", folders=("b",))
    given.passed.append(Passed(PurePosixPath("b/x"), "broken link", "leads to y"))
    given.passed.append(Passed(PurePosixPath("c"), "unreadable", is_folder=True))
    given.passed.append(Passed(PurePosixPath(".h/x"), "broken link"))
    layout = arrange(given)
    assert layout.notes == []
    assert skipped(layout) == {
        "b/x": "broken link",
        "c/": "unreadable",
        ".h/": "hidden or system file",
    }


def test_classes_of_names_that_print_alike_stay_apart() -> None:
    layout = arrange(tree("a\\xff/1.jpg", "a\udcff/1.jpg"))
    assert {label for _, label, _ in layout.placed} == {"a\\xff", "a\\xff#2"}


def test_error_says_what_was_found_and_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        build_listing("folder", str(tmp_path), tree("1.jpg", "2.jpg"), lambda _: bytes)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "class folders, each with photos" in message
    assert "2 × not in a class folder" in message


def test_listing_is_sorted_and_its_names_are_unique() -> None:
    items = [Item(name, "x", None, None, bytes) for name in ("b", "a", "a")]
    listing = make_listing("folder", items, [SkippedFile("a", "r"), SkippedFile("0", "r")])
    assert [item.name for item in listing.items] == ["a", "a#2", "b"]
    assert [file.name for file in listing.skipped] == ["0", "a#3"]


def test_unique_names_never_takes_a_name_that_is_given() -> None:
    names = unique_names(["a", "a", "a", "a#2", "a#2"])
    assert names == ["a", "a#3", "a#4", "a#2", "a#2#2"]


def test_lookalikes_by_case_space_and_unicode_form() -> None:
    assert lookalikes(["cats", "dogs", "cats"]) == []
    for one, other in (("Cats", "cats"), ("cats", "cats "), ("caf\u00e9", "cafe\u0301")):
        (note,) = lookalikes([one, other, "dogs"])
        assert "kept apart" in note
        assert "dogs" not in note


def test_printable_shows_bytes_that_are_no_utf8() -> None:
    assert printable("a/\udcff.jpg") == "a/\\xff.jpg"
