"""The JSONL log: one JSON object a line, the same records from real and simulated runs.

A log is a sequence of runs. A ``run`` record opens one; the ``query``, ``task`` and ``event``
records after it belong to it. Times are seconds on a monotonic clock since the run's start; in a
simulation since the start of the queries that were simulated together.
A query and its tasks are appended in one write, tasks first, so a query that is in the log is
there whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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

Outcome = Literal["ok", "failed", "lost", "cancelled"]
"""What became of a copy of a task; ``cancelled``: nobody needed it any more."""


class RunRecord(msgspec.Struct, tag="run", tag_field="kind", kw_only=True):
    """Opens a run: what was asked, by which code, on which machine."""

    schema: int
    run: str
    origin: Literal["measured", "simulated"]
    manifest: Manifest
    scenario: dict[str, Any]
    scenario_key: str
    seed: int
    started_at: str | None = None
    profile_key: str | None = None


class _RunHead(msgspec.Struct, tag="run", tag_field="kind"):
    schema: int


class QueryRecord(msgspec.Struct, tag="query", tag_field="kind", kw_only=True):
    """One estimator evaluation and the time of each of its stages (Eq. (1) of arXiv:2602.16233).

    ``total_s`` runs from the first stage's start to the last one's end. ``coordinator_cpu_s`` is
    the CPU time of the dispatching thread during the execute stage, ``process_cpu_s`` that of the
    whole process (which holds the tasks of a thread pool, not those of worker processes).
    ``is_extrapolated``: simulated outside what the profile was calibrated on.
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
    shots_spent: Count | None = None
    precision: Seconds | None = None
    value: float | None = None
    std: float | None = None
    is_cold: bool = False
    outcome: Literal["ok", "failed"] = "ok"
    error: str | None = None
    replication: Count = 0
    is_extrapolated: bool = False


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


class EventRecord(msgspec.Struct, tag="event", tag_field="kind", kw_only=True):
    """One event a dispatcher handled and the actions it answered with.

    ``dispatcher`` numbers the dispatcher within the run: a fresh one replays its events only.
    """

    dispatcher: int = 0
    event: dict[str, Any]
    actions: list[dict[str, Any]]


Record = RunRecord | QueryRecord | TaskRecord | EventRecord

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


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
            self._file.write(_encoder.encode_lines(list(records)))
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
    lines = _encoder.encode_lines(list(records))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LogError(f"{path}: cannot be written ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that could not be read: where and why."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(slots=True)
class SkipReport:
    """What a reader skipped. ``kept`` holds the first few; ``count`` counts them all."""

    count: int = 0
    kept: list[Skipped] = field(default_factory=list)
    keep_at_most: int = 20

    def add(self, skipped: Skipped) -> None:
        """Count one more skipped line."""
        self.count += 1
        if len(self.kept) < self.keep_at_most:
            self.kept.append(skipped)

    def summary(self) -> str:
        """One line a skipped line, and how many more there were."""
        lines = [str(s) for s in self.kept]
        if self.count > len(self.kept):
            lines.append(f"... and {self.count - len(self.kept)} more")
        return "\n".join(lines)


def read_records(
    path: str | os.PathLike[str], skipped: SkipReport | None = None, *, strict: bool = False
) -> Iterator[Record]:
    """Stream the records of a log in file order.

    Args:
        path: the log.
        skipped: collects the lines that could not be read; a torn last line is among them.
        strict: raise at the first unreadable line instead.

    Raises:
        LogError: the file is missing, empty, holds no readable record, or holds a run of another
            schema version; with ``strict``, also for any unreadable line.
    """
    for _, record in _numbered(Path(path), SkipReport() if skipped is None else skipped, strict):
        yield record


def _numbered(path: Path, skipped: SkipReport, strict: bool) -> Iterator[tuple[int, Record]]:
    """Records and the line each stands on."""
    before = skipped.count, len(skipped.kept)
    found = False
    first: Skipped | None = None
    decode = _decoder.decode
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if not line.strip():
                continue
            _refuse_other_schema(path, number, line)
            unreadable = _unreadable(path, number, line, error)
            if strict:
                raise LogError(str(unreadable)) from error
            skipped.add(unreadable)
            first = first or unreadable
            continue
        found = True
        if type(record) is RunRecord and record.schema != SCHEMA:
            raise _other_schema(path, number, record.schema)
        yield number, record
    if not found:
        skipped.count = before[0]  # the error names the first of them
        del skipped.kept[before[1] :]
        raise LogError(
            f"{first or f'{path}: the file is empty'}; no record could be read: expected a log "
            "written by 'qcutsim run' or 'qcutsim simulate', one JSON object a line"
        )


def _refuse_other_schema(path: Path, number: int, line: bytes) -> None:
    """A run of another version may have other fields; its schema is still the reason."""
    try:
        head = msgspec.json.decode(line, type=_RunHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if head.schema != SCHEMA:
        raise _other_schema(path, number, head.schema)


def _other_schema(path: Path, number: int, schema: int) -> LogError:
    return LogError(
        f"{path}:{number}: field 'schema' is {schema}; this version of qcutsim "
        f"reads {SCHEMA}; record the run again or use the version that wrote it"
    )


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=1 << 20) as file:
            yield from file
    except FileNotFoundError:
        raise LogError(f"{path}: no such log; write one with 'qcutsim run'") from None
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error


def _unreadable(path: Path, number: int, line: bytes, error: Exception) -> Skipped:
    torn = "" if line.endswith(b"\n") else " (torn last line)"
    shown = line[:60].decode("utf-8", "replace").rstrip()
    return Skipped(str(path), number, f"{error}{torn}; the line begins {shown!r}")


@dataclass(slots=True)
class QueryLog:
    """One query with its tasks and the run it belongs to."""

    run: RunRecord
    query: QueryRecord
    tasks: list[TaskRecord]


def read_queries(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    skipped: SkipReport | None = None,
) -> Iterator[QueryLog]:
    """Stream the queries of a log, or of several, each with its task records.

    Tasks whose query was never completed (the writer was stopped) are dropped.

    Raises:
        LogError: as :func:`read_records`; also for a query that no ``run`` record precedes.
    """
    skipped = SkipReport() if skipped is None else skipped
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        run: RunRecord | None = None
        tasks: dict[int, list[TaskRecord]] = {}
        for line, record in _numbered(Path(path), skipped, strict=False):
            if type(record) is TaskRecord:
                tasks.setdefault(record.query, []).append(record)
            elif type(record) is QueryRecord:
                if run is None:
                    raise LogError(
                        f"{path}:{line}: query {record.query} stands before any 'run' record; "
                        "the head of the log is missing"
                    )
                yield QueryLog(run, record, tasks.pop(record.query, []))
            elif type(record) is RunRecord:
                run = record
                tasks.clear()
