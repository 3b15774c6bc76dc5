"""Datasets from tables and from memory, back to a table, and in place of a source."""

from __future__ import annotations

import html
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from drawing import draw_folder
from photograft.core.errors import InputError, SourceError, StorageError
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.data.dataset import Dataset
from photograft.data.loading import check_outside, read_dataset
from photograft.data.settings import DataSettings
from photograft.data.subsets import make_subset
from photograft.runs.folder import load_facts
from photograft.workflows.doctor import doctor
from photograft.workflows.evaluate import evaluate
from photograft.workflows.inspect import inspect
from photograft.workflows.train import train
from training_helpers import tiny_config

CLASSES = ("circle", "square")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos of each of `CLASSES`."""
    return draw_folder(tmp_path / "photos", CLASSES, n=4, size=40)


def columns(folder: Path) -> dict[str, list[Any]]:
    """The photos of `folder` as columns, paths relative to it."""
    names = [f"{name}/{i:02}.jpg" for name in CLASSES for i in range(4)]
    return {"path": names, "label": [name.split("/")[0] for name in names]}


def told(dataset: Dataset) -> list[tuple[str, str, str | None, str | None, bytes]]:
    return [(p.name, p.label, p.split, p.group, p.digest) for p in dataset.photos]


class TestFrame:
    def test_every_kind_of_table(self, folder: Path) -> None:
        expected = told(Dataset.load(folder))
        plain = columns(folder)
        for frame in (
            plain,
            pd.DataFrame(plain, index=range(50, 58)),
            pd.DataFrame(plain).astype("category"),
            pa.table(plain),
            pa.RecordBatch.from_pydict(plain),
            {"path": np.array(plain["path"]), "label": pd.Series(plain["label"])},
            {**plain, "path": [folder / name for name in plain["path"]]},
            {**plain, "path": tuple(f"{folder}/{name}" for name in plain["path"])},
        ):
            dataset = Dataset.from_frame(frame, root=folder)
            assert told(dataset) == expected
            assert (dataset.kind, dataset.name, dataset.source) == ("table", "photos", str(folder))

    def test_the_root_is_the_current_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        dataset = Dataset.from_frame(columns(folder))
        monkeypatch.chdir("/")
        assert dataset.verified().photos == dataset.photos
        assert len(dataset.photos) == 8
        assert dataset.source == str(folder)

    def test_splits_groups_and_other_names(self, folder: Path) -> None:
        frame = pd.DataFrame(columns(folder))
        frame["split"] = ["train", "VAL", "test", "train"] * 2
        frame["group"] = [1.0, 2.0, np.nan, 2.0] * 2
        dataset = Dataset.from_frame(frame, root=folder)
        assert [photo.split for photo in dataset.photos[:3]] == ["train", "validation", "test"]
        assert [photo.group for photo in dataset.photos[:3]] == ["1", "2", None]
        assert dataset.notes == ("2 rows without a group: each such photo is a group of its own",)
        renamed = frame.rename(columns=lambda name: f"my {name}")
        names: Any = {name: f"my {name}" for name in ("path", "label", "split", "group")}
        assert told(Dataset.from_frame(renamed, root=folder, **names)) == told(dataset)
        bare = Dataset.from_frame(frame, root=folder, split=None, group=None)
        assert {(photo.split, photo.group) for photo in bare.photos} == {(None, None)}

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", "  "])
    def test_rows_are_treated_as_those_of_a_manifest(self, folder: Path, missing: Any) -> None:
        """So a table that is saved as CSV in the folder is the same set."""
        frame = pd.DataFrame(
            {
                "path": [
                    *["circle/00.jpg"] * 3,
                    *("gone.jpg", None, "square/00.jpg", "circle", "square/01.jpg"),
                ],
                "label": ["a", "a", "b", "a", "a", missing, "a", "b"],
                "more": [object()] * 8,
            }
        )
        dataset = Dataset.from_frame(frame, root=folder)
        reasons = {file.name: file.reason for file in dataset.skipped}
        assert reasons == {
            "circle": "not a regular file",
            "circle/00.jpg#3": "listed twice",
            "gone.jpg": "missing",
            "row 5": "no path",
            "square/00.jpg": "no label",
        }
        frame.drop(columns="more").to_csv(folder / "photos.csv", index=False)
        saved = Dataset.load(folder / "photos.csv")
        assert told(saved) == told(dataset)
        lines = {f.name.replace("line 6", "row 5"): f.reason for f in saved.skipped}
        assert lines == reasons

    @pytest.mark.parametrize(
        ("frame", "options", "words"),
        [
            (7, {}, "no table; expected a DataFrame, .*got 7, an int"),
            (None, {}, "no table"),
            ("a.csv", {}, r"no table.*Dataset\.load"),
            ({"file": ["a"]}, {}, r"no column 'path'.*got 'file'. Say which it is: path=NAME"),
            ({"path": ["a"]}, {}, "no column 'label'"),
            ({"path": ["a"], "label": ["b"]}, {"split": "fold"}, "no column 'fold'.*the split"),
            ({"path": ["a"], "label": ["b"]}, {"label": None}, "no column None"),
            ({"path": ["a"], "label": ["b", "c"]}, {}, "different lengths.*1 in 'path', 2 in"),
            ({"path": ["a"], "label": "b"}, {}, "'label' is no column.*'b', a str"),
            ({"path": ["a"], "label": [["b"]]}, {}, "no plain values"),
            ({"path": ["a"], "label": [b"\xff"]}, {}, "not valid Unicode"),
            ({"path": [], "label": []}, {}, "no rows"),
            ({"path": ["a", "b"], "label": [None] * 2}, {}, "none of the 2 rows of the table"),
            ({"path": ["http://x/a"], "label": ["b"]}, {}, "not fetched"),
            ({"path": ["a"], "label": ["b"], "split": ["x"]}, {}, "train, validation or test"),
            (pd.DataFrame([["a", "b", "c"]], columns=["path", "label", "label"]), {}, "2 columns"),
        ],
    )
    def test_what_is_refused(self, frame: Any, options: dict[str, Any], words: str) -> None:
        with pytest.raises(SourceError, match=f"(?s){words}"):
            Dataset.from_frame(frame, root="/", **options)

    def test_round_trip(self, folder: Path) -> None:
        dataset = Dataset.load(folder)
        frame = dataset.to_frame()
        assert list(frame.columns) == [
            *("name", "label", "split", "group", "width", "height", "format", "sha256", "note")
        ]
        assert frame["width"].tolist() == [40] * 8
        assert frame["sha256"][0] == dataset.photos[0].digest.hex()
        again = Dataset.from_frame(frame, path="name", root=folder)
        assert told(again) == told(dataset)
        assert again.fingerprint() == dataset.fingerprint()
        frame["path"] = [str(folder / name) for name in frame["name"]]
        frame["split"] = "train"
        assert {p.split for p in Dataset.from_frame(frame, root=folder).photos} == {"train"}

    def test_without_pandas(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        dataset = Dataset.from_frame(columns(folder), root=folder)
        with pytest.raises(InputError, match="pip install pandas"):
            dataset.to_frame()


def pixels(n: int = 12) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 30, 40, 3), np.uint8)


class TestArrays:
    def test_photos_keep_their_order(self) -> None:
        dataset = Dataset.from_arrays(pixels(), ["b", "a"] * 6)
        assert [photo.name for photo in dataset.photos[:2]] == ["000000", "000001"]
        assert [photo.label for photo in dataset.photos] == ["b", "a"] * 6
        assert dataset.class_names == ("a", "b")
        assert (dataset.kind, dataset.name) == ("memory", "arrays")
        assert {(photo.width, photo.height) for photo in dataset.photos} == {(40, 30)}
        assert {photo.note for photo in dataset.photos} == {""}  # numbers need no extension
        assert len(dataset.verified().photos) == 12

    def test_the_same_photos_in_every_form(self, tmp_path: Path) -> None:
        array = pixels(3)
        paths = [tmp_path / f"{name}.png" for name in "cab"]
        for path, image in zip(paths, array, strict=True):
            Image.fromarray(image).save(path)
        expected = [photo.digest for photo in Dataset.from_arrays(array, [0, 1, 0]).photos]
        for X in (list(array), array / 255, [Image.fromarray(image) for image in array]):
            found = Dataset.from_arrays(X, [0, 1, 0]).photos
            assert [photo.digest for photo in found] == expected
        of_paths = Dataset.from_arrays(paths, [0, 1, 0])
        assert [photo.name for photo in of_paths.photos] == [
            f"{i:06}/{path}" for i, path in enumerate(paths)
        ]
        wrong = paths[0].rename(tmp_path / "a.jpg")
        assert Dataset.from_arrays([wrong], [0]).photos[0].note == "a PNG named .jpg"

    @pytest.mark.parametrize(
        ("y", "expected"),
        [
            (np.array([0, 1, 2]), ["0", "1", "2"]),
            (np.array([[0], [1], [2]]), ["0", "1", "2"]),
            ([0.0, 1.0, 2.0], ["0", "1", "2"]),
            ([True, False, True], ["True", "False", "True"]),
            (pd.Series(["x", " y", "z"]), ["x", "y", "z"]),
            (pd.Series(["x", "y", "z"], dtype="category"), ["x", "y", "z"]),
            (np.array([3, 4, 5], object), ["3", "4", "5"]),
            (pa.array(["x", "y", "z"]), ["x", "y", "z"]),
        ],
    )
    def test_labels_of_every_type(self, y: Any, expected: list[str]) -> None:
        found = Dataset.from_arrays(pixels(3), y)
        assert [photo.label for photo in found.photos] == expected

    def test_names_of_classes(self) -> None:
        for y in ([1, 0, 1], np.array([1, 0, 1], object), np.array([True, False, True])):
            for names in (["cat", "dog"], np.array(["cat", "dog"]), pd.Series(["cat", "dog"])):
                found = Dataset.from_arrays(pixels(3), y, class_names=names)
                assert [photo.label for photo in found.photos] == ["dog", "cat", "dog"]
        texts = Dataset.from_arrays(pixels(3), ["a", "b", "a"], class_names=["cat", "dog"])
        assert "class_names was not used" in texts.notes[0]

    def test_splits_groups_and_photos_without_a_label(self) -> None:
        dataset = Dataset.from_arrays(
            pixels(3),
            ["a", None, "b"],
            splits=["train", "test", "dev"],
            groups=np.array([7, 7, np.nan]),
        )
        assert [(p.split, p.group) for p in dataset.photos] == [
            ("train", "7"),
            ("validation", None),
        ]
        (skipped,) = dataset.skipped
        assert (skipped.name, skipped.reason, skipped.detail) == (
            *("000001", "no label", "y[1] is empty"),
        )

    def test_files_that_cannot_be_read_are_skipped(self, tmp_path: Path) -> None:
        (tmp_path / "text.jpg").write_text("no photo")
        X = [pixels(1)[0], tmp_path / "gone.jpg", tmp_path / "text.jpg"]
        dataset = Dataset.from_arrays(X, [0, 0, 0])
        assert len(dataset.photos) == 1
        assert dataset.skipped_counts() == {"unreadable": 1, "not an image": 1}

    @pytest.mark.parametrize(
        ("X", "y", "options", "words"),
        [
            (np.zeros((9, 9, 3)), [0], {}, r"X is a single photo.*\[X\]"),
            ([], [], {}, "X holds no photos"),
            (["a.jpg", None], [0, 1], {}, r"X\[1\] is no photo"),
            (pixels(2), [0], {}, "expected 2 labels for 2 images, got 1 label"),
            (pixels(2), None, {}, "y holds no labels"),
            (pixels(2), [[1, 0], [0, 1]], {}, r"y\.argmax"),
            (pixels(2), [[1], [0, 1]], {}, "y holds no labels"),
            (pixels(2), ["", ""], {}, "all labels are empty"),
            (pixels(2), [0.5, 1], {}, "no whole number;"),
            (pixels(2), [0, 5], {"class_names": ["a", "b"]}, "no name in class_names"),
            (pixels(2), [0, 1], {"class_names": "ab"}, "class_names is no column"),
            (pixels(2), [0, 1], {"class_names": ["a", "a"]}, "class_names holds 'a' 2 times"),
            (pixels(2), [0, 1], {"groups": [1]}, "groups does not fit X.*2 values.*got 1"),
            (pixels(2), [0, 1], {"splits": ["train", "x"]}, r"or test in splits.*'x' in X\[1\]"),
            (pixels(2), [0, 1], {"splits": ["train", None]}, r"none in X\[1\]"),
        ],
    )
    def test_what_is_refused(self, X: Any, y: Any, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=f"(?s){words}"):
            Dataset.from_arrays(X, y, **options)


class TestInPlaceOfASource:
    def test_corrections_and_groups_are_applied(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "said.csv").write_text(
            "name,action,value\ncircle/00.jpg,relabel,square\ncircle/01.jpg,exclude,\n"
        )
        settings = DataSettings(corrections=str(tmp_path / "said.csv"), group_by=r"(\d+)\.jpg")
        dataset = Dataset.load(folder)
        found = read_dataset(dataset, settings, progress=Silent())
        assert told(found) == told(read_dataset(folder, settings, progress=Silent()))
        assert found.photos[0].label == "square"
        assert found.photos[0].group == "00"
        assert dataset.photos[0].label == "circle"

    def test_nothing_is_written_among_the_photos_of_a_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(StorageError, match="among the photos"):
            check_outside(folder / "run", Dataset.load(folder))
        monkeypatch.chdir(folder)
        check_outside(Path("runs"), Dataset.from_frame(columns(folder)))
        check_outside(Path("runs"), Dataset.from_arrays(pixels(2), [0, 1]))

    def test_a_subset_beside_the_photos_of_a_table(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder)
        dataset = Dataset.from_frame(columns(folder))
        counts = make_subset(dataset, Path("subset"), train=2, validation=0, test=1)
        assert counts["train"] == {"circle": 2, "square": 2}
        with pytest.raises(StorageError, match="among the photos"):
            make_subset(Dataset.load("."), Path("other"), train=1, validation=0, test=0)

    def test_workflows_take_it(self, tmp_path: Path, cache: Path) -> None:
        folder = draw_folder(tmp_path / "photos", CLASSES, n=12, size=40)
        # Any, as long as they say of themselves that they take paths only.
        dataset: Any = Dataset.load(folder)
        store = FeatureStore(cache)
        config = tiny_config("features", weights="random")
        run = train(dataset, config, out=tmp_path / "run", store=store)
        other = train(folder, config, out=tmp_path / "other", store=store)
        assert run.scores == other.scores
        assert run.info["data"] == other.info["data"]
        assert inspect(dataset).photos == dataset.photos
        assert doctor(dataset, store=store, config=config).dataset.photos
        found = evaluate(run.classifier, dataset, store=store)
        assert sum(part.num_photos for part in found.parts().values()) == 24

    def test_a_run_on_photos_in_memory(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = sorted(draw_folder(tmp_path / "photos", CLASSES, n=12, size=40).rglob("*.jpg"))
        X = [Image.open(path) for path in paths]
        y = [path.parent.name for path in paths]
        dataset: Any = Dataset.from_arrays(X, y)
        config = tiny_config("features", weights="random")
        store = FeatureStore(cache)
        run = train(dataset, config, out=tmp_path / "run", store=store)
        assert run.info["data"]["source"] == "arrays"
        assert load_facts(run.path).class_names == list(CLASSES)
        page = html.unescape((run.path / "report.html").read_text(encoding="utf-8"))
        assert 'photograft.train(dataset, "run.json")' in page
        assert "photograft train" not in page
        monkeypatch.chdir(run.path)  # where the page says to do it
        assert train(dataset, "run.json", store=store).scores == run.scores


def test_what_is_no_file_has_no_format_of_one(tmp_path: Path) -> None:
    """Arrays and pictures are read as files of a format that is nobody's business."""
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    clear = np.zeros((20, 30, 4), np.uint8)
    photos: list[Any] = [
        np.zeros((20, 30, 3), np.uint8),
        clear,
        Image.new("L", (9, 9)),
        tmp_path / "a.png",
    ]
    dataset = Dataset.from_arrays(photos, list("aabb"))
    assert [photo.format for photo in dataset.photos] == ["pixels", "pixels", "pixels", "PNG"]
    assert not any(photo.note for photo in dataset.photos)
    np.savez(tmp_path / "a.npz", X=np.stack([photos[0]] * 2), y=["a", "b"])
    rows = Dataset.load(tmp_path / "a.npz").account()
    assert {(row["format"], row["detail"]) for row in rows} == {("pixels", "")}
    # Of a copy on the disk it is the format of the file.
    make_subset(dataset, tmp_path / "out", train=2, validation=0, test=0)
    names = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert names == {"000000.ppm", "000001.png", "000002.ppm", "a.png"}
