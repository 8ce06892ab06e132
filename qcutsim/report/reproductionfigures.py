"""The paper's Figs. 4 to 6 from a reproduction, by matplotlib (extra ``real``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qcutsim.extras import require
from qcutsim.files import writing_whole
from qcutsim.reproduction import PIPELINES, Ratio, Reproduction

# Okabe and Ito's colours, which the colour-blind can tell apart, and a marker each.
_STYLES = (("#D55E00", "o"), ("#0072B2", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#000000", "v"))

_SIZE = 3.4
"""Inches of a panel."""

LEGEND_COLUMNS = 4


def draw_reproduction(found: Reproduction, folder: Path) -> list[Path]:
    """Write ``rq1.svg``, ``rq2.svg`` and ``rq3.svg``: measured points on simulated lines.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: a figure cannot be written.
    """
    require("matplotlib")
    drawn = {"rq1": _draw_growth(found), "rq2": _draw_speed_ups(found), "rq3": _slow(found)}
    paths = []
    for name, figure in drawn.items():
        with writing_whole(folder / f"{name}.svg") as path:
            figure.savefig(path, format="svg", metadata={"Date": None})
        paths.append(folder / f"{name}.svg")
    return paths


def _panels(rows: int, columns: int) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "qcutsim"
    figure = Figure(figsize=(_SIZE * columns + 0.8, _SIZE * rows + 0.6), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw_growth(found: Reproduction) -> Any:
    figure, axes = _panels(1, 2)
    query, epoch = axes[0]
    for pipeline, (colour, marker) in zip(PIPELINES, _STYLES, strict=False):
        rows = [row for row in found.growth if row.pipeline == pipeline]
        style = {"color": colour, "marker": marker, "label": pipeline}
        query.plot([row.cuts for row in rows], [row.query_s for row in rows], **style)
        simulated = [(row.cuts, row.epoch_s.estimate) for row in rows if row.epoch_s]
        if simulated:
            epoch.plot(*zip(*simulated, strict=True), **style)
    for axis, what in ((query, "a query, measured"), (epoch, "an epoch, simulated")):
        axis.set(title=what, xlabel="cuts", ylabel="seconds", yscale="log")
        axis.set_xticks(sorted({row.cuts for row in found.growth}))
        axis.grid(alpha=0.3)
    _legend(figure)
    return figure


def _draw_speed_ups(found: Reproduction) -> Any:
    cuts = sorted({row.cuts for row in found.speed_ups})
    figure, axes = _panels(len(PIPELINES), max(len(cuts), 1))
    for pipeline, line in zip(PIPELINES, axes, strict=True):
        for number, axis in zip(cuts, line, strict=False):
            rows = [r for r in found.speed_ups if (r.pipeline, r.cuts) == (pipeline, number)]
            _draw_lines(axis, rows, lambda row: row.pool, lambda row: row.workers)
            axis.set(title=f"{pipeline}, {number} cut{'s' if number != 1 else ''}")
            axis.set(xlabel="workers", ylabel="speed-up over one worker")
            axis.set_xscale("log", base=2)
            axis.set_yscale("log", base=2)
            axis.xaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_major_formatter("{x:.3g}")
    _legend(figure)
    return figure


def _slow(found: Reproduction) -> Any:
    panels = list(dict.fromkeys((row.pipeline, row.pool) for row in found.slowdowns))
    figure, axes = _panels(1, max(len(panels), 1))
    for (pipeline, pool), axis in zip(panels, axes[0], strict=False):
        rows = [r for r in found.slowdowns if (r.pipeline, r.pool) == (pipeline, pool)]
        _draw_lines(axis, rows, lambda row: row.policy, lambda row: row.straggler_probability)
        axis.set(title=f"{pipeline}, {pool}", xlabel="straggler probability", ylabel="slowdown")
    _legend(figure)
    return figure


def _draw_lines(
    axis: Any,
    rows: Sequence[Ratio],
    series: Callable[[Ratio], str],
    place: Callable[[Ratio], float],
) -> None:
    """A series in one colour: a line where it was simulated, markers where it was measured."""
    names = list(dict.fromkeys(map(series, rows)))
    for number, name in enumerate(names):
        colour, marker = _STYLES[number % len(_STYLES)]
        own = sorted((row for row in rows if series(row) == name), key=place)
        line = [(place(row), row.simulated) for row in own if row.simulated is not None]
        points = [(place(row), row.measured) for row in own if row.measured is not None]
        if line:
            axis.plot(*zip(*line, strict=True), color=colour, label=f"{name}, simulated")
        if points:
            axis.plot(
                *zip(*points, strict=True),
                color=colour,
                marker=marker,
                linestyle="",
                markerfacecolor="white",
                label=f"{name}, measured",
            )
    axis.grid(alpha=0.3)


def _legend(figure: Any) -> None:
    """One for all panels, below them: within, it would cover lines."""
    found: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if found:
        figure.legend(
            found.values(),
            found,
            loc="outside lower center",
            ncols=min(len(found), LEGEND_COLUMNS),
            frameon=False,
            fontsize=8,
        )
