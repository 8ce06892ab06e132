"""The JSONL log: one JSON object a line, the same records from real and simulated runs.

A log is a sequence of runs. A ``run`` record opens one; the ``query``, ``task`` and ``event``
records after it belong to it. Times are seconds on a monotonic clock since the run's start; in a
simulation since the start of the queries that were simulated together.
A query and its tasks are appended in one write, tasks first, so a query that is in the log is
there whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

import msgspec

from qcutsim.errors import LogError
from qcutsim.manifest import Manifest

SCHEMA = 1
"""Version of the records; a reader refuses a run of another one."""

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

MERGE_PARTITION = "merge"
"""What stands for the partition of a task that is a part of the reconstruction."""

_OWN_CIRCUIT = re.compile(r".+-[0-9a-f]{8}", re.DOTALL)

Outcome = Literal["ok", "failed", "lost", "cancelled"]
"""What became of a copy of a task; ``cancelled``: nobody needed it any more."""


class RunRecord(msgspec.Struct, tag="run", tag_field="kind", kw_only=True):
    """Opens a run: what was asked, by which code, on which machine.

    ``circuits``: of those that Python entry points returned, by name, a hash of what they do.
    """

    schema: int
    run: str
    origin: Literal["measured", "simulated"]
    manifest: Manifest
    scenario: dict[str, Any]
    scenario_key: str
    seed: int
    started_at: str | None = None
    profile_key: str | None = None
    circuits: dict[str, str] | None = None


class QueryRecord(msgspec.Struct, tag="query", tag_field="kind", kw_only=True):
    """One estimator evaluation and the time of each of its stages (Eq. (1) of arXiv:2602.16233).

    ``total_s`` runs from the first stage's start to the last one's end. ``coordinator_cpu_s`` is
    the CPU time of the dispatching thread during the execute stage, ``process_cpu_s`` that of the
    whole process (which holds the tasks of a thread pool, not those of worker processes).
    ``is_extrapolated``: simulated outside what the profile was calibrated on. ``machines``: the
    simulated hosts, failures and training, in words.
    """

    query: Count
    cell: str
    repetition: Count
    index: Count
    dataset: str
    partition_labels: str
    cuts: Count
    observable: str
    shots: Count
    bindings: AtLeastOne = 1
    request: str = "forward"
    pipeline: str
    coefficients: Count
    subexperiments: Count
    executed: Count
    pool: str
    workers: AtLeastOne
    policy: str
    straggler_probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    straggler_delay_s: Seconds
    policy_parameters: dict[str, Any] = {}
    cancel: str | None = None
    chunk: AtLeastOne | None = None
    window: AtLeastOne = 1
    timeout_s: Seconds | None = None
    straggler_distribution: dict[str, Any] | None = None
    straggler_per: str = "task"
    submitted_s: Seconds
    partition_s: Seconds
    generate_s: Seconds
    execute_s: Seconds
    reconstruct_s: Seconds
    total_s: Seconds
    coordinator_cpu_s: Seconds | None = None
    process_cpu_s: Seconds | None = None
    reconstruction: str = "per_shot"
    reconstruction_work: Count = 0
    allocation: str = "uniform"
    shots_spent: Count | None = None
    precision: Seconds | None = None
    value: float | None = None
    std: float | None = None
    is_cold: bool = False
    outcome: Literal["ok", "failed"] = "ok"
    error: str | None = None
    replication: Count = 0
    is_extrapolated: bool = False
    machines: str | None = None

    @property
    def labels(self) -> str:
        """See :func:`labels_of`."""
        return labels_of(self.dataset, self.partition_labels)


class TaskRecord(msgspec.Struct, tag="task", tag_field="kind", kw_only=True):
    """The life of one task: ready, dispatched, started, ended, collected.

    ``cpu_s`` is the CPU time of its work, ``None`` where threads that share a process make it
    impossible to tell. ``injected_delay_s`` is part of ``ended_s - started_s``, not of ``cpu_s``.
    """

    query: Count
    task: Count
    attempt: Count
    worker: int
    outcome: Outcome
    partition: str
    width: AtLeastOne
    depth: Count
    mid_circuit_measurements: Count
    subexperiments: AtLeastOne = 1
    shots: Count
    bindings: AtLeastOne = 1
    ready_s: float
    dispatched_s: float
    started_s: float
    ended_s: float
    collected_s: float
    cpu_s: Seconds | None = None
    injected_delay_s: Seconds = 0.0
    payload_bytes: int = 0
    result_bytes: int = 0


class StepRecord(msgspec.Struct, tag="step", tag_field="kind", kw_only=True):
    """One optimiser step of a training run: its queries, and what the optimiser took."""

    cell: str
    epoch: Count
    step: Count
    queries: Count
    started_s: Seconds
    ended_s: Seconds
    repetition: Count = 0
    replication: Count = 0


class EventRecord(msgspec.Struct, tag="event", tag_field="kind", kw_only=True):
    """One event a dispatcher handled and the actions it answered with.

    ``dispatcher`` numbers the dispatcher within the run: a fresh one replays its events only.
    """

    dispatcher: int = 0
    event: dict[str, Any]
    actions: list[dict[str, Any]]


Record = RunRecord | QueryRecord | TaskRecord | StepRecord | EventRecord


def labels_of(dataset: str, partition_labels: str) -> str:
    """What work is told apart by: its partition labels, for one's own circuit after its name.

    >>> labels_of("iris", "AABB"), labels_of("ghz-0a1b2c3d", "AABB")
    ('AABB', 'ghz-0a1b2c3d AABB')
    """
    is_own = _OWN_CIRCUIT.fullmatch(dataset) is not None
    return f"{dataset} {partition_labels}" if is_own else partition_labels


_encoder = msgspec.json.Encoder()


def encode_records(records: Iterable[Record]) -> bytes:
    """Records as they stand in a log, a line each."""
    return _encoder.encode_lines(list(records))


class LogWriter:
    """Appends records to a file and flushes after each call of :meth:`write`.

    A torn last line left by a crash is closed with a newline, never overwritten.

    Raises:
        LogError: the file cannot be opened for appending.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file: IO[bytes] = self.path.open("a+b")
        except OSError as error:
            raise LogError(f"{self.path}: cannot append to this log ({error.strerror})") from error
        if self._file.tell() > 0:
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def write(self, *records: Record) -> None:
        """Append ``records``, one line each, in a single flushed write.

        Raises:
            LogError: the disk is full, or the file cannot be written for another reason.
        """
        try:
            self._file.write(encode_records(records))
            self._file.flush()
        except OSError as error:
            raise LogError(f"{self.path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Close the file. Raises ``LogError`` where what was written cannot be kept."""
        try:
            self._file.close()
        except OSError as error:
            raise LogError(f"{self.path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def append_records(path: Path, records: Iterable[Record]) -> None:
    """Append to a log that a :class:`LogWriter` has opened before, in one write.

    Raises:
        LogError: the disk is full, or the file cannot be written for another reason.
    """
    lines = encode_records(records)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LogError(f"{path}: cannot be written ({error.strerror})") from error
