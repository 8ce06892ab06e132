"""The paper's quantities from our records: numbers small enough to be checked by hand."""

from __future__ import annotations

import pytest
from builders import query_record, task_record

from qcutsim.analysis import cores_used, mid_circuit_cost, reconstruction_shares


def query(execute_s: float, reconstruct_s: float, other_s: float, **changes):
    total_s = execute_s + reconstruct_s + other_s
    return query_record(
        pipeline="upstream",
        execute_s=execute_s,
        reconstruct_s=reconstruct_s,
        total_s=total_s,
        **changes,
    )


def test_the_share_is_stated_of_the_two_stages_and_of_the_whole_query():
    (row,) = reconstruction_shares([query(3.0, 1.0, 4.0), query(1.0, 1.0, 2.0)])
    assert (row.pipeline, row.cuts, row.queries) == ("upstream", 1, 2)
    assert row.of_execute_reconstruct == pytest.approx((0.375, 0.4875))
    assert row.of_query == pytest.approx((0.1875, 0.24375))
    assert row.amdahl_bound == pytest.approx(1 / 0.1875)


def test_amdahls_bound_is_that_of_one_worker():
    (row,) = reconstruction_shares([query(8.0, 2.0, 0.0), query(1.0, 2.0, 0.0, workers=8)])
    assert row.amdahl_bound == pytest.approx(5.0)
    (row,) = reconstruction_shares([query(1.0, 2.0, 0.0, workers=8)])
    assert row.amdahl_bound is None


def test_the_published_share_stands_beside():
    (row,) = reconstruction_shares([query(1.0, 1.0, 0.0)])
    assert row.published == (0.430, 0.474)


def test_only_warm_plain_queries_of_a_cut_circuit_count():
    others = [
        query(1.0, 9.0, 0.0, is_cold=True),
        query(1.0, 9.0, 0.0, outcome="failed"),
        query(1.0, 9.0, 0.0, policy="batched"),
        query(1.0, 9.0, 0.0, straggler_probability=0.1),
        query(1.0, 9.0, 0.0, cuts=0),
    ]
    (row,) = reconstruction_shares([*others, query(1.0, 1.0, 0.0)])
    assert (row.queries, row.of_query[0]) == (1, 0.5)


def test_the_paper_says_nothing_of_four_cuts():
    (row,) = reconstruction_shares([query(1.0, 1.0, 0.0, cuts=4)])
    assert row.published is None


def tasks(*cpu_s: tuple[int, float | None]):
    return [task_record(mid_circuit_measurements=mid, cpu_s=seconds) for mid, seconds in cpu_s]


def test_mid_circuit_measurement_is_told_from_the_rest():
    """Two tasks of 1 s and two of 4 s in 12 s: the other 2 s are overhead, and would stay."""
    one = query(12.0, 6.0, 0.0), tasks((0, 1.0), (0, 1.0), (1, 4.0), (1, 4.0))
    cost = mid_circuit_cost([one, one])
    assert cost is not None
    assert (cost.queries, cost.tasks, cost.plain_s, cost.mid_circuit_s) == (2, 4, 1.0, 4.0)
    assert cost.part == pytest.approx(0.8)
    assert cost.share_if_plain == pytest.approx(6.0 / (6.0 + 12.0 - 10.0 + 4.0))


@pytest.mark.parametrize("cpu_s", [[(0, None), (1, None)], [(0, 1.0), (0, 1.0)], [(1, 1.0)], []])
def test_where_nothing_tells_there_is_no_mid_circuit_cost(cpu_s):
    assert mid_circuit_cost([(query(1.0, 1.0, 0.0), tasks(*cpu_s))]) is None


def test_the_cores_a_thread_pool_uses_are_its_cpu_time_over_the_stage():
    queries = [
        query(2.0, 1.0, 0.0, workers=4, process_cpu_s=3.0),
        query(2.0, 1.0, 0.0, workers=4, process_cpu_s=1.0),
        query(2.0, 1.0, 0.0, workers=2, process_cpu_s=2.0),
        query(2.0, 1.0, 0.0, pool="processes", process_cpu_s=2.0),
        query(2.0, 1.0, 0.0, process_cpu_s=None),
    ]
    found = [(row.workers, row.queries, row.cores) for row in cores_used(queries)]
    assert found == [(2, 1, 1.0), (4, 2, 1.0)]
