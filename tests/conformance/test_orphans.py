"""A coordinator that is killed outright leaves no worker behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from realpools import FOR_EVER_S, GIVE_UP_AFTER_S

pytestmark = [
    pytest.mark.usefixtures("task_functions"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc"),
]


def is_alive(pid: int) -> bool:
    """Whether that worker process is there and no zombie, which nobody here can reap."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"qcutsim.runtime.worker" in command and state != "Z"


def wait_for_the_end_of(pids: Iterable[int]) -> None:
    give_up_s = time.monotonic() + GIVE_UP_AFTER_S
    while any(map(is_alive, pids)):
        assert time.monotonic() < give_up_s, "a worker outlives its coordinator"
        time.sleep(0.01)


@pytest.mark.parametrize("what", ["idle", "sleeping"])
def test_workers_end_by_themselves_once_their_coordinator_is_killed(what):
    script = Path(__file__).with_name("coordinator.py")
    with subprocess.Popen(
        [sys.executable, str(script), what, str(FOR_EVER_S)], stdout=subprocess.PIPE, text=True
    ) as coordinator:
        try:
            assert coordinator.stdout is not None
            workers = [int(pid) for pid in coordinator.stdout.readline().split()]
            assert len(workers) == 2
            assert all(map(is_alive, workers))
        finally:
            coordinator.send_signal(signal.SIGKILL)
    wait_for_the_end_of(workers)
