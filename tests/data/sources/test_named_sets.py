"""Names of sets, and parts of them in brackets."""

from pathlib import Path

import pytest

from photograft import Dataset
from photograft.core.errors import SourceError
from photograft.data.sources.base import Item, make_listing
from photograft.data.sources.named_sets import NamedSet, named_set, parse_set, split_terms
from photograft.data.sources.open import open_source
from photograft.data.sources.rows import choose_column, choose_splits, number_items


def parse(text: str) -> NamedSet:
    named = parse_set(text)
    assert named is not None
    return named


@pytest.mark.parametrize(
    ("text", "scheme", "name", "parts", "short"),
    [
        ("mnist", "", "mnist", (), "mnist"),
        ("fashion-mnist", "", "fashion-mnist", (), "fashion-mnist"),
        ("tfds:cats_vs_dogs", "tfds", "cats_vs_dogs", (), "cats_vs_dogs"),
        ("tfds:a/b-c:1.0.*", "tfds", "a/b-c:1.0.*", (), "a"),
        ("tfds:a:1.0.0[train]", "tfds", "a:1.0.0", ((None, "train"),), "a"),
        ("hf:beans[train[:80%]]", "hf", "beans", ((None, "train[:80%]"),), "beans"),
        ("hf:user/pets:small", "hf", "user/pets:small", (), "pets"),
        ("hf:a[train[:9]+test[-5%:]]", "hf", "a", ((None, "train[:9]+test[-5%:]"),), "a"),
        ("hf:a[train,dev]", "hf", "a", (("train", "train"), ("validation", "dev")), "a"),
        (
            "hf:beans[ train = train[:80%], val=train[80%:90%] , test=train[90%:]+test ]",
            "hf",
            "beans",
            (
                ("train", "train[:80%]"),
                ("validation", "train[80%:90%]"),
                ("test", "train[90%:]+test"),
            ),
            "beans",
        ),
    ],
)  # fmt: skip
def test_names_and_parts(
    text: str, scheme: str, name: str, parts: tuple[tuple[str | None, str], ...], short: str
) -> None:
    assert parse(text) == NamedSet(text, scheme, name, parts)
    assert parse(text).short_name == short


