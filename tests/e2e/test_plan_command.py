"""'qcutsim plan' as a user calls it: the answer, the file it writes, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from circuitscenarios import GHZ, write

from qcutsim.cli import main
from qcutsim.scenario import load_scenario

ROOT = Path(__file__).parents[2]
PLAN = ["plan", "question.yaml", "--profile", "profile.json"]
QUESTION = """name: question
seed: 3
workload: {partition_labels: AABB, pipeline: planned, chunk: 2}
queries: 2
sweep:
  - policy: [eager, longest_first]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user with a question and a profile."""
    monkeypatch.chdir(tmp_path)
    Path("question.yaml").write_text(QUESTION)
    shutil.copy(ROOT / "calibration" / "iris-planned.json", "profile.json")
    return tmp_path


def test_the_answer_is_a_table_sentences_and_a_scenario(capsys):
    arguments = [
        *PLAN,
        "--max-qubits",
        "2",
        "--workers",
        "1..2",
        "--deadline",
        "1h",
        "-o",
        "r.yaml",
    ]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "Settings that none beats in time, cost and error: question" in said.out
    assert "worker-hours" in said.out
    for text in (
        "recommended: ",
        "why: the stage ",
        "it has to be cut",
        "left out:",
        "wrote r.yaml",
    ):
        assert text in said.err
    (cell,) = load_scenario("r.yaml").cells
    assert cell.pool.workers in (1, 2)
    assert "# recommended: " in Path("r.yaml").read_text()
    assert main(["simulate", "r.yaml", "--profile", "profile.json", "--out", "simulated"]) == 0


def test_the_same_seed_gives_the_same_answer_as_data(capsys):
    answers = []
    for _ in range(2):
        assert main([*PLAN, "--workers", "1,2", "--json", "--replications", "10"]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    found = json.loads(answers[0])
    assert found["recommended"]["objectives"]["cost"] > 0
    assert {one["cell"]["workload"]["partition_labels"] for one in found["front"]} <= {
        "AABB",
        "ABBC",
        "ABCD",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--deadline", "90"], "--deadline '90': expected a duration above zero with its unit"),
        (["--workers", "4..1"], "--workers '4..1': '4..1' is not a number from 1 to 100,000"),
        (["--budget", "0"], "--budget 0: expected a number above 0, or no --budget"),
        (["--budget", "-1"], "--budget -1: expected a number above 0"),
        (["--budget", "nan"], "--budget nan: expected a number above 0"),
        (["--target-error", "0"], "--target-error 0: expected a number above 0"),
        (["--price-shot", "inf"], "--price-shot inf: expected a number of at least 0"),
        (["--speed", "0"], "--speed 0: expected 0.001 to 1000"),
        (["--max-qubits", "0"], "--max-qubits 0: expected at least 1"),
        (
            ["--deadline", "90s", "--replications", "9"],
            "--replications 9: with a deadline, which 19 in 20 runs are to meet, expected at least",
        ),
        (["--replications", "0"], "--replications 0: expected at least 1"),
        (["--profile", "profile.json"], "2 profiles were given, of the pipelines planned, planned"),
        (["--profile", "none.json"], "none.json: cannot be read"),
        (["--seed", "-1"], "seed: -1 was given"),
        (["-o", "question.yaml"], "question.yaml: exists; give another name, or --force"),
        (["-o", "no/such/r.yaml"], "no/such/r.yaml: cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_message_and_changes_nothing(folder, capsys, arguments, message):
    before = sorted(path.name for path in folder.iterdir())
    few = [] if "--workers" in arguments else ["--workers", "1"]
    assert main([*PLAN, *arguments, *few]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"qcutsim plan: {message}")
    assert sorted(path.name for path in folder.iterdir()) == before
    assert Path("question.yaml").read_text() == QUESTION


def test_a_folder_of_shapes_holds_what_is_not_shipped(capsys):
    """Made there once, by the quantum part; the uncut circuit and other cuts can be judged then."""
    arguments = [*PLAN, "--workers", "1", "--extrapolate", "--shapes", "shapes", "--json"]
    assert main([*arguments, "--expected-errors", "--replications", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    made = {path.name.split("-")[2] for path in Path("shapes").iterdir()}
    assert made == {"AAAA", "AAAB", "AABB", "AABC", "ABBB", "ABBC", "ABCC", "ABCD"}
    assert found["recommended"]["error_rule"] == "expected"
    assert found["cutting"].startswith("Uncut, the circuit fits on a device of 4 qubits and takes ")
    assert not any("no workload shape" in one["reason"] for one in found["left_out"])


def test_the_answer_finds_the_circuit_from_another_folder():
    more = "  pipeline: planned\n  chunk: 2\n"
    write(Path("asked"), text=GHZ, labels="AABB", more=more)
    Path("answers").mkdir()
    asked = ["plan", "asked/s.yaml", "--profile", "profile.json", "--extrapolate"]
    few = ["--workers", "1", "--replications", "1", "--max-qubits", "2"]
    assert main([*asked, *few, "--shapes", "shapes", "-o", "answers/r.yaml"]) == 0
    simulate = ["simulate", "answers/r.yaml", "--profile", "profile.json", "--extrapolate"]
    assert main([*simulate, "--out", "simulated"]) == 0
