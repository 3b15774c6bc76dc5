"""What a network consists of, layer by layer, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photograft.core.errors import InputError, either
from photograft.core.text import count

DEPTHS = ("layers", "blocks")

_MOST_COLUMNS = 100
_BYTES_PER_PARAM = 4


@dataclass(frozen=True)
class Row:
    """A layer, or a block of them.

    Attributes:
        name: As the network has it; that of a head's layer begins with ``"head."``.
        kind: What it is: mostly a class of torch's or timm's.
        shape: Of its output for one photo: height, width and channels, or a length; empty where it
            has no output of its own.
        params: How many parameters it has, running statistics included.
        trainable: How many of them are trained.
        statistics: How many of them are running statistics.
        tensors: How many tensors its parameters are in, running statistics left out.
        trainable_tensors: How many of them are trained.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int = 0
    trainable: int = 0
    statistics: int = 0
    tensors: int = 0
    trainable_tensors: int = 0


@dataclass(frozen=True)
class Summary:
    """A network, layer by layer.

    Attributes:
        title: What it is.
        rows: Its layers, in the order in which they run.
        blocks: The same, with one row for each block of the backbone.
    """

    title: str
    rows: tuple[Row, ...]
    blocks: tuple[Row, ...]

    @property
    def total(self) -> int:
        """All parameters."""
        return sum_of(self.rows, "params")

    @property
    def trainable(self) -> int:
        """Parameters that are trained."""
        return sum_of(self.rows, "trainable")

    @property
    def non_trainable(self) -> int:
        """Parameters that are frozen, and running statistics."""
        return self.total - self.trainable

    @property
    def tensors(self) -> int:
        """Parameter tensors; running statistics don't count."""
        return sum_of(self.rows, "tensors")

    @property
    def trainable_tensors(self) -> int:
        """Parameter tensors that are trained."""
        return sum_of(self.rows, "trainable_tensors")

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the last layer's output for one photo."""
        return self.rows[-1].shape

    def lines(self, depth: str = "layers") -> list[str]:
        """Return the summary as a table of at most 100 columns, a string per line.

        Args:
            depth: ``"layers"``, or ``"blocks"`` for a shorter table.

        Raises:
            InputError: It is neither.
        """
        if depth not in DEPTHS:
            raise InputError(f"depth can't be {depth!r}", expected=either(DEPTHS))
        table = _table(self.rows if depth == "layers" else self.blocks)
        width = len(f"{self.total:,}")
        totals = [
            f"{what:<13}  {params:>{width},} parameters in {count(tensors, 'tensor')}"
            for what, params, tensors in (
                ("total", self.total, self.tensors),
                ("trainable", self.trainable, self.trainable_tensors),
                ("not trainable", self.non_trainable, self.tensors - self.trainable_tensors),
            )
        ]
        totals[0] += f", {self.total * _BYTES_PER_PARAM / 1e6:,.1f} MB"
        if statistics := sum_of(self.rows, "statistics"):
            totals[2] += f"; {statistics:,} of these are running statistics"
        return [self.title, *table, *totals]


def sum_of(rows: Sequence[Row], what: str) -> int:
    """Return the sum of one count of several rows."""
    return sum(getattr(row, what) for row in rows)


def _table(rows: Sequence[Row]) -> list[str]:
    """Return rows as aligned columns between two rules, too long a kind cut short."""
    heads = ("layer", "kind", "output shape", "parameters", "trained")
    cells = [
        (
            row.name,
            row.kind,
            " × ".join(f"{n:,}" for n in row.shape),
            f"{row.params:,}" if row.params else "",
            ("yes" if row.trainable else "no") if row.params else "",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    spare = _MOST_COLUMNS - sum(widths) - 2 * (len(widths) - 1)
    least = len(heads[1]) + 4
    widths[1] = max(widths[1] + min(spare, 0), least)
    widths[0] = min(widths[0], _MOST_COLUMNS - sum(widths[1:]) - 2 * (len(widths) - 1))
    lines = []
    for name, kind, shape, params, trained in (heads, *cells):
        line = "  ".join(
            (
                f"{_cut(name, widths[0]):<{widths[0]}}",
                f"{_cut(kind, widths[1]):<{widths[1]}}",
                f"{shape:<{widths[2]}}",
                f"{params:>{widths[3]}}",
                trained,
            )
        )
        lines.append(line.rstrip())
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return [rule, lines[0], rule, *lines[1:], rule]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
