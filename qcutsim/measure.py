"""Real runs of a scenario: every cell, interleaved, logged, resumable."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qcutsim.cell import Cell, record_fields
from qcutsim.cell import Pool as ConfiguredPool
from qcutsim.dispatch import CancelMode
from qcutsim.errors import ExecutionError, LogError, QueryFailedError, ScenarioError
from qcutsim.extras import require
from qcutsim.files import exists, locked, make_folder
from qcutsim.live import RunObserver
from qcutsim.logreader import read_records
from qcutsim.manifest import collect_manifest
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import SCHEMA, EventRecord, LogWriter, QueryRecord, RunRecord
from qcutsim.runcircuits import RunCircuits, pipeline_of, query_of
from qcutsim.runtime import (
    MOST_WORKERS,
    Driver,
    Pool,
    TaskFunctionSource,
    make_pool,
    run_in_window,
)
from qcutsim.runtime.loop import DaemonThreads, run_async
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
from qcutsim.simulatedonly import refusal
from qcutsim.stragglers import InjectedDelays, Stragglers

if TYPE_CHECKING:
    from qcutsim.estimator import Pipeline, QueryOutcome

_PoolKey = tuple[str, CancelMode | None, TaskFunctionSource]
"""Cells with the same kind of pool, way to cancel, and task function share workers."""

LOG_NAME = "run.jsonl"
WARM_UP_QUERIES = 2


@dataclass(frozen=True, slots=True)
class _Planned:
    """One query to measure."""

    cell: Cell
    repetition: int
    index: int

    @property
    def identity(self) -> tuple[str, int, int]:
        return (self.cell.key, self.repetition, self.index)

    @property
    def block(self) -> tuple[str, int]:
        """What is run by one dispatcher: the queries of a cell in one repetition."""
        return (self.cell.key, self.repetition)


def run_scenario(
    scenario: Scenario,
    out_dir: str | os.PathLike[str],
    *,
    log_events: bool = False,
    on_progress: ProgressCallback = no_progress,
    observer: RunObserver | None = None,
) -> Path:
    """Run every query of a scenario on Aer and log it; needs the extra ``real``.

    Rounds visit all cells in a random order of their own, so that no configuration is measured
    at one time only. An interrupted run of the same scenario goes on where it stopped.

    Args:
        scenario: what to run.
        out_dir: made if need be; the log is ``run.jsonl`` in it.
        log_events: also log what the dispatcher saw and decided.
        on_progress: called with (queries done, all queries).
        observer: hears what happens, as it happens.

    Returns:
        The path of the log.

    Raises:
        InputError: the scenario cannot be run for real, ``out_dir`` holds the log of another one
            or of another version of the code, or another process writes there.
        ExecutionError: a query failed; what was measured before is in the log.
        MissingExtraError: the extra ``real`` is not installed.
    """
    require("qiskit", "qiskit_aer", "qiskit_addon_cutting", "sklearn")
    _check_runnable(scenario)
    circuits = RunCircuits.of(scenario)
    log = make_folder(Path(out_dir)) / LOG_NAME
    with locked(log):
        done = _done_before(log, scenario, circuits)
        todo = [planned for planned in _order(scenario) if planned.identity not in done]
        total = len(todo) + len(done)
        on_progress(len(done), total)
        if todo:
            with LogWriter(log) as writer:
                measurement = _Measurement(
                    scenario, writer, circuits, log_events=log_events, observer=observer
                )
                run_async(measurement.run(todo, len(done), total, on_progress))
    return log


def _check_runnable(scenario: Scenario) -> None:
    for cell in scenario.cells:
        refused = refusal(cell)
        if refused is not None:
            raise ScenarioError(f"{scenario.source}: {refused}")
        if cell.pool.workers > MOST_WORKERS:
            raise ScenarioError(
                f"{scenario.source}: pool.workers: {cell.pool.workers} is more than a real run "
                f"takes on one host ({MOST_WORKERS}); simulate it"
            )


def _done_before(log: Path, scenario: Scenario, circuits: RunCircuits) -> set[tuple[str, int, int]]:
    if not _has_a_line(log):
        return set()
    done = set()
    has_run = False
    for record in read_records(log):
        if type(record) is RunRecord:
            has_run = True
            circuits.check_unchanged(log, record, scenario)
        if not has_run or (type(record) is RunRecord and record.origin != "measured"):
            raise LogError(
                f"{log}: is no log of 'qcutsim run' (it does not begin with a measured 'run'); "
                "give another --out, or move it away"
            )
        if type(record) is RunRecord and record.scenario_key != scenario.key:
            raise LogError(
                f"{log}: holds a run of another scenario or seed "
                f"({record.scenario.get('name')!r}, seed {record.seed}); "
                "give another --out, or move it away"
            )
        if type(record) is RunRecord and record.manifest.code != collect_manifest().code:
            raise LogError(
                f"{log}: was measured by another version of qcutsim's code (it is "
                f"{record.manifest.qcutsim}, {record.manifest.commit}); one log holds "
                "measurements of one version: give another --out, or move it away"
            )
        if type(record) is QueryRecord and record.outcome == "ok" and not record.is_cold:
            done.add((record.cell, record.repetition, record.index))
    return done


def _has_a_line(log: Path) -> bool:
    """Whether anything was logged; a first line that a crash tore is nothing."""
    if not exists(log):
        return False
    with log.open("rb") as file:
        return file.readline().endswith(b"\n")


def _order(scenario: Scenario) -> Iterator[_Planned]:
    for repetition in range(scenario.repetitions):
        shuffled = stream(scenario.seed, "order", repetition).permutation(len(scenario.cells))
        for position in shuffled:
            cell = scenario.cells[position]
            for index in range(cell.queries):
                yield _Planned(cell, repetition, index)


@dataclass(slots=True)
class _Measurement:
    """State of one run: its clock, its log and the numbers of its queries."""

    scenario: Scenario
    writer: LogWriter
    circuits: RunCircuits
    log_events: bool
    observer: RunObserver | None = None
    start_s: float = field(default_factory=time.monotonic)
    next_query: int = 0
    pipelines: dict[tuple[bytes, ConfiguredPool], Pipeline] = field(default_factory=dict)

    def clock(self) -> float:
        return time.monotonic() - self.start_s

    async def run(
        self, todo: list[_Planned], done: int, total: int, on_progress: ProgressCallback
    ) -> None:
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.writer.write(
            RunRecord(
                schema=SCHEMA,
                run=f"{self.scenario.key[:12]}-{started_at}",
                origin="measured",
                manifest=collect_manifest(),
                scenario=self.scenario.resolved(),
                scenario_key=self.scenario.key,
                seed=self.scenario.seed,
                started_at=started_at,
                circuits=self.circuits.fingerprints or None,
            )
        )
        cells = list({planned.cell.key: planned.cell for planned in todo}.values())
        async with _pools((self._pool_key(cell), cell.pool.workers) for cell in cells) as pools:
            for key, pool in pools.items():
                await self._warm_up(pool, [cell for cell in cells if self._pool_key(cell) == key])
            measured = itertools.count(done + 1)
            for _, block in itertools.groupby(todo, key=lambda planned: planned.block):
                queries = list(block)
                pool = pools[self._pool_key(queries[0].cell)]
                await self._measure(pool, queries, lambda: on_progress(next(measured), total))

    async def _warm_up(self, pool: Pool, cells: list[Cell]) -> None:
        """Let every worker load and run what the measured queries need; logged as cold."""
        most = max(cells, key=lambda cell: cell.pool.workers)
        for pipeline in sorted({cell.workload.pipeline for cell in cells}):
            works = [cell.workload for cell in cells if cell.workload.pipeline == pipeline]
            cut = [work for work in works if len(set(work.partition_labels)) > 1]
            workload = min(cut or works, key=lambda work: len(set(work.partition_labels)))
            cell = msgspec.structs.replace(
                most,
                workload=workload,
                stragglers=Stragglers(),
                timeout_s=None,
                policy={"kind": "eager"},
                window=1,
            )
            cold = [_Planned(cell, 0, index) for index in range(WARM_UP_QUERIES)]
            await self._measure(pool, cold, lambda: None, is_cold=True)

    def _event_log(self, dispatcher: int) -> Callable[[EventRecord], None]:
        def write(record: EventRecord) -> None:
            record.dispatcher = dispatcher
            self.writer.write(record)

        return write

    def _pool_key(self, cell: Cell) -> _PoolKey:
        return (cell.pool.kind, cell.pool.cancel, self._pipeline(cell).task_function)

    def _pipeline(self, cell: Cell) -> Pipeline:
        """Kept for all queries of a workload on a pool: a plan is made once."""
        key = (msgspec.json.encode(cell.workload), cell.pool)
        if key not in self.pipelines:
            self.pipelines[key] = pipeline_of(cell)
        return self.pipelines[key]

    async def _measure(
        self,
        pool: Pool,
        block: list[_Planned],
        on_query: Callable[[], None],
        *,
        is_cold: bool = False,
    ) -> None:
        """The queries of one cell and repetition, as many at once as its window lets."""
        cell, observer = block[0].cell, self.observer
        if observer is not None:
            observer.block_began(cell, is_cold=is_cold)
        driver = Driver(
            pool,
            workers=cell.pool.workers,
            policy=cell.policy_config,
            timeout_s=cell.timeout_s,
            clock=self.clock,
            clock_offset_s=self.start_s,
            on_event=self._event_log(self.next_query) if self.log_events else None,
            watch=None if observer is None else observer.handled,
        )
        calls = [
            partial(self._measure_query, driver, planned, on_query, is_cold=is_cold)
            for planned in block
        ]
        async with driver:
            await run_in_window(cell.window, calls)

    async def _measure_query(
        self, driver: Driver, planned: _Planned, on_query: Callable[[], None], *, is_cold: bool
    ) -> None:
        from qcutsim.estimator import estimate

        cell, number = planned.cell, self.next_query
        self.next_query += 1
        if self.observer is not None:
            self.observer.query_began(number)

        def delays(nodes: int) -> InjectedDelays:
            place = {"repetition": planned.repetition, "index": planned.index}
            return InjectedDelays(cell.stragglers, self.scenario.seed, nodes, **place)

        try:
            outcome = await estimate(
                self._pipeline(cell),
                query_of(
                    self.scenario.seed, cell, planned.repetition, planned.index, self.circuits
                ),
                driver,
                number=number,
                delays=delays,
                clock=self.clock,
                executor=DaemonThreads("qcutsim-stage"),
            )
        except QueryFailedError as failed:
            self._log(cell, planned, number, failed.outcome, is_cold=is_cold)
            pool = f"{cell.pool.workers} {cell.pool.kind}, {cell.policy['kind']}"
            where = f"query {number} ({cell.workload.partition_labels}, {pool})"
            raise ExecutionError(f"{where}: {failed}") from failed
        self._log(cell, planned, number, outcome, is_cold=is_cold)
        on_query()

    def _log(
        self, cell: Cell, planned: _Planned, number: int, outcome: QueryOutcome, *, is_cold: bool
    ) -> None:
        record = _query_record(cell, planned, number, outcome, is_cold=is_cold)
        self.writer.write(*outcome.task_records(number), record)
        if self.observer is not None:
            self.observer.query_ended(record)


@asynccontextmanager
async def _pools(wanted: Iterable[tuple[_PoolKey, int]]) -> AsyncIterator[dict[_PoolKey, Pool]]:
    """One started pool a kind, as large as the largest cell wants; smaller cells use a part."""
    sizes: dict[_PoolKey, int] = {}
    for key, workers in wanted:
        sizes[key] = max(workers, sizes.get(key, 0))
    pools = {
        (kind, cancel, function): make_pool(kind, workers, function, cancel)
        for (kind, cancel, function), workers in sizes.items()
    }
    started: list[Pool] = []
    try:
        for pool in pools.values():
            await pool.start()
            started.append(pool)
        yield pools
    finally:
        for pool in started:
            await pool.stop()


def _query_record(
    cell: Cell,
    planned: _Planned,
    number: int,
    outcome: QueryOutcome,
    *,
    is_cold: bool,
) -> QueryRecord:
    return QueryRecord(
        query=number,
        **record_fields(cell, planned.repetition, planned.index),
        **outcome.record_fields(),
        subexperiments=outcome.accounting.generated,
        executed=len(outcome.runs),
        is_cold=is_cold,
    )
