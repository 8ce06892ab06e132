"""A log as a trace for Perfetto or chrome://tracing: workers as tracks, tasks as slices.

The format is Chrome's trace event format: metadata (``M``), complete slices (``X``), counters
(``C``) and flows (``s``, ``f``), with times in microseconds. What ran together - the queries of one
configuration in one repetition - is one process of the trace, whose times begin with it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcutsim.analysis import stage_spans
from qcutsim.errors import LogError
from qcutsim.records import QueryRecord, Record, RunRecord, TaskRecord

TraceEvent = dict[str, Any]

COORDINATOR = 1_000_000
"""Track of the coordinator; further lanes of it, where queries overlap, lie below. (A track with
the number of its process, or 0, is its main thread to Perfetto: two such would be one.)"""

FIRST_WORKER = 2_000_000
"""Worker w is track ``FIRST_WORKER + w``."""

_TOLD = (
    "query",
    "partition",
    "width",
    "depth",
    "mid_circuit_measurements",
    "subexperiments",
    "shots",
    "bindings",
    "outcome",
    "cpu_s",
    "injected_delay_s",
    "payload_bytes",
)
"""What a task's slice tells of it."""

_WITHIN_S = 1.5e-6
"""An arrow leaves a slice so long before its end: at its very end a viewer would not find it."""


@dataclass(slots=True)
class _Block:
    """What ran together: its queries, and the copies of the tasks of each."""

    number: int
    title: str
    queries: list[tuple[QueryRecord, list[TaskRecord]]] = field(default_factory=list)

    @property
    def begin_s(self) -> float:
        return min(query.submitted_s for query, _ in self.queries)


def trace_of(records: Iterable[Record], only_query: int | None = None) -> dict[str, Any]:
    """The trace of a log's records.

    Args:
        records: in the order of the log.
        only_query: the number of the one query to show; by default all that have task records.

    Raises:
        LogError: there is no such query, or none has task records.
    """
    blocks, origin = _blocks(records, only_query)
    events: list[TraceEvent] = []
    arrows = itertools.count(1)
    for block in blocks:
        events += _tracks(block)
        events += sorted(_slices(block, arrows), key=lambda event: (event["tid"], event["ts"]))
        events += _counters(block)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": origin}


def _blocks(
    records: Iterable[Record], only_query: int | None
) -> tuple[list[_Block], dict[str, str]]:
    tasks: dict[int, list[TaskRecord]] = defaultdict(list)
    blocks: dict[tuple[int, str, int, int], _Block] = {}
    origin: dict[str, str] = {}
    runs = known = 0
    for record in records:
        if isinstance(record, RunRecord):
            runs += 1
            tasks.clear()
            origin[f"run {record.run}"] = f"{record.origin}, seed {record.seed}"
        elif isinstance(record, TaskRecord):
            tasks[record.query].append(record)
        elif isinstance(record, QueryRecord):
            known += 1
            own = tasks.pop(record.query, [])
            if not own or only_query not in (None, record.query):
                continue
            key = (runs, record.cell, record.repetition, record.replication)
            block = blocks.setdefault(key, _Block(len(blocks) + 1, _title(record)))
            block.queries.append((record, own))
    if not blocks:
        which = "no query" if only_query is None else f"no query {only_query}"
        raise LogError(
            f"{which} with task records among the {known} queries; a simulation writes task "
            "records with --tasks, a real run always does"
        )
    return list(blocks.values()), origin


def _title(query: QueryRecord) -> str:
    stragglers = ""
    if query.straggler_probability:
        stragglers = f", stragglers {query.straggler_probability:g}"
    return (
        f"{query.dataset} {query.partition_labels}, {query.workers} {query.pool}, {query.policy}"
        f"{stragglers}, repetition {query.repetition}"
    )


def _tracks(block: _Block) -> Iterator[TraceEvent]:
    """Names of the process and its tracks."""

    def named(what: str, track: int, **arguments: Any) -> TraceEvent:
        return {"ph": "M", "name": what, "pid": block.number, "tid": track, "args": arguments}

    yield named("process_name", COORDINATOR, name=block.title)
    yield named("process_sort_index", COORDINATOR, sort_index=block.number)
    for track in sorted({track for *_, track in _stages(block)}):
        lane = track - COORDINATOR
        yield named("thread_name", track, name=f"coordinator {lane}" if lane else "coordinator")
    for worker in sorted({task.worker for _, tasks in block.queries for task in tasks}):
        yield named("thread_name", FIRST_WORKER + worker, name=f"worker {worker}")
        yield named("thread_sort_index", FIRST_WORKER + worker, sort_index=FIRST_WORKER + worker)


def _stages(block: _Block) -> Iterator[tuple[QueryRecord, str, float, float, int]]:
    """(query, stage, begin, seconds, track) of the coordinator; a track holds one at once."""
    stages = []
    for query, tasks in block.queries:
        for name, (begin_s, end_s) in stage_spans(query, tasks).items():
            if name != "execute":
                stages.append((begin_s, end_s - begin_s, name, query))
    ends: list[float] = []
    for begin_s, seconds, name, query in sorted(stages, key=lambda stage: stage[:2]):
        lane = next((n for n, end_s in enumerate(ends) if end_s <= begin_s), len(ends))
        ends[lane:] = [begin_s + seconds, *ends[lane + 1 :]]
        yield query, name, begin_s, seconds, COORDINATOR + lane


