"""The user's word on photos: corrections, and groups by a part of the name."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from drawing import MakePhotos
from photograft.core.errors import InputError
from photograft.data.corrections import Corrections
from photograft.data.dataset import Dataset
from photograft.data.groups import content_groups, group_by


@pytest.fixture
def dataset(make_photos: MakePhotos, tmp_path: Path) -> Dataset:
    return Dataset.load(make_photos(tmp_path / "photos", ("cat", "dog"), n=3))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "corrections.csv"
    path.write_text(text, encoding="utf-8")
    return path


def apart(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def names(dataset: Dataset, label: str) -> list[str]:
    return [photo.name for photo in dataset.photos if photo.label == label]


def test_every_action(dataset: Dataset, tmp_path: Path) -> None:
    cats, dogs = names(dataset, "cat"), names(dataset, "dog")
    path = write(
        tmp_path,
        "name,action,value\n"
        f"{cats[0]},relabel,dog\n{cats[1]},exclude,\n{dogs[0]},Group,a\n{dogs[1]},group,a\n"
        f"{dogs[2]},ok,\n{cats[2]},,\n{cats[0]},group,a\n",
    )
    said = Corrections.read(path)
    found = said.apply(dataset)
    assert said.right == {dogs[2]}
    assert {photo.name: photo.label for photo in found.photos} == {
        cats[0]: "dog",
        cats[2]: "cat",
        **dict.fromkeys(dogs, "dog"),
    }
    assert [(file.name, file.reason) for file in found.skipped] == [(cats[1], "excluded")]
    groups = dict(zip([p.name for p in found.photos], content_groups(found).tolist(), strict=True))
    assert groups[cats[0]] == groups[dogs[0]] == groups[dogs[1]]
    assert len(set(groups.values())) == 3
    assert found.notes[-1] == (
        "corrections.csv: 1 relabelled, 1 left out, 3 grouped, 1 declared right"
    )
    assert found.fingerprint() != dataset.fingerprint()


def test_findings_filled_in_serve_as_they_are(dataset: Dataset, tmp_path: Path) -> None:
    """Other columns, another order, a spreadsheet's semicolons and byte-order mark."""
    name = dataset.photos[0].name
    text = f"\ufeffAction;kind;Name;value;score\nexclude;outlier;{name};;0.9\n;outlier;x;;0.1\n"
    found = Corrections.read(write(tmp_path, text)).apply(dataset)
    assert name not in {photo.name for photo in found.photos}
    assert len(found.photos) == len(dataset.photos) - 1


def test_names_with_commas_quotes_and_spaces(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", ("a", "b"), n=2)
    odd = root / "a" / ' köter, "der" erste .jpg'
    next((root / "a").iterdir()).rename(odd)
    path = write(tmp_path, 'name,action,value\n"a/ köter, ""der"" erste .jpg",relabel,b\n')
    found = Corrections.read(path).apply(Dataset.load(root))
    assert found.class_counts() == {"a": 1, "b": 3}


def test_nothing_said_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    said = Corrections.read(write(tmp_path, "name,action,value\n"))
    assert said.apply(dataset) == dataset
    assert Corrections().apply(dataset) == dataset


def test_some_names_that_are_not_there_are_noted(dataset: Dataset, tmp_path: Path) -> None:
    text = f"name,action,value\n{dataset.photos[0].name},exclude,\ncat/gone.jpg,exclude,\n"
    found = Corrections.read(write(tmp_path, text)).apply(dataset)
    assert found.notes[-1] == "1 photo that corrections.csv names is not there: cat/gone.jpg"


def test_the_same_said_twice_is_said_once(dataset: Dataset, tmp_path: Path) -> None:
    name = dataset.photos[0].name
    text = f"name,action,value\n{name},relabel,dog\n{name},relabel,dog\n"
    assert Corrections.read(write(tmp_path, text)).labels == {name: "dog"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column name or action or value"),
        ("name,action\n", "has no column value"),
        ("name,action,value\na,relabel,\n", "line 2 does not say which class"),
        ("name,action,value\na,group, \n", "does not say which group"),
        ("name,action,value\na,relabel,b\na,relabel,c\n", "says two things of 'a'"),
        ('name,action,value\n"a,relabel,b\n', "not well-formed CSV"),
    ],
)
def test_what_cant_be_read_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Corrections.read(write(tmp_path, text))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    rows = "a,relable,b\nb,relabel,\nc,group,x\nc,group,y\nd,zzz,\n"
    with pytest.raises(InputError) as caught:
        Corrections.read(write(tmp_path, "name,action,value\n" + rows))
    said = str(caught.value)
    for part in (
        "line 2: there is no action 'relable'. Did you mean relabel?",
        "line 3 does not say which class",
        "says two things of 'c': group 'x' in line 4, group 'y' in line 5",
        "line 6: there is no action 'zzz'. There are relabel, exclude, group, ok",
    ):
        assert part in said


