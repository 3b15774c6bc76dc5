"""A finished run: opened, and shown; where new runs go."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft._version import __version__
from photograft.classifier.classifier import Classifier
from photograft.core.parallel import num_cores
from photograft.doctor.findings import Finding
from photograft.runs.folder import CLASSIFIER, METRICS, PICTURES, RUN, load_facts, read_run_json

#: Tells the time; passed in, so that a test can hold it still.
Clock = Callable[[], datetime.datetime]

_PACKAGES = ("numpy", "openvino", "pillow", "timm", "torch", "torchvision")


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        path: Its folder.
        info: What ``run.json`` holds.
        scores: What ``metrics.json`` holds: those of validation and test, each None without photos.
    """

    path: Path
    info: dict[str, Any]
    scores: dict[str, Any]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run folder.

        Raises:
            ClassifierError: It is none, or damaged.
        """
        folder = Path(path)
        info, scores = read_run_json(folder, RUN, METRICS)
        return cls(folder, info, scores)

    @property
    def classifier(self) -> Classifier:
        """The fitted classifier, loaded anew from the folder."""
        return Classifier.load(self.path / CLASSIFIER)

    def findings(self) -> list[Finding]:
        """Return what the doctor found; nothing where nobody looked.

        Raises:
            ClassifierError: The folder is damaged.
        """
        return list(load_facts(self.path).findings or ())

    @property
    def pictures(self) -> list[Path]:
        """The run's pictures."""
        return sorted((self.path / PICTURES).glob("*.png"))


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
