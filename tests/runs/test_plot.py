"""Curves by epoch: what is in the picture, and what becomes of odd histories."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from photograft.core.errors import ClassifierError, InputError
from photograft.learning.history import Epoch, History
from photograft.runs.history import load_history
from photograft.runs.plot import plot_epochs
from sheet_helpers import check_texts, sheets_kept

SVG = "{http://www.w3.org/2000/svg}"
BLUE, ORANGE = "#0072b2", "#d55e00"


def history(num_epochs: int = 10, *, validation: bool = True, kept: int = 0) -> History:
    """A training that goes well."""
    epochs = tuple(
        Epoch(
            epoch=i,
            loss=0.7 * math.exp(-0.2 * i) + 0.02,
            accuracy=1 - 0.4 * math.exp(-0.2 * i),
            val_loss=0.5 * math.exp(-0.2 * i) + 0.1 if validation else None,
            val_accuracy=0.95 - 0.3 * math.exp(-0.2 * i) if validation else None,
            learning_rate=1e-3,
            seconds=1.0,
        )
        for i in range(1, num_epochs + 1)
    )
    return History(epochs, kept or num_epochs)


def changed(given: History, name: str, values: dict[int, float]) -> History:
    """A history with other values of one kind, by the epochs' numbers."""
    epochs = [
        replace(epoch, **{name: values.get(epoch.epoch, getattr(epoch, name))})
        for epoch in given.epochs
    ]
    return History(tuple(epochs), given.kept)


class Picture:
    """An SVG that `plot` drew."""

    def __init__(
        self, folder: Path, histories: dict[str, History], *, smoothing: float = 0.0
    ) -> None:
        path = folder / "curves.svg"
        plot_epochs(histories, path, smoothing=smoothing, title="A title")
        self.root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        self.texts = [text.text or "" for text in self.root.iter(f"{SVG}text")]
        #: Every line that is drawn within one of the panels.
        self.lines = [path.attrib for path in self.root.iter(f"{SVG}path") if path.get("clip-path")]

    def curves(self, colour: str) -> list[dict[str, str]]:
        return [line for line in self.lines if line.get("stroke") == colour]

    @property
    def loss_ticks(self) -> list[float]:
        """Numbers with a point: those at the loss axis."""
        return [float(text) for text in self.texts if re.fullmatch(r"\d+\.\d+", text)]


def test_one_run_has_two_curves_in_each_panel(tmp_path: Path) -> None:
    picture = Picture(tmp_path, {"cats": history(kept=7)})
    curves = picture.curves(BLUE)
    assert len(curves) == 4
    assert sum("stroke-dasharray" in curve for curve in curves) == 2
    for text in ("A title", "accuracy", "loss", "epoch", "training", "validation"):
        assert text in picture.texts
    assert "kept: epoch 7" in picture.texts
    assert "90%" in picture.texts


def test_several_runs_have_colours_and_names(tmp_path: Path) -> None:
    names = ["features", "_fine-tuned for $5", "<&>"]
    picture = Picture(tmp_path, {name: history(5 + i) for i, name in enumerate(names)})
    assert [picture.texts.count(name) for name in names] == [1, 1, 1]
    assert len(picture.curves(BLUE)) == len(picture.curves(ORANGE)) == 4
    assert "kept epoch" in picture.texts


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_smoothing_draws_the_values_faintly_and_the_average_on_top(
    tmp_path: Path, smoothing: float
) -> None:
    picture = Picture(tmp_path, {"cats": history()}, smoothing=smoothing)
    faint = [c for c in picture.curves(BLUE) if c.get("stroke-opacity") == "0.28"]
    assert len(picture.curves(BLUE)) - len(faint) == 4
    assert len(faint) == (4 if smoothing else 0)


def test_training_without_validation(tmp_path: Path) -> None:
    picture = Picture(tmp_path, {"cats": history(validation=False)})
    assert len(picture.curves(BLUE)) == 2
    assert "validation" not in picture.texts
    assert "kept: epoch 10" in picture.texts


