"""What is loaded when: the public names, and commands that need no quantum or learning stack."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from builders import make_profile, make_scenario, scenario_yaml, write_measured_log

import qcutsim
from qcutsim.calibrate import save_profile
from qcutsim.cli import main

PUBLIC = {
    "CalibrationProfile": "qcutsim.calibrate",
    "Comparison": "qcutsim.analysis",
    "DistributedEstimator": "qcutsim.estimator",
    "Limits": "qcutsim.estimator",
    "Scenario": "qcutsim.scenario",
    "assess_profile": "qcutsim.assessment",
    "calibrate_logs": "qcutsim.calibrate",
    "compare_logs": "qcutsim.comparison",
    "load_profile": "qcutsim.calibrate",
    "load_scenario": "qcutsim.scenario",
    "read_queries": "qcutsim.logreader",
    "read_records": "qcutsim.logreader",
    "read_results": "qcutsim.results",
    "read_study": "qcutsim.study",
    "run_quickstart": "qcutsim.quickstart",
    "run_scenario": "qcutsim.measure",
    "save_profile": "qcutsim.calibrate",
    "search_settings": "qcutsim.planner",
    "simulate_scenario": "qcutsim.study",
    "validate_logs": "qcutsim.validation",
}
QUANTUM = "qcutsim.estimator"
HEAVY = {
    "matplotlib",
    "opt_einsum",
    "qiskit",
    "qiskit_addon_cutting",
    "qiskit_aer",
    "sklearn",
    "torch",
}
SLOW = {"scipy"}
"""Installed always; loaded only where something is fitted, or by numba where it simulates."""

TABLES = {"pandas", "pyarrow"}
"""Loaded where results are written as Parquet."""

FITS_OR_SIMULATES = {"calibrate", "simulate", "plan", "compare", "export"}

REPORT = """
import json
import sys

before = set(sys.modules)
{body}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps(sorted(new - set(sys.stdlib_module_names))))
"""

WITHOUT_HEAVY = f"""
import sys

class Without:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(HEAVY | TABLES)!r}:
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from qcutsim.cli import main

sys.exit(main(sys.argv[1:]))
"""


def python(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def loaded_by(body: str, *arguments: str, folder: Path) -> set[str]:
    """Packages outside the standard library that ``body`` loads in a Python of its own."""
    done = python(REPORT.format(body=body), *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario, a log of it as if measured, and its profile."""
    scenario = make_scenario()
    (tmp_path / "s.yaml").write_text(scenario_yaml(scenario))
    save_profile(make_profile(scenario), tmp_path / "profile.json")
    write_measured_log(tmp_path / "run.jsonl", scenario)
    return tmp_path


COMMANDS = {
    "calibrate": ["calibrate", "run.jsonl", "-o", "made.json"],
    "simulate": ["simulate", "s.yaml", "--profile", "profile.json", "--out", "simulated"],
    "plan": ["plan", "s.yaml", "--profile", "profile.json", "--replications", "2"],
    "compare": ["compare", "--measured", "run.jsonl", "--profile", "profile.json"],
    "export": ["export", "run.jsonl", "-o", "queries.csv"],
    "policies": ["policies"],
}


def test_the_public_names_are_these():
    """They change on purpose only."""
    assert qcutsim.__all__ == sorted([*PUBLIC, "__version__"])
    assert dir(qcutsim) == qcutsim.__all__


@pytest.mark.parametrize(("name", "home"), PUBLIC.items())
def test_a_public_name_is_that_of_its_home(name, home):
    assert getattr(qcutsim, name) is getattr(import_module(home), name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'qcutsim' has no attribute 'nothing'"):
        _ = qcutsim.nothing


def test_importing_qcutsim_loads_no_other_package(tmp_path):
    assert loaded_by("import qcutsim; dir(qcutsim)", folder=tmp_path) == {"qcutsim"}


def test_asking_for_the_version_or_help_loads_no_other_package(tmp_path):
    for flag in ("--version", "--help"):
        body = (
            "from qcutsim.cli import main\n"
            "try:\n    main(sys.argv[1:])\nexcept SystemExit as done:\n    assert done.code == 0"
        )
        assert loaded_by(body, flag, folder=tmp_path) == {"qcutsim"}


@pytest.mark.parametrize("name", [n for n, home in PUBLIC.items() if home != QUANTUM])
def test_a_public_name_loads_nothing_heavy(name, tmp_path):
    assert not loaded_by(f"import qcutsim; qcutsim.{name}", folder=tmp_path) & (HEAVY | SLOW)


def test_the_estimator_does_not_load_torch_before_its_backend_does(tmp_path):
    loaded = loaded_by("import qcutsim; qcutsim.DistributedEstimator", folder=tmp_path)
    assert "qiskit" in loaded
    assert not loaded & {"torch", "sklearn", "matplotlib"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_real_queries_loads_nothing_heavy(command, folder):
    body = "from qcutsim.cli import main\nassert main(sys.argv[1:]) == 0"
    loaded = loaded_by(body, *COMMANDS[command], folder=folder)
    assert {"qcutsim", "msgspec"} <= loaded
    assert not loaded & (HEAVY if command in FITS_OR_SIMULATES else HEAVY | SLOW)
    assert command == "simulate" or not loaded & TABLES


def test_the_commands_without_real_queries_work_where_nothing_heavy_is_installed(folder):
    for arguments in COMMANDS.values():
        done = python(WITHOUT_HEAVY, *arguments, folder=folder)
        assert done.returncode == 0, done.stderr
    assert (folder / "made.json").exists()
    assert (folder / "simulated" / "simulated.jsonl").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "s.yaml", "--out", "out"],
        ["quickstart", "--out", "out"],
        ["shape", "s.yaml", "--out", "out"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_where_the_extra_is_not_installed_a_command_names_it(arguments, folder):
    done = python(WITHOUT_HEAVY, *arguments, folder=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"qcutsim {arguments[0]}: this needs the package 'qiskit', which is not installed; "
        "install the extra with: pip install 'qcutsim[real]'\n"
    )
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("run", "qiskit"),
        ("run", "qiskit_aer"),
        ("run", "qiskit_addon_cutting"),
        ("run", "sklearn"),
        ("quickstart", "sklearn"),
        ("quickstart", "matplotlib"),
        ("shape", "qiskit"),
        ("shape", "qiskit_addon_cutting"),
    ],
)
def test_each_missing_package_is_found_before_anything_is_done(
    command, package, folder, monkeypatch, capsys
):
    monkeypatch.setattr("qcutsim.extras.find_spec", lambda name: None if name == package else "")
    scenario = [] if command == "quickstart" else [str(folder / "s.yaml")]
    assert main([command, *scenario, "--out", str(folder / "out")]) == 2
    said = capsys.readouterr()
    assert f"the package '{package}'" in said.err
    assert "pip install 'qcutsim[real]'" in said.err
    assert said.err.count("\n") == 1
    assert not (folder / "out").exists()
