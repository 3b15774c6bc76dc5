"""What a studio's jobs are told: settings in words become those of the library, results get places.

All paths are relative to the project's folder where they lie in it: that is where a job works.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from photograft.core.errors import InputError
from photograft.workflows.studio.view import Snapshot

KINDS = ("doctor", "train", "compare", "learning-curve", "export", "predict")
EFFORTS = ("quick", "thorough")
FORMATS = ("web", "onnx", "openvino")
LABELS = "labels.csv"
CHECKUP, RUNS, EXPORTS = "checkup", "runs", "exports"


class Order(NamedTuple):
    """What was ordered before.

    Attributes:
        kind: One of `KINDS`.
        options: What was asked.
        told: What the process was told.
        state: As in `job.Job`.
    """

    kind: str
    options: Mapping[str, Any]
    told: Mapping[str, Any]
    state: str


def make_order(
    kind: str,
    options: Mapping[str, Any],
    project: Path,
    before: Sequence[Order],
    run: Path | None,
) -> dict[str, Any]:
    """Return what a job is told.

    Args:
        kind: One of `KINDS`.
        options: What was asked.
        project: Its folder.
        before: What was ordered, the latest first: what was asked again and not done goes on where
            it ended.
        run: The run that is exported, or that predicts.

    Raises:
        InputError: An option is wrong, or there is no run yet.
    """
    if kind == "doctor":
        return {"source": LABELS, "out": CHECKUP, "settings": {}}
    if kind == "learning-curve":
        return {"source": LABELS, "settings": {}}
    if kind == "train":
        effort = _one_of(options, "effort", EFFORTS)
        told: dict[str, Any] = {"source": LABELS, "settings": {"effort": effort}}
        folder, stem, suffix = RUNS, effort, ""
    elif kind == "compare":
        told = {"source": LABELS, "settings": {}}
        folder, stem, suffix = RUNS, "compare", ""
    else:
        if run is None:
            raise InputError("nothing is trained yet", fix="Train first.")
        place = os.path.relpath(run, project)
        told = {"run": place, "settings": {}}
        folder, suffix = EXPORTS, ""
        if kind == "export":
            told["to"] = stem = _one_of(options, "to", FORMATS)
            if stem == "web":
                told["settings"] = {"title": project.name.removesuffix(".studio")}
        else:
            told["folder"] = _folder(options.get("folder"))
            stem, suffix = "predictions", ".csv"
    again = next((o for o in before if o.kind == kind and o.options == options), None)
    if again is not None and again.state in ("stopped", "failed"):
        same = all(again.told.get(key) == told[key] for key in ("run", "folder") if key in told)
        if same and not _is_done(project / again.told["out"]):
            return {**told, "out": again.told["out"]}
    taken = {str(order.told.get("out")) for order in before}
    return {**told, "out": free_place(project, f"{folder}/{stem}-1{suffix}", taken)}


def free_place(project: Path, place: str, taken: Collection[str] = ()) -> str:
    """Return the first place like another one, such as ``runs/quick-2``, where nothing is.

    Args:
        project: Its folder.
        place: Within it, with a number at its end.
        taken: Places that are promised.
    """
    path = PurePosixPath(place)
    stem, _, number = path.stem.rpartition("-")
    i = int(number)
    while True:
        found = str(path.with_name(f"{stem}-{i}{path.suffix}"))
        if found not in taken and not (project / found).exists():
            return found
        i += 1


def labels_key(snapshot: Snapshot) -> str:
    """Return what is the same for the same photos, labels and groups."""
    rows = zip(snapshot.names, snapshot.labels, snapshot.groups, snapshot.splits, strict=True)
    labelled = [row for row in rows if row[1] is not None]
    return hashlib.sha256(repr(labelled).encode()).hexdigest()[:16]


def _is_done(out: Path) -> bool:
    return out.is_file() or (out / "run.json").is_file() or (out / "certificate.json").is_file()


def _one_of(options: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    value = options.get(name, known[0])
    if value not in known:
        raise InputError(f"{name} is none of {', '.join(known)}", got=repr(value))
    return str(value)


def _folder(value: object) -> str:
    if not isinstance(value, str) or not value or not Path(value).expanduser().is_dir():
        raise InputError("there is no such folder", expected="a folder of photos", got=repr(value))
    return str(Path(value).expanduser().absolute())
