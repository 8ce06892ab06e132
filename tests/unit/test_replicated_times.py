"""Intervals of a comparison, from replications made by hand: exact, and paired in ratios."""

from __future__ import annotations

import numpy as np
import pytest
from builders import query_record

from qcutsim.analysis import Configuration
from qcutsim.analysis.compare import compare_queries
from qcutsim.analysis.replicatedtimes import ReplicatedTimes

REPLICATIONS = 21
SECONDS = [10.0 + number for number in range(REPLICATIONS)]
Q05, Q95 = 11.0, 29.0
"""Of so many values, evenly spaced."""


def queries(factor: float = 1.0, replications: int = REPLICATIONS, **changes):
    """Two queries a replication, around its median; stages are half execution, half the rest."""
    return [
        query_record(
            replication=number,
            total_s=factor * SECONDS[number] * off,
            partition_s=0.0,
            generate_s=0.0,
            execute_s=factor * SECONDS[number] * off / 2,
            reconstruct_s=factor * SECONDS[number] * off / 2,
            **changes,
        )
        for number in range(replications)
        for off in (0.5, 1.5)
    ]


def test_the_interval_of_a_makespan_holds_nine_in_ten_replications():
    found = ReplicatedTimes.of(queries(), {})
    (key,) = found.makespans_s
    assert found.makespan(key) == pytest.approx((Q05, Q95))
    assert found.shares(key) == ((0.0, 0.0), (0.0, 0.0), (0.5, 0.5), (0.5, 0.5))


def test_the_discrepancy_of_the_model_multiplies_the_makespans():
    (cell,) = {query.cell for query in queries()}
    found = ReplicatedTimes.of(queries(), {cell: np.full(REPLICATIONS, 1.5)})
    (key,) = found.makespans_s
    assert found.makespan(key) == pytest.approx((1.5 * Q05, 1.5 * Q95))


def test_a_ratio_is_taken_replication_by_replication():
    """However much both spread, one is always three times the other."""
    found = ReplicatedTimes.of([*queries(), *queries(3.0, workers=2, cell="other")], {})
    one, two = sorted(found.makespans_s, key=lambda key: key.workers)
    assert found.ratio(two, one) == pytest.approx((3.0, 3.0))
    assert found.ratio(one, two._replace(workers=9)) is None


def test_too_few_replications_give_no_interval():
    found = ReplicatedTimes.of(queries(replications=9), {})
    (key,) = found.makespans_s
    assert found.makespan(key) is None
    assert found.shares(key) is None


def test_a_comparison_gives_intervals_of_speed_up_and_slowdown():
    measured = [query_record(), query_record(workers=2), query_record(straggler_probability=0.5)]
    measured[2].straggler_delay_s = 1.0
    slow = {"straggler_probability": 0.5, "straggler_delay_s": 1.0, "cell": "slow"}
    simulated = [*queries(), *queries(0.5, workers=2, cell="two"), *queries(4.0, **slow)]
    rows = {
        (row.workers, bool(row.stragglers)): row
        for row in compare_queries(measured, simulated, {}).configurations
    }
    assert rows[1, False].makespan_interval == pytest.approx((Q05, Q95))
    assert rows[2, False].speed_up_interval == pytest.approx((2.0, 2.0))
    assert rows[1, True].slowdown_interval == pytest.approx((4.0, 4.0))
    assert rows[1, False].slowdown_interval is None


def test_failed_queries_are_no_part_of_an_interval():
    failed = [query_record(outcome="failed", replication=number) for number in range(20)]
    assert ReplicatedTimes.of(failed, {}).makespans_s == {}
    assert Configuration.of(failed[0]) not in ReplicatedTimes.of(queries(workers=7), {}).makespans_s
