"""Plans of circuits of one's own, whose shapes are found or made, and expected errors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from circuitscenarios import GHZ, write

from qcutsim.analysis import Targets
from qcutsim.calibrate import CalibrationProfile, load_profile
from qcutsim.cell import Cell, Workload
from qcutsim.estimator import DistributedEstimator
from qcutsim.estimator.shapes import export_shapes
from qcutsim.expectederrors import expected_error
from qcutsim.learning import bind_model, load_iris_angles, random_weights
from qcutsim.planner import Search, scenario_text, search_settings
from qcutsim.scenario import Scenario, load_scenario
from qcutsim.study import simulate_scenario
from qcutsim.weighing import Terms, Weighing
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


NO_SPREAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[4];\nx q[0];\n'
"""Measures the same in each shot."""

ALL_SPREAD = NO_SPREAD + "h q[1];\n"
"""The parity of all qubits is a fair coin."""


@pytest.mark.parametrize(
    ("text", "error"), [(NO_SPREAD, 0.0), (ALL_SPREAD, 200**-0.5)], ids=["none", "coin"]
)
def test_the_expected_error_is_that_of_the_circuit(tmp_path, planned, text, error):
    """Uncut, at 200 shots: the deviation of a coin is 1."""
    more = "  pipeline: planned\n  chunk: 2\n"
    path = write(tmp_path, text=text, labels="AAAA", more=more)
    shapes = tmp_path / "shapes"
    search = plan(load_scenario(path), planned, shapes=shapes, expected_errors=True)
    assert search.recommended.error_rule == "expected"
    assert search.recommended.objectives.error == pytest.approx(error, abs=1e-9)


def test_the_error_of_a_circuit_that_is_not_there_is_not_that_of_iris():
    own = Workload(circuit="math:sqrt", partition_labels="AABB", pipeline="planned")
    with pytest.raises(ValueError, match=r"the circuit sqrt-.* was not given"):
        expected_error(own, 3)


def test_the_expected_error_is_that_of_the_allocation():
    """Of what real runs of other samples report; evenly spread it is another one by far."""
    work = {"partition_labels": "ABBC", "pipeline": "planned", "shots": 256}
    angles, weights = load_iris_angles().angles, random_weights(4, 3)
    measured = {}
    for allocation in ("uniform", "variance"):
        with DistributedEstimator(
            partition_labels="ABBC", shots=256, allocation=allocation, pool="inline", seed=3
        ) as estimator:
            pubs = [(bind_model(angles[sample], weights), "ZZZZ") for sample in range(0, 100, 4)]
            results = estimator.run(pubs).result()
        rms = float(np.sqrt(np.mean([result.data.stds**2 for result in results])))
        expected = expected_error(Workload(**work, allocation=allocation), 3)
        measured[allocation] = rms
        assert expected == pytest.approx(rms, rel=0.15)
    assert measured["uniform"] > 1.3 * measured["variance"]


@pytest.mark.parametrize("labels", ["AABB", "ABBC", "ABCD"])
@pytest.mark.parametrize("times", [0.2, 3.0, 10.0])
def test_the_shots_for_a_target_meet_it_and_are_few(planned, labels, times):
    """Two cuts and more have terms of higher order in 1 / shots. A quarter fewer do not do, in
    which is how shots are rounded."""
    work = Workload(partition_labels=labels, pipeline="planned", chunk=2)
    target = times * (expected_error(work, 3) or 0.0)
    terms = Terms(
        targets=Targets(error=target), replications=1, extrapolate=True, expected_errors=True
    )
    cell = Cell(workload=work)
    weighing = Weighing(Scenario("a", 3, 1, 1, (cell,)), {"planned": planned}, terms)
    *_, solved = weighing.weigh([cell], solve_shots=True)
    shots = solved.cell.workload.shots
    assert shots != 1024
    assert solved.objectives.error <= target
    fewer = msgspec.structs.replace(work, shots=int(0.75 * shots))
    assert (expected_error(fewer, 3) or 0.0) > target


def test_errors_of_one_search_are_of_one_rule(tmp_path, planned):
    """A nominal error is several times an expected one: what has only that is left out."""
    upstream = load_profile(ROOT / "calibration" / "iris-upstream.json")
    text = "name: a\nworkload: {partition_labels: AABB, pipeline: planned, chunk: 2}\n"
    (tmp_path / "s.yaml").write_text(text)
    scenario = load_scenario(tmp_path / "s.yaml")

    def search(**options: object) -> Search:
        given = {"workers": [1], "replications": 1, "max_qubits": 2} | options
        return search_settings(scenario, [planned, upstream], **given)  # type: ignore[arg-type]

    expected, nominal = search(expected_errors=True), search()
    assert {setting.error_rule for setting in expected.front} == {"expected"}
    (left,) = [one for one in expected.left_out if one.reason.startswith("--expected-errors")]
    assert left.reason == "--expected-errors are not worked out for the pipeline 'upstream'"
    assert all(" upstream " in what for what in left.what)
    assert left.settings > 0
    assert {setting.error_rule for setting in nominal.front} == {"nominal"}
