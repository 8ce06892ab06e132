"""Tables for the terminal, and the same rows as plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from qcutsim.analysis import STAGES, Compared, Comparison, Configuration, Summary, speed_ups
from qcutsim.calibrate import CalibrationProfile
from qcutsim.dispatch import PolicyDescription

NOTABLE_WAITING = 0.03
"""A share of waiting from which a reader is warned; a quiet host stays below 0.01."""


def summary_rows(summaries: dict[Configuration, Summary]) -> list[dict[str, Any]]:
    """One plain row a configuration: makespan, spread, speed-up, stage shares."""
    ups = speed_ups(summaries)
    return [
        {
            **key._asdict(),
            "queries": summary.queries,
            "makespan_s": summary.makespan_s,
            "lowest_s": summary.lowest_s,
            "highest_s": summary.highest_s,
            "queries_per_s": summary.queries_per_s,
            "speed_up": ups.get(key),
            **{f"{s}_share": v for s, v in zip(STAGES, summary.stage_shares, strict=True)},
        }
        for key, summary in summaries.items()
    ]


def stage_table(summaries: dict[Configuration, Summary], title: str) -> Table:
    """Where the time went: makespan, speed-up and stage shares of each configuration."""
    shown = _varied(summaries)
    rate = ["queries/s"] if "window" in shown else []
    columns = ["cuts", "labels", "pool", "workers", *shown, "stragglers"]
    table = _table(title, *columns, "makespan s", *rate, "speed-up")
    for stage in STAGES:
        table.add_column(f"{stage} %", justify="right")
    for row in summary_rows(summaries):
        table.add_row(
            str(row["cuts"]),
            escape(row["partition_labels"]),
            escape(row["pool"]),
            str(row["workers"]),
            *(escape(str(row[name])) for name in shown),
            escape(row["stragglers"]) or "-",
            f"{row['makespan_s']:.3f}",
            *(_number(row["queries_per_s"]) for _ in rate),
            _number(row["speed_up"]),
            *(f"{100 * row[f'{stage}_share']:.1f}" for stage in STAGES),
        )
    return table


def _varied(configurations: Iterable[Configuration | Compared]) -> list[str]:
    """Of what is rarely varied, that which is not the same throughout."""
    shown = list(configurations)
    names = ("reconstruction", "chunk", "policy", "cancel", "window")
    return [name for name in names if len({getattr(one, name) for one in shown}) > 1]


def comparison_table(comparison: Comparison) -> Table:
    """Measured beside simulated, one row a configuration."""
    shown = _varied(comparison.configurations)
    table = _table(
        "Measured and simulated (* = a pool size the profile was not calibrated on)",
        "cuts",
        "pool",
        "workers",
        *shown,
        "stragglers",
        "measured s",
        "spread %",
        "simulated s",
        "error %",
        "speed-up meas.",
        "sim.",
        "error %",
    )
    for row in comparison.configurations:
        table.add_row(
            str(row.cuts),
            escape(row.pool),
            f"{row.workers}{'*' if row.is_prediction else ' '}",
            *(escape(str(getattr(row, name))) for name in shown),
            escape(row.stragglers) or "-",
            f"{row.measured_makespan_s:.3f}",
            f"{100 * row.measured_spread:.0f}",
            f"{row.simulated_makespan_s:.3f}",
            f"{100 * row.makespan_error:+.1f}",
            _number(row.measured_speed_up),
            _number(row.simulated_speed_up),
            _percent(row.speed_up_error, signed=True),
        )
    return table


def error_table(comparison: Comparison) -> Table:
    """Absolute errors by group."""
    table = _table(
        "Absolute error of the simulation",
        "group",
        "configurations",
        "makespan median %",
        "p90 %",
        "speed-up median %",
        "p90 %",
    )
    for row in comparison.summaries:
        table.add_row(
            escape(row.group),
            str(row.configurations),
            _percent(row.median_abs_error_makespan),
            _percent(row.p90_abs_error_makespan),
            _percent(row.median_abs_error_speed_up),
            _percent(row.p90_abs_error_speed_up),
        )
    return table


def profile_table(profile: CalibrationProfile) -> Table:
    """What was calibrated: classes of subexperiments and what sharing does, by pool."""
    table = _table(
        f"Profile: pipeline {profile.pipeline}, {profile.shots} shots, {profile.queries} queries",
        "pool",
        "shares",
        "efficiency",
        "mid-circuit",
        "width",
        "depth",
        "tasks",
        "service ms",
        "CPU ms",
        "idle gap ms",
    )
    for kind, pool in sorted(profile.pools.items()):
        for task in pool.tasks:
            table.add_row(
                escape(kind),
                f"{pool.sharing.capacity} {pool.sharing.resource}",
                f"{pool.sharing.efficiency:.3f}",
                str(task.mid_circuit_measurements),
                str(task.width),
                str(task.depth),
                str(task.service_s.samples),
                f"{1e3 * task.service_s.median:.2f}",
                f"{1e3 * task.cpu_s.median:.2f}",
                f"{1e3 * pool.idle_gap_s.median:.2f}",
            )
    return table


def profile_notes(profile: CalibrationProfile) -> Sequence[str]:
    """What to know before trusting the profile, a line each."""
    return [
        f"pool {kind}: workers alone waited {100 * pool.waiting_share:.0f} % of their time for a "
        "core; other programs used the host, so expect larger errors or calibrate on a quiet one"
        for kind, pool in sorted(profile.pools.items())
        if pool.waiting_share > NOTABLE_WAITING
    ]


def policy_tables(policies: Sequence[PolicyDescription]) -> list[Table]:
    """What each policy does, and then the parameters of those that have some."""
    overview = _table("Dispatch policies", "policy", "what it does")
    parameters = _table("Their parameters", "policy", "parameter", "default", "allowed", "meaning")
    for policy in policies:
        overview.add_row(escape(policy.kind), escape(policy.summary))
        for one in policy.parameters:
            shown = (policy.kind, one.name, str(one.default), one.allowed, one.meaning)
            parameters.add_row(*map(escape, shown))
    return [overview, parameters]


_TEXT = {
    "allowed",
    "cancel",
    "group",
    "labels",
    "meaning",
    "parameter",
    "policy",
    "pool",
    "reconstruction",
    "shares",
    "stragglers",
    "what it does",
}
"""Columns of words; the others hold numbers."""

_POLICY_WIDTH = len("work_stealing")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in _TEXT else "right",
            overflow="fold",
            min_width=_POLICY_WIDTH if column == "policy" else None,
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def table_notes(comparison: Comparison) -> Sequence[str]:
    """What was left out of the comparison, a line each."""
    lines = [f"measured, not simulated: {name}" for name in comparison.only_measured]
    lines += [f"not calibrated, replaced by the nearest class: {s}" for s in comparison.substitutes]
    return lines + [f"simulated, not measured: {name}" for name in comparison.only_simulated]
