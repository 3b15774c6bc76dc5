import csv as csv_module
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from photograft.core.errors import SourceError
from photograft.data.sources.base import Listing
from photograft.data.sources.manifest import read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def csv(folder: Path, text: str | bytes) -> Path:
    path = folder / "photos.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "photos.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def rows(listing: Listing) -> list[tuple[str, str, str | None, str | None]]:
    return [(item.name, item.label, item.split, item.group) for item in listing.items]


def skipped(listing: Listing) -> dict[str, str]:
    return {file.name: file.reason for file in listing.skipped}


PLAIN = [("a.jpg", "cat", None, None), ("sub/c.jpg", "dog", None, None)]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.jpg,cat\nsub/c.jpg,dog\n",
        "\ufeffpath,label\r\na.jpg,cat\r\nsub/c.jpg,dog",
        "Label;PATH;comment\ncat;a.jpg;x,y,z\ndog;sub/c.jpg;\n",
        '"path"\t"label"\n"a.jpg"\t" cat "\n\nsub/c.jpg\tdog\n',
        "\n\npath , label\n./a.jpg,cat\nsub//c.jpg,dog\n,\n",
    ],
)
def test_csv_as_programs_write_it(folder: Path, text: str) -> None:
    listing = read_manifest(csv(folder, text))
    assert listing.kind == "manifest"
    assert rows(listing) == PLAIN
    assert [item.read() for item in listing.items] == [b"a.jpg", b"sub/c.jpg"]
    assert listing.skipped == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_csv_as_spreadsheets_save_it(folder: Path, encoding: str, delimiter: str) -> None:
    rows = (("Path", "Label"), ("a.jpg", "Bär; groß, 3,5"))
    with (folder / "photos.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv_module.writer(file, delimiter=delimiter, quoting=csv_module.QUOTE_ALL)
        writer.writerows(rows)
    listing = read_manifest(folder / "photos.csv")
    assert [item.label for item in listing.items] == ["Bär; groß, 3,5"]
    assert any("Windows-1252" in note for note in listing.notes) == (encoding == "cp1252")


def test_quotes_around_delimiters_and_newlines(folder: Path) -> None:
    (folder / "x,y.jpg").write_bytes(b"")
    (folder / "x\ny.jpg").write_bytes(b"")
    text = 'path,label\n"x,y.jpg","a ""b"""\n"x\ny.jpg",c\n'
    assert rows(read_manifest(csv(folder, text))) == [
        ("x\ny.jpg", "c", None, None),
        ("x,y.jpg", 'a "b"', None, None),
    ]


def test_absolute_paths_inside_and_outside_the_folder(folder: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other") / "d.jpg"
    other.write_bytes(b"d")
    listing = read_manifest(csv(folder, f"path,label\n{folder}/a.jpg,cat\n{other},dog\n"))
    assert {item.name for item in listing.items} == {"a.jpg", str(other)}


def test_relative_manifest_path_is_made_absolute(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv(folder, "path,label\na.jpg,cat\n")
    monkeypatch.chdir(folder)
    listing = read_manifest(Path("photos.csv"))
    monkeypatch.chdir("/")
    assert listing.items[0].read() == b"a.jpg"


def test_splits_and_groups(folder: Path) -> None:
    text = "path,label,split,group\na.jpg,cat,Train,g1\nb.jpg,cat,val,\nsub/c.jpg,dog,TEST, 7 \n"
    listing = read_manifest(csv(folder, text))
    assert rows(listing) == [
        ("a.jpg", "cat", "train", "g1"),
        ("b.jpg", "cat", "validation", None),
        ("sub/c.jpg", "dog", "test", "7"),
    ]
    assert listing.notes == ("1 row without a group: each such photo is a group of its own",)


def test_split_column_that_is_all_blank_gives_no_split(folder: Path) -> None:
    listing = read_manifest(csv(folder, "path,label,split\na.jpg,cat,\nsub/c.jpg,dog, \n"))
    assert rows(listing) == PLAIN


def test_splits_that_are_partly_blank_are_refused(folder: Path) -> None:
    text = "path,label,split\na.jpg,cat,train\nb.jpg,cat,\nsub/c.jpg,dog,\n"
    with pytest.raises(SourceError, match=r"2 rows of .* and 1 has.*line 3 \(b\.jpg\)"):
        read_manifest(csv(folder, text))


def test_unknown_splits_are_refused(folder: Path) -> None:
    text = "path,label,split\na.jpg,cat,train\nb.jpg,cat,holdout\nsub/c.jpg,dog,\n"
    with pytest.raises(SourceError, match=r"1 row of .*'holdout' in line 3 \(b\.jpg\)"):
        read_manifest(csv(folder, text))


def test_rows_that_cannot_be_used_are_skipped(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "gone.jpg").symlink_to("nowhere")
    text = (
        "path,label\na.jpg,cat\nb.jpg,\nb.jpg\nno.jpg,cat\nsub,cat\n,cat\npipe,cat\n"
        f"gone.jpg,cat\na.jpg/x.jpg,cat\n{'n' * 300},cat\nx\0y,cat\n"
    )
    listing = read_manifest(csv(folder, text))
    assert [item.name for item in listing.items] == ["a.jpg"]
    assert skipped(listing) == {
        "b.jpg": "no label",
        "b.jpg#2": "no label",
        "no.jpg": "missing",
        "sub": "not a regular file",
        "line 7": "no path",
        "pipe": "not a regular file",
        "gone.jpg": "broken link",
        "a.jpg/x.jpg": "missing",
        "n" * 300: "unreadable",
        "x\0y": "missing",
    }
    details = {file.name: file.detail for file in listing.skipped}
    assert details["no.jpg"].startswith("line 5: there is no /")


def test_the_same_path_twice(folder: Path) -> None:
    text = "path,label\na.jpg,cat\n./a.jpg,cat\na.jpg,dog\n"
    listing = read_manifest(csv(folder, text))
    assert rows(listing) == [("a.jpg", "cat", None, None), ("a.jpg#2", "dog", None, None)]
    (file,) = listing.skipped
    assert file.reason == "listed twice"
    assert file.detail == "line 3 gives the same path and label as line 2"


def test_the_same_path_in_two_splits_is_kept_for_the_leak_check(folder: Path) -> None:
    text = "path,label,split\na.jpg,cat,train\na.jpg,cat,test\n"
    listing = read_manifest(csv(folder, text))
    assert [item.split for item in listing.items] == ["train", "test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("path,label\n", "a header and no rows"),
        ("file,label\na.jpg,cat\n", "no column path.*got 'file', 'label'"),
        ("x\n", "no column path or label"),
        ("path,Path,label\na,b,c\n", "2 columns named path"),
        ("path,label\na,b.jpg,cat\n", "1 of them.*expected 2 values a row.*got 3 in line 2"),
        ('path,label\na.jpg,cat\n"b.jpg,cat\n', "not well-formed.*line 3"),
        (b"path,label\na.jpg,k\xe4tz\x81chen\n", "not UTF-8"),
        (b"path,label\na.jpg,k\xe4tz\0chen\n", "not UTF-8"),
        ("path,label\n".encode("utf-16"), "a header and no rows"),
        ("path,label\nx".encode("utf-16")[:-1], "no text"),
        ("path,label\nno.jpg,cat\n", "none of the 1 row.*'missing'.*relative to the manifest"),
        ("path,label\nx\\no.jpg,cat\n", "instead of"),
        ("path,label\nhttps://x.org/a.jpg,cat\n", "not fetched"),
    ],
)
def test_csv_that_cannot_be_used(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SourceError, match=f"(?s){message}"):
        read_manifest(csv(folder, text))


def test_manifest_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_manifest(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["cat", " dog "], ["cat", "dog"]),
        ([0, 12], ["0", "12"]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([True, False], ["True", "False"]),
        ([b"cat", b"dog"], ["cat", "dog"]),
        (pa.array(["cat", "dog"]).dictionary_encode(), ["cat", "dog"]),
    ],
)
def test_parquet_labels_of_any_scalar_type(folder: Path, labels: Any, expected: list[str]) -> None:
    path = parquet(folder, {"other": [[1], [2]], "Path": ["a.jpg", "sub/c.jpg"], "LABEL": labels})
    listing = read_manifest(path)
    assert [item.label for item in listing.items] == expected
    assert [item.name for item in listing.items] == ["a.jpg", "sub/c.jpg"]


def test_parquet_without_values(folder: Path) -> None:
    path = parquet(
        folder,
        {
            "path": ["a.jpg", "b.jpg", None, "sub/c.jpg"],
            "label": [1.0, None, 1.0, float("nan")],
            "split": pa.array([None] * 4, pa.string()),
            "group": [None, None, None, "g"],
        },
    )
    listing = read_manifest(path)
    assert rows(listing) == [("a.jpg", "1", None, None)]
    assert skipped(listing) == {"b.jpg": "no label", "row 3": "no path", "sub/c.jpg": "no label"}


def test_parquet_rows_go_on_counting_over_row_groups(folder: Path) -> None:
    path = folder / "photos.parquet"
    table = pa.table({"path": ["a.jpg", "b.jpg", "no.jpg"], "label": ["x", "y", "z"]})
    pq.write_table(table, path, row_group_size=1)
    (file,) = read_manifest(path).skipped
    assert file.detail.startswith("row 3:")


def test_parquet_that_cannot_be_used(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no plain values.*got values of type list"):
        read_manifest(parquet(folder, {"path": ["a.jpg"], "label": [[1, 2]]}))
    with pytest.raises(SourceError, match="no column path"):
        read_manifest(parquet(folder, {"image": ["a.jpg"], "label": [1]}))
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        read_manifest(parquet(folder, {"path": [b"\xff"], "label": [1]}))
    cut = parquet(folder, {"path": ["a.jpg"], "label": [1]})
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        read_manifest(cut)
