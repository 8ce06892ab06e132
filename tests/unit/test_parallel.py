"""Jobs over the cores: results in order, errors as they were, nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from qcutsim.errors import ProfileError, QcutsimError
from qcutsim.simulation import parallel
from qcutsim.simulation.parallel import spread

TWICE_OR_FAIL = 17


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: 3)


def twice(job: int) -> int:
    if job == TWICE_OR_FAIL:
        raise ProfileError("that one cannot be simulated")
    return 2 * job


def die(job: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return job


def in_which_process(job: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("jobs", [0, 1, 2, 10])
def test_results_come_in_the_order_of_the_jobs(jobs):
    assert list(spread(twice, range(jobs))) == [2 * job for job in range(jobs)]


def test_jobs_are_done_in_as_many_processes_as_there_are_cores():
    found = set(spread(in_which_process, range(9)))
    assert len(found) == 3
    assert os.getpid() not in found


def test_what_a_job_raises_is_raised_in_its_turn():
    results = spread(twice, range(TWICE_OR_FAIL - 2, TWICE_OR_FAIL + 2))
    assert [next(results), next(results)] == [2 * (TWICE_OR_FAIL - 2), 2 * (TWICE_OR_FAIL - 1)]
    with pytest.raises(ProfileError, match="cannot be simulated"):
        next(results)


def test_a_process_that_is_killed_is_named():
    with pytest.raises(QcutsimError, match="exit code -9"):
        list(spread(die, range(3)))


def test_no_process_is_left_where_nobody_asks_on():
    results = spread(twice, range(10_000, 20_000))
    assert next(results) == 20_000
    results.close()
    assert multiprocessing.active_children() == []
