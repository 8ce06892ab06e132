"""Queries that come one after the other, and queries that come as a Poisson stream."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from profiles import known_profile
from scipy import stats

from qcutsim.cell import Arrivals, Cell, Pool, Workload
from qcutsim.logreader import read_records
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.study import simulate_scenario

QUERIES = 400


def simulated_queries(out: Path, arrivals: Arrivals) -> list[QueryRecord]:
    cell = Cell(
        workload=Workload(partition_labels="AABB"),
        pool=Pool(kind="dedicated", workers=4),
        arrivals=arrivals,
        queries=QUERIES,
    )
    scenario = Scenario("arrivals", 3, 1, 1, (cell,))
    log, _ = simulate_scenario(scenario, known_profile(cores=2), out)
    return [record for record in read_records(log) if type(record) is QueryRecord]


def test_in_sequence_a_query_arrives_when_the_one_before_is_complete(tmp_path):
    queries = simulated_queries(tmp_path, Arrivals())
    for before, after in pairwise(queries):
        assert after.submitted_s == before.submitted_s + before.total_s


def test_open_arrivals_are_a_poisson_stream_of_the_given_rate(tmp_path):
    """Kolmogorov-Smirnov on the gaps, seed 3; false-alarm rate 1e-3."""
    queries = simulated_queries(tmp_path, Arrivals(kind="poisson", rate_per_s=2.0))
    gaps = np.diff([query.submitted_s for query in queries])
    assert stats.kstest(gaps, stats.expon(scale=0.5).cdf).pvalue > 1e-3


def test_open_arrivals_wait_for_one_another_where_the_coordinator_is_busy(tmp_path):
    """Reconstruction is serial (0.2 s): at 4 queries a second most wait, at 0.05 hardly any."""
    busy = simulated_queries(tmp_path / "busy", Arrivals(kind="poisson", rate_per_s=4.0))
    calm = simulated_queries(tmp_path / "calm", Arrivals(kind="poisson", rate_per_s=0.05))
    assert np.mean([q.total_s for q in busy]) > 1.5 * np.mean([q.total_s for q in calm])


def test_the_same_seed_gives_the_same_file(tmp_path):
    arrivals = Arrivals(kind="poisson", rate_per_s=2.0)
    simulated_queries(tmp_path / "a", arrivals)
    simulated_queries(tmp_path / "b", arrivals)
    assert (tmp_path / "a/simulated.jsonl").read_bytes() == (
        tmp_path / "b/simulated.jsonl"
    ).read_bytes()
