"""What people see: tables for the terminal, figures for paper."""

from __future__ import annotations

from qcutsim.report.evidence import evidence_lines, evidence_page, evidence_tables
from qcutsim.report.figures import draw_speed_up
from qcutsim.report.modelplots import draw_profile
from qcutsim.report.plan import answer_lines, plan_lines, plan_tables
from qcutsim.report.profiles import profile_notes, profile_origin, profile_tables
from qcutsim.report.study import study_notes, study_tables
from qcutsim.report.tables import (
    comparison_table,
    error_table,
    policy_tables,
    share_table,
    stage_table,
    summary_lines,
    summary_rows,
    table_notes,
)
from qcutsim.report.trace import trace_of

__all__ = [
    "answer_lines",
    "comparison_table",
    "draw_profile",
    "draw_speed_up",
    "error_table",
    "evidence_lines",
    "evidence_page",
    "evidence_tables",
    "plan_lines",
    "plan_tables",
    "policy_tables",
    "profile_notes",
    "profile_origin",
    "profile_tables",
    "share_table",
    "stage_table",
    "study_notes",
    "study_tables",
    "summary_lines",
    "summary_rows",
    "table_notes",
    "trace_of",
]
