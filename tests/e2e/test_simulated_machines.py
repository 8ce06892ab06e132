"""Hosts, failing workers and training from the command line: records, statistics, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import make_profile, make_scenario

from qcutsim import read_queries, read_records, read_study
from qcutsim.calibrate import save_profile
from qcutsim.cli import main
from qcutsim.records import StepRecord, TaskRecord

BASE = "name: a\nseed: 5\nworkload: {partition_labels: AABB, shots: 128}\n"


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Simulates a scenario with a record a task; returns (statistics, what was said)."""
    monkeypatch.chdir(tmp_path)
    save_profile(make_profile(make_scenario()), "profile.json")

    def run(text: str, *options: str) -> tuple[dict[str, Any], str]:
        Path("s.yaml").write_text(BASE + text)
        given = ["simulate", "s.yaml", "--profile", "profile.json", "--out", "new", "--tasks"]
        assert main([*given, "--json", *options]) == 0
        said = capsys.readouterr()
        return json.loads(said.out), said.err

    return run


def test_queries_that_fail_are_records_and_counted(simulate):
    found, said = simulate(
        "pool: {workers: 2, failures: {mtbf_s: 0.02, repair_s: 0.01}}\nqueries: 40\n"
    )
    logs = list(read_queries(["new/simulated.jsonl"]))
    failed = [log for log in logs if log.query.outcome == "failed"]
    assert 0 < len(failed) < 40
    assert f"{len(failed)} of 40 simulated queries failed; their records say why" in said
    (cell,) = found["cells"]
    assert (cell["queries"], cell["failed"]) == (40 - len(failed), len(failed))
    for log in failed:
        query = log.query
        assert "failed 3 times; the last time: worker" in query.error
        assert query.total_s == pytest.approx(
            query.partition_s + query.generate_s + query.execute_s
        )
        assert query.reconstruct_s == 0
        assert {task.outcome for task in log.tasks} > {"lost"}
    assert all(log.query.error is None for log in logs if log.query.outcome == "ok")


def test_where_every_query_fails_there_is_no_makespan(simulate):
    found, said = simulate(
        "pool: {workers: 2, failures: {mtbf_s: 0.001, repair_s: 0.01}}\n"
        "stragglers: {probability: 0.5, delay_s: 0.1}\nqueries: 3\n"
    )
    (cell,) = found["cells"]
    assert (cell["queries"], cell["failed"]) == (0, 3)
    assert cell["makespan_s"] == {"estimate": None, "low": None, "high": None}
    assert "3 of 3 simulated queries failed" in said


def test_workers_that_are_replaced_are_not_counted_twice(simulate):
    found, _ = simulate(
        "pool: {workers: 2, failures: {mtbf_s: 0.1, repair_s: 0.02}}\nqueries: 20\n"
    )
    (cell,) = found["cells"]
    assert cell["utilisation"]["estimate"] + cell["barrier_waiting"]["estimate"] <= 1


def test_a_straggler_that_never_strikes_slows_nothing_down_though_devices_differ(simulate):
    found, _ = simulate(
        "pool: {hosts: [{workers: 2, queue_delay: {name: expon, scale: 0.05}}]}\n"
        "stragglers: {probability: 1.0e-12, delay_s: 0.1}\nqueries: 3\n",
        "--replications",
        "3",
    )
    (cell,) = found["cells"]
    assert cell["straggler_slowdown"]["estimate"] == 1.0


def test_cpu_times_are_those_of_the_host_on_which_a_task_ran(simulate):
    simulate("pool: {hosts: [{workers: 1, speed: 0.5}, {workers: 1, speed: 4.0}]}\n")
    tasks = [r for r in read_records("new/simulated.jsonl") if isinstance(r, TaskRecord)]
    assert {task.worker for task in tasks} == {0, 1}
    for task in tasks:
        assert task.cpu_s == pytest.approx(task.ended_s - task.started_s)
        assert task.payload_bytes > 0
        assert task.result_bytes > 0


def test_a_training_run_writes_its_steps_and_numbers_its_queries_through(simulate):
    found, _ = simulate(
        "training: {epochs: 2, steps: 2, step_s: 0.25}\nqueries: 3\n", "--replications", "2"
    )
    steps = [r for r in read_records("new/simulated.jsonl") if isinstance(r, StepRecord)]
    assert [(s.replication, s.epoch, s.step) for s in steps] == [
        (replication, epoch, step)
        for replication in range(2)
        for epoch in range(2)
        for step in range(2)
    ]
    for replication in range(2):
        queries = [
            log.query
            for log in read_queries(["new/simulated.jsonl"])
            if log.query.replication == replication
        ]
        assert [query.index for query in queries] == list(range(12))
        for number, step in enumerate(s for s in steps if s.replication == replication):
            own = queries[3 * number : 3 * number + 3]
            assert own[0].submitted_s == step.started_s
            last_s = own[-1].submitted_s + own[-1].total_s
            assert step.ended_s == pytest.approx(last_s + 0.25)
    (cell,) = found["cells"]
    assert cell["training_s"]["estimate"] == pytest.approx(
        sum(s.ended_s for s in steps if (s.epoch, s.step) == (1, 1)) / 2
    )


def test_cores_of_hosts_need_a_profile_that_knows_cores(simulate, tmp_path, capsys):
    profile = json.loads(Path("profile.json").read_text())
    sharing = profile["pools"]["processes"]["sharing"]
    sharing |= {"resource": "learned", "sizes": [1, 2], "rates": [1.0, 1.8]}
    Path("learned.json").write_text(json.dumps(profile))
    Path("s.yaml").write_text(BASE + "pool: {hosts: [{workers: 2, cores: 1}]}\n")
    given = ["simulate", "s.yaml", "--profile", "learned.json", "--out", "new"]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert "cannot tell what those of 'pool.hosts' share" in said
    Path("s.yaml").write_text(BASE + "pool: {hosts: [{workers: 2}]}\n")
    assert main(given) == 0


def test_the_scenario_of_other_machines_can_be_simulated(tmp_path):
    """With the profile that comes with qcutsim; six configurations."""
    root = Path(__file__).parents[2]
    profile = root / "calibration" / "iris-upstream.json"
    scenario = root / "scenarios" / "machines.yaml"
    given = ["simulate", str(scenario), "--profile", str(profile), "--out", str(tmp_path / "new")]
    assert main(given) == 0
    cells = read_study(tmp_path / "new").cells
    assert len({cell.configuration["machines"] for cell in cells}) == 5
    assert len(cells) == 6
