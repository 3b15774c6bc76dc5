"""Shelves: the photos of a class, those without one, those left out; in some order, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from photograft.core.errors import InputError, UnknownNameError
from photograft.workflows.studio.view import Row, View

KINDS = ("class", "unlabelled", "excluded", "all")
ORDERS = ("name", "useful", "doubtful")


class Guesses(Protocol):
    """What a classifier thinks of the photos; None where it does not know yet."""

    def guesses(self, ids: Sequence[str]) -> list[tuple[str, float] | None]:
        """Return the most likely class of each photo, and its probability."""

    def useful(self) -> list[str] | None:
        """Return the photos without a class, the most useful to label first."""

    def doubtful(self, class_name: str) -> list[str] | None:
        """Return the photos of a class, the least likely to be of it first."""


def shelf(
    view: View,
    kind: str = "class",
    name: str = "",
    order: str = "name",
    guesses: Guesses | None = None,
) -> dict[str, Any]:
    """Return a shelf in columns.

    Args:
        view: The photos.
        kind: One of `KINDS`.
        name: The class, for a shelf of that kind.
        order: One of `ORDERS`; where it is not known yet, by name, and the shelf says so.
        guesses: What a classifier thinks, where there is one.

    Returns:
        Its revision, ids, names, labels (of all photos only), groups, guesses, answers and order.

    Raises:
        InputError: There is no such kind or order.
        UnknownNameError: There is no such class.
    """
    if kind not in KINDS or order not in ORDERS:
        raise InputError(
            f"there is no shelf {kind!r} in the order {order!r}",
            expected=f"{', '.join(KINDS)}; {', '.join(ORDERS)}",
        )
    if kind == "class" and name not in view.class_names:
        raise UnknownNameError("class", name, view.class_names)
    rows = [row for row in view.rows if _is_on(row, kind, name)]
    wanted: list[str] | None = None
    if guesses is not None and order == "useful":
        wanted = guesses.useful()
    elif guesses is not None and order == "doubtful" and kind == "class":
        wanted = guesses.doubtful(name)
    if wanted is not None:
        place = {photo: i for i, photo in enumerate(wanted)}
        rows.sort(key=lambda row: place.get(row.photo.id, len(place)))
    ids = [row.photo.id for row in rows]
    thought = guesses.guesses(ids) if guesses is not None else [None] * len(ids)
    return {
        "revision": view.revision,
        "ids": ids,
        "names": [row.photo.name for row in rows],
        **({"labels": [row.label for row in rows]} if kind == "all" else {}),
        "groups": [row.group for row in rows],
        "guesses": [list(one) if one is not None else None for one in thought],
        "answers": {row.photo.id: row.answer[0] for row in rows if row.answer},
        "order": order if wanted is not None else "name",
    }


def _is_on(row: Row, kind: str, name: str) -> bool:
    if kind == "excluded":
        return row.is_excluded
    if kind == "all":
        return True
    return not row.is_excluded and row.label == (name if kind == "class" else None)
