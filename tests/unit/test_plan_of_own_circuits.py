"""Plans of circuits of one's own: their shapes are found or made, and their errors are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from circuitscenarios import GHZ, write

from qcutsim.calibrate import CalibrationProfile, load_profile
from qcutsim.estimator.shapes import export_shapes
from qcutsim.planner import Search, scenario_text, search_settings
from qcutsim.scenario import Scenario, load_scenario
from qcutsim.study import simulate_scenario
from qcutsim.workload import load_shape

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned() -> CalibrationProfile:
    return load_profile(ROOT / "calibration" / "iris-planned.json")


def question(folder: Path, *, more: str = "  chunk: 2\n", text: str = GHZ) -> Scenario:
    more = f"  pipeline: planned\n{more}"
    return load_scenario(write(folder, text=text, labels="AABB", more=more))


def plan(scenario: Scenario, profile: CalibrationProfile, **options: object) -> Search:
    given = {"workers": [1], "replications": 1, "extrapolate": True} | options
    return search_settings(scenario, [profile], **given)  # type: ignore[arg-type]


def test_shapes_are_made_of_the_circuit_and_can_be_simulated(tmp_path, planned):
    scenario = question(tmp_path)
    search = plan(scenario, planned, shapes=tmp_path / "shapes")
    work = search.recommended.cell.workload
    assert load_shape(work).circuit == scenario.cells[0].workload.title
    path = tmp_path / "recommended.yaml"
    path.write_text(scenario_text(search))
    simulate_scenario(load_scenario(path), planned, tmp_path / "out", extrapolate=True)


@pytest.mark.parametrize("more", ["", "  chunk: 2\n"], ids=["no chunk", "chunk 2"])
def test_the_exported_file_is_used_though_no_reconstruction_is_said(tmp_path, planned, more):
    (path,) = export_shapes(question(tmp_path, more=more), tmp_path / "shapes")
    search = plan(question(tmp_path, more=f"{more}  shape: {path}\n"), planned)
    assert search.recommended.cell.workload.shape == str(path)


def test_what_a_folder_of_shapes_holds_is_judged(tmp_path, planned):
    sweep = "sweep:\n  - workload.reconstruction: [contracted, incremental]\n"
    write(tmp_path, text=GHZ, labels="AABB", more="  pipeline: planned\n  chunk: 2\n", rest=sweep)
    export_shapes(load_scenario(tmp_path / "s.yaml"), tmp_path / "shapes")
    search = plan(question(tmp_path, more="  chunk: 2\n  shape: shapes\n"), planned)
    without = [one for one in search.left_out if one.reason.startswith("no workload shape")]
    named = {what.split()[2] for one in without for what in one.what if "chunk 2" in what}
    assert named == {"tree", "vectorised"}