def test_a_class_that_is_not_there_is_no_new_one_unless_meant(
    dataset: Dataset, tmp_path: Path
) -> None:
    cats = names(dataset, "cat")
    rows = f"{cats[0]},relabel,Dgo\n{cats[1]},relabel,bird\n{cats[2]},relabel,bird\n"
    said = Corrections.read(write(tmp_path, "name,action,value\n" + rows))
    with pytest.raises(InputError) as caught:
        said.apply(dataset)
    message = str(caught.value)
    assert str(tmp_path / "corrections.csv") in message
    assert "line 2: there is no class 'Dgo'. Did you mean dog?" in message
    assert "line 3 and line 4: there is no class 'bird'" in message
    assert "--new-class NAME" in message
    with pytest.raises(InputError, match="'Dgo'") as caught:
        said.apply(dataset, ["bird"])
    assert "line 3" not in str(caught.value)
    found = said.apply(dataset, ["bird", "Dgo"])
    assert found.class_counts() == {"Dgo": 1, "bird": 2, "dog": 3}


def test_photos_that_are_not_there_or_left_out_make_no_class(
    dataset: Dataset, tmp_path: Path
) -> None:
    cat = names(dataset, "cat")[0]
    rows = f"gone.jpg,relabel,bird\n{cat},relabel,bird\n{cat},exclude,\n"
    found = Corrections.read(write(tmp_path, "name,action,value\n" + rows)).apply(dataset)
    assert found.class_names == ("cat", "dog")


def test_corrections_made_in_python_name_the_photo(dataset: Dataset) -> None:
    name = dataset.photos[0].name
    with pytest.raises(InputError, match=f"'{name}': there is no class 'x'"):
        Corrections("mine", {name: "x"}).apply(dataset)


def test_names_that_look_the_same_are_the_same(make_photos: MakePhotos, tmp_path: Path) -> None:
    """A Mac takes umlauts apart, spreadsheets don't; and a guarded cell may be copied."""
    root = make_photos(tmp_path / "photos", (apart("Käfer"), "=1"), n=2)
    dataset = Dataset.load(root)
    rows = "Käfer/00.jpg,relabel,'=1\n=1/00.jpg,relabel,Käfer\n"
    found = Corrections.read(write(tmp_path, "name,action,value\n" + rows)).apply(dataset)
    assert {photo.name: photo.label for photo in found.photos} == {
        apart("Käfer/00.jpg"): "=1",
        apart("Käfer/01.jpg"): apart("Käfer"),
        "=1/00.jpg": apart("Käfer"),
        "=1/01.jpg": "=1",
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_spreadsheet_s_csv(
    make_photos: MakePhotos, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    root = make_photos(tmp_path / "photos", ("Bär, groß", "b"), n=2)
    path = tmp_path / "corrections.csv"
    rows = (("name", "action", "value"), ("b/00.jpg", "relabel", "Bär, groß"))
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    found = Corrections.read(path).apply(Dataset.load(root))
    assert found.class_counts() == {"Bär, groß": 3, "b": 1}
    assert any("Windows-1252" in note for note in found.notes) == (encoding == "cp1252")


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        Corrections.read(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"name,action,value\n\xff\xfe\x00,exclude,\n")
    with pytest.raises(InputError, match="no text"):
        Corrections.read(tmp_path / "binary.csv")


def test_corrections_of_another_set(dataset: Dataset, tmp_path: Path) -> None:
    said = Corrections.read(write(tmp_path, "name,action,value\nbird/1.jpg,exclude,\n"))
    with pytest.raises(InputError, match=r"none of the photos .* bird/1\.jpg"):
        said.apply(dataset)


def test_group_by_a_part_of_the_name(make_photos: MakePhotos, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", ("a", "b"), n=4)
    for i, file in enumerate(sorted((root / "a").iterdir())):
        file.rename(file.with_name(f"person{i % 2}_{i}.jpg" if i < 3 else "nobody.jpg"))
    found = group_by(Dataset.load(root), r"person(\d+)")
    groups = {photo.name: photo.group for photo in found.photos}
    assert groups["a/person0_0.jpg"] == groups["a/person0_2.jpg"] == "0"
    assert groups["a/person1_1.jpg"] == "1"
    assert groups["a/nobody.jpg"] is None
    assert len(np.unique(content_groups(found))) == 7
    assert "3 photos in 2 groups; 5 without it" in found.notes[-1]


def test_group_by_without_parentheses_is_all_of_it(dataset: Dataset) -> None:
    found = group_by(dataset, "^cat")
    assert {photo.group for photo in found.photos} == {"cat", None}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("person(", "no regular expression"),
        ("zebra", "occurs in no photo's name"),
        (r"zebra\.(\d)", r"by, 'zebra\\.\(\\d\)', occurs in no"),
        (r"zebra\.(\d", r"got 'zebra\\.\(\\d': "),
    ],
)
def test_pattern_that_wont_do(dataset: Dataset, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        group_by(dataset, pattern)
