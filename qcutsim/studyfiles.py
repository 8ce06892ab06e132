"""The files of a simulated study: appended cell by cell, whole after any interruption.

``simulated.jsonl`` holds the records, ``statistics.jsonl`` a head and a line a cell. A cell's
records are written before its line, and the line says where they end; what stands behind the last
whole line was torn by an interruption, and is cut off when the study goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self, TypeVar

import msgspec

from qcutsim.errors import InputError
from qcutsim.files import exists, locked, make_folder
from qcutsim.manifest import Manifest
from qcutsim.records import QueryRecord, RunRecord, encode_records
from qcutsim.simulatedcell import CellStatistics, SimulatedCell

T = TypeVar("T")

SIMULATED_NAME = "simulated.jsonl"
STATISTICS_NAME = "statistics.jsonl"
TABLE_NAME = "statistics.parquet"

SCHEMA = 1
"""Version of ``statistics.jsonl``."""


class StudyHead(msgspec.Struct, tag="study", tag_field="kind", frozen=True, kw_only=True):
    """The first line of ``statistics.jsonl``: what was asked, by which code, on which machine.

    ``study`` is a hash of the scenarios, profiles, options and code: who asks the same goes on.
    """

    schema: int = SCHEMA
    study: str
    name: str
    cells: int
    seed: int
    manifest: Manifest


class CellLine(msgspec.Struct, tag="cell", tag_field="kind", frozen=True, kw_only=True):
    """A cell that is done. Its records end at the byte ``log_end``; ``queries`` came until then."""

    cell: str
    log_end: int
    queries: int
    statistics: CellStatistics
    extrapolations: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()


def read_study_lines(out: Path) -> tuple[StudyHead, list[CellLine]]:
    """The head and the cells of the study in a folder; a torn last line is left out.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = out / STATISTICS_NAME
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; 'qcutsim simulate SCENARIO --profile P --out {out}' writes it"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if not lines or not lines[0].endswith(b"\n"):
        raise InputError(f"{path}: is empty; remove it, and simulate again")
    head = _decode(path, 1, lines[0], StudyHead)
    if head.schema != SCHEMA:
        raise InputError(
            f"{path}:1: field 'schema' is {head.schema}; this version of qcutsim reads {SCHEMA}; "
            "simulate again into another folder"
        )
    whole = lines[1:] if lines[-1].endswith(b"\n") else lines[1:-1]
    return head, [_decode(path, n, line, CellLine) for n, line in enumerate(whole, start=2)]


def _decode(path: Path, number: int, line: bytes, model: type[T]) -> T:
    try:
        return msgspec.convert(_with_nan(msgspec.json.decode(line)), model)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}:{number}: not a line of a study ({error})") from None


def _with_nan(value: Any) -> Any:
    """An estimate of nothing (every query failed) is NaN, which JSON has as null."""
    if isinstance(value, dict):
        if "estimate" in value and value["estimate"] is None:
            value["estimate"] = float("nan")
        for inner in value.values():
            _with_nan(inner)
    return value


class StudyWriter:
    """Appends to the files of a study; opened again, it goes on behind the last whole cell.

    Args:
        out: the folder, made if need be.
        head: what is asked.

    Raises:
        InputError: the folder holds another study, another process writes into it, or it cannot
            be written.

    Attributes:
        cells: that are done.
        queries: in the log.
    """

    def __init__(self, out: Path, head: StudyHead) -> None:
        self.cells = 0
        self.queries = 0
        self._paths = out / SIMULATED_NAME, out / STATISTICS_NAME
        self._head = head
        log, statistics = self._paths
        if not _has_head(statistics):  # nothing of ours is there before it
            for path in (log, out / TABLE_NAME):
                if exists(path) and path.stat().st_size:
                    raise InputError(
                        f"{path}: exists; qcutsim overwrites nothing: give another --out, or move "
                        "it away"
                    )
        make_folder(out)
        self._files = ExitStack()
        try:
            self._files.enter_context(locked(statistics))
            end = self._continue() if _has_head(statistics) else 0
            self._log, self._statistics = (self._open(path) for path in self._paths)
            self._log.truncate(end)
            if not self.cells:
                self._statistics.truncate(0)
                self._write(self._statistics, _line(head))
        except OSError as error:
            self._files.close()
            raise InputError(f"{out}: cannot be written ({error.strerror})") from error
        except BaseException:
            self._files.close()
            raise

    def _open(self, path: Path) -> IO[bytes]:
        return self._files.enter_context(path.open("ab"))

    def _continue(self) -> int:
        """Cut off what an interruption tore; returns where the log goes on."""
        log, statistics = self._paths
        head, lines = read_study_lines(statistics.parent)
        self._refuse_other(head)
        size = log.stat().st_size if exists(log) else 0
        lines = [line for line in lines if line.log_end <= size]
        kept = sum(len(line) for line in _first_lines(statistics, 1 + len(lines)))
        os.truncate(statistics, kept)
        self.cells = len(lines)
        self.queries = lines[-1].queries if lines else 0
        return lines[-1].log_end if lines else 0

    def _refuse_other(self, head: StudyHead) -> None:
        if head.study == self._head.study:
            return
        why = f"holds another study ({head.name!r}, seed {head.seed})"
        if (head.name, head.seed) == (self._head.name, self._head.seed):
            why = "was made with another scenario, profile or option"
            if head.manifest.code != self._head.manifest.code:
                why = f"was made by another version of qcutsim's code ({head.manifest.qcutsim})"
        raise InputError(f"{self._paths[1]}: {why}; give another --out, or move it away")

    def open_run(self, run: RunRecord) -> None:
        """Begin the cells of a scenario."""
        self._write(self._log, encode_records([run]))

    def append(self, cell: str, done: SimulatedCell) -> None:
        """A cell that is done: its records, then its line.

        Raises:
            InputError: the disk is full, or a file cannot be written for another reason.
        """
        self._write(self._log, encode_records(done.records))
        self.cells += 1
        self.queries += sum(type(record) is QueryRecord for record in done.records)
        line = CellLine(
            cell=cell,
            log_end=self._log.tell(),
            queries=self.queries,
            statistics=done.statistics,
            extrapolations=tuple(sorted(done.extrapolations)),
            substitutes=tuple(sorted(done.substitutes)),
        )
        self._write(self._statistics, _line(line))

    def _write(self, file: IO[bytes], data: bytes) -> None:
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            raise InputError(f"{file.name}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._files.close()


def _has_head(statistics: Path) -> bool:
    """Whether the file has its first line whole: without, an interruption came before all else."""
    if not exists(statistics):
        return False
    with statistics.open("rb") as file:
        return file.readline().endswith(b"\n")


def _line(data: StudyHead | CellLine) -> bytes:
    return msgspec.json.encode(data) + b"\n"


def _first_lines(path: Path, count: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        for _, line in zip(range(count), file, strict=False):
            yield line
