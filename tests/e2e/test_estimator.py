"""The estimator as users run it: in scripts, in notebooks, interrupted, forgotten."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from qiskit import QuantumCircuit

from qcutsim import DistributedEstimator, read_queries

SCRIPT = """
import qcutsim
from qiskit import QuantumCircuit

circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
estimator = qcutsim.DistributedEstimator(
    partition_labels="AB", shots=500, pool="processes:2", seed=7, log="run.jsonl"
)
print(float(estimator.run([(circuit, "ZZ")]).result()[0].data.evs))
"""


def run_script(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def test_a_script_needs_no_main_guard_and_no_close(tmp_path):
    done = run_script(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert abs(float(done.stdout) - 1) < 0.3
    (entry,) = read_queries(tmp_path / "run.jsonl")
    assert entry.query.executed == 10
    assert {task.worker for task in entry.tasks} <= {0, 1}


def test_every_pool_gives_the_same_result():
    values = {}
    for pool in ("inline", "threads:2", "processes:2"):
        with DistributedEstimator(
            partition_labels="AB", shots=500, pool=pool, seed=7, chunk=3
        ) as estimator:
            data = estimator.run([(bell(), ["ZZ", "XX", "ZI"])]).result()[0].data
            values[pool] = (data.evs.tolist(), data.stds.tolist())
    assert values["inline"] == values["threads:2"] == values["processes:2"]


@pytest.mark.parametrize("pool", ["inline", "threads:1"])
def test_it_works_where_an_event_loop_already_runs(pool):
    async def notebook() -> tuple[float, float]:
        with DistributedEstimator(partition_labels="AB", shots=None, pool=pool) as estimator:
            blocking = estimator.run([(bell(), "ZZ")]).result()
            awaited = await estimator.estimate([(bell(), "ZZ")])
            return float(blocking[0].data.evs), float(awaited[0].data.evs)

    assert asyncio.run(notebook()) == pytest.approx((1, 1))


def test_several_jobs_in_flight_come_back_each_with_its_own():
    with DistributedEstimator(partition_labels="AB", shots=None, pool="threads:2") as estimator:
        observables = ["ZZ", "XX", "YY", "ZI"]
        jobs = [estimator.run([(bell(), observable)]) for observable in observables]
        values = [float(job.result()[0].data.evs) for job in jobs]
    assert values == pytest.approx([1, 1, -1, 0])


def test_an_interrupt_ends_a_waiting_script_and_its_workers(tmp_path):
    script = SCRIPT.replace("print(", "print('ready', flush=True)\nprint(").replace(
        "shots=500", "shots=500, pipeline='upstream'"
    )
    script = script.replace("circuit.cx(0, 1)", "[circuit.cx(0, 1) for _ in range(4)]")
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # In result() from here on; the query has 2 x 1296 circuits to go through.
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert "Traceback" not in errors.replace("Traceback (most recent call last)", "", 1)


def workers_of_this_process() -> set[str]:
    """Process ids of our worker processes that are not yet reaped."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in listed.stdout.splitlines() if "qcutsim.runtime.worker" in line]
    return {line.split()[0] for line in lines}


def test_a_forgotten_estimator_leaves_no_worker():
    before = workers_of_this_process()
    estimator = DistributedEstimator(partition_labels="AB", shots=10, pool="processes:1")
    estimator.run([(bell(), "ZZ")]).result()
    assert len(workers_of_this_process() - before) == 1
    del estimator
    deadline = time.monotonic() + 20
    while workers_of_this_process() - before and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    assert workers_of_this_process() <= before
