"""Wide tables on narrow terminals: whole cells only, and what is missing is named."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qcutsim.cli.fitting import FEWEST_COLUMNS, fitted, natural_width

ROWS = 3


def table(columns: int) -> Table:
    """The first column is the same in every row; each cell says where it stands."""
    made = Table("pool", *(f"column {number}" for number in range(columns)), title="a title")
    for row in range(ROWS):
        made.add_row("processes", *(f"[{row}] {1000 * row + n}" for n in range(columns)))
    return made


def shown(of: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(of)
    text = console.file.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    return text


def escaped(columns: int) -> Table:
    made = Table("pool", *(f"column {number}" for number in range(columns)))
    for row in range(ROWS):
        made.add_row("processes", *(escape(f"[{row}] {1000 * row + n}") for n in range(columns)))
    return made


def test_a_table_that_fits_is_left_alone():
    made = table(3)
    assert fitted(made, natural_width(made)) is made


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_cells_are_whole_and_what_is_left_out_is_named(width):
    text = shown(fitted(escaped(20), width), width)
    cells = sum(f"[{row}] {1000 * row + n}" in text for row in range(ROWS) for n in range(20))
    assert cells % ROWS == 0
    kept = cells // ROWS
    assert FEWEST_COLUMNS <= kept < 20
    said = " ".join(text.split())
    assert "in every row pool: processes" in said
    for number in range(kept, 20):
        assert f"column {number}" in said


def test_what_is_the_same_in_every_row_is_told_once():
    made = escaped(4)
    text = shown(fitted(made, natural_width(made) - 1), 80)
    assert text.count("processes") == 1
    assert "left out" not in text


def test_the_table_of_one_row_keeps_its_first_columns():
    made = Table("cuts", "labels", "makespan s", "speed-up", "shares")
    made.add_row("1", "AABB", "0.123", "1.00", "90 %")
    text = shown(fitted(made, 36), 36)
    assert "0.123" in text
    assert "shares" in text
