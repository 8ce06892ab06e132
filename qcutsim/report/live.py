"""A terminal view of what a run or a study is at, drawn a few times a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qcutsim.analysis import STAGES
from qcutsim.cell import Cell
from qcutsim.live import LiveRun, LiveState, LiveStudy, Pace, RunningCopy
from qcutsim.simulatedcell import CellStatistics

FRAMES_PER_S = 4
"""A frame costs the coordinator some milliseconds of what is measured."""

MOST_WORKERS_SHOWN = 16
"""More are counted by the class of what they run."""


@contextmanager
def show_run(run: LiveRun, title: str, console: Console) -> Iterator[None]:
    """Draw a run on a terminal until the block is left; then nothing of it is left there."""
    with _live(lambda: run_view(run, title), console):
        yield


@contextmanager
def show_study(study: LiveStudy, title: str, console: Console) -> Iterator[None]:
    """Draw a simulated study likewise."""
    with _live(lambda: study_view(study, title), console):
        yield


def _live(view: Callable[[], RenderableType], console: Console) -> Live:
    return Live(
        get_renderable=view, console=console, refresh_per_second=FRAMES_PER_S, transient=True
    )


def run_view(run: LiveRun, title: str) -> RenderableType:
    """One frame of a run."""
    with run.lock:
        state = run.pool
        busy, idle, done, nodes = len(state.busy), len(state.idle), state.done, state.nodes
        in_flight = "tasks done of the queries in flight"
        cell = "-" if run.cell is None else _cell(run.cell) + ", warming up" * run.is_cold
        rows: list[tuple[str, Text | Table]] = [
            ("cell", _line(cell)),
            ("pool", _bar(busy, busy + idle, f"{busy} busy, {idle} idle, {state.lost} lost")),
            ("", _workers(state)),
            ("queue", _line(f"{state.queued} tasks wait for a worker")),
            ("barrier", _bar(done, nodes, f"{done} of {nodes} {in_flight}")),
            ("stage", _line(_stages(run))),
            ("totals", _line(_totals(run))),
            ("last", _line("-" if run.last is None else f"{run.last.total_s:.3f} s a query")),
        ]
        return Group(_head(title, run.pace, "queries"), _grid(rows))


def study_view(study: LiveStudy, title: str) -> RenderableType:
    """One frame of a study."""
    with study.lock:
        pace = study.pace
        engines = ", ".join(f"{name} {cells}" for name, cells in sorted(study.engines.items()))
        speed = pace.per_s(study.tasks)
        so_far = f"{study.replications} replications, {study.queries} queries, {study.tasks} tasks"
        so_far += "" if speed is None else f"; {speed:,.0f} tasks/s"
        rows: list[tuple[str, Text | Table]] = [
            ("cells", _bar(pace.done, pace.total, f"{pace.done} of {pace.total} done")),
            ("engines", _line(engines or "-")),
            ("so far", _line(so_far)),
            ("last", _line("-" if study.last is None else _ended(study.last))),
        ]
        return Group(_head(title, pace, "cells"), _grid(rows))


def _grid(rows: Sequence[tuple[str, Text | Table]]) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(style="bold", width=8)
    grid.add_column(ratio=1)
    for name, shown in rows:
        grid.add_row(name, shown)
    return grid


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _head(title: str, pace: Pace, what: str) -> Text:
    left_s = pace.left_s
    left = "" if left_s is None else f", about {_clock(left_s)} left"
    done = f"{pace.done} of {pace.total} {what}"
    return _line(f"{title}: {done}, {_clock(pace.elapsed_s)} so far{left}", "bold")


def _clock(seconds: float) -> str:
    minutes, left_s = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left_s:02}" if hours else f"{minutes}:{left_s:02}"


def _cell(cell: Cell) -> str:
    work, stragglers = cell.workload, cell.stragglers
    parts = [
        f"{work.partition_labels} {work.pipeline}",
        f"{work.shots} shots",
        f"{cell.pool.workers} {cell.pool.kind}",
        str(cell.policy["kind"]),
    ]
    if cell.window > 1:
        parts.append(f"window {cell.window}")
    if stragglers.probability > 0:
        parts.append(f"stragglers {stragglers.probability:g}")
    return ", ".join(parts)


def _bar(done: int, total: int, said: str) -> Table:
    bar = ProgressBar(
        total=max(total, 1), completed=done, width=30, complete_style="cyan", finished_style="cyan"
    )
    grid = Table.grid(padding=(0, 1))
    grid.add_row(bar, _line(said))
    return grid


def _class(copy: RunningCopy) -> str:
    named = " ".join(filter(None, (copy.kind.partition, copy.kind.structure))) or "a task"
    return f"{named} (copy {copy.attempt + 1})" if copy.attempt else named


def _workers(state: LiveState) -> Text:
    if state.workers > MOST_WORKERS_SHOWN:
        counted = Counter(_class(copy) for copy in state.busy.values())
        shown = [f"{count} x {name}" for name, count in counted.most_common()]
    else:
        running = {worker: _class(copy) for worker, copy in state.busy.items()}
        running |= dict.fromkeys(state.idle, "idle")
        shown = [f"{worker}: {running[worker]}" for worker in sorted(running)]
    return Text("  ".join(shown).ljust(1), "dim", overflow="ellipsis")


def _stages(run: LiveRun) -> str:
    now = [f"{count} being {stage}" for stage, count in run.stages.items() if count]
    return ("queries: " + ", ".join(now)) if now else "between queries"


def _totals(run: LiveRun) -> str:
    whole_s = sum(run.stages_s.values()) or 1.0
    stages = [(stage, run.stages_s[stage]) for stage in STAGES]
    return "  ".join(f"{stage} {own_s:.2f} s {own_s / whole_s:.0%}" for stage, own_s in stages)


def _ended(cell: CellStatistics) -> str:
    of = cell.configuration
    named = (
        f"{of['partition_labels']} {of['pipeline']}, {of['workers']} {of['pool']}, {of['policy']}"
    )
    if of["straggler_probability"]:
        named += f", stragglers {of['straggler_probability']:g}"
    return f"{named}: makespan {cell.makespan_s.estimate:.3g} s ({cell.engine})"
