"""What people see: tables for the terminal, figures for paper."""

from __future__ import annotations

from qcutsim.report.figures import draw_speed_up
from qcutsim.report.tables import (
    comparison_table,
    error_table,
    policy_tables,
    profile_notes,
    profile_table,
    stage_table,
    summary_rows,
    table_notes,
)

__all__ = [
    "comparison_table",
    "draw_speed_up",
    "error_table",
    "policy_tables",
    "profile_notes",
    "profile_table",
    "stage_table",
    "summary_rows",
    "table_notes",
]
