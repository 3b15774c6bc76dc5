"""What tests of strategies share: small photos, and runs without pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

import system_helpers as system
from drawing import draw_folder
from photograft.report.plots import figures
from photograft.runs import plot


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twelve photos of 48 × 48; not to be changed."""
    return draw_folder(tmp_path_factory.mktemp("photos"), system.CLASSES, n=12, size=48)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their pictures, which take longer than these trainings."""
    for module, name in (
        (plot, "plot_epochs"),
        (figures, "confusion_matrix"),
        (figures, "mistakes"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
