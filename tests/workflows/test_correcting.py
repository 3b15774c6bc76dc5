"""Corrections by way of the commands and of Python: what they refuse, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

import photograft
import system_helpers as system
from photograft.core.errors import InputError
from photograft.core.text import command_line
from photograft.workflows.settings import doctor_options, read_settings

pytestmark = pytest.mark.usefixtures("warm_cache")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(
        "name,action,value\ncircle/00.jpg,relabel,cirlce\ngone.jpg,exclude,\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("command", ["train", "doctor", "compare", "learning-curve"])
def test_a_misspelt_class_is_refused(
    capsys: pytest.CaptureFixture[str], photos: Path, answers: Path, command: str
) -> None:
    result = system.invoke(capsys, command, photos, "--corrections", answers)
    system.assert_one_line(
        result,
        str(answers),
        "line 2: there is no class 'cirlce'. Did you mean circle? Correct",
        "--new-class NAME",
    )


def test_settings_in_a_file_are_checked_alike(
    capsys: pytest.CaptureFixture[str], photos: Path, answers: Path, tmp_path: Path
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(f'[config]\ncorrections = "{answers}"\n', encoding="utf-8")
    result = system.invoke(capsys, "train", photos, "--config", config)
    system.assert_one_line(result, "there is no class 'cirlce'")


def test_doctor_says_what_was_applied_and_what_was_not_found(
    capsys: pytest.CaptureFixture[str], photos: Path, answers: Path
) -> None:
    result = system.invoke(
        capsys, "doctor", photos, "--corrections", answers, "--new-class", "cirlce"
    )
    assert result.code == 0
    assert "Note: answers.csv: 1 relabelled" in result.out
    assert "Note: 1 photo that answers.csv names is not there: gone.jpg" in result.out


def test_python_takes_one_new_class_or_several(photos: Path, answers: Path) -> None:
    for new_class in ("cirlce", ["cirlce", "disc"]):
        found = photograft.doctor(photos, corrections=answers, new_class=new_class)
        assert found.dataset.class_counts()["cirlce"] == 1
    with pytest.raises(InputError, match="'cirlce'"):
        photograft.doctor(photos, corrections=answers, new_class="disc")
    with pytest.raises(InputError, match="Give --corrections, too"):
        photograft.doctor(photos, new_class="disc")


def test_the_hint_of_a_training_repeats_new_classes() -> None:
    settings = read_settings(corrections="a.csv", new_class=["x y", "z"])
    assert command_line("doctor", ["p"], doctor_options(settings)) == (
        "photograft doctor p --corrections a.csv --new-class 'x y' --new-class z"
    )
    assert "new" not in command_line("doctor", ["p"], doctor_options(read_settings()))
