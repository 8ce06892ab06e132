"""Figures by matplotlib (extra ``real``), drawn without a display."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qcutsim.analysis import Configuration, Summary, speed_ups
from qcutsim.errors import InputError
from qcutsim.extras import require

_COLOURS = {"threads": "#D55E00", "processes": "#0072B2", "dedicated": "#555555"}
_MARKERS = {"threads": "o", "processes": "s", "dedicated": "^"}


def draw_speed_up(
    measured: dict[Configuration, Summary],
    simulated: dict[Configuration, Summary],
    path: Path,
) -> Path:
    """Speed-up against workers: measured points on simulated curves, a panel a cut count.

    Args:
        measured: summaries of real runs; a bar spans the fastest to the slowest query.
        simulated: summaries of simulations.
        path: where to write; its suffix chooses the format.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: the figure cannot be written.
    """
    require("matplotlib")
    from matplotlib.figure import Figure

    panels = sorted({(key.cuts, key.straggler_probability) for key in (*measured, *simulated)})
    panels = [panel for panel in panels if panel[0] > 0] or panels
    columns = sorted({cuts for cuts, _ in panels})
    rows = sorted({probability for _, probability in panels})
    figure = Figure(figsize=(4.2 * len(columns), 3.4 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True)
    for cuts, probability in panels:
        axis = axes[rows.index(probability)][columns.index(cuts)]
        _draw_panel(axis, _of(measured, cuts, probability), _of(simulated, cuts, probability))
        stragglers = f"stragglers p = {probability:g}" if probability > 0 else "no stragglers"
        axis.set_title(f"{cuts} cut{'s' if cuts != 1 else ''}, {stragglers}", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("workers")
    for row in axes:
        row[0].set_ylabel("speed-up over one worker")
    handles, names = axes[0][0].get_legend_handles_labels()
    for axis in axes.flat:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            if name not in names:
                handles.append(handle)
                names.append(name)
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _of(
    summaries: dict[Configuration, Summary], cuts: int, probability: float
) -> dict[Configuration, Summary]:
    return {
        key: summary
        for key, summary in summaries.items()
        if (key.cuts, key.straggler_probability) == (cuts, probability)
    }


def _draw_panel(
    axis: Any, measured: dict[Configuration, Summary], simulated: dict[Configuration, Summary]
) -> None:
    ups = speed_ups(simulated)
    for pool in _pools(simulated):
        points = sorted((key.workers, up) for key, up in ups.items() if key.pool == pool)
        axis.plot(
            *zip(*points, strict=True),
            color=_COLOURS.get(pool),
            linestyle=":" if pool == "dedicated" else "-",
            label=f"{pool}, simulated",
        )
    real = speed_ups(measured)
    for pool in _pools(measured):
        keys = sorted((k for k in real if k.pool == pool), key=lambda key: key.workers)
        base_s = [measured[key.alone].makespan_s for key in keys]
        up = [real[key] for key in keys]
        low = [b / measured[k].highest_s for b, k in zip(base_s, keys, strict=True)]
        high = [b / measured[k].lowest_s for b, k in zip(base_s, keys, strict=True)]
        axis.errorbar(
            [key.workers for key in keys],
            up,
            yerr=[
                [u - v for u, v in zip(up, low, strict=True)],
                [v - u for u, v in zip(up, high, strict=True)],
            ],
            fmt=_MARKERS.get(pool, "x"),
            color=_COLOURS.get(pool),
            markerfacecolor="white",
            capsize=2,
            label=f"{pool}, measured",
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:.3g}")
    axis.grid(alpha=0.3)


def _pools(summaries: Iterable[Configuration]) -> list[str]:
    return sorted({key.pool for key in summaries})
