"""What is not installed: told in one way, before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest

import photograft
from photograft.core import optional
from photograft.core.errors import InputError
from photograft.core.optional import has_torch, is_installed, need_torch
from photograft.evaluation.comparison.candidates import make_candidates


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it that torchvision, which comes with torch, is not installed."""
    monkeypatch.setattr(
        optional, "is_installed", lambda name: name != "torchvision" and is_installed(name)
    )


def test_what_is_there() -> None:
    assert is_installed("numpy")
    assert not is_installed("no_such_package")
    assert has_torch()
    need_torch("nothing")


@pytest.mark.usefixtures("without")
def test_what_is_not() -> None:
    assert not has_torch()
    with pytest.raises(InputError, match=r"^this needs torch, .*pip install 'photograft\[torch\]'"):
        need_torch("this")


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"strategy": "auto"}, "the strategy auto"),
        ({"head": "mlp"}, "the head mlp"),
        ({"strategy": "features+augment", "views": -1}, "augmenting anew in every epoch"),
        (
            {
                "strategy": "features+augment",
                "augmentation": photograft.Augmentation(rand_augment=2),
            },
            "the augmentation rand_augment",
        ),
    ],
)
def test_a_training_is_refused_before_photos_are_read(
    tmp_path: Path, settings: dict[str, object], what: str
) -> None:
    config = photograft.TrainConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=what.replace("+", r"\+")):
        photograft.train(tmp_path / "photos", config, out=tmp_path / "run")
    with pytest.raises(InputError, match=what.replace("+", r"\+")):
        make_candidates([], [config.strategy], [], config)


@pytest.mark.usefixtures("without")
def test_what_can_run_is_compared() -> None:
    found = make_candidates(["efficientnet_lite0"], [], [], photograft.TrainConfig())
    assert [c.config.strategy for c in found] == ["features", "features+augment"]
