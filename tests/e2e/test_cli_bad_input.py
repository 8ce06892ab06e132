"""Bad input to the command line: one message that names it, exit code 2, nothing changed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from builders import (
    make_profile,
    make_scenario,
    run_record,
    scenario_yaml,
    write_log,
    write_measured_log,
)

import qcutsim
from qcutsim.calibrate import PROFILE_SCHEMA, load_profile, save_profile
from qcutsim.cli import main
from qcutsim.records import SCHEMA

SIMULATE = ["simulate", "s.yaml", "--profile", "profile.json", "--out", "new"]
RUN = ["run", "s.yaml", "--out", "new"]
SHAPE = ["shape", "s.yaml", "--out", "new"]
CALIBRATE = ["calibrate", "run.jsonl", "-o", "new.json"]
COMPARE = ["compare", "--measured", "run.jsonl", "--profile", "profile.json"]
BASE = "name: a\nworkload: {partition_labels: AABB}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user with a scenario, its log, a profile and a simulation."""
    monkeypatch.chdir(tmp_path)
    scenario = make_scenario()
    Path("s.yaml").write_text(scenario_yaml(scenario))
    write_measured_log(Path("run.jsonl"), scenario)
    save_profile(make_profile(scenario), "profile.json")
    Path("measured").mkdir()
    write_measured_log(Path("measured/run.jsonl"), make_scenario(seed=6))
    return tmp_path


def files(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder; folders have no content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """Runs a command that must be refused and returns what it said."""

    def run(arguments: list[str]) -> str:
        before = files(folder)
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        # One line, and below it that of the file with a caret where it has one.
        _, *below = said.err.splitlines()
        assert all(line.startswith("    ") for line in below)
        assert not below or below[-1].strip() == "^"
        assert said.err.startswith(f"qcutsim {arguments[0]}: ")
        assert files(folder) == before
        return said.err.strip().removeprefix(f"qcutsim {arguments[0]}: ")

    return run


SCENARIOS = {
    "missing": (None, "bad.yaml: no such file"),
    "empty": ("", "bad.yaml:1:1: the file is empty; see scenarios/ for examples"),
    "not YAML": ("name: [a\n", "bad.yaml:2:1: not valid YAML: "),
    "unknown field": (
        BASE + "pool:\n  wrokers: 3\n",
        "bad.yaml:4:3: pool.wrokers: unknown field; allowed here: kind, workers",
    ),
    "wrong type": (
        BASE + "pool: {workers: many}\n",
        "bad.yaml:3:8: pool.workers: Expected `int`, got `str`, found 'many'",
    ),
    "out of range": (
        BASE + "sweep:\n  - stragglers.probability: [0, 1.5]\n",
        "bad.yaml:4:33: stragglers.probability: Expected `float` <= 1.0, found 1.5",
    ),
    "labels of another length": (
        "name: a\nworkload: {partition_labels: AAB}\n",
        "bad.yaml:2:12: workload.partition_labels: 'AAB' has 3 letters, the observable 'ZZZZ' has "
        "4 qubits; give one letter a qubit",
    ),
}


@pytest.mark.parametrize("command", [RUN, SIMULATE, SHAPE], ids=lambda command: command[0])
@pytest.mark.parametrize(("text", "message"), SCENARIOS.values(), ids=SCENARIOS)
def test_a_bad_scenario_is_refused_by_every_command_that_reads_one(
    refused, folder, command, text, message
):
    if text is not None:
        (folder / "bad.yaml").write_text(text)
    arguments = ["bad.yaml" if argument == "s.yaml" else argument for argument in command]
    assert refused(arguments).startswith(message)


LOGS = {
    "missing": (None, "bad.jsonl: no such log; write one with 'qcutsim run'"),
    "empty": ("", "bad.jsonl: the file is empty; "),
    "not JSONL": ("hello\nworld\n", "bad.jsonl:1: JSON is malformed: "),
    "other JSON": (
        '{"a": 1}\n',
        "bad.jsonl:1: neither a query (it would have ",
    ),
    "another schema": (
        f'\n{{"kind":"run","schema":{SCHEMA + 1}}}\n',
        f"bad.jsonl:2: field 'schema' is {SCHEMA + 1}; this version of qcutsim reads {SCHEMA}; ",
    ),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["calibrate", "bad.jsonl", "-o", "new.json"],
        ["calibrate", "run.jsonl", "bad.jsonl", "-o", "new.json"],
        ["compare", "--measured", "bad.jsonl", "--profile", "profile.json"],
        [*COMPARE, "--simulated", "bad.jsonl"],
    ],
    ids=["calibrate", "calibrate second", "compare measured", "compare simulated"],
)
@pytest.mark.parametrize(("text", "message"), LOGS.values(), ids=LOGS)
def test_a_bad_log_is_refused(refused, folder, arguments, text, message):
    if text is not None:
        (folder / "bad.jsonl").write_text(text)
    assert refused(arguments).startswith(message)


