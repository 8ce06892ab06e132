"""``qcutsim run`` interrupted in the middle of a query: as by Ctrl-C in a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import make_scenario, scenario_yaml

from qcutsim import read_queries, read_records
from qcutsim.cli import main
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.stragglers import Stragglers

PATIENCE_S = 60.0
STOPS_WITHIN_S = 15.0
"""Of a run that would otherwise go on for much longer; on a machine with other things to do."""

ARGUMENTS = ["run", "s.yaml", "--out", "out", "--events"]
LOG = Path("out/run.jsonl")

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc"),
    pytest.mark.parametrize("kind", ["inline", "threads", "processes"]),
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def scenario_of(kind: str, delay_s: float) -> Scenario:
    """Two queries with two cuts on two workers, inline on one; every task is delayed so long."""
    scenario = make_scenario(
        labels=("ABBC",),
        kinds=(kind,),
        workers=(1 if kind == "inline" else 2,),
        shots=10,
        queries=2,
        stragglers=Stragglers(probability=1.0, delay_s=delay_s),
    )
    Path("s.yaml").write_text(scenario_yaml(scenario))
    return scenario


@contextmanager
def running() -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, which ends with the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qcutsim.cli", *ARGUMENTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def is_within_query(number: int) -> bool:
    """Whether the log ends within a query, after so many; the first two are to warm up."""
    text = LOG.read_text() if LOG.exists() else ""
    return text.count('"is_cold":') == number and '"Start"' in text.rpartition('"is_cold":')[2]


def children(pid: int) -> set[int]:
    """Live processes whose parent is ``pid``."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def interrupt(process: subprocess.Popen[str]) -> str:
    """What the command says when it is interrupted; it has ended with all its workers then."""
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=STOPS_WITHIN_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    return said.splitlines()[-1]


def test_tasks_that_sleep_for_long_hold_up_no_interrupt(kind):
    """The first measured query would take hours: the interrupt meets it for certain."""
    scenario_of(kind, delay_s=600.0)
    with running() as process:
        wait_until(lambda: is_within_query(2), process)
        assert len(children(process.pid)) == (2 if kind == "processes" else 0)
        said = interrupt(process)
    assert said.startswith("qcutsim run: interrupted; logs written so far are readable")
    records = list(read_records(LOG, strict=True))
    queries = [record for record in records if isinstance(record, QueryRecord)]
    assert len(queries) == 2
    assert all(query.is_cold and query.outcome == "ok" for query in queries)


def test_the_same_command_goes_on_after_an_interrupt(kind):
    scenario = scenario_of(kind, delay_s=0.02)
    with running() as process:
        wait_until(lambda: is_within_query(3), process)
        interrupt(process)
    before = LOG.read_bytes()
    done = [entry.query for entry in read_queries([LOG]) if not entry.query.is_cold]
    assert len(done) == 1
    assert main(ARGUMENTS) == 0
    assert LOG.read_bytes().startswith(before)
    queries = [entry for entry in read_queries([LOG]) if not entry.query.is_cold]
    assert Counter(entry.query.index for entry in queries) == Counter(range(2))
    assert {entry.query.cell for entry in queries} == {scenario.cells[0].key}
    assert all(entry.query.cuts == 2 for entry in queries)
    assert all(len(entry.tasks) == entry.query.executed for entry in queries)