def test_one_epoch_is_seen_as_dots(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    plot_epochs({"cats": history(1)}, path)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    left, right = np.array_split(pixels[: -pixels.shape[0] // 6], 2, axis=1)  # above the legend
    for panel in (left, right):
        blue = np.abs(panel - [0x00, 0x72, 0xB2]).max(axis=2) < 30
        assert blue.sum() > 50


def test_exploding_loss_does_not_press_the_others_flat(tmp_path: Path) -> None:
    explosion = changed(history(30), "loss", {i: 10.0**i for i in range(12, 31)})
    picture = Picture(tmp_path, {"explodes": explosion, "fine": history(30)})
    assert 0.5 <= max(picture.loss_ticks) <= 0.7
    assert any("cut off; highest: 1e+30" in text for text in picture.texts)


@pytest.mark.parametrize(
    ("epochs", "value"), [({1}, 1e6), ({15}, 40.0), (set(range(3, 31)), 1e300)]
)
def test_explosion_of_the_only_run(tmp_path: Path, epochs: set[int], value: float) -> None:
    explosion = changed(history(30), "loss", dict.fromkeys(epochs, value))
    assert max(Picture(tmp_path, {"cats": explosion}).loss_ticks) <= 0.7


def test_rare_peaks_are_cut_off(tmp_path: Path) -> None:
    peaks = changed(history(500), "val_loss", {100: 5.0, 200: 6.0})
    picture = Picture(tmp_path, {"cats": peaks})
    assert max(picture.loss_ticks) <= 0.7
    assert any("cut off; highest: 6" in text for text in picture.texts)


def test_usual_losses_are_not_cut_off(tmp_path: Path) -> None:
    """Neither a first loss of five classes nor one that overfitting has trebled."""
    overfit = changed(history(30), "val_loss", {i: 0.05 * i for i in range(10, 31)})
    picture = Picture(tmp_path, {"cats": changed(overfit, "loss", {1: 1.6})})
    assert not any("cut off" in text for text in picture.texts)
    assert max(picture.loss_ticks) >= 1.5


def test_values_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    odd = changed(history(6), "val_loss", {2: math.nan, 3: math.inf, 4: -math.inf})
    picture = Picture(tmp_path, {"cats": odd}, smoothing=0.5)
    assert "3 values are not finite" in picture.texts
    assert "no finite values" not in picture.texts


def test_panel_without_any_value(tmp_path: Path) -> None:
    lost = dict.fromkeys(range(1, 7), math.nan)
    odd = changed(changed(history(6), "val_loss", lost), "loss", lost)
    picture = Picture(tmp_path, {"cats": odd}, smoothing=0.5)
    assert "no finite values" in picture.texts
    assert len(picture.curves(BLUE)) == 4


def test_thousand_epochs(tmp_path: Path) -> None:
    picture = Picture(tmp_path, {"cats": history(1000)}, smoothing=0.9)
    assert not any("stroke-dasharray" in curve for curve in picture.curves(BLUE))
    assert "800" in picture.texts


def test_many_long_names_stay_apart_and_in_the_picture(tmp_path: Path) -> None:
    names = [f"{'図書館の写真 ' * 6}{i}{' длинное имя' * 9}\n" for i in range(20)]
    picture = Picture(tmp_path, {name: history(3) for name in names})
    shown = [text for text in picture.texts if "имя" in text]
    assert len(set(shown)) == len(shown) == 20
    assert max(map(len, shown)) < 34
    plot_epochs({name: history(3) for name in names}, tmp_path / "many.png")
    with Image.open(tmp_path / "many.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels[:, [0, -1]].min() == pixels[[0, -1]].min() == 255  # nothing runs off the edge


@pytest.mark.parametrize("num_runs", [1, 2, 9])
def test_texts_do_not_cover_each_other(monkeypatch: pytest.MonkeyPatch, num_runs: int) -> None:
    sheets = sheets_kept(monkeypatch)
    odd = changed(history(400), "val_loss", {2: math.nan, 9: 1e9})
    runs = {f"{'W' * 60}{i}": odd for i in range(num_runs)}
    plot_epochs(runs, Path("curves.png"), title="A title " * 20)
    check_texts(sheets[0])
    said = [text for text, _, _ in sheets[0].boxes]
    assert "cut off; highest: 1e+09" in said
    assert sum(text.startswith("WWW") for text in said) == (num_runs if num_runs > 1 else 0)


def test_same_histories_same_svg(tmp_path: Path) -> None:
    runs = {"a": history(), "b": history(4, validation=False)}
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    for path in (first, second):
        plot_epochs(runs, path, smoothing=0.5)
    assert first.read_bytes() == second.read_bytes()


def test_what_can_not_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"PNG or SVG.*curves\.jpg"):
        plot_epochs({"a": history()}, tmp_path / "curves.jpg")
    for runs in ({}, {"a": history(), "b": History((), 0)}):
        with pytest.raises(InputError, match="no epoch"):
            plot_epochs(runs, tmp_path / "curves.png")
    with pytest.raises(InputError, match="smoothing can't be 1"):
        plot_epochs({"a": history()}, tmp_path / "curves.png", smoothing=1.0)
    assert list(tmp_path.iterdir()) == []


def run_folder(folder: Path, info: object, table: str | None) -> Path:
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    if table is not None:
        (folder / "history.csv").write_text(table, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("info", "kept"), [({"history": {"kept": 2}}, 2), ({}, 3), ({"history": None}, 3)]
)
def test_history_of_a_run(tmp_path: Path, info: object, kept: int) -> None:
    made = history(3)
    loaded = load_history(run_folder(tmp_path, info, made.to_csv()))
    expected = [e.val_loss for e in made.epochs]
    assert [e.val_loss for e in loaded.epochs] == pytest.approx(expected, rel=1e-5)
    assert loaded.kept == kept


def test_history_without_validation_and_with_infinite_loss(tmp_path: Path) -> None:
    made = changed(history(3, validation=False), "loss", {2: math.inf})
    loaded = load_history(run_folder(tmp_path, {}, made.to_csv()))
    assert loaded.epochs[1].loss == math.inf
    assert loaded.epochs[1].val_loss is None


def test_run_without_history(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"no history.*--head mlp.*finetune and scratch"):
        load_history(run_folder(tmp_path, {}, None))


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="no run folder"):
        load_history(tmp_path)
    with pytest.raises(ClassifierError, match="no run folder"):
        load_history(tmp_path / "missing")


GOOD = history(2).to_csv()


@pytest.mark.parametrize(
    ("info", "table"),
    [
        ({}, ""),
        ({}, GOOD.splitlines()[0] + "\n"),
        ({}, "a,b\n1,2\n"),
        ({}, GOOD.replace("0.001", "abc")),
        ({}, GOOD.replace("\n2,", "\n3,")),
        ({}, re.sub(r"\n2,[\d.]+,", "\n2,,", GOOD)),
        ({}, GOOD + "3\n"),
        ({"history": {"kept": 9}}, GOOD),
        ({"history": {"kept": "2"}}, GOOD),
        ({"history": 2}, GOOD),
        ([], GOOD),
    ],
)
def test_damaged_history(tmp_path: Path, info: object, table: str) -> None:
    with pytest.raises(ClassifierError, match="damaged"):
        load_history(run_folder(tmp_path, info, table))


def test_history_that_is_no_text(tmp_path: Path) -> None:
    (run_folder(tmp_path, {}, None) / "history.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClassifierError, match="can't be read"):
        load_history(tmp_path)
