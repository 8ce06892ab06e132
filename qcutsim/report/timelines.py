"""Timelines of single queries: workers, barrier, reconstruction."""

from __future__ import annotations

from typing import Any

from qcutsim.analysis import Attribution, Configuration, attribute, stage_spans
from qcutsim.report.pagedata import Absent, Axis, Evidence, Figure, number
from qcutsim.report.sources import MOST_TIMELINES, Timeline

OUTCOMES = ("ok", "failed", "lost", "cancelled")
TASK_FIELDS = (
    "worker",
    "task",
    "attempt",
    "partition",
    "outcome",
    "dispatched_s",
    "started_s",
    "ended_s",
    "collected_s",
    "injected_delay_s",
)
"""Of a task in a timeline, in this order; partition and outcome are numbers."""


def timeline(evidence: Evidence) -> Figure | Absent:
    """One query at a time, each task on its worker."""
    title = "One query: workers, barrier, reconstruction"
    sources = evidence.sources
    shown = [t for t in sources.timelines if Configuration.of(t.query) in evidence.number]
    if not shown:
        return Absent(
            name="timeline",
            title=title,
            why="no query has task records; a simulation writes them with --tasks, a real run "
            "always does",
        )
    rows = []
    for one in shown:
        found = attribute(one.query, one.tasks)
        pieces = [getattr(found, name) for name in Attribution.__struct_fields__]
        cells = (str(one.query.query), number(one.query.total_s), *(number(v) for v in pieces))
        rows.append((one.origin, Configuration.of(one.query), cells))
    names = (name.removesuffix("_s") for name in Attribution.__struct_fields__)
    return Figure(
        name="timeline",
        kind="timeline",
        title=title,
        note="The query of median makespan of a configuration, for "
        f"{len(shown)} of the {sources.timed} configurations with task records (at most "
        f"{MOST_TIMELINES}, evenly chosen). The table has what its makespan went into along the "
        "critical path, in seconds.",
        x=Axis(label="time since the query began", unit="s"),
        runs=tuple(_run(evidence, one) for one in shown),
        table=evidence.table(("query", "makespan s", *names), rows),
    )


def _run(evidence: Evidence, one: Timeline) -> dict[str, Any]:
    """A query as plain data; times in seconds since it began, to the microsecond."""
    query = one.query
    begin_s = query.submitted_s
    partitions = sorted({task.partition for task in one.tasks})
    stages = [
        (stage, round(from_s - begin_s, 6), round(to_s - begin_s, 6))
        for stage, (from_s, to_s) in stage_spans(query, one.tasks).items()
    ]

    def row(task: Any) -> tuple[float, ...]:
        times = [getattr(task, name) - begin_s for name in TASK_FIELDS[5:9]]
        return (
            task.worker,
            task.task,
            task.attempt,
            partitions.index(task.partition),
            OUTCOMES.index(task.outcome),
            *(round(seconds, 6) for seconds in times),
            round(task.injected_delay_s, 6),
        )

    return {
        "c": evidence.number[Configuration.of(query)],
        "origin": one.origin,
        "query": query.query,
        "workers": query.workers,
        "total_s": query.total_s,
        "stages": stages,
        "partitions": partitions,
        "tasks": [row(task) for task in sorted(one.tasks, key=lambda t: (t.worker, t.started_s))],
    }
