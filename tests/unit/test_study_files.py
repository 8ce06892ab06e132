"""A simulated study in its folder: resumed after any interruption, and never another one's."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders import make_profile, make_scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qcutsim import read_queries, read_study, simulate_scenario
from qcutsim.analysis import interval
from qcutsim.calibrate import CalibrationProfile
from qcutsim.errors import InputError
from qcutsim.files import locked
from qcutsim.manifest import collect_manifest
from qcutsim.scenario import Scenario
from qcutsim.simulatedcell import CellStatistics
from qcutsim.simulation import Simulation
from qcutsim.stragglers import Stragglers
from qcutsim.study import write_simulations
from qcutsim.studyfiles import SIMULATED_NAME, STATISTICS_NAME

SCENARIO = make_scenario(queries=2, workers=(1, 2, 3))
NAMES = (SIMULATED_NAME, STATISTICS_NAME)


@pytest.fixture(scope="module")
def profile() -> CalibrationProfile:
    return make_profile(make_scenario())


@pytest.fixture(scope="module")
def whole(profile, tmp_path_factory) -> dict[str, bytes]:
    """The files of the study that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    simulate_scenario(SCENARIO, profile, out)
    return contents(out)


@pytest.fixture
def fresh() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in NAMES}


def simulated(scenario: Scenario, profile: CalibrationProfile, out: Path) -> list[CellStatistics]:
    """The cells that a call simulates."""
    cells: list[CellStatistics] = []
    simulate_scenario(scenario, profile, out, on_cell=cells.append)
    return cells


