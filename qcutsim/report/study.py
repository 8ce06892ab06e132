"""A simulated study as tables: what each cell takes, and what that goes into."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.markup import escape
from rich.table import Table

from qcutsim.analysis import STAGES, Configuration, Interval
from qcutsim.report.tables import make_table
from qcutsim.simulatedcell import CellStatistics
from qcutsim.study import Study

_RARELY_VARIED = (
    "allocation",
    "reconstruction",
    "chunk",
    "policy",
    "cancel",
    "window",
    "machines",
)


MOST_ROWS = 200
"""More are no table that anyone reads."""


def study_tables(study: Study, title: str) -> list[Table]:
    """Times with their intervals and stage shares, then the critical path; of the first cells."""
    shown = msgspec.structs.replace(study, cells=study.cells[:MOST_ROWS])
    return [_times(shown, title), _critical_path(shown)]


def _times(study: Study, title: str) -> Table:
    """What no cell has anything to say of is left out."""
    columns: dict[str, list[str]] = {
        "makespan s": [
            f"{_three(cell.makespan_s.estimate)}{'*' if cell.is_extrapolated else ''}"
            for cell in study.cells
        ],
        "90 % interval": [_range(cell.makespan_s) for cell in study.cells],
        "p95 s": [_three(cell.p95_s.estimate) for cell in study.cells],
        "p99 s": [_three(cell.p99_s.estimate) for cell in study.cells],
        **{
            f"{stage} %": [_percent(cell.stage_shares[stage]) for cell in study.cells]
            for stage in STAGES
        },
        "workers busy %": [_percent(cell.utilisation) for cell in study.cells],
        "idle at barrier %": [_percent(cell.barrier_waiting) for cell in study.cells],
        "queueing ms": [_seconds(cell.queueing_s, 1e3) for cell in study.cells],
        "straggler slowdown": [_ratio(cell.straggler_slowdown) for cell in study.cells],
        "training s": [_seconds(cell.training_s) for cell in study.cells],
    }
    said = {name: values for name, values in columns.items() if set(values) != {"-"}}
    table = make_table(f"Simulated: {title}", *_heads(study), *said)
    for cell, *values in zip(study.cells, *said.values(), strict=True):
        table.add_row(*_labels(study, cell), *values)
    return table


def _critical_path(study: Study) -> Table:
    names = list(dict.fromkeys(name for cell in study.cells for name in cell.critical_path))
    table = make_table(
        "What the makespan goes into, % (along the critical path)", *_heads(study), *names
    )
    for cell in study.cells:
        table.add_row(
            *_labels(study, cell), *(_percent(cell.critical_path.get(name)) for name in names)
        )
    return table


def _heads(study: Study) -> list[str]:
    return ["cuts", "labels", "pool", "workers", *_varied(study), "stragglers"]


def _labels(study: Study, cell: CellStatistics) -> list[str]:
    """Machines by number: in words, which the notes give, they would fill the table."""
    values = dict(cell.configuration)
    numbers = {"": "-"} | {words: str(n) for n, words in enumerate(_machines(study), start=1)}
    values["machines"] = numbers[values["machines"]]
    shown = [
        values["cuts"],
        Configuration(**cell.configuration).labels,
        values["pool"],
        values["workers"],
    ]
    shown += [values[name] for name in _varied(study)]
    return [escape(str(value)) for value in (*shown, values["stragglers"] or "-")]


def _varied(study: Study) -> list[str]:
    return [
        name
        for name in _RARELY_VARIED
        if len({cell.configuration[name] for cell in study.cells}) > 1
    ]


def _machines(study: Study) -> list[str]:
    """Distinct machines in words, in the order in which they come."""
    found = dict.fromkeys(cell.configuration["machines"] for cell in study.cells)
    return [words for words in found if words]


def study_notes(study: Study) -> Sequence[str]:
    """What to know of a study, a line each."""
    shown = study.cells[:MOST_ROWS]
    left_out = len(study.cells) - len(shown)
    lines = [f"and {left_out:,} more cells; 'qcutsim export' writes them all"] if left_out else []
    if study.missing:
        lines.append(f"{study.missing:,} cells are not simulated yet; the same command goes on")
    lines += [f"machines {n}: {words}" for n, words in enumerate(_machines(study), start=1)]
    engines = {(cell.engine, cell.engine_why) for cell in study.cells}
    lines += [f"engine {engine}: {why}" for engine, why in sorted(engines)]
    if study.substitutes:
        lines.append(
            "not calibrated, replaced by the nearest class (mid-circuit measurements, width, "
            f"depth, subexperiments), scaled: {'; '.join(study.substitutes)}"
        )
    if study.extrapolations:
        lines.append(f"extrapolated (* in the table): {'; '.join(study.extrapolations)}")
    failed = sum(cell.failed for cell in study.cells)
    if failed:
        total = failed + sum(cell.queries for cell in study.cells)
        lines.append(f"{failed} of {total} simulated queries failed; their records say why")
    wide = sum(cell.is_wide for cell in study.cells)
    if wide:
        lines.append(
            f"{wide} cells did not reach the interval asked for; their spread is too large"
        )
    return lines


def _seconds(value: Interval | None, scale: float = 1.0) -> str:
    return "-" if value is None else _three(scale * value.estimate)


def _ratio(value: Interval | None) -> str:
    return "-" if value is None else f"{value.estimate:.2f}"


def _range(value: Interval) -> str:
    if value.low is None or value.high is None:
        return "-"
    return f"{_three(value.low)} - {_three(value.high)}"


def _three(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _percent(value: Interval | None) -> str:
    return "-" if value is None else f"{100 * value.estimate:.1f}"
