"""The JSON Schema of scenario files, from the models that read them: what editors complete by."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from qcutsim.cell import Cell
from qcutsim.dispatch import policy_class, policy_kinds
from qcutsim.ranges import SPACINGS, Range
from qcutsim.scenario import Head

SCHEMA_FILE = "scenario.schema.json"
"""Its name beside the scenarios that qcutsim ships."""

_ARGUMENT = re.compile(r"^    (\w+): (.+(?:\n     .+)*)", re.MULTILINE)
_WORDS = re.compile(r"``([^`]*)``")


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a scenario file, with the policies that are installed.

    It knows fields, types, ranges and choices. What fields say together (as many partition labels
    as qubits) the commands check; so nothing is required here that a sweep may set.
    """
    models = (Head, Cell, Range, *(policy_class(kind).config for kind in policy_kinds()))
    _, found = msgspec.json.schema_components(models, ref_template="#/$defs/{name}")
    definitions = {name: _described(definition) for name, definition in found.items()}
    head, cell = definitions.pop("Head"), definitions.pop("Cell")
    policies = [policy_class(kind).config.__name__ for kind in policy_kinds()]
    for name in {*definitions} - {*policies, "Host", "Range"}:
        definitions[name].pop("required", None)  # a sweep may give it
    properties = head["properties"] | cell["properties"]
    properties["policy"] = {
        "description": "Which dispatch policy, with its parameters; 'qcutsim policies' lists them.",
        "anyOf": [
            {"enum": list(policy_kinds())},
            *({"$ref": f"#/$defs/{name}"} for name in policies),
        ],
    }
    properties["sweep"] = {
        "description": "Axes that are crossed; fields within an axis vary together.",
        "type": "array",
        "items": {"$ref": "#/$defs/Axis"},
    }
    fields = {"anyOf": [{"enum": _swept(properties, definitions)}, {"pattern": r"^policy\.\w+$"}]}
    lists = {"type": "array", "minItems": 1}
    ranges = [
        {
            "type": "object",
            "properties": {spacing: {"$ref": "#/$defs/Range"}},
            "required": [spacing],
            "additionalProperties": False,
        }
        for spacing in SPACINGS
    ]
    definitions["Axis"] = {
        "description": "Fields with lists or ranges of the same length, or a list of parts one "
        "after the other.",
        "anyOf": [
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": fields,
                "additionalProperties": {"anyOf": [lists, *ranges]},
            },
            lists | {"items": {"type": "object", "minProperties": 1, "propertyNames": fields}},
        ],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "qcutsim scenario",
        "description": "One configuration and a sweep over it, for real and simulated runs alike.",
        "type": "object",
        "properties": properties,
        "required": ["name"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _described(definition: dict[str, Any]) -> dict[str, Any]:
    """With its docstring as people read it, and each field with what that says of it."""
    text = inspect.cleandoc(definition.get("description", ""))
    summary, _, arguments = text.partition("\n\nArgs:\n")
    told = {name: " ".join(said.split()) for name, said in _ARGUMENT.findall(arguments)}
    properties = {
        name: one | ({"description": _WORDS.sub(r"\1", told[name])} if name in told else {})
        for name, one in definition.get("properties", {}).items()
    }
    return definition | {
        "description": _WORDS.sub(r"\1", " ".join(summary.split())),
        "properties": properties,
    }


def _swept(properties: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """The dotted fields that a sweep may set."""
    names = []
    for name, one in properties.items():
        if name in ("name", "seed", "repetitions", "replications", "sweep"):
            continue
        names.append(name)
        model = definitions.get(one.get("$ref", "").rpartition("/")[2], {})
        names += [f"{name}.{inner}" for inner in model.get("properties", {})]
    return names
