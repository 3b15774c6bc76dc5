"""Predictions of very many photos: a folder of Parquet files, gone on with after an interruption.

Each shard appears whole or not at all, and is then noted in ``shards.json``: what is noted is never
done again. Shards are classified each for itself, so that a folder that was interrupted is, bit for
bit, what it would have been. The photos are asked for in the same order again; the names of those
that are passed over are held against a hash of the names in their shard. Nothing is deleted before
all of them are known to be the same, and of what is noted nothing at all; where a noted file was
taken away, it alone is made again.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photograft.classifier.classifier import Classifier
from photograft.classifier.digest import digest_of
from photograft.classifier.uncertainty.uncertainty import Rules
from photograft.core.errors import InputError, StorageError
from photograft.core.exclusive import exclusive
from photograft.core.executors.choosing import OFF, executing
from photograft.core.files import make_folder, new_file, write_json
from photograft.data.photo_inputs import PhotoInput
from photograft.workflows.prediction_counts import Counts
from photograft.workflows.prediction_rows import no_counts, open_writer, write_rows

#: What is classified.
AnyFile = str | os.PathLike[str] | PhotoInput
#: Photos of a shard, where nobody says.
SHARD_ROWS = 50_000

MANIFEST = "shards.json"
_VERSION = 2
_FIX = "Choose another folder with --output."


def write_shards(
    classifier: Classifier,
    paths: Iterable[AnyFile],
    folder: Path,
    *,
    top: int = 1,
    rules: Rules | None = None,
    shard_rows: int = SHARD_ROWS,
    advance: Callable[[int], None] = lambda amount: None,
    ray: str = OFF,
) -> Counts:
    """Classify files and write their rows as Parquet, a file for so many, in bounded memory.

    Args:
        classifier: Located.
        paths: Files, in an order that is always the same.
        folder: Where the shards go; with some of the same photos' there already, it is gone on.
        top: Classes per row.
        rules: From `read_rules`.
        shard_rows: Photos of a shard, at least 1.
        advance: Told how many rows are done, those of earlier calls as well.
        ray: What classifies them; see `executors.choosing.executing`.

    Returns:
        The counts of all rows, those of earlier calls as well.

    Raises:
        InputError: There is no file at all, or the folder holds predictions of other photos, by
            another classifier, or by other rules.
        StorageError: It can't be written, or another process is writing to it.
    """
    top = min(top, len(classifier.class_names))
    key = _key(classifier, top, rules, shard_rows)
    make_folder(folder, fix=_FIX)
    with (
        executing(ray),
        exclusive(
            folder,
            taken=f"another command is writing to {folder}",
            wait="Wait until it is done, or choose another folder with --output.",
            fix=_FIX,
        ),
    ):
        noted = _read(folder, key)
        counts, left = no_counts(classifier.class_names, rules), iter(paths)

        def make(name: str, own: list[AnyFile]) -> dict[str, Any]:
            with open_writer("parquet", folder / name, io.StringIO(), top, rules) as write:
                found = write_rows(
                    classifier.stream(own),
                    write,
                    classifier.class_names,
                    top,
                    lambda: advance(1),
                    rules,
                )
            shard = {"file": name, "rows": len(own), "names_sha256": _names_digest(own)}
            return {**shard, "counts": asdict(found)}

        for number, shard in enumerate(noted):
            own = list(itertools.islice(left, shard["rows"]))
            if len(own) < shard["rows"] or _names_digest(own) != shard["names_sha256"]:
                raise InputError(
                    f"{folder} holds predictions of other photos",
                    expected=f"the photos of {shard['file']}, in the same order",
                    fix=_FIX,
                )
            if (folder / shard["file"]).is_file():
                advance(len(own))
            else:
                noted[number] = make(shard["file"], own)
                _note(folder, key, noted, is_whole=False)
            _add(counts, noted[number]["counts"])
        _tidy(folder, {shard["file"] for shard in noted})
        while own := list(itertools.islice(left, shard_rows)):
            if not noted:  # by this, what is killed before its first shard is noted is known again
                _note(folder, key, noted, is_whole=False)
            noted.append(make(f"part-{len(noted):06}.parquet", own))
            _add(counts, noted[-1]["counts"])
            _note(folder, key, noted, is_whole=False)
        if not noted:
            raise InputError(
                "there is nothing to classify", expected="at least one file", got="none"
            )
        _note(folder, key, noted, is_whole=True)
    return counts


def _key(classifier: Classifier, top: int, rules: Rules | None, shard_rows: int) -> dict[str, Any]:
    """Return what the rows depend on, apart from the photos."""
    told = rules or Rules()
    return {
        "classifier_sha256": digest_of(classifier),
        "engine": classifier.engine.to_json(),
        "max_pixels": classifier.max_pixels,
        "rules": {
            "ood_threshold": told.ood_threshold,
            "confidence": told.confidence,
            "sets": asdict(told.sets) if told.sets is not None else None,
        },
        "top": top,
        "shard_rows": shard_rows,
    }


def _read(folder: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is noted of shards."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(not path.name.startswith(".") for path in folder.glob("*.parquet")):
            raise InputError(
                f"{folder} holds Parquet files, and no {MANIFEST} that tells of them", fix=_FIX
            ) from None
        return []
    except (OSError, ValueError) as error:
        raise StorageError(f"{folder / MANIFEST} can't be read ({error})", fix=_FIX) from error
    if found.get("version") != _VERSION or found.get("key") != key:
        own = found.get("key", {})
        other = [name for name in key if own.get(name) != key[name]]
        raise InputError(
            f"{folder} holds predictions that were made in another way",
            expected="the same classifier, rules, classes per photo and rows per shard",
            got=f"another {', '.join(other) or 'version'}",
            fix=_FIX,
        )
    shards: list[dict[str, Any]] = found["shards"]
    return shards


def _tidy(folder: Path, noted: set[str]) -> None:
    """Remove what was cut short, or came to be whole and was not noted any more."""
    for pattern in (".part-*.partial.parquet", f".{Path(MANIFEST).stem}.*.partial.json"):
        for half in folder.glob(pattern):
            half.unlink(missing_ok=True)
    for path in folder.glob("part-*.parquet"):
        if path.name not in noted:
            path.unlink(missing_ok=True)


def _note(
    folder: Path, key: dict[str, Any], shards: Sequence[dict[str, Any]], *, is_whole: bool
) -> None:
    rows = sum(shard["rows"] for shard in shards)
    with new_file(folder / MANIFEST, fix=_FIX) as partial:
        write_json(
            partial,
            {
                "version": _VERSION,
                "key": key,
                "is_whole": is_whole,
                "rows": rows,
                "shards": list(shards),
            },
        )


def _add(counts: Counts, more: dict[str, Any]) -> None:
    counts.rows += more["rows"]
    counts.failed += more["failed"]
    counts.folders += more["folders"]
    for name, number in more["classes"].items():
        counts.classes[name] += number
    for name in ("unknown", "unsure"):
        if more[name] is not None:
            setattr(counts, name, (getattr(counts, name) or 0) + more[name])


def _names_digest(paths: Sequence[AnyFile]) -> str:
    names = (path.name if isinstance(path, PhotoInput) else path for path in paths)
    return hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest()
