"""What people see: tables for the terminal, figures for paper."""

from __future__ import annotations

from qcutsim.report.evidence import evidence_lines, evidence_page, evidence_tables
from qcutsim.report.figures import draw_speed_up
from qcutsim.report.html import Page, page_of, render
from qcutsim.report.live import show_run, show_study
from qcutsim.report.modelplots import draw_profile
from qcutsim.report.notebook import as_html, text_as_html
from qcutsim.report.plan import answer_lines, plan_lines, plan_tables
from qcutsim.report.profiles import profile_notes, profile_origin, profile_tables
from qcutsim.report.reportfigures import draw_figures, figure_files
from qcutsim.report.reproduction import (
    reproduction_lines,
    reproduction_page,
    reproduction_tables,
)
from qcutsim.report.reproductionfigures import draw_reproduction
from qcutsim.report.sources import Sources, read_sources
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
    "Page",
    "Sources",
    "answer_lines",
    "as_html",
    "comparison_table",
    "draw_figures",
    "draw_profile",
    "draw_reproduction",
    "draw_speed_up",
    "error_table",
    "evidence_lines",
    "evidence_page",
    "evidence_tables",
    "figure_files",
    "page_of",
    "plan_lines",
    "plan_tables",
    "policy_tables",
    "profile_notes",
    "profile_origin",
    "profile_tables",
    "read_sources",
    "render",
    "reproduction_lines",
    "reproduction_page",
    "reproduction_tables",
    "share_table",
    "show_run",
    "show_study",
    "stage_table",
    "study_notes",
    "study_tables",
    "summary_lines",
    "summary_rows",
    "table_notes",
    "text_as_html",
    "trace_of",
]
