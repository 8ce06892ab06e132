"""Lines of other writers' logs, read as records: other names, fewer fields, no run record.

What is missing takes a default only where that cannot mislead; the rest is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from qcutsim.cell import key_of
from qcutsim.manifest import Machine, Manifest
from qcutsim.records import SCHEMA, QueryRecord, RunRecord, TaskRecord

QUERY_ALIASES: dict[str, tuple[str, ...]] = {
    "query": ("query_id", "query_index"),
    "partition_labels": ("partition_label", "labels"),
    "cuts": ("num_cuts", "n_cuts"),
    "subexperiments": ("num_subexperiments", "n_subexperiments", "num_subexp", "n_subexp"),
    "workers": ("subexp_workers", "max_subexp_workers", "num_workers", "n_workers"),
    "straggler_probability": ("straggler_prob", "straggler_p"),
    "partition_s": ("t_part", "t_partition", "part_s", "partition_time_s", "part_time_s"),
    "generate_s": ("t_gen", "t_generate", "gen_s", "generation_s", "generation_time_s"),
    "execute_s": ("t_exec", "t_execute", "exec_s", "execution_s", "execution_time_s"),
    "reconstruct_s": ("t_rec", "t_reconstruct", "rec_s", "reconstruction_s", "rec_time_s",
                      "reconstruction_time_s"),
    "total_s": ("t_total", "total_time_s", "query_time_s", "makespan_s"),
}  # fmt: skip
"""Our name of a query's field: the names it may have elsewhere; the first one found counts."""

TASK_ALIASES: dict[str, tuple[str, ...]] = {
    "query": ("query_id", "query_index"),
    "task": ("task_id", "subexp", "subexp_id", "subexperiment"),
    "worker": ("worker_id",),
    "ready_s": ("t_ready",),
    "dispatched_s": ("t_dispatch", "t_submit", "submit_s", "submitted_s"),
    "started_s": ("t_start", "start_s", "start_time_s"),
    "ended_s": ("t_end", "end_s", "end_time_s"),
    "collected_s": ("t_done", "done_s", "collect_s"),
    "injected_delay_s": ("straggler_delay_s", "delay_s"),
    "mid_circuit_measurements": ("mid_circuit",),
}
"""The same for a task's."""

_STAGES = ("partition_s", "generate_s", "execute_s", "reconstruct_s")


def read_foreign(line: bytes, number: int) -> QueryRecord | TaskRecord:
    """A line that is none of ours as a record.

    Args:
        line: one JSON object.
        number: of the line; stands for a query's or task's number where there is none.

    Raises:
        msgspec.MsgspecError: the line is not JSON, or a value is of the wrong type or range.
        ValueError: it is no record, or lacks a field; says which.
    """
    data = msgspec.json.decode(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    kind = data.get("kind")
    query, task = _renamed(data, QUERY_ALIASES), _renamed(data, TASK_ALIASES)
    if kind == "task" or (kind is None and "started_s" in task and "execute_s" not in query):
        return _task(task, number)
    if kind == "query" or (kind is None and "execute_s" in query):
        return _query(query, number)
    raise ValueError(
        "neither a query (it would have 'execute_s') nor a task (it would have 'started_s')"
        if kind is None
        else f"records of kind {kind!r} are not known"
    )


def unknown_run(name: str) -> RunRecord:
    """What stands for the run of a log that says nothing of it."""
    machine = Machine(system="unknown", processor="unknown", cores=None)
    return RunRecord(
        schema=SCHEMA,
        run=name,
        origin="measured",
        manifest=Manifest(qcutsim="unknown", python="unknown", machine=machine, packages={}),
        scenario={},
        scenario_key="",
        seed=0,
    )


def _renamed(data: Mapping[str, Any], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    found = dict(data)
    for name, others in aliases.items():
        for other in others:
            if name not in found and other in data:
                found[name] = data[other]
    return found


def _query(found: dict[str, Any], number: int) -> QueryRecord:
    if "cuts" not in found and isinstance(found.get("partition_labels"), str):
        found["cuts"] = len(set(found["partition_labels"])) - 1
    missing = [stage for stage in _STAGES if stage not in found]
    if len(missing) == 1 and "total_s" in found:
        known = sum(_seconds(found, stage) for stage in _STAGES if stage in found)
        found[missing[0]] = max(_seconds(found, "total_s") - known, 0.0)
    _require(found, QUERY_ALIASES, ("cuts", "shots", "workers", *_STAGES))
    cuts = found["cuts"]
    labels = found.setdefault("partition_labels", _chain(cuts))
    found.setdefault("total_s", sum(_seconds(found, stage) for stage in _STAGES))
    found.setdefault("subexperiments", 0)
    defaults = {
        "query": number,
        "repetition": 0,
        "index": 0,
        "dataset": "unknown",
        "observable": "Z" * len(labels) if isinstance(labels, str) else "",
        "pipeline": "upstream",
        "coefficients": 6**cuts if isinstance(cuts, int) and 0 <= cuts <= 20 else 0,
        "executed": found["subexperiments"],
        "pool": "threads",
        "policy": "eager",
        "straggler_probability": 0.0,
        "straggler_delay_s": 0.0,
        "submitted_s": 0.0,
    }
    record = {**defaults, **found, "kind": "query"}
    if "cell" not in found:
        said = ("partition_labels", "shots", "pipeline", "pool", "workers", "policy")
        stragglers = ("straggler_probability", "straggler_delay_s")
        record["cell"] = key_of([record[name] for name in (*said, *stragglers)])[:12]
    return msgspec.convert(record, QueryRecord)


def _task(found: dict[str, Any], number: int) -> TaskRecord:
    _require(found, TASK_ALIASES, ("query", "started_s", "ended_s"))
    defaults = {
        "task": number,
        "attempt": 0,
        "worker": 0,
        "outcome": "ok",
        "partition": "A",
        "width": 1,
        "depth": 0,
        "mid_circuit_measurements": 0,
        "shots": 0,
        "dispatched_s": found["started_s"],
        "collected_s": found["ended_s"],
    }
    record = {**defaults, **found, "kind": "task"}
    record.setdefault("ready_s", record["dispatched_s"])
    return msgspec.convert(record, TaskRecord)


def _require(
    found: Mapping[str, Any], aliases: Mapping[str, tuple[str, ...]], names: tuple[str, ...]
) -> None:
    for name in names:
        if name not in found:
            others = ", ".join(repr(other) for other in aliases.get(name, ()))
            raise ValueError(f"field {name!r} is missing" + (f" (or {others})" if others else ""))


def _seconds(found: Mapping[str, Any], name: str) -> float:
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"field {name!r} is {value!r}; expected seconds")
    return float(value)


def _chain(cuts: Any) -> str:
    """Labels of a chain with so many cuts, where a log names none."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: cuts + 1] if isinstance(cuts, int) and cuts < 26 else "A"
