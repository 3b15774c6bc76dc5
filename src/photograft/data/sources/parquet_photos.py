"""Photos whose bytes lie in Parquet files: their rows as items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from photograft.core.errors import SourceError, first_line
from photograft.core.files import printable
from photograft.core.text import count
from photograft.data.sources.base import Items, Listing, SkippedFile, make_listing, split_name
from photograft.data.sources.members import Member
from photograft.data.sources.parquet_columns import Columns, find_columns
from photograft.data.sources.parquet_rows import ParquetColumn, open_parquet
from photograft.data.sources.places import AnyFile
from photograft.data.sources.shards import Shard, each_shard
from photograft.data.sources.table_rows import cell_text

_EXPECTED = (
    "a column of photos' bytes (image, img or bytes) and a column label, and optionally split, "
    "group and path"
)


@dataclass
class _Rows:
    """Some rows of a shard, as columns.

    Attributes:
        places: Where each is: its row group, and its row there.
        numbers: Where each is in the file.
        label: Each one's label as text; empty where there is none.
        split: Its split as it is written.
        group: Its group.
        name: What it is called.
    """

    places: list[str]
    numbers: list[int]
    label: list[str]
    split: list[str]
    group: list[str]
    name: list[str]


def holds_photos(file: AnyFile) -> bool:
    """Return whether a Parquet file holds photos, and does not only name them."""
    try:
        with open_parquet(file) as table:
            return find_columns(table.schema_arrow) is not None
    except SourceError:
        return False  # whoever reads it says why


def read_parquet(shards: Sequence[Shard], notes: Iterable[str] = ()) -> Listing:
    """List the photos whose bytes lie in Parquet files.

    Labels, splits, groups and names are read now, photos when they are asked for.

    Args:
        shards: The files.
        notes: What the user should know of how they were chosen.

    Returns:
        The listing, of kind ``"parquet"``. A photo is called by its shard, its row, and the name
        that the table gives it: in the order of rows, so that they are read one after another.

    Raises:
        SourceError: No file can be read, or there is no column that is needed, or no label.
    """
    items, skipped = Items(), list[SkippedFile]()
    told: dict[str, None] = dict.fromkeys(notes)
    splits: dict[bool, str] = {}
    for shard, (columns, batches) in each_shard(shards, _read, skipped):
        told |= dict.fromkeys(columns.notes)
        splits.setdefault(bool(columns.split), shard.file.shown)
        family = ParquetColumn(shard.file, columns.photo)
        for rows in batches:
            _put(shard, columns, family, rows, items, skipped)
    if len(splits) > 1:
        raise SourceError(
            f"{splits[False]} has no column split, and {splits[True]} has one",
            expected="a split in every row or in none",
        )
    if not len(items):
        raise SourceError(
            f"{shards[0].file.shown} holds no photo with a label",
            expected=_EXPECTED,
            got=count(len(skipped), "row") + " without a label",
        )
    _check_groups(items, told)
    return make_listing("parquet", items, skipped, told)


def photos_in_parquet(file: AnyFile) -> Iterator[tuple[str, Member]]:
    """Yield the photos of a Parquet file, with labels or without: their names and what reads each.

    Raises:
        SourceError: It can't be read, or holds none.
    """
    columns, batches = _read(Shard(file, ""), needs_label=False)
    family = ParquetColumn(file, columns.photo)
    for rows in batches:
        for place, number, name in zip(rows.places, rows.numbers, rows.name, strict=True):
            yield _called(Shard(file, ""), number, name), Member(family, place)


def _read(shard: Shard, *, needs_label: bool = True) -> tuple[Columns, list[_Rows]]:
    """Return all of a shard but its photos."""
    with open_parquet(shard.file) as table:
        columns = find_columns(table.schema_arrow)
        if columns is None or (needs_label and not columns.label):
            raise SourceError(
                f"{shard.file.shown} has no column "
                + ("of photos' bytes" if columns is None else "label"),
                expected=_EXPECTED,
                got=", ".join(f"{f.name} ({f.type})" for f in table.schema_arrow)[:500],
            )
        try:
            return columns, list(_batches(table, columns))
        except Exception as error:  # Arrow's own errors are of many kinds
            raise SourceError(
                f"{shard.file.shown} is damaged or incomplete",
                got=first_line(error),
                fix="Write it again.",
            ) from error


def _batches(table: Any, columns: Columns) -> Iterator[_Rows]:
    wanted = {
        "label": columns.label,
        "split": columns.split,
        "group": columns.group,
        "name": columns.name,
    }
    leaves = [leaf for leaf in wanted.values() if leaf]
    start = 0
    for group in range(table.num_row_groups):
        size = table.metadata.row_group(group).num_rows
        cells: dict[str, list[str]] = {name: [""] * size for name in wanted}
        if leaves:
            read = table.read_row_group(group, columns=leaves, use_threads=False)
            for name, leaf in wanted.items():
                if leaf:
                    column = read.column(leaf.partition(".")[0])
                    if "." in leaf and leaf not in read.column_names:
                        column = column.combine_chunks().flatten()[0]
                    cells[name] = [_text(cell, name, columns) for cell in column.to_pylist()]
        yield _Rows(
            places=[f"{group} {row}" for row in range(size)],
            numbers=list(range(start, start + size)),
            **cells,
        )
        start += size


def _put(
    shard: Shard,
    columns: Columns,
    family: ParquetColumn,
    rows: _Rows,
    items: Items,
    skipped: list[SkippedFile],
) -> None:
    """Add rows to the items, and those without a label to what is skipped."""
    splits: list[str | None] = [shard.split] * len(rows.numbers)
    if columns.split:
        splits = [split_name(text) for text in rows.split]
        for text, split, number in zip(rows.split, splits, rows.numbers, strict=True):
            if split is None:
                raise SourceError(
                    f"row {number + 1:,} of {shard.file.shown} names "
                    + ("a split that is not known" if text else "no split"),
                    expected="train, validation or test in every row, or no column split",
                    got=repr(text) if text else "",
                )
    names = [
        _called(shard, number, name) for number, name in zip(rows.numbers, rows.name, strict=True)
    ]
    kept = [i for i, label in enumerate(rows.label) if label]
    if len(kept) < len(names):
        skipped += [
            SkippedFile(names[i], "no label", f"row {rows.numbers[i] + 1:,} has no label")
            for i, label in enumerate(rows.label)
            if not label
        ]
    items.extend(
        name=[names[i] for i in kept],
        label=[rows.label[i] for i in kept],
        split=[splits[i] for i in kept],
        group=[rows.group[i] or None for i in kept],
        read=[Member(family, rows.places[i]) for i in kept],
        is_pixels=[False] * len(kept),
    )


def _called(shard: Shard, number: int, name: str) -> str:
    return shard.called(f"{number:07}" + (f"/{printable(name)}" if name else ""))


def _check_groups(items: Items, told: dict[str, None]) -> None:
    without = sum(group is None for group in items.columns["group"])
    if without not in (0, len(items)):
        told[f"{count(without, 'row')} without a group: each such photo is a group of its own"] = (
            None
        )


def _text(cell: object, name: str, columns: Columns) -> str:
    """Return a cell as text; a label by its class's name, empty where it is of no class."""
    if name == "label" and columns.names and isinstance(cell, int):
        return columns.names[cell].strip() if 0 <= cell < len(columns.names) else ""
    return cell_text(cell)
