"""Tables for the terminal, and the same rows as plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from qcutsim.analysis import STAGES, Compared, Comparison, Configuration, Summary, speed_ups
from qcutsim.dispatch import PolicyDescription


def summary_rows(summaries: dict[Configuration, Summary]) -> list[dict[str, Any]]:
    """One plain row a configuration: makespan, spread, speed-up, stage shares."""
    ups = speed_ups(summaries)
    return [
        {
            **key._asdict(),
            "partition_labels": key.labels,
            "queries": summary.queries,
            "makespan_s": summary.makespan_s,
            "lowest_s": summary.lowest_s,
            "highest_s": summary.highest_s,
            "queries_per_s": summary.queries_per_s,
            "speed_up": ups.get(key),
            "is_extrapolated": summary.is_extrapolated,
            **{f"{s}_share": v for s, v in zip(STAGES, summary.stage_shares, strict=True)},
        }
        for key, summary in summaries.items()
    ]


def stage_table(summaries: dict[Configuration, Summary], title: str) -> Table:
    """Where the time went: makespan, speed-up and stage shares of each configuration."""
    shown = _varied(summaries)
    rate = ["queries/s"] if "window" in shown else []
    columns = ["cuts", "labels", "pool", "workers", *shown, "stragglers"]
    table = make_table(title, *columns, "makespan s", *rate, "speed-up")
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
            f"{row['makespan_s']:.3f}{'*' if row['is_extrapolated'] else ''}",
            *(_number(row["queries_per_s"]) for _ in rate),
            _number(row["speed_up"]),
            *(f"{100 * row[f'{stage}_share']:.1f}" for stage in STAGES),
        )
    return table


def _varied(configurations: Iterable[Configuration | Compared]) -> list[str]:
    """Of what is rarely varied, that which is not the same throughout."""
    shown = list(configurations)
    names = ("allocation", "reconstruction", "chunk", "policy", "cancel", "window", "machines")
    return [name for name in names if len({getattr(one, name) for one in shown}) > 1]


def comparison_table(comparison: Comparison) -> Table:
    """Measured beside simulated, one row a configuration; ! marks what its interval misses."""
    shown = _varied(comparison.configurations)
    table = make_table(
        "Measured and simulated (* = not calibrated on: a pool size, or more cuts)",
        "cuts",
        "pool",
        "workers",
        *shown,
        "stragglers",
        "measured s",
        "spread %",
        "simulated s",
        "90 % interval",
        "error %",
        "speed-up meas.",
        "sim.",
        "90 % interval",
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
            f"{row.simulated_makespan_s:.3f}{'*' if row.is_extrapolated else ''}",
            _range(row.makespan_interval, row.measured_makespan_s),
            f"{100 * row.makespan_error:+.1f}",
            _number(row.measured_speed_up),
            _number(row.simulated_speed_up),
            _range(row.speed_up_interval, row.measured_speed_up),
            _percent(row.speed_up_error, signed=True),
        )
    return table


def share_table(comparison: Comparison) -> Table:
    """Stage shares and the slowdown by stragglers, measured beside simulated."""
    shown = _varied(comparison.configurations)
    has_stragglers = any(row.measured_slowdown is not None for row in comparison.configurations)
    slowdown = ["slowdown meas.", "sim.", "90 % interval", "error %"] if has_stragglers else []
    table = make_table(
        "Stage shares, measured / simulated (90 % interval)",
        "cuts",
        "pool",
        "workers",
        *shown,
        "stragglers",
        *(f"{stage} %" for stage in STAGES),
        *slowdown,
    )
    for row in comparison.configurations:
        ratios = [
            _number(row.measured_slowdown),
            _number(row.simulated_slowdown),
            _range(row.slowdown_interval, row.measured_slowdown),
            _percent(row.slowdown_error, signed=True),
        ]
        table.add_row(
            str(row.cuts),
            escape(row.pool),
            f"{row.workers}{'*' if row.is_prediction else ' '}",
            *(escape(str(getattr(row, name))) for name in shown),
            escape(row.stragglers) or "-",
            *_shares(row),
            *(ratios if has_stragglers else ()),
        )
    return table


def _shares(row: Compared) -> Iterator[str]:
    ranges = row.share_intervals or (None,) * len(STAGES)
    shown = zip(row.measured_shares, row.simulated_shares, ranges, strict=True)
    for real, virtual, ends in shown:
        known = "" if ends is None else f" ({100 * ends[0]:.1f}-{100 * ends[1]:.1f})"
        yield f"{100 * real:.1f} / {100 * virtual:.1f}{known}"


def _range(ends: tuple[float, float] | None, measured: float | None) -> str:
    if ends is None:
        return "-"
    is_inside = measured is None or ends[0] <= measured <= ends[1]
    return f"{ends[0]:.3g}-{ends[1]:.3g}{'' if is_inside else ' !'}"


def error_table(comparison: Comparison) -> Table:
    """Absolute errors by group."""
    table = make_table(
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


def policy_tables(policies: Sequence[PolicyDescription]) -> list[Table]:
    """What each policy does, and then the parameters of those that have some."""
    overview = make_table("Dispatch policies", "policy", "what it does")
    parameters = make_table(
        "Their parameters", "policy", "parameter", "default", "allowed", "meaning"
    )
    for policy in policies:
        overview.add_row(escape(policy.kind), escape(policy.summary))
        for one in policy.parameters:
            shown = (policy.kind, one.name, str(one.default), one.allowed, one.meaning)
            parameters.add_row(*map(escape, shown))
    return [overview, parameters]


_TEXT = {
    "allowed",
    "family",
    "cancel",
    "group",
    "labels",
    "meaning",
    "model",
    "parameter",
    "policy",
    "pool",
    "reconstruction",
    "shares",
    "stage",
    "stragglers",
    "strategy",
    "value",
    "what it does",
}
"""Columns of words; the others hold numbers."""

_POLICY_WIDTH = len("work_stealing")


def make_table(title: str, *columns: str) -> Table:
    """An empty table; columns of words are aligned to the left."""
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


def summary_lines(comparison: Comparison) -> Sequence[str]:
    """The errors of each group in words."""
    return [
        f"{row.group}: {row.configurations} configurations, makespan off by "
        f"{_percent(row.median_abs_error_makespan)} % in median, "
        f"{_percent(row.p90_abs_error_makespan)} % at p90"
        for row in comparison.summaries
    ]
