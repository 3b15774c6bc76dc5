"""Rows of a set that goes by a name: which of its splits and columns are used, and its items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from photograft.core.errors import SourceError, did_you_mean, either
from photograft.data.sources.base import Item, SkippedFile, split_name
from photograft.data.sources.named_sets import NamedSet, split_terms

#: Both TensorFlow Datasets and `datasets` take this for all splits together.
_ALL = "all"

#: Columns that are taken before others of the same type.
IMAGE_COLUMNS = ("image", "img", "jpg", "png")
LABEL_COLUMNS = ("label", "labels", "cls")


def choose_splits(
    named: NamedSet, available: Sequence[str]
) -> tuple[dict[str | None, str], list[str]]:
    """Return which part of a set each split is made of.

    Args:
        named: What the user asked for.
        available: The splits that the set has.

    Returns:
        The part by split, in the set's own terms (None: to be split anew), and notes.

    Raises:
        SourceError: The set has no such split, or it is not clear which to use.
    """
    if named.parts:
        for _, part in named.parts:
            for name in split_terms(part):
                if name not in available and name != _ALL:
                    raise _unknown(named, name, available)
        return dict(named.parts), []
    ours: dict[str, list[str]] = {}
    others = []
    for name in available:
        split = split_name(name)
        if split is None:
            others.append(name)
        else:
            ours.setdefault(split, []).append(name)
    if len(ours) > 1:
        notes = [f"splits of the set that were not used: {', '.join(others)}"] if others else []
        return {split: "+".join(names) for split, names in ours.items()}, notes
    if len(available) == 1:
        return {None: available[0]}, [f"the set has one split only, {available[0]}: it is split"]
    if ours and set(ours) == {"train"}:
        names = ours["train"]
        notes = [f"splits of the set that were not used: {', '.join(others)}"] if others else []
        return {None: "+".join(names)}, notes
    raise SourceError(
        f"it is not clear which splits of {named.text!r} to use",
        expected=f"a choice in brackets, such as {named.text}[train={_first(available)}]",
        got=f"a set with the splits {', '.join(available) or 'none'}",
    )


def choose_column(
    what: str, found: Sequence[str], preferred: Sequence[str], columns: Mapping[str, object]
) -> tuple[str, list[str]]:
    """Return which of several columns to use.

    Args:
        what: What it holds, ``"image"`` or ``"label"``, for messages.
        found: The columns that can be used; in any order.
        preferred: Names that come before others.
        columns: All columns of the set with their types, for the error.

    Returns:
        The column, and notes on those that were not used.

    Raises:
        SourceError: There is none.
    """
    if not found:
        raise SourceError(
            f"the set has no {what} for each row",
            expected="a set for image classification: a column of images and one of classes",
            got=", ".join(f"{name} ({kind})" for name, kind in sorted(columns.items()))[:500],
        )
    ordered = sorted(
        found,
        key=lambda name: (
            preferred.index(name.lower()) if name.lower() in preferred else len(preferred),
            name,
        ),
    )
    first, others = ordered[0], ordered[1:]
    if not others:
        return first, []
    return first, [f"{what}s were taken from {first}, not from {' or '.join(others)}"]


def number_items(
    split: str | None,
    labels: Sequence[str],
    reader: Callable[[int], Callable[[], bytes]],
    *,
    are_pixels: bool = False,
) -> tuple[list[Item], list[SkippedFile]]:
    """Return rows as items called by their numbers.

    Args:
        split: The split that they are all in, or None.
        labels: The class of each row; an empty one is skipped.
        reader: Returns the function that reads the row of such a number.
        are_pixels: As `Item.is_pixels`.
    """
    width = max(6, len(str(max(0, len(labels) - 1))))
    items: list[Item] = []
    skipped: list[SkippedFile] = []
    for index, label in enumerate(labels):
        name = f"{split}/{index:0{width}}" if split else f"{index:0{width}}"
        if label:
            items.append(Item(name, label, split, None, reader(index), are_pixels))
        else:
            skipped.append(SkippedFile(name, "no label"))
    return items, skipped


def _unknown(named: NamedSet, name: str, available: Sequence[str]) -> SourceError:
    return SourceError(
        f"{named.text!r} has no split {name!r}",
        expected=either(available) if available else "none, as it has no splits",
        fix=did_you_mean(name, available),
    )


def _first(available: Sequence[str]) -> str:
    return available[0] if available else "NAME"
