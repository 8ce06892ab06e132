"""Real queries on Aer: what a run logs, and how it goes on where it was cut off."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from builders import make_scenario, scenario_yaml

from qcutsim import (
    compare_logs,
    load_profile,
    load_scenario,
    read_queries,
    read_records,
    run_scenario,
    simulate_scenario,
)
from qcutsim.cell import Workload
from qcutsim.cli import main
from qcutsim.estimator import UpstreamPipeline
from qcutsim.logreader import QueryLog, SkipReport
from qcutsim.records import EventRecord, QueryRecord, RunRecord, TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.stragglers import InjectedDelays, Stragglers
from qcutsim.workload import load_shape

SCENARIO = make_scenario(stragglers=Stragglers(probability=0.3, delay_s=0.01))
"""AAAA and AABB on 1 and 2 threads and processes: 8 cells of 5 queries of 128 shots."""

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
PATIENCE_S = 60.0
STOPS_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The log of one real run, which workers of pytest-xdist share; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    out = (base if worker_id == "master" else base.parent) / "real-run"
    with Path(f"{out}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run_scenario(SCENARIO, out)


@pytest.fixture
def copied(measured: Path, tmp_path: Path) -> Path:
    """A copy of the log that a test may damage."""
    return Path(shutil.copy(measured, tmp_path / "run.jsonl"))


def warm(log: Path) -> list[QueryLog]:
    return [entry for entry in read_queries([log]) if not entry.query.is_cold]


def identity(query: QueryRecord) -> tuple[str, int, int]:
    return (query.cell, query.repetition, query.index)


def planned(scenario: Scenario) -> Counter[tuple[str, int, int]]:
    return Counter(
        (cell.key, repetition, index)
        for cell in scenario.cells
        for repetition in range(scenario.repetitions)
        for index in range(cell.queries)
    )


def test_every_planned_query_is_logged_once_and_whole(measured):
    """With each of its tasks once, each within the query's life and in its proper order."""
    assert len(list(read_records(measured, strict=True))) > 0
    queries = warm(measured)
    assert Counter(identity(entry.query) for entry in queries) == planned(SCENARIO)
    for entry in queries:
        query = entry.query
        shape = load_shape(Workload(partition_labels=query.partition_labels))
        assert query.outcome == "ok"
        assert [query.executed, query.subexperiments] == [shape.subexperiments] * 2
        assert (query.cuts, query.coefficients) == (shape.cuts, shape.coefficients)
        assert query.reconstruction_work == shape.reconstruction_work(128)
        assert query.value is not None
        assert -1.5 < query.value < 1.5
        stages = query.partition_s + query.generate_s + query.execute_s + query.reconstruct_s
        assert stages <= query.total_s
        assert sorted(task.task for task in entry.tasks) == list(range(shape.subexperiments))
        classes = shape.task_classes()
        for task in entry.tasks:
            of = shape.classes[classes[task.task]]
            assert task.outcome == "ok"
            assert (task.width, task.depth) == (of.width, of.depth)
            assert (task.partition, task.mid_circuit_measurements) == (
                of.partition,
                of.mid_circuit_measurements,
            )
            times = (task.ready_s, task.dispatched_s, task.started_s, task.ended_s)
            assert list(times) == sorted(times)
            assert query.submitted_s <= task.ready_s
            assert task.ended_s <= task.collected_s <= query.submitted_s + query.total_s
            assert task.ended_s - task.started_s >= task.injected_delay_s


def test_no_worker_runs_two_tasks_at_once_and_all_workers_run_some(measured):
    for entry in warm(measured):
        by_worker = defaultdict(list)
        for task in entry.tasks:
            by_worker[task.worker].append((task.started_s, task.ended_s))
        for spans in by_worker.values():
            spans.sort()
            ends = [ended for _, ended in spans]
            assert all(start >= end for (start, _), end in zip(spans[1:], ends, strict=False))
        assert len(by_worker) == min(entry.query.workers, len(entry.tasks))


