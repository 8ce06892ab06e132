"""Bytes of payloads and results: shapes tell what a real run sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcutsim import load_scenario, read_queries, run_scenario
from qcutsim.cell import Cell
from qcutsim.logreader import QueryLog
from qcutsim.workload import load_shape


def run(tmp_path: Path, workload: str) -> tuple[Cell, list[QueryLog]]:
    """The scenario's cell, and the warm queries of a real run with two threads."""
    path = tmp_path / "s.yaml"
    path.write_text(f"name: a\nworkload: {{{workload}}}\npool: {{kind: threads, workers: 2}}\n")
    scenario = load_scenario(path)
    log = run_scenario(scenario, tmp_path / "out")
    return scenario.cells[0], [one for one in read_queries([log]) if not one.query.is_cold]


def test_of_planned_chunks_they_are_exact(tmp_path):
    cell, queries = run(
        tmp_path, "partition_labels: ABCD, pipeline: planned, reconstruction: tree, chunk: 2"
    )
    shape = load_shape(cell.workload, cell.pool.workers)
    told = shape.node_bytes()
    for log in queries:
        for task in log.tasks:
            payload, result = told[task.task]
            if task.task < shape.tasks:
                assert (task.payload_bytes, task.result_bytes) == (payload, result)
            else:  # the numbers alone; names and shapes of tensors come on top
                assert payload < task.payload_bytes < payload + 200
                assert result < task.result_bytes < result + 40


def test_of_the_librarys_circuits_they_are_those_of_their_class(tmp_path):
    cell, queries = run(tmp_path, "partition_labels: AABB, shots: 1024")
    shape = load_shape(cell.workload)
    told = shape.node_bytes()
    for log in queries:
        for task in log.tasks:
            payload, result = told[task.task]
            assert task.payload_bytes == pytest.approx(payload, rel=0.1)
            assert task.result_bytes == pytest.approx(result, rel=0.02)
