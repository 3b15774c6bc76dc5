"""The run folder: all that a training run leaves behind, written at once or not at all.

run.json                what was asked, of which data, with which versions and seed
metrics.json            scores on validation and test
selection.json          what cross-validation said of each candidate
files.parquet           every file of the source: used or skipped, why, and in which part
predictions.parquet     every validation and test photo with its probabilities
pictures/               confusion matrix and most confident mistakes, as PNG
report.html             all of it on one page, with the photos behind the figures
classifier/             the fitted classifier; see `classifier`
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft._version import __version__
from photograft.classifier.classifier import Classifier
from photograft.core.errors import ClassifierError
from photograft.core.parallel import num_cores

#: Tells the time; passed in, so that a test can hold it still.
Clock = Callable[[], datetime.datetime]

_PACKAGES = ("numpy", "openvino", "pillow", "timm", "torch", "torchvision")


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        path: Its folder.
        info: What ``run.json`` holds.
        metrics: What ``metrics.json`` holds.
    """

    path: Path
    info: dict[str, Any]
    metrics: dict[str, Any]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run folder.

        Raises:
            ClassifierError: It is none, or damaged.
        """
        folder = Path(path)
        try:
            info, metrics = (
                json.loads((folder / name).read_text(encoding="utf-8"))
                for name in ("run.json", "metrics.json")
            )
        except (OSError, ValueError) as error:
            raise ClassifierError(
                f"{folder} is no run folder",
                expected="a folder that `photograft train` made",
            ) from error
        return cls(folder, info, metrics)

    @property
    def classifier(self) -> Classifier:
        """The fitted classifier, loaded anew from the folder."""
        return Classifier.load(self.path / "classifier")

    @property
    def pictures(self) -> list[Path]:
        """The run's pictures."""
        return sorted((self.path / "pictures").glob("*.png"))


def now() -> datetime.datetime:
    """Return the time, with its zone."""
    return datetime.datetime.now().astimezone()


def default_path(name: str, clock: Clock) -> Path:
    """Return ``runs/NAME-TIMESTAMP``, a folder that does not exist yet."""
    base = f"{safe_name(name)}-{clock():%Y%m%d-%H%M%S}"
    path, count = Path("runs", base), 2
    while path.exists():
        path, count = Path("runs", f"{base}-{count}"), count + 1
    return path


def safe_name(name: str) -> str:
    """Return a name that any file system takes as that of a folder.

    >>> safe_name("../my photos")
    'my-photos'
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "run"


def environment() -> dict[str, Any]:
    """Return the versions and the machine that results depend on."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # extras may be absent
            versions[name] = importlib.metadata.version(name)
    return {
        "versions": {"photograft": __version__, "python": platform.python_version(), **versions},
        "platform": platform.platform(),
        "num_cores": num_cores(),
    }
