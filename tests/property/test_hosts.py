"""Pools of several hosts: own cores, other speeds, networks and devices, worked out by hand."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from blocks import cell_of, draws_of, run_block
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import known_profile
from scipy import stats

from qcutsim.cell import Cell, Host, Pool, Workload
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import QueryDraws, Simulation
from qcutsim.stragglers import Stragglers

NEAR = Host(workers=1)


def ended_s(host: Host, draws: QueryDraws, node_bytes: Sequence[tuple[int, int]]) -> float:
    """When a query on workers of that host alone is over."""
    block = run_block(cell_of(host), [draws], node_bytes=node_bytes)
    return block.simulated[0].ended_s


def test_a_task_takes_its_way_there_its_service_and_the_way_back():
    far = Host(
        workers=1, speed=2.0, latency_s=0.25, bandwidth_bytes_per_s=1000.0, queue_delay_s=0.125
    )
    draws = draws_of([3.0], reconstruct_s=0.5, start_s=[0.0625])
    there_s = (0.25 + 500 / 1000.0) + 0.125
    back_s = 0.25 + 2000 / 1000.0
    assert ended_s(far, draws, [(500, 2000)]) == there_s + 0.0625 + 3.0 / 2.0 + back_s + 0.5
    run = run_block(cell_of(far), [draws], node_bytes=[(500, 2000)]).simulated[0].runs[0]
    assert run.started_s == there_s + 0.0625
    assert run.ended_s == run.started_s + 1.5


def test_latency_alone_is_paid_in_both_directions_whatever_is_sent():
    far = Host(workers=1, latency_s=0.5)
    assert ended_s(far, draws_of([1.0]), [(10**9, 10**9)]) == 2.0
    assert ended_s(NEAR, draws_of([1.0]), [(10**9, 10**9)]) == 1.0


def test_each_host_has_its_own_cores():
    tasks = draws_of([1.0] * 4)
    apart = cell_of(Host(workers=2, cores=1), Host(workers=2, cores=1))
    together = cell_of(Host(workers=4, cores=1))
    own = cell_of(Host(workers=2), Host(workers=2))
    assert run_block(apart, [tasks]).simulated[0].ended_s == 2.0
    assert run_block(together, [tasks]).simulated[0].ended_s == 4.0
    assert run_block(own, [tasks]).simulated[0].ended_s == 1.0


def test_what_sharing_costs_was_calibrated_and_holds_on_every_host_that_is_shared():
    tasks = draws_of([1.0] * 3)
    cell = cell_of(Host(workers=1, cores=1), Host(workers=2, cores=1))
    block = run_block(cell, [tasks], efficiency=0.5)
    ends = {run.worker: run.ended_s for run in block.simulated[0].runs}
    assert ends == {0: 1.0, 1: 4.0, 2: 4.0}


def test_the_coordinator_competes_on_the_first_host_only():
    """Two queries at once: a task of 3 s, and one of 1 s whose value takes 2 s to reconstruct."""
    long, short = draws_of([3.0]), draws_of([1.0], reconstruct_s=2.0)
    cell = cell_of(Host(workers=1, cores=1), Host(workers=1, cores=1), window=2)
    elsewhere = run_block(cell, [short, long]).simulated
    assert (elsewhere[0].ended_s, elsewhere[1].ended_s) == (3.0, 3.0)
    beside = run_block(cell, [long, short]).simulated
    assert (beside[0].ended_s, beside[1].ended_s) == (5.0, 5.0)


def test_a_dedicated_pool_leaves_the_coordinator_alone():
    long, short = draws_of([3.0]), draws_of([1.0], reconstruct_s=2.0)
    cell = cell_of(Host(workers=2), kind="dedicated", window=2)
    done = run_block(cell, [long, short]).simulated
    assert (done[0].ended_s, done[1].ended_s) == (3.0, 3.0)


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=40, unique=True),
    st.lists(
        st.tuples(st.integers(1, 3), st.floats(0.25, 4), st.floats(0, 1)), min_size=1, max_size=4
    ),
)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_eager_on_hosts_of_any_speed_and_distance_is_list_scheduling(service, kinds):
    hosts = [Host(workers=w, speed=speed, latency_s=far_s) for w, speed, far_s in kinds]
    block = run_block(cell_of(*hosts), [draws_of(service)])
    workers = [(speed, far_s) for count, speed, far_s in kinds for _ in range(count)]
    free = [(0.0, number) for number in range(len(workers))]
    last_s = 0.0
    for service_s in service:
        free_s, number = heapq.heappop(free)
        speed, far_s = workers[number]
        end_s = ((free_s + far_s) + service_s / speed) + far_s
        heapq.heappush(free, (end_s, number))
        last_s = max(last_s, end_s)
    assert block.simulated[0].ended_s == pytest.approx(last_s, rel=1e-12)


LAW = {"name": "lognorm", "s": 1.0, "scale": 0.05}


def queue_delays(*hosts: Host, tasks: int = 200, **options: object) -> list[float]:
    """What each task waits for its device, by task."""
    block = run_block(cell_of(*hosts), [draws_of([1.0] * tasks)], **options)
    runs = sorted(block.simulated[0].runs, key=lambda run: run.task)
    return [run.started_s - run.dispatched_s for run in runs]


def test_delays_of_devices_follow_their_law():
    """Kolmogorov-Smirnov over 2000 tasks; false-alarm rate 1e-3."""
    found = queue_delays(Host(workers=7, queue_delay=LAW), tasks=2000)
    assert stats.kstest(found, stats.lognorm(s=1.0, scale=0.05).cdf).pvalue > 1e-3


def test_a_task_waits_as_long_whatever_the_pool_is_like():
    one = queue_delays(Host(workers=1, queue_delay=LAW))
    many = queue_delays(
        Host(workers=3, queue_delay=LAW, speed=3.0), Host(workers=2, queue_delay=LAW)
    )
    assert many == pytest.approx(one, rel=1e-9)
    assert queue_delays(Host(workers=1, queue_delay=LAW), repetition=1)[0] != one[0]


def test_another_attempt_waits_anew():
    failing = draws_of([1.0], fails=lambda task, attempt: "broken" if attempt == 0 else None)
    block = run_block(cell_of(Host(workers=1, queue_delay=LAW)), [failing])
    first, second = block.simulated[0].runs
    assert (first.outcome, second.outcome) == ("failed", "ok")
    waits = [run.started_s - run.dispatched_s for run in (first, second)]
    assert not np.isclose(waits[0], waits[1])


def test_a_killed_worker_is_replaced_on_its_own_host():
    cell = cell_of(
        Host(workers=1),
        Host(workers=1, speed=2.0),
        policy={"kind": "eager"},
        timeout_s=3.0,
        pool={"restart_s": 0.5},
    )
    late = draws_of([8.0, 8.0], delay_s=lambda task, attempt, worker: 0.0)
    block = run_block(cell, [late])
    assert block.simulated[0].error is not None
    speeds = {run.worker: run.host for run in block.simulated[0].runs}
    assert speeds[0] == 0
    assert speeds[1] == 1
    assert speeds[2] == 0
    assert speeds[3] == 1


@pytest.mark.parametrize(("kind", "cores"), [("processes", 2), ("dedicated", None)])
@pytest.mark.parametrize("policy", ["eager", "speculative", "work_stealing"])
def test_one_host_like_the_calibrated_one_changes_nothing_to_the_last_bit(kind, cores, policy):
    plain = Cell(
        workload=Workload(partition_labels="ABBC"),
        pool=Pool(kind=kind, workers=3),
        policy={"kind": policy},
        stragglers=Stragglers(probability=0.2, delay_s=0.05),
        window=2,
        queries=4,
    )
    hosted = msgspec.structs.replace(
        plain, pool=Pool(kind=kind, hosts=(Host(workers=3, cores=cores),))
    )
    scenario = Scenario("same", 6, 2, 2, (plain, hosted))
    one, other = (
        list(Simulation(scenario, known_profile(2)).cell_records(cell, with_tasks=True))
        for cell in scenario.cells
    )
    assert len(one) == len(other) > 100
    for record, same in zip(one, other, strict=True):
        if isinstance(record, QueryRecord):
            same = msgspec.structs.replace(same, cell=record.cell, machines=None)
        assert record == same
