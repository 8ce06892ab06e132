"""A circuit of one's own, really cut and run in both pipelines, calibrated on and simulated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from circuitscenarios import GHZ, MODULE, write
from qiskit.quantum_info import SparsePauliOp, Statevector

from qcutsim import load_scenario, read_queries, read_records, run_scenario
from qcutsim.cli import main
from qcutsim.estimator import DistributedEstimator
from qcutsim.learning import bind_random, load_circuits
from qcutsim.records import QueryRecord, RunRecord

SHIPPED = Path(__file__).parents[2] / "scenarios"
PIPELINES = "sweep:\n  - workload.pipeline: [upstream, planned]\n"


def warm(log: Path) -> list[QueryRecord]:
    return [entry.query for entry in read_queries([log]) if not entry.query.is_cold]


def exact_value(path: Path, query: QueryRecord, seed: int) -> float:
    """Of the whole circuit of a query, from its statevector."""
    circuits = load_circuits(load_scenario(path))
    circuit = bind_random(circuits[query.dataset], seed, query.repetition, query.index)
    observable = SparsePauliOp(query.observable[::-1])
    return float(np.real(Statevector(circuit).expectation_value(observable)))


def assert_near_the_statevector(path: Path, log: Path, seed: int) -> None:
    """Each value within 5 standard errors: a right run fails at a rate of 6e-7 a query.

    A fraction of a standard error is allowed for where few shots make it coarse.
    """
    queries = warm(log)
    assert queries
    for query in queries:
        assert query.value is not None
        assert query.std is not None
        assert abs(query.value - exact_value(path, query, seed)) <= 5 * max(query.std, 1e-3)


@pytest.mark.parametrize("observable", ["ZZZZ", "ZYYX"])
def test_both_pipelines_give_the_value_of_the_whole_circuit(tmp_path, observable):
    """8 queries of the GHZ circuit with rotations, seed 3; false-alarm rate 5e-6."""
    path = write(
        tmp_path,
        text=GHZ,
        labels="AABB",
        observable=observable,
        rest="queries: 4\npool: {kind: threads}\n" + PIPELINES,
    )
    log = run_scenario(load_scenario(path), tmp_path / "out")
    assert_near_the_statevector(path, log, seed=3)
    queries = warm(log)
    assert sorted(query.pipeline for query in queries) == ["planned"] * 4 + ["upstream"] * 4
    assert {query.cuts for query in queries} == {1}
    assert len({round(exact_value(path, query, 3), 6) for query in queries}) == 4


@pytest.mark.parametrize("pipeline", ["upstream", "planned"])
@pytest.mark.parametrize("labels", ["AAAA", "AABB", "ABBC"])
def test_without_shots_the_value_is_exact(tmp_path, pipeline, labels):
    path = write(tmp_path, text=GHZ, labels=labels)
    (circuit,) = load_circuits(load_scenario(path)).values()
    bound = bind_random(circuit, 3, 0, 0)
    for pauli in ("ZZZZ", "ZYYX"):
        observable = SparsePauliOp(pauli[::-1])
        with DistributedEstimator(
            partition_labels=labels, shots=None, pipeline=pipeline, pool="inline"
        ) as made:
            found = made.run([(bound, observable)]).result()[0].data.evs
        exact = Statevector(bound).expectation_value(observable).real
        assert found == pytest.approx(exact, abs=1e-9)


def test_an_entry_point_runs_and_one_that_returns_another_circuit_is_noticed(tmp_path, capsys):
    """3 qubits, 3 queries in each pipeline, seed 3; false-alarm rate 4e-6."""
    module = tmp_path / "own_circuits_run.py"
    module.write_text(MODULE)
    path = write(
        tmp_path,
        "own_circuits_run:chain",
        text=None,
        labels="ABB",
        more="  circuit_parameters: {angle: 0.8}\n",
        rest="queries: 3\npool: {kind: threads}\n" + PIPELINES,
    )
    out = tmp_path / "out"
    arguments = ["run", str(path), "--out", str(out)]
    assert main(arguments) == 0
    log = out / "run.jsonl"
    assert_near_the_statevector(path, log, seed=3)
    assert {query.dataset for query in warm(log)} == {load_scenario(path).cells[0].workload.title}
    before = log.read_bytes()
    assert main(arguments) == 0
    assert log.read_bytes() == before
    lines = before.decode().splitlines(keepends=True)
    head = json.loads(lines[0])
    (title,) = head["circuits"]
    head["circuits"][title] = "0" * 64  # as if the function had returned another one then
    log.write_text(json.dumps(head) + "\n" + "".join(lines[1:]))
    damaged = log.read_bytes()
    capsys.readouterr()
    assert main(arguments) == 2
    assert f"the circuit {title} has changed since it was measured" in capsys.readouterr().err
    assert log.read_bytes() == damaged


def test_a_file_that_has_changed_since_is_not_gone_on_with(tmp_path, capsys):
    path = write(tmp_path, rest="pool: {kind: inline}\n")
    arguments = ["run", str(path), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    with (tmp_path / "own.qasm").open("a") as file:
        file.write("x q[0];\n")
    capsys.readouterr()
    assert main(arguments) == 2
    assert "the circuit own.qasm has changed since it was measured" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "shape"])
@pytest.mark.parametrize("pipeline", ["upstream", "planned"])
def test_a_circuit_that_cannot_be_cut_so_is_refused_before_anything_is_written(
    tmp_path, capsys, command, pipeline
):
    """Forty cuts through one pair of qubits are more than a plan may cost."""
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\n' + "cx q[0], q[1];\n" * 40
    path = write(tmp_path, text=text, more=f"  pipeline: {pipeline}\n")
    assert main([command, str(path), "--out", str(tmp_path / "out")]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "s.yaml:4:3: workload.circuit: " in said
    assert not (tmp_path / "out").exists()


def test_the_shipped_scenario_runs_from_its_shape_to_the_comparison(tmp_path, monkeypatch, capsys):
    """As its comment says; the simulation pairs with the measurement in every configuration."""
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    for name in ("own_circuit.yaml", "ghz.qasm"):
        shutil.copy(SHIPPED / name, Path("scenarios") / name)
    commands = [
        line.removeprefix("#   qcutsim ").split()
        for line in Path("scenarios/own_circuit.yaml").read_text().splitlines()
        if line.startswith("#   qcutsim ")
    ]
    assert [command[0] for command in commands] == [
        "shape",
        "run",
        "calibrate",
        "simulate",
        "compare",
    ]
    for command in commands[:-1]:
        assert main(command) == 0, capsys.readouterr().err
    scenario = load_scenario("scenarios/own_circuit.yaml")
    title = scenario.cells[0].workload.title
    assert sorted(path.name for path in Path("shapes").iterdir()) == [
        f"{title}-upstream-AAAA-ZZZZ.json",
        f"{title}-upstream-AABB-ZZZZ.json",
    ]
    assert_near_the_statevector(Path("scenarios/own_circuit.yaml"), Path("own/run.jsonl"), seed=7)
    capsys.readouterr()
    assert main([*commands[-1], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["partition_labels"] for row in found["configurations"]] == [
        f"{title} AAAA",
        f"{title} AAAA",
        f"{title} AABB",
        f"{title} AABB",
    ]
    assert (found["only_measured"], found["only_simulated"]) == ([], [])
    assert not any(row["is_extrapolated"] for row in found["configurations"])
    assert not any(row["is_prediction"] for row in found["configurations"])
    simulated = list(read_records(Path("own-simulated/simulated.jsonl"), strict=True))
    assert isinstance(simulated[0], RunRecord)
    assert {r.dataset for r in simulated if isinstance(r, QueryRecord)} == {title}


@pytest.mark.parametrize(
    "pipeline", ["upstream", "planned\n  chunk: 2"], ids=["upstream", "planned"]
)
def test_a_profile_of_one_circuit_is_extrapolated_for_another(
    tmp_path, monkeypatch, capsys, pipeline
):
    """Though both have the same labels, observable and classes of subexperiment."""
    monkeypatch.chdir(tmp_path)
    rest = "queries: 5\npool: {kind: inline}\n"
    more = f"  pipeline: {pipeline}\n  shape: shapes\n"
    one = write(tmp_path / "one", "one.qasm", text=GHZ, labels="AABB", more=more, rest=rest)
    assert main(["run", str(one), "--out", "measured"]) == 0
    assert main(["calibrate", "measured/run.jsonl", "-o", "profile.json"]) == 0
    text = GHZ.replace("0.7", "0.8")
    two = write(tmp_path / "two", "one.qasm", text=text, labels="AABB", more=more, rest=rest)
    for path in (one, two):
        assert main(["shape", str(path), "--out", "shapes"]) == 0
    own = ["simulate", str(one), "--profile", "profile.json", "--out", "own"]
    assert main(own) == 0
    simulate = ["simulate", str(two), "--profile", "profile.json", "--out", "simulated"]
    capsys.readouterr()
    assert main(simulate) == 2
    titles = [load_scenario(path).cells[0].workload.title for path in (one, two)]
    assert f"the workload {titles[1]} (calibrated on {titles[0]})" in capsys.readouterr().err
    assert main([*simulate, "--extrapolate"]) == 0
    capsys.readouterr()
    compare = ["compare", "--measured", "measured/run.jsonl", "--profile", "profile.json"]
    assert main([*compare, "--simulated", "simulated/simulated.jsonl"]) == 2
    assert "none of the 1 measured configurations" in capsys.readouterr().err
