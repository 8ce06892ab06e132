"""How objects show themselves in a notebook: their terminal tables as small HTML tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatch
from html import escape
from typing import Any

from rich.table import Table
from rich.text import Text

from qcutsim.analysis import Comparison
from qcutsim.calibrate import CalibrationProfile
from qcutsim.report.profiles import profile_notes, profile_origin, profile_tables
from qcutsim.report.study import study_notes, study_tables
from qcutsim.report.tables import (
    comparison_table,
    error_table,
    make_table,
    share_table,
    summary_lines,
    table_notes,
)
from qcutsim.scenario import Scenario
from qcutsim.study import Study

MOST_ROWS = 100
"""Of a table; what is left out is counted below it."""


@singledispatch
def as_html(thing: Any) -> str:
    """An object as HTML without script or style; whatever it holds is text in it.

    Raises:
        TypeError: there are no tables of such an object.
    """
    raise TypeError(f"{type(thing).__name__} has no tables to show")


@as_html.register
def _(study: Study) -> str:
    return _page(study_tables(study, f"{len(study.cells)} cells"), study_notes(study))


@as_html.register
def _(comparison: Comparison) -> str:
    tables = (error_table(comparison), comparison_table(comparison), share_table(comparison))
    return _page(tables, (*summary_lines(comparison), *table_notes(comparison)))


@as_html.register
def _(profile: CalibrationProfile) -> str:
    return _page(profile_tables(profile), (*profile_origin(profile), *profile_notes(profile)))


@as_html.register
def _(scenario: Scenario) -> str:
    title = (
        f"Scenario {scenario.name}: {len(scenario.cells)} cells, seed {scenario.seed}, "
        f"{scenario.repetitions} repetitions, {scenario.replications} replications"
    )
    columns = ("labels", "pipeline", "shots", "pool", "workers", "policy", "stragglers", "window")
    table = make_table(title, *columns, "queries")
    for cell in scenario.cells[: MOST_ROWS + 1]:
        work, late = cell.workload, cell.stragglers
        shown = (work.partition_labels, work.pipeline, str(work.shots), cell.pool.kind)
        stragglers = f"{late.probability:g}" if late.probability else "-"
        more = (str(cell.pool.workers), cell.policy["kind"], stragglers, str(cell.window))
        table.add_row(*shown, *more, str(cell.queries))
    return _page([table], (), left_out=len(scenario.cells) - MOST_ROWS)


def text_as_html(title: str, text: str) -> str:
    """Lines whose columns are aligned by blanks."""
    return f"<b>{escape(title)}</b><pre>{escape(text)}</pre>"


def _page(tables: Iterable[Table], notes: Sequence[str], left_out: int = 0) -> str:
    parts = [_as_table(table, left_out) for table in tables]
    if notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    return "\n".join(parts)


def _as_table(table: Table, left_out: int) -> str:
    """The cells of a table of rich as they would be printed."""
    heads = "".join(f"<th>{_plain(column.header)}</th>" for column in table.columns)
    rows = list(zip(*(list(column.cells) for column in table.columns), strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td>{_plain(cell)}</td>" for cell in row) + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    left_out = max(left_out, len(rows) - MOST_ROWS)
    more = f"<p>{left_out:,} more rows</p>" if left_out > 0 else ""
    return (
        f"<table><caption>{_plain(table.title)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}"
    )


def _plain(cell: Any) -> str:
    return escape(Text.from_markup(str(cell)).plain)
