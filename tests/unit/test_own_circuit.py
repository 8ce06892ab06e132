"""A circuit of one's own in a scenario: what it is told apart by, and what is refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from circuitscenarios import BELL, GHZ, write
from scenariotexts import load, refusal

from qcutsim.cell import Cell, Workload, record_fields
from qcutsim.errors import ProfileError, ScenarioError
from qcutsim.records import labels_of
from qcutsim.scenario import Scenario, load_scenario
from qcutsim.workload import load_shape, shape_name


def only_cell(path: Path) -> Cell:
    (cell,) = load_scenario(path).cells
    return cell


def test_a_file_is_told_by_its_name_and_the_hash_of_its_bytes(tmp_path):
    cell = only_cell(write(tmp_path))
    sha256 = hashlib.sha256(BELL.encode()).hexdigest()
    assert cell.workload.circuit_sha256 == sha256
    assert record_fields(cell, 0, 0)["dataset"] == f"own-{sha256[:8]}"
    assert shape_name(cell.workload, 1) == f"own-{sha256[:8]}-upstream-AB-ZZ.json"
    assert cell.workload.dataset is msgspec.UNSET


def test_where_a_file_stands_does_not_matter_and_what_it_holds_does(tmp_path):
    here = load_scenario(write(tmp_path / "here"))
    write(tmp_path / "there", "circuits/own.qasm", text=None)
    (tmp_path / "there" / "circuits").mkdir()
    (tmp_path / "there" / "circuits" / "own.qasm").write_text(BELL)
    there = load_scenario(tmp_path / "there" / "s.yaml")
    assert (there.key, there.cells[0].key) == (here.key, here.cells[0].key)
    other = load_scenario(write(tmp_path / "other", text=BELL + "x q[0];\n"))
    assert other.key != here.key
    assert other.cells[0].key != here.cells[0].key
    assert other.cells[0].workload.title != here.cells[0].workload.title


def test_an_entry_point_is_told_by_its_name_and_arguments_and_not_imported(tmp_path):
    one = only_cell(write(tmp_path, "no.such.module:chain", text=None))
    again = only_cell(write(tmp_path, "no.such.module:chain", text=None))
    other = only_cell(
        write(tmp_path, "no.such.module:chain", text=None, more="  circuit_parameters: {n: 2}\n")
    )
    assert one.key == again.key != other.key
    assert one.workload.title.startswith("chain-")
    assert one.workload.title != other.workload.title


def test_a_scenario_with_a_circuit_comes_back_from_a_log_without_the_file(tmp_path):
    path = write(tmp_path)
    scenario = load_scenario(path)
    (tmp_path / "own.qasm").unlink()
    written = msgspec.json.decode(msgspec.json.encode(scenario.resolved()))
    again = Scenario.from_resolved(written)
    assert again.key == scenario.key
    assert again.cells == scenario.cells


def test_circuits_can_be_swept_beside_the_data_set(tmp_path):
    (tmp_path / "one.qasm").write_text(GHZ)
    (tmp_path / "two.qasm").write_text(GHZ + "x q[0];\n")
    scenario = load(
        tmp_path,
        "name: a\nworkload: {partition_labels: AABB}\nsweep:\n"
        "  - - {workload.dataset: iris}\n    - {workload.circuit: [one.qasm, two.qasm]}\n",
    )
    names = [cell.workload.title.partition("-")[0] for cell in scenario.cells]
    assert names == ["iris", "one", "two"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a b.qasm", "a_b"),
        ("<img src=x>.qasm", "_img_src_x_"),
        ("[red]x.qasm", "_red_x"),
        ("größe.v2.qasm", "größe.v2"),
        ("x" * 200 + ".qasm", "x" * 40),
    ],
)
def test_any_name_of_a_file_makes_a_name_that_can_be_shown_and_written(tmp_path, name, title):
    work = only_cell(write(tmp_path, f"{name!r}", text=None) and _with(tmp_path, name)).workload
    assert work.title.rpartition("-")[0] == title


def _with(folder: Path, name: str) -> Path:
    (folder / name).write_text(BELL)
    return folder / "s.yaml"


def test_a_file_that_was_not_looked_at_has_no_name():
    with pytest.raises(ScenarioError, match="load_scenario fills it in"):
        _ = Workload(circuit="x.qasm", partition_labels="AB", observable="ZZ").title


QASM3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
WRONG_FILES = {
    "missing": (None, ": cannot be read (No such file or directory)"),
    "not text": (b"\xff\xfe\n", ":1: not a text file in UTF-8 (invalid start byte)"),
    "empty": ("", ":1: begins with neither 'OPENQASM 2.0;' nor 'OPENQASM 3.0;'"),
    "another version": ("OPENQASM 4.0;\n", ":1: begins with neither"),
    "another file in it": (
        BELL.replace("qreg", '// c\ninclude "my.inc";\nqreg'),
        ":4: includes 'my.inc'; only 'qelib1.inc' can be included",
    ),
    "the other version's gates": (
        QASM3.replace("stdgates", "qelib1"),
        ":2: includes 'qelib1.inc'; only 'stdgates.inc' can be included",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_file_that_is_no_circuit_is_refused_where_the_scenario_names_it(tmp_path, text, message):
    path = write(tmp_path, text=text)
    found = refusal(tmp_path, path.read_text())
    assert found.startswith(f"s.yaml:4:3: workload.circuit: {tmp_path}/own.qasm{message}")


def test_a_folder_is_no_circuit(tmp_path):
    (tmp_path / "own.qasm").mkdir()
    found = refusal(tmp_path, write(tmp_path, text=None).read_text())
    assert "own.qasm: is no regular file; name an OpenQASM file" in found


THREE = "has 3 qubits, 'partition_labels' 'AB' has 2 letters, 'observable' 'ZZ' has 2; give each"
COUNTS = {
    "two registers": BELL.replace("h q", "qreg r[1];\nh q"),
    "of version 3": QASM3 + "qubit[2] q;\nqubit r;\nh q;\n",
    "old words in version 3": QASM3 + "qreg q[3];\n",
    "beside comments": BELL.replace("[2];", "[3]; // qreg r[4];\n/* qreg s[5];\n */"),
}


@pytest.mark.parametrize("text", COUNTS.values(), ids=COUNTS)
def test_another_number_of_qubits_is_refused_with_all_three_numbers(tmp_path, text):
    found = refusal(tmp_path, write(tmp_path, text=text).read_text())
    assert found.startswith(f"s.yaml:4:3: workload.circuit: 'own.qasm' {THREE}")


def test_in_a_sweep_the_circuit_that_does_not_fit_is_named_where_it_stands(tmp_path):
    write(tmp_path)
    (tmp_path / "ghz.qasm").write_text(GHZ)
    text = (
        "name: a\nworkload: {partition_labels: AB, observable: ZZ}\nsweep:\n"
        "  - workload.circuit: [own.qasm,\n                       ghz.qasm]\n"
    )
    assert refusal(tmp_path, text).startswith("s.yaml:5:24: workload.circuit: 'ghz.qasm' has 4 ")


FIELDS = {
    "a data set too": ("  dataset: iris\n", "4:3: workload.circuit: 'dataset' says already what"),
    "arguments of a file": (
        "  circuit_parameters: {theta: 1}\n",
        "8:3: workload.circuit_parameters: are keyword arguments of an entry point",
    ),
    "another hash": (
        f"  circuit_sha256: {'a' * 64}\n",
        "8:3: workload.circuit_sha256: found 'aaa",
    ),
    "no hash": ("  circuit_sha256: x\n", "8:3: workload.circuit_sha256: Expected `str` matching"),
}


@pytest.mark.parametrize(("more", "message"), FIELDS.values(), ids=FIELDS)
def test_fields_that_do_not_go_with_the_circuit_are_refused(tmp_path, more, message):
    assert refusal(tmp_path, write(tmp_path, more=more).read_text()).startswith(f"s.yaml:{message}")


@pytest.mark.parametrize("name", ["circuit_parameters: {n: 1}", f"circuit_sha256: {'a' * 64}"])
def test_what_is_said_of_a_circuit_goes_only_with_one(tmp_path, name):
    text = f"name: a\nworkload:\n  partition_labels: AABB\n  {name}\n"
    assert refusal(tmp_path, text).endswith("goes with 'circuit', and only so")


def test_the_right_hash_given_pins_the_file(tmp_path):
    sha256 = hashlib.sha256(BELL.encode()).hexdigest()
    plain = only_cell(write(tmp_path))
    pinned = only_cell(write(tmp_path, more=f"  circuit_sha256: {sha256}\n"))
    assert pinned.key == plain.key


def test_work_of_different_circuits_is_told_apart_and_that_of_data_sets_is_not():
    assert labels_of("ghz-0123abcd", "AABB") != labels_of("ghz-0123abce", "AABB")
    for name in ("iris", "unknown", "iris-2d", "a-b", "-0123abcd"):
        assert labels_of(name, "AABB") == "AABB"


def test_loading_a_scenario_with_circuits_loads_no_qiskit(tmp_path):
    path = write(tmp_path, "os.path:join", text=None)
    code = (
        "import sys; from qcutsim.scenario import load_scenario; load_scenario(sys.argv[1]); "
        "assert 'qiskit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)


def shape_bytes(work: Workload) -> bytes:
    """The shape of Iris, said to be another circuit's."""
    shape = load_shape(Workload(partition_labels=work.partition_labels))
    return msgspec.json.encode(msgspec.structs.replace(shape, circuit=work.title))