PROFILES = {
    "missing": (None, "bad.json: cannot be read (No such file or directory); make one with "),
    "empty": ("", "bad.json: not JSON: "),
    "not JSON": ("pools: 3\n", "bad.json: not JSON: "),
    "not a profile": ('{"pools": {}}', "bad.json: not a calibration profile: field 'schema' is "),
    "another schema": (
        '{"schema": 99}',
        f"bad.json: field 'schema' is 99; this version of qcutsim reads {PROFILE_SCHEMA}; calib",
    ),
    "no models": (
        f'{{"schema": {PROFILE_SCHEMA}}}',
        "bad.json: not a calibration profile: ",
    ),
}


@pytest.mark.parametrize("command", [SIMULATE, COMPARE], ids=lambda command: command[0])
@pytest.mark.parametrize(("text", "message"), PROFILES.values(), ids=PROFILES)
def test_a_bad_profile_is_refused(refused, folder, command, text, message):
    if text is not None:
        (folder / "bad.json").write_text(text)
    arguments = ["bad.json" if argument == "profile.json" else argument for argument in command]
    assert refused(arguments).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shots": 64},
            "s.yaml: outside what the profile was calibrated on: 64 shots ",
        ),
        ({"kinds": ("dedicated",)}, "the profile holds no pool 'processes' (it has threads); "),
    ],
)
def test_a_profile_that_lacks_what_a_scenario_asks_for_is_refused(refused, folder, change, message):
    save_profile(make_profile(make_scenario(kinds=("threads",))), "profile.json")
    (folder / "s.yaml").write_text(scenario_yaml(make_scenario(**change)))
    assert refused(SIMULATE).startswith(message)


def test_a_workload_without_a_shape_is_refused(refused, folder):
    (folder / "s.yaml").write_text(BASE.replace("AABB", "ABAB"))
    assert refused(SIMULATE).startswith(
        "no workload shape iris-upstream-ABAB-ZZZZ.json is shipped (partition labels 'ABAB', "
    )


def test_a_run_into_the_log_of_another_scenario_is_refused(refused, folder):
    message = refused(["run", "s.yaml", "--out", "measured"])
    assert message.startswith(
        f"{Path('measured', 'run.jsonl')}: holds a run of another scenario or seed "
        "('handmade', seed 6); give another --out"
    )


def test_a_run_with_another_seed_into_its_own_log_is_refused(refused, folder):
    assert "seed 6); give another --out" in refused(
        ["run", "s.yaml", "--out", "measured", "--seed", "7"]
    )


def test_a_run_into_something_that_is_no_log_is_refused(refused, folder):
    (folder / "measured" / "run.jsonl").write_text("mine\n")
    assert refused(["run", "s.yaml", "--out", "measured"]).startswith("measured/run.jsonl:1: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pool: {kind: dedicated}\n", "pool.kind: 'dedicated' can only be simulated"),
        ("arrivals: {kind: poisson, rate_per_s: 1}\n", "arrivals.kind: 'poisson' can only be "),
        (
            "pool: {hosts: [{workers: 2}]}\n",
            "pool.hosts: can only be simulated; a real run has its",
        ),
        (
            "pool: {failures: {mtbf_s: 9, repair_s: 1}}\n",
            "pool.failures: can only be simulated; in a real run workers are lost when they die",
        ),
        ("training: {steps: 3}\n", "training: can only be simulated; a real run takes 'queries'"),
        ("pool: {workers: 257}\n", "pool.workers: 257 is more than a real run takes on one host "),
    ],
)
def test_what_can_only_be_simulated_is_not_run(refused, folder, text, message):
    (folder / "s.yaml").write_text(BASE + text)
    assert refused(RUN).startswith(f"s.yaml: {message}")


def test_a_simulation_into_a_folder_that_holds_one_is_refused(refused, folder):
    (folder / "new").mkdir()
    (folder / "new" / "simulated.jsonl").write_text("mine\n")
    assert refused(SIMULATE).startswith("new/simulated.jsonl: exists; qcutsim overwrites nothing")


def test_a_simulation_into_a_file_is_refused(refused, folder):
    (folder / "new").write_text("mine\n")
    assert refused(SIMULATE) == "new: cannot be made a folder (File exists)"


def assert_same_models(path: str) -> None:
    """As in the profile of the folder, which was not assessed."""
    found, expected = load_profile(path), load_profile("profile.json")
    assert found.discrepancy_sd is not None
    assert msgspec.structs.replace(found, discrepancy_sd=None, assessed=0) == expected


def test_an_existing_profile_is_replaced_only_with_force(refused, folder, capsys):
    (folder / "new.json").write_text("mine\n")
    message = "new.json: exists; give another name, or --force to replace it"
    assert refused(CALIBRATE) == message
    assert main([*CALIBRATE, "--force"]) == 0
    assert_same_models("new.json")