def test_the_value_of_a_query_does_not_depend_on_the_pool(measured):
    """Same seed, same labels, same number in the study: the same value to the last bit."""
    values = defaultdict(set)
    for entry in warm(measured):
        values[entry.query.partition_labels, entry.query.index].add(entry.query.value)
    assert len(values) == 10
    assert all(len(found) == 1 for found in values.values())
    assert len(set.union(*values.values())) == 10


def delays_s(log: Path) -> dict[tuple[str, int], list[float]]:
    """(cell, index) -> delay of each task, in task order."""
    return {
        (entry.query.cell, entry.query.index): [
            task.injected_delay_s for task in sorted(entry.tasks, key=lambda task: task.task)
        ]
        for entry in warm(log)
    }


def test_stragglers_are_those_of_the_seed(measured):
    found = delays_s(measured)
    cells = {cell.key: cell for cell in SCENARIO.cells}
    for (key, index), delays in found.items():
        work = cells[key].workload
        tasks = load_shape(work).subexperiments
        expected = InjectedDelays(
            SCENARIO.cells[0].stragglers, SCENARIO.seed, tasks, repetition=0, index=index
        )
        assert delays == [expected(task, 0, 0) for task in range(tasks)]
    assert {delay for delays in found.values() for delay in delays} == {0.0, 0.01}


