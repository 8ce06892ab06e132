"""What a query's makespan goes into: pieces that add up, and what they are called."""

from __future__ import annotations

import msgspec
import pytest
from builders import make_profile, make_scenario, query_record, task_record
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.analysis import Attribution, attribute, worker_use
from qcutsim.records import QueryRecord, TaskRecord
from qcutsim.simulation import Simulation
from qcutsim.stragglers import Stragglers

law = settings(derandomize=True, deadline=None, max_examples=60)


def total_s(found: Attribution) -> float:
    return sum(msgspec.structs.astuple(found))


def life(task: int, worker: int, at: float, **changes: object) -> TaskRecord:
    """A task dispatched at ``at``: starts after 1 s, works for 10 s, is collected 2 s later."""
    times = {
        "dispatched_s": at,
        "started_s": at + 1,
        "ended_s": at + 11,
        "collected_s": at + 13,
        "cpu_s": 6.0,
        "injected_delay_s": 3.0,
    }
    return task_record(task=task, worker=worker, ready_s=100.0, **{**times, **changes})


def test_a_single_task_is_its_own_critical_path():
    query = query_record(
        partition_s=1.0, generate_s=2.0, execute_s=20.0, reconstruct_s=4.0, total_s=28.0
    )
    assert attribute(query, [life(0, 0, 104.0)]) == Attribution(
        partition_s=1.0,
        generate_s=2.0,
        dispatch_s=4.0,
        start_s=1.0,
        straggler_s=3.0,
        service_s=6.0,
        contention_s=1.0,
        collect_s=2.0,
        barrier_s=3.0,
        reconstruct_s=4.0,
        between_s=1.0,
    )


def test_the_path_goes_back_along_the_worker_that_was_last():
    """Worker 0 runs tasks 0 and 2 one after the other, worker 1 a task that ends earlier."""
    tasks = [life(0, 0, 100.0), life(1, 1, 101.0), life(2, 0, 115.0)]
    found = attribute(query_record(execute_s=28.0, total_s=35.0), tasks)
    assert (found.dispatch_s, found.start_s, found.collect_s) == (2.0, 2.0, 4.0)
    assert (found.straggler_s, found.service_s, found.contention_s) == (6.0, 12.0, 2.0)
    assert found.barrier_s == 0.0


def test_what_was_lost_before_a_retry_is_told_apart():
    lost = life(0, 0, 100.0, outcome="lost", injected_delay_s=0.0)
    again = life(0, 0, 114.0, attempt=1)
    found = attribute(query_record(execute_s=27.0, total_s=34.0), [lost, again])
    assert (found.lost_s, found.service_s, found.dispatch_s) == (10.0, 6.0, 1.0)


def test_without_tasks_the_stages_are_all_that_is_known():
    found = attribute(query_record(), [])
    assert (found.execute_s, found.service_s) == (3.0, 0.0)
    assert total_s(found) == query_record().total_s


def test_workers_that_have_no_task_are_idle_at_the_barrier():
    query = query_record(execute_s=20.0, workers=2, total_s=27.0)
    use = worker_use(query, [life(0, 0, 100.0)])
    assert use is not None
    assert use.utilisation == 10.0 / 40.0
    assert use.barrier_waiting == (7.0 + 20.0) / 40.0
    assert use.queueing_s == 0.0
    assert worker_use(query, []) is None


PROFILE = make_profile()


def simulated(
    kind: str, workers: int, probability: float, policy: str, seed: int
) -> list[tuple[QueryRecord, list[TaskRecord]]]:
    stragglers = Stragglers(probability=probability, delay_s=0.01)
    scenario = make_scenario(
        labels=("AABB",),
        kinds=(kind,),
        workers=(workers,),
        queries=3,
        seed=seed,
        stragglers=stragglers,
        policy={"kind": policy},
    )
    found, tasks = [], []
    for record in Simulation(scenario, PROFILE, with_tasks=True).cell_records(scenario.cells[0]):
        if isinstance(record, TaskRecord):
            tasks.append(record)
        elif isinstance(record, QueryRecord):
            found.append((record, tasks))
            tasks = []
    return found


@law
@given(
    kind=st.sampled_from(["threads", "processes", "dedicated"]),
    workers=st.integers(1, 9),
    probability=st.sampled_from([0.0, 0.3]),
    policy=st.sampled_from(["eager", "batched", "speculative", "work_stealing"]),
    seed=st.integers(0, 99),
)
def test_the_pieces_of_every_simulated_query_add_up_and_none_is_negative(
    kind, workers, probability, policy, seed
):
    for query, tasks in simulated(kind, workers, probability, policy, seed):
        found = attribute(query, tasks)
        assert total_s(found) == pytest.approx(query.total_s, rel=1e-9)
        assert min(msgspec.structs.astuple(found)) >= -1e-9
        if probability == 0:
            assert found.straggler_s == 0.0
        if kind == "dedicated":
            assert found.contention_s == pytest.approx(0.0, abs=1e-12)
        use = worker_use(query, tasks)
        assert use is not None
        assert 0 < use.utilisation <= 1
        assert 0 <= use.barrier_waiting < 1


@law
@given(shift_s=st.sampled_from([-0.5, 1.0, 1024.0]), seed=st.integers(0, 20))
def test_when_it_happened_does_not_matter(shift_s, seed):
    times = ("ready_s", "dispatched_s", "started_s", "ended_s", "collected_s")
    for query, tasks in simulated("processes", 3, 0.3, "eager", seed):
        moved = [
            msgspec.structs.replace(task, **{name: getattr(task, name) + shift_s for name in times})
            for task in tasks
        ]
        before, after = attribute(query, tasks), attribute(query, moved)
        assert msgspec.structs.astuple(after) == pytest.approx(
            msgspec.structs.astuple(before), abs=1e-9
        )
