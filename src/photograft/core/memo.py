"""Answers that cost seconds, kept beside the features they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from photograft.core.errors import StorageError
from photograft.core.files import new_file, write_json

#: Answers that are kept at most: the oldest are dropped.
_MOST = 200


def remembered(cache: Path, key: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """Return an answer that was given before to the same question, or make and keep it.

    Where nothing can be kept, it is made every time.

    Args:
        cache: The cache folder.
        key: All that the answer depends on, as JSON types.
        make: Returns the answer, as JSON types.
    """
    text = json.dumps(dict(key), sort_keys=True)
    folder = cache / "answers"
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return json.loads(path.read_text(encoding="utf-8"))["answer"]
    answer = make()
    with contextlib.suppress(OSError, StorageError):
        folder.mkdir(parents=True, exist_ok=True)
        kept = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in kept[: max(len(kept) + 1 - _MOST, 0)]:
            old.unlink(missing_ok=True)
        with new_file(path, fix="") as partial:
            write_json(partial, {"question": json.loads(text), "answer": answer})
    return json.loads(json.dumps(answer))
