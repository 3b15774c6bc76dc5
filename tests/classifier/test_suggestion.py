"""What to label next: unsure, varied, no doubles, with reasons; and the command around it."""

from __future__ import annotations

import csv
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from drawing import draw_photo
from photograft.classifier.classifier import Classifier
from photograft.classifier.suggestion import Suggestion, choose_suggestions
from photograft.core.errors import InputError, PhotograftError
from photograft.core.progress import Silent
from photograft.core.store import FeatureStore
from photograft.interfaces.cli.commands import suggest as suggest_command
from photograft.workflows.suggest import score_dataset
from photograft.workflows.unlabelled import read_unlabelled

Floats = npt.NDArray[np.float32]
CLASSES = ("cat", "dog", "hen")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def clusters(sizes: list[int], d: int = 20, noise: float = 0.05) -> Floats:
    """Rows about one corner each."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.eye(len(sizes), d)[owner] + noise * generator(9).standard_normal((len(owner), d))
    return rows.astype(np.float32)


def certain(n: int, c: int = 0) -> Floats:
    rows = np.full((n, len(CLASSES)), 0.01, np.float32)
    rows[:, c] = 0.98
    return rows


def ask(features: Floats, probabilities: Floats, num: int, **more: object) -> list[Suggestion]:
    return choose_suggestions(
        features,
        probabilities,
        num=num,
        class_names=CLASSES,
        rng=generator(),
        **more,  # type: ignore[arg-type]
    )


def test_the_unsure_ones_are_suggested() -> None:
    probabilities = certain(200)
    unsure = np.arange(3, 200, 10)
    probabilities[unsure] = [0.5, 0.45, 0.05]
    found = ask(clusters([200], noise=1.0), probabilities, 2)
    assert len(found) == 2
    assert {s.index for s in found} <= set(unsure.tolist())
    assert all(s.score == pytest.approx(0.95) for s in found)


def test_they_are_varied() -> None:
    """Three kinds, all unsure: one of each, the commonest kind first."""
    sizes = [80, 60, 40]
    probabilities = np.full((180, 3), 1 / 3, np.float32)
    found = ask(clusters(sizes, noise=0.01), probabilities, 3)
    kinds = np.searchsorted(np.cumsum(sizes), [s.index for s in found], side="right")
    assert kinds.tolist() == [0, 1, 2]


def test_three_of_ten_are_drawn_by_chance() -> None:
    """From all photos, the sure ones, too, and their reason says so."""
    probabilities = certain(800)
    probabilities[:400] = [0.5, 0.4, 0.1]
    found = ask(clusters([400, 400]), probabilities, 20)
    by_chance = [s for s in found if s.reason.startswith("drawn by chance")]
    assert len(found) == 20
    assert len(by_chance) == 6
    assert any(s.index >= 400 for s in by_chance)
    assert all(s.index < 400 for s in found if s not in by_chance)


def test_reasons_are_given_in_words() -> None:
    sizes = [32, 1]
    probabilities = np.full((33, 3), [0.52, 0.44, 0.04], np.float32)
    found = ask(clusters(sizes), probabilities, 2, unlike=np.arange(33) == 32)
    by_index = {s.index // 32: s.reason for s in found}
    assert by_index[0] == "unsure: cat 52%, dog 44%; stands for 31 photos like it"
    assert by_index[1] == "unlike anything in training; unsure: cat 52%, dog 44%"


def test_a_sure_lonely_photo_has_a_reason_too() -> None:
    found = ask(np.eye(2, dtype=np.float32), certain(2), 2)
    assert [s.reason for s in found] == ["unlike the others"] * 2


def test_near_identical_photos_are_not_suggested_together() -> None:
    rows = clusters([40], noise=0.5)
    doubled = np.concatenate([rows, rows, rows + np.float32(1e-4)])
    found = ask(doubled, np.full((120, 3), 1 / 3, np.float32), 60)
    originals = [s.index % 40 for s in found]
    assert sorted(originals) == list(range(40))


def test_what_has_a_label_is_not_suggested_again() -> None:
    rows = clusters([40], noise=0.5)
    found = ask(rows, np.full((40, 3), 1 / 3, np.float32), 40, labelled_features=rows[:30])
    assert sorted(s.index for s in found) == list(range(30, 40))
    assert ask(rows, certain(40), 5, labelled_features=rows) == []


def test_with_few_labels_sure_kinds_are_looked_at_too() -> None:
    """Two kinds are sure of themselves; with three labels a class that says nothing."""
    sizes = [60, 60, 60]
    probabilities = certain(180)
    probabilities[:60] = [0.5, 0.4, 0.1]

    def kinds(counts: list[int]) -> set[int]:
        found = ask(clusters(sizes), probabilities, 6, num_labelled_per_class=counts)
        return {s.index // 60 for s in found if not s.reason.startswith("drawn by chance")}

    assert kinds([50, 50, 50]) == {0}
    assert kinds([3, 3, 3]) == {0, 1, 2}


def test_more_than_there_are() -> None:
    found = ask(clusters([7], noise=0.5), certain(7), 50)
    assert sorted(s.index for s in found) == list(range(7))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_photos_all_the_same_make_one_suggestion(value: float) -> None:
    assert len(ask(np.full((9, 5), value, np.float32), certain(9), 4)) == 1


def test_one_class_and_nothing() -> None:
    one = choose_suggestions(
        np.eye(3, dtype=np.float32),
        np.ones((3, 1), np.float32),
        num=2,
        class_names=["only"],
        rng=generator(),
    )
    assert len(one) == 2
    assert ask(np.empty((0, 5), np.float32), np.empty((0, 3), np.float32), 5) == []


def test_the_same_seed_suggests_the_same() -> None:
    rows = generator(5).random((300, 200), np.float32)
    probabilities = generator(6).dirichlet(np.ones(3), 300).astype(np.float32)
    assert ask(rows, probabilities, 20) == ask(rows, probabilities, 20)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        ask(clusters([5]), certain(5), 0)
    with pytest.raises(InputError, match="do not fit"):
        ask(clusters([5]), certain(4), 2)


def test_memory_is_linear() -> None:
    rows = generator(1).random((24_000, 32), np.float32)
    probabilities = generator(2).dirichlet(np.ones(3), 24_000).astype(np.float32)
    tracemalloc.start()
    ask(rows, probabilities, 10, num_labelled_per_class=[1, 1, 1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24_000**2 * 4 / 10  # a tenth of all pairs


APP = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
APP.command(help=suggest_command.HELP)(suggest_command.suggest)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    folder = tmp_path / "unlabelled"
    for i in range(6):
        path = folder / ("deep/er" if i % 2 else ".") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_photo(generator(900 + i), i, 64).save(path)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_command(warm_cache: Path, run_path: Path, unlabelled: Path, tmp_path: Path) -> None:
    del warm_cache
    out = tmp_path / "next.csv"
    done = run(run_path, unlabelled, "-n", 4, "--out", out)
    assert done.exit_code == 0, done.output
    rows = read(out)
    assert list(rows[0]) == ["name", "rank", "reason", "predicted", "probability", "error"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    names = {f"{'deep/er/' if i % 2 else ''}{i}.png" for i in range(6)}
    assert {row["name"] for row in rows} <= names
    assert all(row["reason"] and 0 < float(row["probability"]) <= 1 for row in rows)
    assert {row["predicted"] for row in rows} <= {"circle", "square", "triangle"}
    assert "label these next" in done.output
    assert "photograft train SOURCE" in done.output
    assert run(run_path, unlabelled, "-n", 4).exit_code == 0


def test_what_is_unlike_every_class_is_told(
    warm_cache: Path, run_path: Path, unlabelled: Path, tmp_path: Path
) -> None:
    """As `predict` would have it, without the labelled photos at hand."""
    del warm_cache
    noise = generator(4).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(unlabelled / "noise.png")
    out = tmp_path / "next.csv"
    assert run(run_path, unlabelled, "-n", 7, "--out", out).exit_code == 0
    reasons = {row["name"]: row["reason"] for row in read(out)}
    assert "unlike anything in training" in reasons["noise.png"]
    assert not all("unlike anything" in reason for reason in reasons.values())


def test_files_that_cannot_be_used_and_copies(
    warm_cache: Path, run_path: Path, unlabelled: Path, tmp_path: Path
) -> None:
    del warm_cache
    shutil.copy(unlabelled / "0.png", unlabelled / "0 again.png")
    (unlabelled / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (unlabelled / "notes.txt").write_text("by hand")
    (unlabelled / "loop").symlink_to(unlabelled)
    out = tmp_path / "next.csv"
    done = run(run_path, unlabelled, "-n", 50, "--out", out)
    assert done.exit_code == 0, done.output
    names = [row["name"] for row in read(out)]
    assert len(names) == len(set(names)) <= 6
    assert not {"0.png", "0 again.png"} <= set(names)
    assert f"{len(names)} of the 50 asked for" in done.output
    assert "skipped" in done.output.lower()


def test_labels_that_the_classifier_does_not_know_are_told(
    warm_cache: Path, run_path: Path, unlabelled: Path, photos: Path, tmp_path: Path
) -> None:
    del warm_cache
    shutil.copytree(photos / "circle", tmp_path / "labelled" / "cirlce")
    shutil.copytree(photos / "square", tmp_path / "labelled" / "square")
    done = run(run_path, unlabelled, "-n", 2, "--labelled", tmp_path / "labelled")
    assert done.exit_code == 0, done.output
    assert "20 labelled photos of 'cirlce', which the classifier does not know" in done.output
    assert "Did you mean circle?" in done.output


def test_what_is_labelled_is_left_out(
    warm_cache: Path, run_path: Path, photos: Path, tmp_path: Path
) -> None:
    del warm_cache
    folder = tmp_path / "same"
    shutil.copytree(photos, folder)
    done = run(run_path, folder, "-n", 5, "--labelled", photos)
    assert done.exit_code == 0, done.output
    assert "none here does" in done.output


@pytest.mark.parametrize("content", [{}, {"a.jpg": b"", "b.png": b"no picture"}])
def test_nothing_to_suggest(
    warm_cache: Path, run_path: Path, tmp_path: Path, content: dict[str, bytes]
) -> None:
    del warm_cache
    folder = tmp_path / "poor"
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    with pytest.raises(PhotograftError, match="holds no usable photo"):
        raise_of(run(run_path, folder))


def test_no_folder_and_no_table(run_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        raise_of(run(run_path, tmp_path / "missing"))
    with pytest.raises(InputError, match="is no table"):
        raise_of(run(run_path, tmp_path, "--out", tmp_path / "next.xlsx"))


def raise_of(done: Result) -> None:
    if done.exception is not None:
        raise done.exception


def test_help_has_examples() -> None:
    text = run("--help").output
    assert "Examples" in text
    for option in ("--num", "-n", "--out", "--labelled", "--seed"):
        assert option in text


def test_a_trained_network_looks_at_the_photos_itself(
    warm_cache: Path, run_path: Path, unlabelled: Path
) -> None:
    """Its features are in no store: the same photos, by the same weights, give the same rows."""
    del warm_cache
    frozen = Classifier.load(run_path).located()
    Image.new("RGB", (40, 40)).save(unlabelled / "cut.png")
    data = (unlabelled / "cut.png").read_bytes()
    (unlabelled / "cut.png").write_bytes(data[: len(data) // 2])
    dataset = read_unlabelled(unlabelled, frozen.max_pixels, Silent())
    trained = replace(frozen, backbone=replace(frozen.backbone, weights="trained"))
    found, rows, _ = score_dataset(frozen, dataset, FeatureStore(), Silent())
    same, by_itself, _ = score_dataset(trained, dataset, FeatureStore(), Silent())
    assert [p.name for p in found.photos] == [p.name for p in same.photos]
    assert len(rows) == 6
    assert np.allclose(rows, by_itself, atol=1e-3 * np.abs(rows).max())