def test_a_log_is_calibrated_on_simulated_and_compared(measured, tmp_path, capsys):
    """By the command line; the simulation meets the stragglers of the real run."""
    (tmp_path / "s.yaml").write_text(scenario_yaml(SCENARIO))
    scenario = load_scenario(tmp_path / "s.yaml")
    assert scenario.key == SCENARIO.key
    profile = str(tmp_path / "profile.json")
    assert main(["calibrate", str(measured), "-o", profile]) == 0
    simulated, _ = simulate_scenario(
        scenario, load_profile(profile), tmp_path / "sim", with_tasks=True
    )
    assert delays_s(simulated) == delays_s(measured)
    capsys.readouterr()
    assert main(["compare", "--measured", str(measured), "--profile", profile, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["configurations"]
    assert len(rows) == 8
    assert all(row["simulated_makespan_s"] > 0 for row in rows)
    assert all(row["makespan_interval"] is not None for row in rows)
    given = compare_logs([measured], profile=load_profile(profile), simulated=[simulated])
    logs = ["--measured", str(measured.parent), "--simulated", str(simulated.parent)]
    assert main(["compare", *logs, "--profile", profile, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["configurations"]
    assert [row.simulated_makespan_s for row in given.configurations] == [
        row["simulated_makespan_s"] for row in rows
    ]


def test_a_complete_run_given_again_does_nothing(copied):
    before = copied.read_bytes()
    progress: list[tuple[int, int]] = []
    log = run_scenario(
        SCENARIO, copied.parent, on_progress=lambda done, total: progress.append((done, total))
    )
    assert log == copied
    assert copied.read_bytes() == before
    assert progress == [(40, 40)]


def test_a_run_cut_off_goes_on_with_what_is_missing(copied):
    """The last query is gone but for a torn line; what was whole stays byte for byte."""
    lines = copied.read_bytes().splitlines(keepends=True)
    *_, last = warm(copied)
    whole = lines[: -len(last.tasks) - 1]
    torn = lines[len(whole)][:50]
    copied.write_bytes(b"".join(whole) + torn)
    progress: list[tuple[int, int]] = []
    run_scenario(
        SCENARIO, copied.parent, on_progress=lambda done, total: progress.append((done, total))
    )
    assert copied.read_bytes().startswith(b"".join(whole) + torn + b"\n")
    skipped = SkipReport()
    records = list(read_records(copied, skipped))
    assert [line.line for line in skipped.kept] == [len(whole) + 1]
    assert sum(isinstance(record, RunRecord) for record in records) == 2
    assert progress == [(39, 40), (40, 40)]
    queries = warm(copied)
    assert Counter(identity(entry.query) for entry in queries) == planned(SCENARIO)
    again = queries[-1].query
    assert identity(again) == identity(last.query)
    assert again.value == last.query.value


def child_processes(pid: int) -> set[int]:
    """Process ids of the workers that ``pid`` started."""
    found = set()
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        found |= {int(child) for child in entry.read_text().split()}
    return {child for child in found if is_worker(child)}


def is_worker(pid: int) -> bool:
    try:
        return b"qcutsim.runtime.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def logged(log: Path) -> int:
    """How many measured queries a log holds that is being written."""
    if not log.exists():
        return 0
    return sum(b'"is_cold":false' in line for line in log.read_bytes().splitlines())


@pytest.mark.skipif(not CHILDREN.exists(), reason="finds worker processes in /proc")
@pytest.mark.parametrize("to_all", [False, True], ids=["to the process", "to its whole group"])
def test_an_interrupted_run_stops_leaves_no_worker_and_goes_on(tmp_path, to_all):
    """As by Ctrl-C in a terminal, which signals the group, and by ``kill -INT``."""
    scenario = make_scenario(
        labels=("AABB",),
        workers=(2,),
        queries=8,
        stragglers=Stragglers(probability=1.0, delay_s=0.02),
    )
    (tmp_path / "s.yaml").write_text(scenario_yaml(scenario))
    log = tmp_path / "out" / "run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "qcutsim.cli", "run", "s.yaml", "--out", "out"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        give_up_s = time.monotonic() + PATIENCE_S
        while logged(log) < 3:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up_s
            time.sleep(0.01)
        workers = child_processes(process.pid)
        assert len(workers) == 2
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=STOPS_WITHIN_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("qcutsim run: interrupted; logs written so far are")
    assert not any(is_worker(worker) for worker in workers)
    assert len(list(read_records(log, strict=True))) > 0
    before = warm(log)
    assert 3 <= len(before) < 16
    assert all(len(entry.tasks) == entry.query.executed == 12 for entry in before)
    if to_all:
        run_scenario(load_scenario(tmp_path / "s.yaml"), tmp_path / "out")
        assert Counter(identity(entry.query) for entry in warm(log)) == planned(scenario)


def test_events_are_logged_when_asked_for_and_agree_with_the_tasks(tmp_path):
    scenario = make_scenario(labels=("AABB",), kinds=("threads",), workers=(2,), queries=1)
    log = run_scenario(scenario, tmp_path / "out", log_events=True)
    records = list(read_records(log, strict=True))
    (entry,) = warm(log)
    actions = [
        action
        for record in records
        if isinstance(record, EventRecord)
        for action in record.actions
        if action["query"] == entry.query.query
    ]
    starts = [(a["task"], a["worker"]) for a in actions if a["type"] == "Start"]
    assert starts == [(task.task, task.worker) for task in entry.tasks]
    others = [action["type"] for action in actions if action["type"] != "Start"]
    assert others == ["BeginReconstruction", "CompleteQuery"]


def fail(payload: bytes, context: bytes) -> bytes:
    raise ValueError("broken on purpose")


def test_a_query_that_fails_is_logged_and_run_again_next_time(tmp_path, monkeypatch, capsys):
    """Exit code 1, the worker's error in the message; the measured rest is kept."""
    scenario = make_scenario(labels=("AAAA",), kinds=("threads",), workers=(1,), queries=2)
    (tmp_path / "s.yaml").write_text(scenario_yaml(scenario))
    arguments = ["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")]
    with monkeypatch.context() as broken:
        broken.setattr(UpstreamPipeline, "task_function", f"{__name__}:fail")
        assert main(arguments) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("qcutsim run: ")
    assert "ValueError: broken on purpose" in said[-1]
    (failed,) = (
        record
        for record in read_records(tmp_path / "out" / "run.jsonl")
        if isinstance(record, QueryRecord) and record.outcome == "failed"
    )
    assert "ValueError: broken on purpose" in failed.error
    assert (failed.executed, failed.value) == (3, None)
    assert failed.total_s >= failed.partition_s + failed.generate_s + failed.execute_s
    tried = [
        record.outcome
        for record in read_records(tmp_path / "out" / "run.jsonl")
        if isinstance(record, TaskRecord) and record.query == failed.query
    ]
    assert tried == ["failed"] * 3
    assert main(arguments) == 0
    queries = warm(tmp_path / "out" / "run.jsonl")
    done = Counter(identity(entry.query) for entry in queries if entry.query.outcome == "ok")
    assert done == planned(scenario)