def test_a_calibration_that_fails_leaves_the_old_profile_in_place(refused, folder):
    assert "is left to calibrate on" in refused(
        ["calibrate", "run.jsonl", "-o", "profile.json", "--force", "--only", "workers>9"]
    )


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_profile_cannot_take_a_folders_place(refused, force):
    for target in ("measured", "."):
        message = refused(["calibrate", "run.jsonl", "-o", target, *force])
        assert message == f"{target}: is a folder; name a file"


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("workers", "--only 'workers': expected FIELD OP VALUE"),
        ("wrokers=1", "--only 'wrokers=1': no field 'wrokers'; there are: allocation, "),
        ("workers=one", "--only 'workers=one': 'workers' is a whole number, 'one' is not"),
    ],
)
def test_a_bad_test_of_only_is_refused(refused, test, message):
    assert refused([*CALIBRATE, "--only", test]).startswith(message)


def test_a_log_without_one_worker_is_refused(refused, folder):
    (folder / "run.jsonl").unlink()
    write_measured_log(folder / "run.jsonl", make_scenario(workers=(2,)))
    assert "add runs with one worker ('pool.workers: 1' in a scenario)" in refused(CALIBRATE)


def test_a_log_without_queries_is_refused(refused, folder):
    write_log(folder / "head.jsonl", run_record())
    assert "is left to calibrate on" in refused(["calibrate", "head.jsonl", "-o", "new.json"])


@pytest.mark.parametrize("command", [RUN, SIMULATE], ids=lambda command: command[0])
@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_seed_out_of_range_is_refused(refused, command, seed):
    message = refused([*command, "--seed", seed])
    assert message.startswith(f"seed: {seed} ")
    assert message.endswith(f"expected a whole number from 0 to {2**63 - 1}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*SIMULATE, "--seed", "two"], "argument --seed: invalid int value: 'two'"),
        ([*RUN, "--seed", "1.5"], "argument --seed: invalid int value: '1.5'"),
        ([*RUN, "--fast"], "unrecognized arguments: --fast"),
        (["run", "s.yaml"], "the following arguments are required: --out"),
        (["walk"], "argument COMMAND: invalid choice: 'walk'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_arguments_that_do_not_parse_are_refused(folder, capsys, arguments, message):
    before = files(folder)
    with pytest.raises(SystemExit) as done:
        main(arguments)
    said = capsys.readouterr()
    assert done.value.code == 2
    assert said.out == ""
    assert message in said.err.splitlines()[-1]
    assert files(folder) == before


def test_a_python_of_its_own_exits_with_the_code_and_no_traceback(folder):
    done = subprocess.run(
        [sys.executable, "-m", "qcutsim.cli", "simulate", "none.yaml", *SIMULATE[2:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "qcutsim simulate: none.yaml: no such file\n"


@pytest.mark.parametrize(
    "command", ["quickstart", "run", "calibrate", "simulate", "plan", "compare", "shape"]
)
def test_the_help_of_a_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert f"\nexample: qcutsim {command} " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "calibrate", "simulate", "plan", "compare", "shape"])
def test_the_example_of_a_command_parses(command, tmp_path, monkeypatch, capsys):
    """In an empty folder it gets as far as the first file it does not find."""
    monkeypatch.chdir(tmp_path)
    example = import_module(f"qcutsim.cli.{command}").EXAMPLE
    assert main(shlex.split(example)[1:]) == 2
    assert "no such" in capsys.readouterr().err.lower()
    assert files(tmp_path) == {}


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"qcutsim {qcutsim.__version__}\n"


@pytest.mark.parametrize(
    ("command", "has"),
    [
        (CALIBRATE, lambda data: set(data["pools"]) == {"threads", "processes"}),
        (SIMULATE, lambda data: [cell["queries"] for cell in data["cells"]] == [5] * 8),
        (COMPARE, lambda data: len(data["configurations"]) == 8),
    ],
    ids=["calibrate", "simulate", "compare"],
)
def test_json_on_standard_output_is_nothing_but_json(folder, capsys, command, has):
    """Also where lines of a log were skipped, which is told on standard error."""
    with (folder / "run.jsonl").open("a") as log:
        log.write("torn")
    assert main([*command, "--json"]) == 0
    said = capsys.readouterr()
    assert has(json.loads(said.out))
    if command is not SIMULATE:
        assert "skipped 1 unreadable line(s):" in said.err
        assert "(torn last line)" in said.err


def test_an_engine_that_cannot_is_refused_before_anything_is_written(refused, folder):
    (folder / "s.yaml").write_text(scenario_yaml(make_scenario()) + "window: 2\n")
    message = refused([*SIMULATE, "--engine", "kernel"])
    assert "the engine 'kernel' does not take this: a window of queries" in message
    assert not (folder / "new").exists()
