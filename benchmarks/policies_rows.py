"""Tables of the policies' benchmark: medians, quartiles, and ratios paired within a round."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from policies_runs import Run, Setting
from rich.table import Table

TARGET = 1.05
"""Eager is to take no longer than so many times an executor."""


def table_of(title: str, settings: Sequence[Setting], runs: Sequence[Run]) -> Table:
    """One row a contestant, settings apart."""
    reference = settings[0].reference
    table = Table(title=title, title_justify="left")
    has_copies = any(run.further_copies for run in runs)
    for name in ("", "", "makespan ms", f"/ {reference}", "queries/s", f"/ {reference}"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    table.add_column("n", justify="right")
    if has_copies:
        table.add_column("copies", justify="right")
    for setting in settings:
        own = [run for run in runs if run.setting == setting.title]
        for place, one in enumerate(setting.contestants):
            mine = [run for run in own if run.contestant == one.name]
            row = [
                setting.title if place == 0 else "",
                one.name,
                spread([1e3 * run.makespan_s for run in mine]),
                _ratio(own, one.name, setting.reference, lambda run: run.makespan_s),
                spread([run.queries_per_s for run in mine]),
                _ratio(own, one.name, setting.reference, lambda run: run.queries_per_s),
                str(len(mine)),
            ]
            if has_copies:
                queries = sum(len(run.execute_s) for run in mine)
                row.append(f"{sum(run.further_copies for run in mine) / queries:.1f}")
            table.add_row(*row, end_section=place == len(setting.contestants) - 1)
    return table


def ratios(
    runs: Sequence[Run], name: str, reference: str, of: Callable[[Run], float]
) -> list[float]:
    """A contestant's runs over the reference's of the same setting, round and pair."""
    base = {(r.setting, r.round, r.pair): of(r) for r in runs if r.contestant == reference}
    return [
        of(run) / base[run.setting, run.round, run.pair]
        for run in runs
        if run.contestant == name and (run.setting, run.round, run.pair) in base
    ]


def verdicts(settings: Sequence[Setting], runs: Sequence[Run], name: str) -> list[str]:
    """Whether a contestant's makespan keeps to the target, setting by setting."""
    lines = []
    for setting in settings:
        own = [run for run in runs if run.setting == setting.title]
        found = ratios(own, name, setting.reference, lambda run: run.makespan_s)
        verdict = "met" if np.median(found) <= TARGET else "MISSED"
        lines.append(
            f"  {setting.title}: {name} over {setting.reference} {spread(found)} "
            f"(target {TARGET}: {verdict})"
        )
    return lines


def spread(numbers: Sequence[float]) -> str:
    """Median and quartiles."""
    low, median, high = (short(float(n)) for n in np.quantile(numbers, [0.25, 0.5, 0.75]))
    return f"{median} ({low} to {high})" if len(numbers) > 1 else median


def short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:#.3g}".rstrip(".")


def plain_rows(section: str, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs as plain data."""
    return [
        {"section": section, **dataclasses.asdict(run), "cell": msgspec.to_builtins(run.cell)}
        for run in runs
    ]


def _ratio(runs: Sequence[Run], name: str, reference: str, of: Callable[[Run], float]) -> str:
    return "1" if name == reference else spread(ratios(runs, name, reference, of))