def test_a_shape_is_found_by_its_name_in_a_folder_here_or_beside_the_scenario(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    beside = tmp_path / "beside"
    path = write(beside, text=GHZ, labels="AABB", more="  shape: shapes\n")
    work = only_cell(path).workload
    with pytest.raises(ProfileError, match=r"shapes: no such file; .* shape SCENARIO --out shapes"):
        load_shape(work, 1, beside)
    (beside / "shapes").mkdir()
    with pytest.raises(ProfileError, match=r"ghz|own-.*AABB-ZZZZ.json: no such file; export it"):
        load_shape(work, 1, beside)
    (beside / "shapes" / shape_name(work, 1)).write_bytes(shape_bytes(work))
    assert load_shape(work, 1, beside).circuit == work.title
    Path("shapes").mkdir()
    with pytest.raises(ProfileError, match=r"^shapes/own-.* no such file"):
        load_shape(work, 1, beside)


def test_the_shape_of_another_circuit_is_refused(tmp_path):
    path = tmp_path / "shape.json"
    own = only_cell(write(tmp_path, text=GHZ, labels="AABB", more=f"  shape: {path}\n")).workload
    other = only_cell(write(tmp_path, text=GHZ + "x q[0];\n", labels="AABB")).workload
    path.write_bytes(shape_bytes(other))
    with pytest.raises(ProfileError, match=f"holds the shape of {other.title}, .* {own.title}; "):
        load_shape(own)
    with pytest.raises(ProfileError, match=f"holds the shape of {other.title}, .* iris; "):
        load_shape(Workload(partition_labels="AABB", shape=str(path)))
    path.write_bytes(msgspec.json.encode(load_shape(Workload(partition_labels="AABB"))))
    with pytest.raises(ProfileError, match=f"holds the shape of a data set, .* {own.title}; "):
        load_shape(own)


def test_without_a_shape_the_command_that_exports_it_is_named(tmp_path):
    work = only_cell(write(tmp_path)).workload
    with pytest.raises(ProfileError, match=r"no workload shape own-\w{8}-.*'qcutsim shape SCEN"):
        load_shape(work)