@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_an_interrupted_study_goes_on_where_it_stopped(after, profile, whole, tmp_path):
    def interrupt(done: int, total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_scenario(SCENARIO, profile, tmp_path, on_progress=interrupt)
    stopped = read_study(tmp_path)
    assert (len(stopped.cells), stopped.missing) == (after, 12 - after)
    assert len(simulated(SCENARIO, profile, tmp_path)) == 12 - after
    assert contents(tmp_path) == whole


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_crash_anywhere_loses_and_repeats_no_finished_cell(profile, whole, data):
    """Whatever of either file reached the disk, the study ends as if nothing had happened."""
    kept = {name: data.draw(st.integers(0, len(whole[name])), label=name) for name in NAMES}
    if kept[STATISTICS_NAME] <= whole[STATISTICS_NAME].index(b"\n"):
        kept[SIMULATED_NAME] = 0  # nothing is logged before the head is there
    ends = [
        msgspec.json.decode(line)["log_end"] for line in whole[STATISTICS_NAME].splitlines()[1:]
    ]
    statistics = whole[STATISTICS_NAME][: kept[STATISTICS_NAME]]
    lines = max(statistics.count(b"\n") - 1, 0)
    finished = sum(end <= kept[SIMULATED_NAME] for end in ends[:lines])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for name in NAMES:
            (out / name).write_bytes(whole[name][: kept[name]])
        assert len(simulated(SCENARIO, profile, out)) == 12 - finished
        assert contents(out) == whole


def test_a_study_that_is_done_is_read_and_not_made_again(profile, whole, fresh):
    for name in NAMES:
        (fresh / name).write_bytes(whole[name])
    assert simulated(SCENARIO, profile, fresh) == []
    assert contents(fresh) == whole


@pytest.mark.parametrize(
    ("scenario", "options", "why"),
    [
        (make_scenario(queries=2, seed=6), {}, "holds another study ('handmade', seed 5)"),
        (make_scenario(queries=2, shots=64), {"extrapolate": True}, "another scenario, profile or"),
        (SCENARIO, {"with_tasks": True}, "was made with another scenario, profile or option"),
        (SCENARIO, {"relative_half_width": 0.1}, "with another scenario, profile or option"),
    ],
)
def test_the_study_of_another_question_is_left_alone(scenario, options, why, profile, whole, fresh):
    for name in NAMES:
        (fresh / name).write_bytes(whole[name])
    with pytest.raises(InputError) as refused:
        simulate_scenario(scenario, profile, fresh, **options)
    assert why in str(refused.value)
    assert "give another --out" in str(refused.value)
    assert contents(fresh) == whole


def test_other_code_does_not_go_on_with_a_study(profile, whole, fresh, monkeypatch):
    for name in NAMES:
        (fresh / name).write_bytes(whole[name])
    other = msgspec.structs.replace(collect_manifest(), code="another")
    monkeypatch.setattr("qcutsim.study.collect_manifest", lambda: other)
    with pytest.raises(InputError, match="made by another version of qcutsim's code"):
        simulate_scenario(SCENARIO, profile, fresh)
    assert contents(fresh) == whole


def test_two_processes_do_not_write_one_study(profile, fresh):
    with (
        locked(fresh / STATISTICS_NAME),
        pytest.raises(InputError, match=r"statistics\.jsonl: another process is writing it"),
    ):
        simulate_scenario(SCENARIO, profile, fresh)


def test_a_log_without_its_study_is_somebody_elses(profile, fresh):
    (fresh / SIMULATED_NAME).write_text("mine\n")
    with pytest.raises(InputError, match=r"simulated\.jsonl: exists; qcutsim overwrites nothing"):
        simulate_scenario(SCENARIO, profile, fresh)
    assert (fresh / SIMULATED_NAME).read_text() == "mine\n"


def test_a_file_that_is_no_study_is_named_with_its_line(profile, whole, fresh):
    (fresh / STATISTICS_NAME).write_bytes(whole[STATISTICS_NAME].replace(b'"log_end"', b'"end"', 1))
    with pytest.raises(InputError, match=r"statistics\.jsonl:2: not a line of a study"):
        read_study(fresh)
    with pytest.raises(InputError, match=r"statistics\.jsonl:2: not a line of a study"):
        simulate_scenario(SCENARIO, profile, fresh)


def test_a_study_of_another_schema_is_refused(whole, fresh):
    (fresh / STATISTICS_NAME).write_bytes(
        whole[STATISTICS_NAME].replace(b'"schema":1', b'"schema":9', 1)
    )
    with pytest.raises(InputError, match="field 'schema' is 9; this version of qcutsim reads 1"):
        read_study(fresh)


def test_a_folder_without_a_study_says_how_to_make_one(fresh):
    with pytest.raises(InputError, match="no such file; 'qcutsim simulate SCENARIO"):
        read_study(fresh)


def test_an_estimate_of_nothing_is_read_as_nan(profile, whole, fresh):
    head, line, *_ = whole[STATISTICS_NAME].splitlines(keepends=True)
    cell = msgspec.json.decode(line)
    cell["statistics"]["p50_s"] = msgspec.to_builtins(interval(np.array([])))
    (fresh / STATISTICS_NAME).write_bytes(head + msgspec.json.encode(cell) + b"\n")
    (read,) = read_study(fresh).cells
    assert math.isnan(read.p50_s.estimate)


def test_a_configuration_of_two_scenarios_is_simulated_once(profile, tmp_path):
    simulations = [Simulation(SCENARIO, profile), Simulation(SCENARIO, profile)]
    told: list[tuple[int, int]] = []
    write_simulations(simulations[:1], tmp_path / "once")
    write_simulations(simulations, tmp_path / "twice", lambda *count: told.append(count))
    assert told[-1] == (12, 12)
    once, twice = ((tmp_path / name / SIMULATED_NAME).read_bytes() for name in ("once", "twice"))
    assert twice == once


def test_each_replication_meets_stragglers_of_its_own(profile, tmp_path):
    """One task a query, late with even odds; seed 5, wrong by a chance of 1e-6."""
    late = Stragglers(probability=0.5, delay_s=100.0)
    one = make_scenario(labels=("AAAA",), kinds=("dedicated",), workers=(1,), stragglers=late)
    scenario = replace(one, replications=60, cells=one.cells[:1])
    log, study = simulate_scenario(scenario, profile, tmp_path)
    first = [q.query for q in read_queries([log]) if q.query.index == 0]
    assert binomtest(sum(query.total_s > 100 for query in first), 60, 0.5).pvalue > 1e-6
    (cell,) = study.cells
    assert cell.p95_s.estimate > 100
