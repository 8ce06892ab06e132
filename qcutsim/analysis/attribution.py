"""Where the makespan of one query goes: its critical path, walked backwards from the barrier.

The path begins at the task that opened the barrier, the last to be collected. What made a task
begin when it did is the copy that ran before it on the same worker, if that was collected after
the task was ready; else what made it ready, in the end the submission of the query. So the
execute stage falls into pieces that follow each other, and the pieces of all stages add up to the
makespan.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from qcutsim.records import QueryRecord, TaskRecord


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a query's makespan by what they went into; they add up to ``total_s``.

    Args:
        partition_s: the stage.
        generate_s: the stage.
        dispatch_s: a task of the path could have begun, and was not sent yet: the coordinator was
            busy, all workers were, or the policy held it back.
        start_s: sent, not begun.
        straggler_s: injected delay.
        service_s: the task's own CPU demand.
        contention_s: what it took longer than that, since others share the host.
        lost_s: copies that were lost, failed or cancelled before the one that counted.
        collect_s: ended, not collected.
        barrier_s: from the last collection to the end of the execute stage.
        execute_s: all of these, where the log has no tasks; else 0.
        reconstruct_s: the stage.
        between_s: what passed between stages.
    """

    partition_s: float = 0.0
    generate_s: float = 0.0
    dispatch_s: float = 0.0
    start_s: float = 0.0
    straggler_s: float = 0.0
    service_s: float = 0.0
    contention_s: float = 0.0
    lost_s: float = 0.0
    collect_s: float = 0.0
    barrier_s: float = 0.0
    execute_s: float = 0.0
    reconstruct_s: float = 0.0
    between_s: float = 0.0


class WorkerUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers of a query did in its execute stage, as parts of all their time.

    ``queueing_s`` is the mean time from a task's readiness to its dispatch, in seconds.
    """

    utilisation: float
    barrier_waiting: float
    queueing_s: float


def attribute(query: QueryRecord, tasks: Sequence[TaskRecord]) -> Attribution:
    """The pieces of a query's makespan; ``tasks`` are its own, copies and merges included."""
    stages_s = query.partition_s + query.generate_s + query.execute_s + query.reconstruct_s
    pieces = {
        "partition_s": query.partition_s,
        "generate_s": query.generate_s,
        "reconstruct_s": query.reconstruct_s,
        "between_s": query.total_s - stages_s,
    }
    done: dict[int, TaskRecord] = {}
    for task in sorted(tasks, key=_end):
        if task.outcome == "ok":  # a later copy of the same task was beaten
            done.setdefault(task.task, task)
    if not done:
        return Attribution(**pieces, execute_s=query.execute_s)
    begin_s = min(task.ready_s for task in tasks)
    last = max(done.values(), key=_end)
    pieces["barrier_s"] = query.execute_s - (last.collected_s - begin_s)
    critical: TaskRecord | None = last
    while critical is not None:
        for name, seconds in _pieces(critical):
            pieces[name] = pieces.get(name, 0.0) + seconds
        before = _cause(critical, tasks, begin_s)
        since_s = begin_s if before is None else before.collected_s
        pieces["dispatch_s"] = pieces.get("dispatch_s", 0.0) + critical.dispatched_s - since_s
        critical = before
    return Attribution(**pieces)


def stage_spans(
    query: QueryRecord, tasks: Sequence[TaskRecord] = ()
) -> dict[str, tuple[float, float]]:
    """When each stage began and ended, in seconds of the log, by its name.

    Records hold how long stages took, not the moments between them: execution begins where its
    first task is ready, and reconstruction, which the barrier opens, ends with the query.
    """
    begin_s = query.submitted_s
    cut_s = begin_s + query.partition_s
    generated_s = cut_s + query.generate_s
    opened_s = max(begin_s + query.total_s - query.reconstruct_s, generated_s + query.execute_s)
    ready_s = min((task.ready_s for task in tasks), default=opened_s - query.execute_s)
    execute_s = min(max(ready_s, generated_s), opened_s - query.execute_s)
    return {
        "partition": (begin_s, cut_s),
        "generate": (cut_s, generated_s),
        "execute": (execute_s, execute_s + query.execute_s),
        "reconstruct": (opened_s, opened_s + query.reconstruct_s),
    }


def _end(task: TaskRecord) -> tuple[float, int, int]:
    return (task.collected_s, task.task, task.attempt)


def _pieces(task: TaskRecord) -> list[tuple[str, float]]:
    """Of one copy, from its dispatch to its collection."""
    ran_s = task.ended_s - task.started_s
    found = [
        ("start_s", task.started_s - task.dispatched_s),
        ("collect_s", task.collected_s - task.ended_s),
    ]
    if task.outcome != "ok":
        return [*found, ("lost_s", ran_s)]
    work_s = ran_s - task.injected_delay_s
    demand_s = work_s if task.cpu_s is None else min(task.cpu_s, work_s)
    return [
        *found,
        ("straggler_s", task.injected_delay_s),
        ("service_s", demand_s),
        ("contention_s", work_s - demand_s),
    ]


def _cause(task: TaskRecord, tasks: Sequence[TaskRecord], begin_s: float) -> TaskRecord | None:
    """The copy whose collection let this one begin; ``None``: the submission of the query."""
    earlier = [other for other in tasks if other.collected_s <= task.dispatched_s]
    earlier = [other for other in earlier if _end(other) < _end(task)]
    on_worker = [other for other in earlier if other.worker == task.worker]
    before = max(on_worker, key=_end, default=None)
    if before is not None and before.collected_s > task.ready_s:
        return before
    if task.ready_s > begin_s:
        made_ready = [other for other in earlier if other.collected_s <= task.ready_s]
        return max(made_ready, key=_end, default=before)
    return before


def worker_use(query: QueryRecord, tasks: Sequence[TaskRecord]) -> WorkerUse | None:
    """How busy the workers were; ``None`` without tasks or without an execute stage."""
    if not tasks or query.execute_s <= 0:
        return None
    end_s = min(task.ready_s for task in tasks) + query.execute_s
    whole_s = query.workers * query.execute_s
    busy_s = sum(max(min(t.ended_s, end_s) - t.started_s, 0.0) for t in tasks)
    last_s: dict[int, float] = {}
    for task in tasks:
        last_s[task.worker] = max(last_s.get(task.worker, 0.0), min(task.collected_s, end_s))
    # Workers that were lost have been replaced: as many count as there are at a time.
    idle_s = sum(end_s - at_s for at_s in sorted(last_s.values())[-query.workers :])
    idle_s += max(query.workers - len(last_s), 0) * query.execute_s
    return WorkerUse(
        utilisation=busy_s / whole_s,
        barrier_waiting=idle_s / whole_s,
        queueing_s=float(np.mean([task.dispatched_s - task.ready_s for task in tasks])),
    )
