"""The figures of a report by matplotlib (extra ``real``), as SVG and PDF for a paper.

They show what the page shows at first: its filters as they are before a reader changes them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import make_folder
from qcutsim.report.html import Page
from qcutsim.report.pagedata import Axis, Curve, Figure, Mark, word
from qcutsim.report.timelines import TASK_FIELDS

FORMATS = ("svg", "pdf")

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_PARTS = ("#56B4E9", "#E69F00", "#0072B2", "#009E73")
_SHORT = {"measured": "meas.", "simulated": "sim."}
_TASKS = ("#D55E00", "#CC79A7", "#4D4D4D", "#F0E442", "#A66F00")
"""Of partitions; stages have the others."""
_MARKERS = ("o", "s", "^", "D", "x", "P", "v")
_POOLS = ("processes", "threads", "dedicated", "inline")
_MOST_PANELS = 12
_MOST_BARS = 60
_SETTINGS: Any = {
    "font.size": 8,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "qcutsim",
    "text.parse_math": False,  # a name may hold a dollar sign
}
_COLOURED_BY = ("pool", "policy", "stragglers", "reconstruction", "workers", "window", "chunk")

_MOST_FIELDS, _MOST_SERIES = 3, 12

_FOUND_BY = {
    "speed-up": ("workers",),
    "stragglers": ("stragglers",),
    "growth": ("cuts", "partition_labels"),
    "errors": ("cuts", "partition_labels"),
}


def figure_files(page: Page, folder: Path) -> list[Path]:
    """What :func:`draw_figures` would write."""
    return [folder / f"{figure.name}.{form}" for figure in page.figures for form in FORMATS]


def draw_figures(page: Page, folder: Path) -> list[Path]:
    """Draw every figure of a page; the same page gives the same files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: a file cannot be written.
    """
    require("matplotlib")
    import matplotlib

    make_folder(folder)
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of another script, in a name
        for figure in page.figures:
            drawn = _Drawing(page, figure).draw()
            for form in FORMATS:
                dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
                path = folder / f"{figure.name}.{form}"
                try:
                    drawn.savefig(path, metadata=dates[form])
                except OSError as error:
                    raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return figure_files(page, folder)


class _Drawing:
    """One figure on paper."""

    def __init__(self, page: Page, figure: Figure) -> None:
        self.page, self.figure = page, figure
        self.marks = [mark for mark in figure.marks if self._passes(mark)]
        self.curves = [curve for curve in figure.curves if self._passes(curve)]
        self.fields = self._telling() or ["pool"]
        self.names: list[str] = []

    def _telling(self) -> list[str]:
        """Fields each of which tells marks of a panel apart that those before it do not."""
        known = [*self.figure.panels, *_FOUND_BY.get(self.figure.name, ())]
        marks = [mark for mark in self.marks if not _is_general(mark)]

        def kinds(*names: str) -> int:
            return len({tuple(self._of(mark, name) for name in names) for mark in marks})

        chosen: list[str] = []
        for name in _COLOURED_BY:
            more = [*chosen, name]
            is_new = name not in known and kinds(*known, *more) > kinds(*known, *chosen)
            if is_new and len(chosen) < _MOST_FIELDS and kinds(*more) <= _MOST_SERIES:
                chosen.append(name)
        return chosen

    def _of(self, mark: Mark | Curve, name: str) -> Any:
        return self.page.configurations[mark.c][self.page.fields.index(name)]

    def _passes(self, mark: Mark | Curve) -> bool:
        return (isinstance(mark, Mark) and _is_general(mark)) or all(
            not value or word(self._of(mark, name)) == value
            for name, value in self.figure.filters.items()
        )

    def _series(self, mark: Mark | Curve) -> str:
        if isinstance(mark, Mark) and _is_general(mark):
            return mark.series
        return ", ".join(_said(name, self._of(mark, name)) for name in self.fields)

    def _panel(self, mark: Mark | Curve) -> str:
        words = []
        shown: list[Mark | Curve] = [*self.marks, *self.curves]
        for name in self.figure.panels:
            varies = len({self._of(other, name) for other in shown}) > 1
            if name == "cuts":
                words.append(f"{self._of(mark, name)} cuts")
            elif varies:
                words.append(word(self._of(mark, name)))
        if isinstance(mark, Mark) and mark.panel:
            words.append(mark.panel)
        return ", ".join(words)

    def draw(self) -> Any:
        from matplotlib.figure import Figure as Canvas

        if self.figure.kind == "timeline":
            return self._timeline(Canvas(figsize=(7, 3.6), layout="constrained"))
        shown: list[Mark | Curve] = [*self.marks, *self.curves]
        panels = sorted({self._panel(mark) for mark in shown})
        panels = panels[:_MOST_PANELS]
        wide = self.figure.kind in ("bars", "heat")
        columns = max(min(len(panels), 2 if wide else 3), 1)
        rows = max(-(-len(panels) // columns), 1)
        high = self._bar_height(panels) if self.figure.kind == "bars" else 2.2
        canvas = Canvas(figsize=(3.6 if wide else 2.6, 1), layout="constrained")
        canvas.set_size_inches((3.6 if wide else 2.6) * columns, high * rows + 0.5)
        axes = list(canvas.subplots(rows, columns, squeeze=False).flat)
        self.names = sorted({self._series(mark) for mark in shown}, key=_rank)
        for axis, panel in zip(axes, panels, strict=False):
            axis.set_title(panel, fontsize=8)
            self._draw_panel(axis, panel)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        handles = {
            name: handle
            for axis in canvas.axes
            for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        if handles:
            canvas.legend(
                handles.values(),
                handles.keys(),
                loc="outside lower center",
                ncols=min(len(handles), 3 if wide else 2),
                frameon=False,
                fontsize=7,
            )
        return canvas

    def _draw_panel(self, axis: Any, panel: str) -> None:
        marks = [mark for mark in self.marks if self._panel(mark) == panel]
        curves = [curve for curve in self.curves if self._panel(curve) == panel]
        draw = {"points": self._points, "bars": self._bars, "heat": self._heat}
        draw[self.figure.kind](axis, marks, curves)

    def _bar_height(self, panels: Sequence[str]) -> float:
        most = max(sum(self._panel(m) == panel for m in self.marks) for panel in panels)
        return 0.14 * min(most, _MOST_BARS) + 0.8

    def _points(self, axis: Any, marks: Sequence[Mark], curves: Sequence[Curve]) -> None:
        for curve in curves:
            axis.plot(curve.xs, curve.ys, drawstyle="steps-pre", **self._line(curve))
        lines: dict[tuple[Any, ...], list[Mark]] = {}
        skipped = (*_FOUND_BY.get(self.figure.name, ()), "partition_labels")
        rest = [name for name in self.page.fields if name not in skipped]
        for mark in marks:
            own = () if _is_general(mark) else tuple(self._of(mark, n) for n in rest)
            lines.setdefault((mark.origin, mark.series, own), []).append(mark)
        for (origin, *_), line in sorted(lines.items(), key=lambda item: str(item[0])):
            line.sort(key=lambda mark: mark.x)
            self._draw_line(axis, line, is_measured=origin == "measured")
        if self.figure.has_diagonal and marks:
            low = min(min(float(m.x), float(m.y)) for m in marks)  # type: ignore[arg-type]
            high = max(max(float(m.x), float(m.y)) for m in marks)  # type: ignore[arg-type]
            axis.plot([low, high], [low, high], color="#555555", linewidth=0.8, zorder=0)
        _set_axis(axis, "x", self.figure.x)
        _set_axis(axis, "y", self.figure.y)
        axis.grid(alpha=0.3, linewidth=0.5)

    def _draw_line(self, axis: Any, line: Sequence[Mark], *, is_measured: bool) -> None:
        style = self._line(line[0])
        xs, ys = [mark.x for mark in line], [mark.y for mark in line]
        number = self.names.index(self._series(line[0]))
        marker = {"marker": _MARKERS[number % len(_MARKERS)], "markersize": 3.5}
        if not is_measured and self.figure.joined != "none":
            axis.plot(xs, ys, **style)
            spread = [m for m in line if m.low is not None]
            low, high = [m.low for m in spread], [m.high for m in spread]
            x = [m.x for m in spread]
            axis.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
            return
        joined = "-" if self.figure.joined == "all" else "none"
        style |= {"linestyle": joined, "linewidth": 0.8, "markerfacecolor": "white", **marker}
        has_bars = [m.low is not None and m.high is not None for m in line]
        below = [float(m.y) - m.low if m.low is not None else 0 for m in line]  # type: ignore[arg-type]
        above = [m.high - float(m.y) if m.high is not None else 0 for m in line]  # type: ignore[arg-type]
        bars = [[max(v, 0.0) for v in below], [max(v, 0.0) for v in above]]
        axis.errorbar(xs, ys, yerr=bars if any(has_bars) else None, capsize=1.5, **style)

    def _line(self, mark: Mark | Curve) -> dict[str, Any]:
        name = self._series(mark)
        dash = {"measured": "-", "simulated": "--", "analytic": ":"}[mark.origin]
        return {
            "color": _COLOURS[self.names.index(name) % len(_COLOURS)],
            "linestyle": dash,
            "linewidth": 1.0,
            "label": name if name.endswith(")") else f"{name}, {mark.origin}",
        }

    def _bars(self, axis: Any, marks: Sequence[Mark], _: Sequence[Curve]) -> None:
        rows = sorted(marks, key=lambda m: (m.x, self._of(m, "workers"), m.c, m.origin))
        for place, mark in enumerate(rows[:_MOST_BARS]):
            left = 0.0
            shares = mark.y if isinstance(mark.y, tuple) else (mark.y,)
            for part, share, colour in zip(self.figure.parts, shares, _PARTS, strict=True):
                axis.barh(
                    place,
                    share,
                    left=left,
                    height=0.8,
                    color=colour,
                    label=part if place == 0 else None,
                    hatch="///" if mark.origin == "simulated" else None,
                    edgecolor="white",
                    linewidth=0.4,
                )
                left += share
        names = [
            f"{m.x} cuts, {self._of(m, 'workers')} w, {_SHORT[m.origin]}" for m in rows[:_MOST_BARS]
        ]
        axis.set_yticks(range(len(names)), names, fontsize=6)
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_xlabel(f"{self.figure.x.label} (hatched: simulated)")

    def _heat(self, axis: Any, marks: Sequence[Mark], _: Sequence[Curve]) -> None:
        import numpy as np
        from matplotlib.colors import LogNorm

        columns = sorted({str(mark.x) for mark in marks})
        rows = sorted({self._row(mark) for mark in marks})
        grid = np.full((len(rows), len(columns)), np.nan)
        for mark in marks:
            grid[rows.index(self._row(mark)), columns.index(str(mark.x))] = mark.y
        axis.imshow(grid, cmap="RdBu_r", norm=LogNorm(0.5, 2.0), aspect="auto")
        for row, column in np.argwhere(~np.isnan(grid)):
            value = grid[row, column]
            ink = "white" if abs(np.log2(value)) > 0.7 else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6, color=ink)
        axis.set_xticks(range(len(columns)), columns, fontsize=6)
        axis.set_yticks(range(len(rows)), rows, fontsize=6)
        axis.set_xlabel(f"{self.figure.x.label}; {self.figure.y.label}", fontsize=7)

    def _row(self, mark: Mark) -> str:
        return f"{mark.series}{' (simulated)' if mark.origin == 'simulated' else ''}"

    def _timeline(self, canvas: Any) -> Any:
        axis = canvas.subplots()
        clear = [run for run in self.figure.runs if len(run["tasks"]) <= 200]
        run = max(clear or self.figure.runs, key=lambda own: own["workers"])
        for (stage, begin_s, end_s), colour in zip(run["stages"], _PARTS, strict=True):
            axis.barh(0, end_s - begin_s, left=begin_s, color=colour, label=stage)
        lanes = sorted({task[0] for task in run["tasks"]})
        for task in _named(run["tasks"]):
            lane = 1 + lanes.index(task["worker"])
            seconds = task["ended_s"] - task["started_s"]
            colour = _TASKS[task["partition"] % len(_TASKS)]
            label = f"partition {run['partitions'][task['partition']]}"
            axis.barh(
                lane, seconds, left=task["started_s"], height=0.8, color=colour, label=label,
                edgecolor="white", linewidth=0.3,
            )  # fmt: skip
            delay_s = min(task["injected_delay_s"], seconds)
            axis.barh(lane, delay_s, left=task["started_s"], height=0.3, color="#333333")
        axis.axvline(run["stages"][3][1], color="black", linestyle="--", linewidth=0.8)
        axis.set_yticks(range(len(lanes) + 1), ["coordinator", *(f"worker {w}" for w in lanes)])
        axis.invert_yaxis()
        axis.set_xlabel(f"{self.figure.x.label}, s (dashed: barrier; dark: injected delay)")
        axis.set_title(f"query {run['query']}, {run['origin']}", fontsize=8)
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        canvas.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False
        )
        return canvas


def _said(name: str, value: Any) -> str:
    if name == "workers":
        return f"{value} worker{'' if value == 1 else 's'}"
    return "no stragglers" if name == "stragglers" and not value else word(value)


def _is_general(mark: Mark) -> bool:
    """Whether it speaks of all configurations of its pipeline and cuts."""
    return bool(mark.panel and mark.series)


def _named(tasks: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield dict(zip(TASK_FIELDS, task, strict=True))


def _rank(name: str) -> tuple[int, str]:
    first = name.split(", ")[0]
    return (_POOLS.index(first) if first in _POOLS else len(_POOLS), name)


def _set_axis(axis: Any, which: str, of: Axis) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    getattr(axis, f"set_{which}label")(f"{of.label}, s" if of.unit == "s" else of.label)
    if of.label == "cuts":
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if of.scale.startswith("log"):
        getattr(axis, f"set_{which}scale")("log", base=int(of.scale[3:]))
        own = getattr(axis, f"{which}axis")
        low, high = sorted(getattr(axis, f"get_{which}lim")())
        if high / low < 4:
            own.set_major_locator(MaxNLocator(4))
        elif of.scale == "log10" and high / low < 50:
            own.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        own.set_major_formatter("{x:g}")
        own.set_minor_formatter(NullFormatter())
