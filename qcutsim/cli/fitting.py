"""Tables that are wider than the terminal: what says least is left out, and named."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

FEWEST_COLUMNS = 3
"""So many stay, however narrow the terminal is."""

_EDGES = 3
"""Columns of the terminal that the space and the line beside each cell take."""


def natural_width(table: Table) -> int:
    """How wide the table is where no cell is folded."""
    return 1 + sum(_width(column) + _EDGES for column in table.columns)


def fitted(table: Table, width: int) -> Table:
    """The table, or the part of it that fits.

    Columns that have the same in every row are told below it; where that is not enough, the last
    ones are left out, and named.
    """
    if natural_width(table) <= width:
        return table
    kept = list(table.columns)
    told: list[str] = []
    if table.row_count > 1:
        for column in table.columns:
            cells = set(column.cells)
            if len(cells) == 1 and len(kept) > FEWEST_COLUMNS:
                kept.remove(column)
                told.append(f"{column.header}: {_plain(cells.pop())}")
    left_out: list[str] = []
    while len(kept) > FEWEST_COLUMNS and _total(kept) > width:
        left_out.insert(0, str(kept.pop().header))
    notes = ["in every row " + "; ".join(told)] if told else []
    if left_out:
        notes.append(f"left out, for the terminal is too narrow: {', '.join(left_out)} (--json)")
    return _of(table, kept, notes)


def _of(table: Table, columns: list[Column], notes: list[str]) -> Table:
    part = Table(title=table.title, title_justify=table.title_justify)
    for column in columns:
        part.add_column(column.header, justify=column.justify, overflow=column.overflow)
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    part.caption = Text("\n".join(notes)) if notes else None
    part.caption_justify = "left"
    return part


def _total(columns: list[Column]) -> int:
    return 1 + sum(_width(column) + _EDGES for column in columns)


def _width(column: Column) -> int:
    """Of its longest cell; of a heading the longest word, for headings may be folded."""
    words = max((len(word) for word in str(column.header).split()), default=0)
    return max([words, *(len(line) for cell in column.cells for line in _plain(cell).split("\n"))])


def _plain(cell: object) -> str:
    return Text.from_markup(str(cell)).plain
