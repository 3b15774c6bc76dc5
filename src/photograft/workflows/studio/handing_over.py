"""Handing a run over: what was exported and how it was proven, and how to do the same elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.classifier.export.certificate import FILE_NAME as CERTIFICATE
from photograft.classifier.export.exporting import check_exportable
from photograft.core.errors import PhotograftError
from photograft.core.text import command_line
from photograft.report.export_page import FILE_NAME as PAGE
from photograft.report.export_page import certificate_context
from photograft.workflows.studio.job import Job
from photograft.workflows.studio.jobs import Jobs
from photograft.workflows.studio.orders import EXPORTS, free_place
from photograft.workflows.studio.project import Project
from photograft.workflows.studio.understanding import Understanding

#: Of an export that is a page.
INDEX = "index.html"
#: What each job does, for people, in the order of work.
_WHAT = {
    "doctor": "Examine photos and labels",
    "train": "Train",
    "compare": "Compare networks and strategies",
    "learning-curve": "See what more photos would bring",
    "export": "Export",
    "predict": "Classify the photos of a folder into a table",
}


class HandingOver:
    """What leaves a project.

    Args:
        project: The project.
        jobs: That were done in it.
        understanding: Knows the latest run.
    """

    def __init__(self, project: Project, jobs: Jobs, understanding: Understanding) -> None:
        self._project, self._jobs, self._understanding = project, jobs, understanding

    def facts(self) -> dict[str, Any]:
        """Return exports, whether there can be more, and how to do the same elsewhere."""
        run = self._jobs.run()
        why_not = "Nothing is trained yet." if run is None else _why_not(run)
        done = self._done()
        return {
            "run": self._understanding.run(),
            "exports": [
                found
                for job in self._jobs.done("export")
                if (found := self._export(job)) is not None
            ],
            "can_export": not why_not,
            "why_not": why_not,
            "commands": self._commands(done),
            "python": self._python(done),
        }

    def file(self, name: str, inner: str = "") -> Path | None:
        """Return a table, or a page of an export, by its name; None where there is no such file.

        Args:
            name: Of a table or an export's folder.
            inner: Of one of the export's pages.
        """
        is_name = Path(name).name == name and not name.startswith(".")
        if not is_name or inner not in ("", INDEX, PAGE):
            return None
        path = self._project.folder / EXPORTS / name / inner
        return path if path.is_file() else None

    def _export(self, job: Job) -> dict[str, Any] | None:
        if job.result is None:
            return None
        path = self._project.folder / str(job.result["path"])
        if not path.is_dir():
            return None
        files = [file for file in path.rglob("*") if file.is_file()]
        told = {
            "to": job.result["to"],
            "path": str(path),
            "name": path.name,
            "size": sum(file.stat().st_size for file in files),
            "equal_decisions": None,
            "largest_difference": None,
            "sentence": "",
            "url": _address(path, INDEX),
            "certificate": _address(path, PAGE),
        }
        try:
            said = json.loads((path / CERTIFICATE).read_text(encoding="utf-8"))
            parts = [said[part] for part in ("own", "hard") if said.get(part)]
            number = sum(part["num_photos"] for part in parts)
            equal = sum(part["same_decision"] for part in parts)
            largest = max(part["largest_difference"] for part in parts)
        except (OSError, ValueError, KeyError, TypeError):
            return told
        return {
            **told,
            "equal_decisions": equal / number if number else None,
            "largest_difference": largest,
            "sentence": " ".join(certificate_context(said)["verdict"]),
        }

    def _done(self) -> dict[str, Job]:
        """Return the last job of each kind that was done, in the order of work."""
        found = {kind: self._jobs.latest(kind) for kind in _WHAT}
        trained = self._jobs.latest("train", "compare")
        if trained is not None:  # that which is the run
            found["compare" if trained.kind == "train" else "train"] = None
        return {kind: job for kind, job in found.items() if job is not None}

    def _commands(self, done: Mapping[str, Job]) -> list[dict[str, str]]:
        """Return the commands, whose results get places that are free."""
        folder = self._project.folder
        rows = [{"what": "Go to the project's folder", "command": f"cd {_quoted(folder)}"}]
        for kind, job in done.items():
            order = self._anew(job)
            settings = dict(order.get("settings", {}))
            if kind == "export":
                arguments = [order["run"]]
                options = {"to": order["to"], "out": order["out"], **settings}
            elif kind == "predict":
                arguments = [order["run"], order["folder"]]
                options = {"unknown": True, "output": order["out"], **settings}
            else:
                arguments = [order["source"]]
                options = {**settings, **({"out": order["out"]} if "out" in order else {})}
            command = command_line(kind, arguments, options).replace("--unknown True", "--unknown")
            rows.append({"what": _WHAT[kind], "command": command})
        return rows if done else []

    def _python(self, done: Mapping[str, Job]) -> str:
        """Return a program that does the same, to be run in the project's folder."""
        lines = ["import photograft", ""]
        names = {"doctor": "checkup", "train": "run", "compare": "comparison"}
        for kind, job in done.items():
            order = self._anew(job)
            settings = dict(order.get("settings", {}))
            if "out" in order and kind != "predict":
                settings["out"] = order["out"]
            if kind == "export":
                lines.insert(1, "from photograft.workflows.export import export")
                call = _call("export", [order["run"]], {**settings, "to": order["to"]})
                lines.append(f"exported = {call}")
            elif kind == "predict":
                call = _call(
                    f"photograft.{kind}", [order["run"], order["folder"]], {"unknown": True}
                )
                lines += [f"for photo in {call}:", "    print(photo.name, photo.answer)"]
            else:
                name = "photograft." + kind.replace("-", "_")
                lines.append(
                    f"{names.get(kind, 'curve')} = {_call(name, [order['source']], settings)}"
                )
            if kind == "train":
                lines.append("print(run.metrics)")
        return "\n".join(lines) + "\n" if done else ""

    def _anew(self, job: Job) -> dict[str, Any]:
        """Return a job's order with a place that is free for what comes of it."""
        order = dict(job.order)
        if "out" in order and job.kind != "doctor":
            order["out"] = free_place(self._project.folder, order["out"])
        return order


def _address(export: Path, page: str) -> str | None:
    """Return where a studio shows a page of an export; None where it has no such page."""
    return f"/{EXPORTS}/{export.name}/{page}" if (export / page).is_file() else None


def _why_not(run: Path) -> str:
    """Return why a run's classifier can't be exported; empty where it can."""
    try:
        check_exportable(Classifier.load(run))
    except PhotograftError as error:
        return str(error)
    return ""


def _call(name: str, arguments: list[str], options: Mapping[str, Any]) -> str:
    told = [*map(_written, arguments), *(f"{k}={_written(v)}" for k, v in options.items())]
    return f"{name}({', '.join(told)})"


def _written(value: object) -> str:
    """Return a value as Python has it, text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))
