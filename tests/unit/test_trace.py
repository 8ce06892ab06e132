"""Traces hold to the rules of the Chrome trace event format, and to the log they were made of."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from qcutsim.calibrate import load_profile
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.cli import main
from qcutsim.errors import LogError
from qcutsim.logreader import read_records
from qcutsim.records import QueryRecord, Record, TaskRecord
from qcutsim.report import trace_of
from qcutsim.report.trace import FIRST_WORKER
from qcutsim.scenario import Scenario
from qcutsim.stragglers import Stragglers
from qcutsim.study import simulate_scenario

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "calibration" / "validate.jsonl.gz"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Queries in a window, stragglers that are copied, two repetitions."""
    cells = tuple(
        Cell(
            workload=Workload(dataset="<script>alert(1)</script>", partition_labels="AABB"),
            pool=Pool(kind="processes", workers=workers),
            policy={"kind": "speculative"},
            stragglers=Stragglers(probability=0.2, delay_s=0.1),
            queries=4,
            window=window,
        )
        for workers, window in ((2, 1), (4, 3))
    )
    profile = load_profile(ROOT / "calibration" / "iris-upstream.json")
    out = tmp_path_factory.mktemp("trace")
    scenario = Scenario("trace", 1, 2, 1, cells)
    return simulate_scenario(scenario, profile, out, with_tasks=True, extrapolate=True)[0]


def records_of(log: Path, queries: int | None = None) -> list[Record]:
    found: list[Record] = []
    for record in read_records(log):
        found.append(record)
        if isinstance(record, QueryRecord) and queries is not None:
            queries -= 1
            if queries == 0:
                break
    return found


@pytest.fixture(scope="module", params=["measured", "simulated"])
def records(request: pytest.FixtureRequest, simulated: Path) -> list[Record]:
    return records_of(MEASURED, 60) if request.param == "measured" else records_of(simulated)


def events_of(records: list[Record], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace_of(records)["traceEvents"] if event["ph"] == phase]


def test_every_task_record_is_a_slice_on_its_workers_track(records):
    slices = [e for e in events_of(records, "X") if e["cat"] == "task"]
    tasks = [record for record in records if isinstance(record, TaskRecord)]
    assert len(slices) == len(tasks) > 0
    assert Counter(e["tid"] - FIRST_WORKER for e in slices) == Counter(
        task.worker for task in tasks
    )
    total_us = sum(event["dur"] for event in slices)
    assert total_us == pytest.approx(1e6 * sum(t.ended_s - t.started_s for t in tasks), rel=1e-3)


def test_slices_of_a_track_nest_or_follow_each_other(records):
    tracks = defaultdict(list)
    for event in events_of(records, "X"):
        assert event["dur"] >= 0
        tracks[event["pid"], event["tid"]].append((event["ts"], -event["dur"]))
    for slices in tracks.values():
        open_until: list[float] = []
        for begin, minus_duration in sorted(slices):
            while open_until and open_until[-1] <= begin + 1e-6:
                open_until.pop()
            end = begin - minus_duration
            assert not open_until or end <= open_until[-1] + 1e-6
            open_until.append(end)


def test_every_arrow_leaves_a_task_and_ends_in_a_reconstruction(records):
    slices = events_of(records, "X")
    begins = {e["id"]: e for e in events_of(records, "s")}
    ends = {e["id"]: e for e in events_of(records, "f")}
    assert begins.keys() == ends.keys()
    assert begins

    def names(arrow: dict[str, Any], category: str) -> list[str]:
        return [
            e["name"]
            for e in slices
            if e["cat"] == category
            and (e["pid"], e["tid"]) == (arrow["pid"], arrow["tid"])
            and e["ts"] <= arrow["ts"] <= e["ts"] + e["dur"]
        ]

    for number in list(begins)[:: max(1, len(begins) // 100)]:
        assert begins[number]["ts"] <= ends[number]["ts"]
        assert any(name.startswith("task") for name in names(begins[number], "task"))
        assert any(name.startswith("reconstruct") for name in names(ends[number], "stage"))


def test_an_arrow_leaves_every_task_that_reconstruction_waited_for(records):
    ok = [r for r in records if isinstance(r, TaskRecord) and r.outcome == "ok"]
    waited_for = {(task.query, task.task) for task in ok}  # a copy that is beaten may come later
    assert 0 < len(waited_for) <= len(events_of(records, "s")) <= len(ok)


def test_counters_are_never_negative_and_end_at_zero(records):
    last: dict[tuple[int, str], int] = {}
    for event in events_of(records, "C"):
        (value,) = event["args"].values()
        assert value >= 0
        last[event["pid"], event["name"]] = value
    assert last
    assert set(last.values()) == {0}


def test_what_ran_together_is_one_process_that_begins_at_zero(simulated):
    records = records_of(simulated)
    titles = [e["args"]["name"] for e in events_of(records, "M") if e["name"] == "process_name"]
    assert len(titles) == 4  # two cells, two repetitions
    assert all(title.startswith("<script>alert(1)</script> AABB, ") for title in titles)
    firsts: dict[int, float] = {}
    for event in events_of(records, "X"):
        firsts[event["pid"]] = min(event["ts"], firsts.get(event["pid"], 1e9))
    assert set(firsts.values()) == {0.0}


def test_one_query_can_be_chosen(simulated):
    slices = trace_of(records_of(simulated), 5)["traceEvents"]
    assert {e["args"]["query"] for e in slices if e["ph"] == "X" and "query" in e["args"]} == {5}


def test_a_log_without_the_query_or_without_tasks_is_refused(simulated):
    records = records_of(simulated)
    with pytest.raises(LogError, match="no query 99 with task records among the 16 queries"):
        trace_of(records, 99)
    without = [record for record in records if not isinstance(record, TaskRecord)]
    with pytest.raises(LogError, match="--tasks"):
        trace_of(without)


def test_the_command_writes_json_and_overwrites_nothing(simulated, tmp_path, capsys):
    out = tmp_path / "trace.json"
    assert main(["trace", str(simulated), "-o", str(out), "--query", "0"]) == 0
    trace = json.loads(out.read_text())
    assert {event["ph"] for event in trace["traceEvents"]} == {"M", "X", "C", "s", "f"}
    assert "events to" in capsys.readouterr().err
    assert main(["trace", str(simulated), "-o", str(out)]) == 2
    assert "exists" in capsys.readouterr().err
    assert json.loads(out.read_text()) == trace
    assert main(["trace", str(tmp_path / "none.jsonl"), "-o", str(tmp_path / "t.json")]) == 2
    assert main(["trace", str(simulated), "-o", str(out), "--query", "99", "--force"]) == 2
    assert f"{simulated}: no query 99" in capsys.readouterr().err