def _slices(block: _Block, arrows: Iterator[int]) -> Iterator[TraceEvent]:
    """Stages, tasks with the delays injected into them, and numbered arrows to the barrier."""
    zero_s = block.begin_s
    barriers: dict[int, tuple[float, int]] = {}
    for query, name, begin_s, seconds, track in _stages(block):
        arguments: dict[str, Any] = {"query": query.query, "cuts": query.cuts}
        if name == "reconstruct":
            barriers[query.query] = (begin_s, track)
            arguments["strategy"] = query.reconstruction
        title = f"{name} {query.query}"
        yield _slice(block, track, title, "stage", begin_s - zero_s, seconds, arguments)
    for worker, runs in sorted(_by_worker(block).items()):
        free_s = -float("inf")
        for task in runs:
            # Clocks of two processes may differ by microseconds: slices of a track never overlap.
            begin_s = max(task.started_s, free_s)
            seconds = max(task.ended_s - begin_s, 0.0)
            free_s = begin_s + seconds
            track = FIRST_WORKER + worker
            title = f"task {task.task}" + (f", copy {task.attempt + 1}" if task.attempt else "")
            arguments = _arguments(task)
            yield _slice(block, track, title, "task", begin_s - zero_s, seconds, arguments)
            delay_s = min(task.injected_delay_s, seconds)
            if delay_s > 0:
                yield _slice(block, track, "injected delay", "delay", begin_s - zero_s, delay_s, {})
            if 0 < delay_s < seconds:  # an arrow leaves the last slice that began within the task
                works_s = begin_s + delay_s - zero_s
                yield _slice(block, track, "work", "work", works_s, seconds - delay_s, {})
            if task.outcome == "ok":
                leaves_s = max(begin_s, begin_s + seconds - _WITHIN_S) - zero_s
                barrier_s, barrier_track = barriers[task.query]
                ends = (leaves_s, track), (barrier_s - zero_s, barrier_track)
                yield from _arrow(block, next(arrows), *ends)


def _by_worker(block: _Block) -> dict[int, list[TaskRecord]]:
    of_worker: dict[int, list[TaskRecord]] = defaultdict(list)
    for _, tasks in block.queries:
        for task in tasks:
            of_worker[task.worker].append(task)
    for runs in of_worker.values():
        runs.sort(key=lambda task: (task.started_s, task.ended_s))
    return of_worker


def _arguments(task: TaskRecord) -> dict[str, Any]:
    waits = {
        "waited_for_a_worker_s": task.dispatched_s - task.ready_s,
        "waited_to_start_s": task.started_s - task.dispatched_s,
        "waited_to_be_collected_s": task.collected_s - task.ended_s,
    }
    return {name: getattr(task, name) for name in _TOLD} | waits


def _us(seconds: float) -> int:
    """Whole microseconds: fractions of them a viewer rounds, and then slices overlap."""
    return round(1e6 * seconds)


def _slice(
    block: _Block,
    track: int,
    name: str,
    category: str,
    begin_s: float,
    seconds: float,
    arguments: dict[str, Any],
) -> TraceEvent:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": block.number,
        "tid": track,
        "ts": _us(begin_s),
        "dur": _us(begin_s + seconds) - _us(begin_s),
        "args": arguments,
    }


def _arrow(
    block: _Block, number: int, begin: tuple[float, int], end: tuple[float, int]
) -> Iterator[TraceEvent]:
    """From within a task's slice to the reconstruction that needs its result."""
    common = {"name": "result", "cat": "barrier", "id": number, "pid": block.number}
    (begin_s, track), (end_s, into) = begin, end
    # A result that came after the barrier (of a copy that was beaten) has nowhere to go.
    if begin_s <= end_s:
        yield common | {"ph": "s", "tid": track, "ts": _us(begin_s)}
        yield common | {"ph": "f", "bp": "e", "tid": into, "ts": _us(end_s)}


def _counters(block: _Block) -> Iterator[TraceEvent]:
    """How many tasks wait for a worker, and how many workers are at work."""
    tasks = [task for _, own in block.queries for task in own]
    waits = [(task.ready_s, task.dispatched_s) for task in tasks if task.attempt == 0]
    works = [(task.started_s, task.ended_s) for task in tasks]
    for name, unit, spans in (("queue", "tasks", waits), ("busy workers", "workers", works)):
        for at_s, value in _levels(spans):
            yield {
                "ph": "C",
                "name": name,
                "pid": block.number,
                "tid": COORDINATOR,
                "ts": _us(at_s - block.begin_s),
                "args": {unit: value},
            }


def _levels(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, int]]:
    """How many spans are open from each time on at which that changes."""
    steps: dict[float, int] = defaultdict(int)
    for begin_s, end_s in spans:
        steps[begin_s] += 1
        steps[max(begin_s, end_s)] -= 1
    level = 0
    for at_s in sorted(steps):
        level += steps[at_s]
        yield at_s, level
