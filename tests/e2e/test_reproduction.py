"""``qcutsim reproduce`` on a part of the paper's grid that takes seconds: run, resumed, told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from qcutsim.cell import Cell
from qcutsim.cli import main
from qcutsim.packagedscenarios import packaged_scenario
from qcutsim.reproduction import BEYOND, PIPELINES, QUESTIONS
from qcutsim.scenario import Scenario, load_scenario

ROOT = Path(__file__).parents[2]
QUERIES = 6
LABELS = {"AAAA", "AABB"}
FILES = ["reproduction.md", "reproduction.json", "rq1.svg", "rq2.svg", "rq3.svg"]


def small(name: str, seed: int | None = None) -> Scenario:
    """Without the second and third cut; six queries a cell; RQ3 with one cut."""
    scenario = packaged_scenario(name.replace("_quick", ""), seed)
    cells = []
    for cell in scenario.cells:
        if "rq3" in name:
            cells.append(_small(cell, partition_labels="AABB"))
        elif cell.workload.partition_labels in LABELS and cell.pool.workers <= 4:
            cells.append(_small(cell))
    unlike = {cell.key: cell for cell in cells if cell.stragglers.probability in (0, 0.2)}
    return replace(scenario, name=name, repetitions=1, replications=2, cells=tuple(unlike.values()))


def _small(cell: Cell, **changes: str) -> Cell:
    work = msgspec.structs.replace(cell.workload, shots=64, **changes)
    return msgspec.structs.replace(cell, workload=work, queries=QUERIES)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reproduced") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qcutsim.reproduction.packaged_scenario", small)
        assert main(["reproduce", "--quick", "--out", str(out), "--json"]) == 0
        before = {name: (out / name).read_bytes() for name in FILES}
        assert main(["reproduce", "--quick", "--out", str(out), "--json"]) == 0
        assert {name: (out / name).read_bytes() for name in FILES} == before
    return out


def test_every_question_is_answered_for_both_pipelines(reproduced):
    found = json.loads((reproduced / "reproduction.json").read_text())
    assert found["is_quick"] is True
    for part in ("growth", "speed_ups", "slowdowns"):
        assert {row["pipeline"] for row in found[part]} == set(PIPELINES)
    assert {row["cuts"] for row in found["growth"]} == {0, 1}
    assert all(row["epoch_s"]["estimate"] > 0 for row in found["growth"])
    measured = [row for row in found["speed_ups"] if row["measured"] is not None]
    assert {(row["pool"], row["workers"]) for row in measured} >= {
        ("threads", 4),
        ("processes", 4),
    }
    assert any(row["pool"] == "dedicated" and row["simulated"] > 1 for row in found["speed_ups"])
    policies = {row["policy"].partition(" ")[0] for row in found["slowdowns"]}
    assert policies == {"eager", "batched", "staggered", "speculative"}


def test_table_one_states_both_denominators_beside_the_published_value(reproduced):
    found = json.loads((reproduced / "reproduction.json").read_text())
    (row,) = [row for row in found["shares"] if row["pipeline"] == "upstream"]
    assert row["published"] == [0.43, 0.474]
    assert 0 < row["of_query"][0] < row["of_execute_reconstruct"][0] < 1
    page = (reproduced / "reproduction.md").read_text()
    assert "published 43.0 %" in page
    assert f"{row['of_query'][0]:.3f}" in page


def test_the_page_gives_the_measured_reason(reproduced):
    page = (reproduced / "reproduction.md").read_text()
    found = json.loads((reproduced / "reproduction.json").read_text())
    (cost,) = [one for one in found["mid_circuit"] if one["pipeline"] == "upstream"]
    assert cost["mid_circuit_s"] > cost["plain_s"] > 0
    assert f"measure mid-circuit take {1e3 * cost['mid_circuit_s']:.1f} ms" in page
    used = [one for one in found["cores"] if (one["pipeline"], one["workers"]) == ("upstream", 4)]
    assert f"keep {used[0]['cores']:.2f} cores busy" in page
    for name in ("rq1", "rq2", "rq3"):
        assert f"![{name}]({name}.svg)" in page


@pytest.mark.parametrize("name", [*QUESTIONS, *(f"{name}_quick" for name in QUESTIONS), *BEYOND])
def test_the_papers_scenarios_are_there_for_a_user(name):
    """Beside the others, and the same as those that the command takes."""
    assert load_scenario(ROOT / "scenarios" / f"{name}.yaml").key == packaged_scenario(name).key


def test_another_reproduction_in_the_folder_is_refused(reproduced, capsys, monkeypatch):
    monkeypatch.setattr("qcutsim.reproduction.packaged_scenario", small)
    assert main(["reproduce", "--quick", "--seed", "3", "--out", str(reproduced)]) == 2
    assert "holds a run of another scenario or seed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["reproduction.md", "profile-planned.json", "rq2.svg"])
def test_a_file_of_the_users_is_left_alone(name, tmp_path, capsys):
    (tmp_path / name).write_text("mine")
    assert main(["reproduce", "--quick", "--out", str(tmp_path)]) == 2
    assert f"{name}: exists, and no reproduction beside it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_whole_does_not_go_on_with_a_quick_one(reproduced, capsys):
    assert main(["reproduce", "--out", str(reproduced)]) == 2
    assert "holds a quick reproduction" in capsys.readouterr().err
