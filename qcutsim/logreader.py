"""Reading logs: typed streaming, whatever cannot be read named and skipped.

A log may be compressed (gzip), torn at its end, or written by others (see
:mod:`qcutsim.foreignlog`).
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from qcutsim.errors import LogError
from qcutsim.foreignlog import read_foreign, unknown_run
from qcutsim.records import SCHEMA, QueryRecord, Record, RunRecord, TaskRecord

_GZIP = b"\x1f\x8b"

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class _RunHead(msgspec.Struct, tag="run", tag_field="kind"):
    schema: int


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
    has_run = False
    decode = _decoder.decode
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if not line.strip():
                continue
            try:
                record = _read_other(path, number, line, error)
            except _UnreadableError as reason:
                unreadable = Skipped(str(path), number, str(reason))
                if strict:
                    raise LogError(str(unreadable)) from error
                skipped.add(unreadable)
                first = first or unreadable
                continue
            if not has_run:
                has_run = True
                yield number, unknown_run(path.name)
        found = True
        if type(record) is RunRecord:
            has_run = True
            if record.schema != SCHEMA:
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


class _UnreadableError(Exception):
    """A line is no record; says why."""


class _TornEnd(bytes):
    """Stands for what is missing at the end of compressed data."""


def _read_other(path: Path, number: int, line: bytes, error: Exception) -> Record:
    """A line that is none of our records: another writer's, or unreadable."""
    if isinstance(line, _TornEnd):
        raise _UnreadableError("the compressed data end early; what came before was read")
    _refuse_other_schema(path, number, line)
    try:
        return read_foreign(line, number)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as other:
        # Of one of our own kinds the typed decoder says best what is wrong.
        is_foreign = line.lstrip().startswith(b"{") and b'"kind"' not in line
        reason = other if is_foreign else error
        torn = "" if line.endswith(b"\n") else " (torn last line)"
        shown = line[:60].decode("utf-8", "replace").rstrip()
        raise _UnreadableError(f"{reason}{torn}; the line begins {shown!r}") from None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with io.BufferedReader(io.FileIO(path), 1 << 20) as raw:
            if raw.peek(2)[:2] == _GZIP:
                yield from _decompressed(raw)
            else:
                yield from raw
    except FileNotFoundError:
        raise LogError(f"{path}: no such log; write one with 'qcutsim run'") from None
    except OSError as error:
        reason = error.strerror or error
        raise LogError(f"{path}: cannot be read ({reason})") from error


def _decompressed(raw: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw) as file:
        try:
            yield from file
        except (EOFError, zlib.error):
            yield _TornEnd(b"?")


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
