"""The JSON Schema of scenarios: what it takes, what it refuses, and that it is kept up to date."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from scenariotexts import load

from qcutsim.cli import main
from qcutsim.errors import ScenarioError
from qcutsim.schema import SCHEMA_FILE, scenario_schema
from qcutsim.yamlfile import load_yaml

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
WORK = "workload: {partition_labels: AABB}\n"

ACCEPTED = {
    "a policy by its kind": f"name: a\n{WORK}policy: eager\n",
    "a policy with parameters": f"name: a\n{WORK}policy: {{kind: batched, size: 4, loop: open}}\n",
    "labels from the sweep": "name: a\nworkload: {shots: 10}\nsweep:\n"
    "  - workload.partition_labels: [AABB, ABBC]\n    queries: [1, 2]\n",
    "ranges": f"name: a\n{WORK}sweep:\n"
    "  - pool.workers: {log: {from: 1, to: 16, steps: 5}}\n"
    "  - - {window: 2, workload.shots: {linear: {from: 100, to: 300, steps: 3}}}\n",
    "parts of an axis": f"name: a\n{WORK}sweep:\n  - - {{pool.workers: [1, 2]}}\n"
    "    - {pool.workers: 4, policy.kind: batched}\n",
}

REFUSED = {
    "no name": WORK,
    "an unknown field": f"name: a\n{WORK}workers: 3\n",
    "an unknown field of the pool": f"name: a\n{WORK}pool: {{worker: 3}}\n",
    "a number out of range": f"name: a\n{WORK}pool: {{workers: 0}}\n",
    "text for a number": f"name: a\n{WORK}queries: many\n",
    "no such kind": f"name: a\n{WORK}pool: {{kind: thread}}\n",
    "no such policy": f"name: a\n{WORK}policy: lazy\n",
    "a parameter of another policy": f"name: a\n{WORK}policy: {{kind: eager, size: 4}}\n",
    "a sweep over no field": f"name: a\n{WORK}sweep:\n  - pool.worker: [1, 2]\n",
    "a range without an end": f"name: a\n{WORK}sweep:\n"
    "  - pool.workers: {log: {from: 1, steps: 5}}\n",
    "an axis without a list": f"name: a\n{WORK}sweep:\n  - pool.workers: 4\n",
}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid_names_the_schema_and_asks_a_question(path, validator):
    validator.validate(load_yaml(path).data)
    first, *others = path.read_text().splitlines()
    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    comment = []
    for line in others:
        if not line.startswith("#"):
            break
        comment.append(line)
    assert "?" in " ".join(comment)
    assert (path.parent / SCHEMA_FILE).is_file()
    assert (path.resolve().parent / SCHEMA_FILE).is_file()


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_commands_take_the_schema_takes(text, tmp_path, validator):
    load(tmp_path, text)
    validator.validate(load_yaml(tmp_path / "s.yaml").data)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_the_schema_refuses_the_commands_refuse(text, tmp_path, validator):
    with pytest.raises(ScenarioError):
        load(tmp_path, text)
    assert not validator.is_valid(load_yaml(tmp_path / "s.yaml").data)


def test_fields_are_described_in_words():
    schema = scenario_schema()
    assert schema["properties"]["seed"]["description"] == "of everything random."
    assert schema["$defs"]["Host"]["properties"]["speed"]["description"].startswith(
        "of its workers"
    )
    assert "``" not in json.dumps(schema)


def test_the_shipped_schema_is_the_one_the_command_prints(capsys):
    """Written by ``qcutsim schema -o qcutsim/scenarios/scenario.schema.json --force``."""
    assert main(["schema"]) == 0
    shipped = (ROOT / "qcutsim" / "scenarios" / SCHEMA_FILE).read_text()
    assert json.loads(capsys.readouterr().out) == json.loads(shipped)


def test_the_command_overwrites_nothing_unasked(tmp_path, capsys):
    out = tmp_path / "schema.json"
    assert main(["schema", "-o", str(out)]) == 0
    assert json.loads(out.read_text()) == json.loads(json.dumps(scenario_schema()))
    assert main(["schema", "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["schema", "-o", str(out), "--force"]) == 0
