"""A policy from a package of its own: ``pip install``, and every command knows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import make_profile, make_scenario
from plugins import KIND, SOURCE, install_plugin, write_plugin

from qcutsim import read_queries
from qcutsim.calibrate import save_profile

SCENARIO = """\
name: turns
seed: 5
queries: 3
window: {window}
workload: {{partition_labels: AABB, shots: 128}}
pool: {{kind: threads, workers: 2}}
policy: {policy}
"""

BROKEN = """
from qcutsim.dispatch import PolicyConfig
from qcutsim.dispatch.policies.eager import Eager


class NoParameters(PolicyConfig, frozen=True, kw_only=True, tag="brittle"):
    pass


class brittle(Eager):
    kind = "brittle"
    config = NoParameters

    def finished(self, task, worker, now_s):
        raise ValueError("broke down")


class StillbornParameters(PolicyConfig, frozen=True, kw_only=True, tag="stillborn"):
    pass


class stillborn(Eager):
    kind = "stillborn"
    config = StillbornParameters

    def __init__(self, config):
        raise ValueError("cannot begin")
"""


def where_is(packages: Path | None) -> dict[str, str]:
    """An environment whose Pythons find the packages of a folder."""
    paths = [str(packages or ""), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


Commands = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def qcutsim(tmp_path: Path, plugin: Path) -> Commands:
    """The command in a folder with a profile and a scenario, with the plugin installed or not."""
    save_profile(make_profile(make_scenario()), tmp_path / "profile.json")

    def run(
        *arguments: str,
        policy: str = "{kind: fair_share, burst: 2}",
        window: int = 2,
        packages: Path | None = plugin,
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "s.yaml").write_text(SCENARIO.format(window=window, policy=policy))
        return subprocess.run(
            [sys.executable, "-m", "qcutsim.cli", *arguments],
            cwd=tmp_path,
            env=where_is(packages),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


SIMULATE = ["simulate", "s.yaml", "--profile", "profile.json", "--out", "simulated"]


def test_it_is_listed_with_its_parameters(qcutsim: Commands):
    listed = json.loads(qcutsim("policies", "--json").stdout)
    (found,) = [policy for policy in listed if policy["kind"] == KIND]
    assert found["summary"].startswith("Queries in flight take turns")
    assert found["parameters"] == [
        {
            "name": "burst",
            "default": 1,
            "allowed": "integer >= 1 <= 1e+06",
            "meaning": "tasks that a query begins in its turn",
        }
    ]
    shown = qcutsim("policies").stdout
    assert KIND in shown
    assert "burst" in shown


def test_editors_complete_its_parameters(qcutsim: Commands):
    schema = json.loads(qcutsim("schema").stdout)
    assert schema["$defs"]["FairShareConfig"]["properties"]["burst"]["minimum"] == 1


@pytest.mark.parametrize("window", [1, 2])
def test_a_simulation_runs_on_simpy_and_says_why(qcutsim: Commands, window: int):
    done = qcutsim(*SIMULATE, "--json", window=window)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert (cell["engine"], cell["queries"]) == ("simpy", 3)
    assert f"policy '{KIND}' (it takes eager, batched, " in cell["engine_why"]
    assert f"engine simpy: {cell['engine_why']}" in done.stderr


def test_the_compiled_engine_refuses_it_by_name(qcutsim: Commands):
    done = qcutsim(*SIMULATE, "--engine", "kernel")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"policy '{KIND}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_runs_for_real_and_the_log_says_so(qcutsim: Commands, tmp_path: Path):
    done = qcutsim("run", "s.yaml", "--out", "measured")
    assert done.returncode == 0, done.stderr
    queries = [
        entry.query
        for entry in read_queries([tmp_path / "measured" / "run.jsonl"])
        if not entry.query.is_cold
    ]
    assert {(q.policy, q.policy_parameters["burst"]) for q in queries} == {(KIND, 2)}
    assert [q.outcome for q in queries] == ["ok"] * 3


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("burst: 0", "s.yaml:7:28: policy.burst: Expected `int` >= 1, found 0"),
        ("burts: 2", "s.yaml:7:28: policy.burts: unknown field; allowed here: kind, burst; did"),
    ],
)
def test_a_wrong_parameter_is_an_error_of_the_scenario(
    qcutsim: Commands, parameter: str, message: str
):
    done = qcutsim(*SIMULATE, policy=f"{{kind: {KIND}, {parameter}}}")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_where_it_is_not_installed_the_others_are_named(qcutsim: Commands):
    done = qcutsim(*SIMULATE, packages=None)
    assert done.returncode == 2
    assert f"no policy '{KIND}' is installed; there are: batched, eager, " in done.stderr


@pytest.mark.parametrize("command", [SIMULATE, ["run", "s.yaml", "--out", "measured"]])
@pytest.mark.parametrize(
    ("kind", "method", "error"),
    [("brittle", "finished", "broke down"), ("stillborn", "__init__", "cannot begin")],
)
def test_a_policy_that_raises_is_named_with_the_method_and_the_line(
    qcutsim: Commands, tmp_path: Path, command: list[str], kind: str, method: str, error: str
):
    packages = tmp_path / "packages"
    packages.mkdir()
    write_plugin(packages, "broken", BROKEN, "brittle", "stillborn")
    done = qcutsim(*command, policy=kind, packages=packages)
    assert (done.returncode, done.stdout) == (1, "")
    line = 1 + BROKEN.splitlines().index(f'        raise ValueError("{error}")')
    assert done.stderr.splitlines()[-1] == (
        f"qcutsim {command[0]}: policy '{kind}' failed in {method} "
        f"({packages}/broken.py, line {line}): ValueError: {error}"
    )
    assert "Traceback" not in done.stderr


def test_its_readme_shows_commands_that_there_are_and_code_that_runs(
    qcutsim: Commands, plugin: Path, tmp_path: Path
):
    text = (SOURCE / "README.md").read_text()
    code, scenario = text.split("```python\n")[1], text.split("```yaml\n")[1]
    done = subprocess.run(
        [sys.executable, "-c", code.split("```")[0]],
        env=where_is(plugin),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Start(query=0, task=0, attempt=0, worker=0)" in done.stdout
    (tmp_path / "scenario.yaml").write_text(scenario.split("```")[0])
    commands = [line.split() for line in text.splitlines() if line.startswith("qcutsim ")]
    assert [name for _, name, *_ in commands] == ["policies", "simulate", "run"]
    for _, *arguments in commands:
        if arguments[0] == "simulate":
            arguments.append("--extrapolate")
        done = qcutsim(*arguments)
        assert done.returncode == 0, done.stderr