@pytest.mark.parametrize(
    "text", ["", "photos", "photos/mnist", "MNIST", "C:\\photos", "tf:x", "hf://x", "https://a/b"]
)
def test_what_names_no_set(text: str) -> None:
    assert parse_set(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfds:", "names no set; expected tfds:NAME"),
        ("hf:[train]", "names no set"),
        ("hf:a[train", "brackets that don't match"),
        ("hf:a]train[", "brackets that don't match"),
        ("hf:a[train[:5%]", "brackets that don't match|can't be understood"),
        ("hf:a]]", "brackets that don't match"),
        ("hf:a[train]x", "brackets that don't match"),
        ("hf:a[]", "an empty part"),
        ("hf:a[train,]", "an empty part"),
        ("hf:a[train=]", "an empty part"),
        ("hf:a[train+]", "an empty part"),
        ("hf:a[train[5%]]", r"got 'train\[5%\]'"),
        ("hf:a[train[:1.5%]]", "can't be understood"),
        ("hf:a[train[2:30%]]", "can't be understood"),
        ("hf:a[train[::2]]", "can't be understood"),
        ("hf:a[train[a:b]]", "can't be understood"),
        ("hf:a[tr ain;x]", "can't be understood"),
        ("hf:a[trian=train]", "'trian' in .* is no split; expected train="),
        ("hf:a[train=train,val=x,dev=y]", "gives the split validation twice.*=x"),
        ("hf:a[train,extra]", "not clear what 'extra'"),
        ("hf:a[train+test,test]", r"not clear what 'train\+test'"),
    ],
)
def test_bad_brackets(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        parse_set(text)


def test_any_text_is_a_set_or_none_or_a_source_error() -> None:
    pieces = ["hf:", "tfds:", "a", "[", "]", "train", "=", ",", "+", ":", "5%", "-", " ", "\0", "é"]
    count = 0
    for first in pieces[:2]:
        for a in pieces:
            for b in pieces:
                for c in pieces:
                    for end in ("", "]", "[train]"):
                        try:
                            named = parse_set(first + "x" + a + b + c + end)
                        except SourceError:
                            continue
                        assert named is not None
                        assert named.name
                        count += 1
    assert count > 100


def test_terms() -> None:
    assert split_terms("train[:80%]+test+extra[5:]") == ["train", "test", "extra"]


def test_what_is_on_the_disk_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_set("mnist") is not None
    (tmp_path / "mnist/cats").mkdir(parents=True)
    (tmp_path / "mnist/cats/1.jpg").write_bytes(b"x")
    assert named_set("mnist") is None
    assert open_source("mnist").kind == "folder"
    (tmp_path / "hf:x").symlink_to("nowhere")
    with pytest.raises(SourceError, match="a link to nowhere"):
        open_source("hf:x")


def test_a_folder_with_brackets_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "set[1]"
    folder.mkdir()
    assert parse(f"hf:{folder}").name == str(folder)
    assert parse(f"hf:{folder}[train]").name == str(folder)
    assert parse(f"hf:{folder}").short_name == "set[1]"


@pytest.mark.parametrize(
    ("given", "hint"),
    [("mnits", "Did you mean mnist?"), ("tdfs:beans", "Did you mean tfds:beans?")],
)
def test_names_that_are_nearly_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        open_source(given)
    assert hint in str(caught.value)
    assert "tfds:NAME or hf:NAME" in str(caught.value)


def test_names_for_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listing = make_listing("hf", [Item("1", "a", None, None, lambda: b"")])
    for source, name in {
        "mnist": "mnist",
        "tfds:cats_vs_dogs/big:1.0.0[train[:5%]]": "cats_vs_dogs",
        "hf:user/beans:small[train]": "beans",
        "photos.tar.gz": "photos",
    }.items():
        assert Dataset.from_listing(source, listing, empty_classes="drop").name == name


@pytest.mark.parametrize(
    ("text", "available", "expected"),
    [
        ("hf:a", ["train", "test"], {"train": "train", "test": "test"}),
        ("hf:a", ["train", "val", "dev"], {"train": "train", "validation": "val+dev"}),
        ("hf:a", ["train", "test", "extra"], {"train": "train", "test": "test"}),
        ("hf:a", ["train"], {None: "train"}),
        ("hf:a", ["whole"], {None: "whole"}),
        ("hf:a", ["train", "unsupervised"], {None: "train"}),
        ("hf:a[train[:5]]", ["train", "test"], {None: "train[:5]"}),
        ("hf:a[test=train+all]", ["train"], {"test": "train+all"}),
    ],
)
def test_splits(text: str, available: list[str], expected: dict[str | None, str]) -> None:
    chosen, notes = choose_splits(parse(text), available)
    assert chosen == expected
    unused = {"extra", "unsupervised"} & set(available)
    assert all(any(name in note for note in notes) for name in unused)


@pytest.mark.parametrize(
    ("text", "available", "message"),
    [
        ("hf:a[trian[:5]]", ["train", "test"], "no split 'trian'; expected train or test. .*train"),
        ("hf:a[train+tset]", ["train", "test"], "no split 'tset'.*Did you mean test"),
        ("hf:a[zebra]", ["train"], "no split 'zebra'; expected train$"),
        ("hf:a", ["mild", "severe"], r"hf:a\[train=mild\], got a set with the splits mild, severe"),
        ("hf:a", [], "splits none"),
    ],
)
def test_splits_that_are_not_there(text: str, available: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        choose_splits(parse(text), available)


def test_columns() -> None:
    types = {"photo": "Image", "image": "Image", "mask": "Image"}
    assert choose_column("image", ["photo"], ["image"], types) == ("photo", [])
    name, notes = choose_column("image", list(types), ["image"], types)
    assert name == "image"
    assert notes == ["images were taken from image, not from mask or photo"]
    with pytest.raises(SourceError, match=r"no label for each row.*got image \(Image\), mask"):
        choose_column("label", [], ["label"], types)


def test_numbered_items() -> None:
    items, skipped = number_items("train", ["a", "", "b"], lambda i: lambda: bytes([i]))
    assert [(i.name, i.label, i.split, i.read()) for i in items] == [
        ("train/000000", "a", "train", b"\0"),
        ("train/000002", "b", "train", b"\2"),
    ]
    assert [(f.name, f.reason) for f in skipped] == [("train/000001", "no label")]
    assert number_items(None, ["a"], lambda i: lambda: b"")[0][0].name == "000000"
