"""Names of classifiers on the command line, and limits that make no sense."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from photograft.core.errors import ClassifierError, InputError
from photograft.workflows.serve import OverloadedError, Service
from photograft.workflows.serving.limits import Limits
from photograft.workflows.serving.models import named_folders


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["runs/first"], {"first": "runs/first"}),
        (["runs/first/classifier"], {"first": "runs/first/classifier"}),
        (["a=runs/first", "b=runs/first"], {"a": "runs/first", "b": "runs/first"}),
        (["runs/first/", "runs/second"], {"first": "runs/first", "second": "runs/second"}),
    ],
)
def test_names(given: list[str], found: dict[str, str]) -> None:
    assert named_folders(given) == {name: Path(path) for name, path in found.items()}


def test_a_folder_with_a_sign_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a=b"
    folder.mkdir()
    with pytest.raises(InputError, match="can't be part of an address"):
        named_folders([str(folder)])
    assert named_folders([f"c={folder}"]) == {"c": folder}


@pytest.mark.parametrize("given", [["runs/a", "other/a"], ["x=runs/a", "x=runs/b"]])
def test_two_of_one_name(given: list[str]) -> None:
    with pytest.raises(InputError, match="would both be called"):
        named_folders(given)


@pytest.mark.parametrize("limits", [{"max_files": 0}, {"timeout": float("nan")}, {"max_queue": 3}])
def test_limits_that_make_no_sense(limits: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Limits(**limits)


def test_a_service_that_finds_nothing_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError):
        Service({"x": tmp_path})


async def _overloaded(run_path: Path, photo: bytes) -> None:
    service = Service({"x": run_path}, limits=Limits(max_files=2, max_queue=2))
    try:
        served = service.models.find("x")
        answers = await service.answer(served, [photo, photo])
        assert [answer.prediction.label for answer in answers.photos] == ["square"] * 2
        assert answers.photos[0].decision == "class"
        with pytest.raises(OverloadedError) as caught:
            await service.answer(served, [photo] * 3)
        assert caught.value.seconds >= 1
        assert service.num_waiting == 0
        assert service.is_ready
    finally:
        service.close()


@pytest.mark.usefixtures("warm_cache")
def test_there_is_room_for_so_many(run_path: Path, photo: bytes) -> None:
    asyncio.run(_overloaded(run_path, photo))
