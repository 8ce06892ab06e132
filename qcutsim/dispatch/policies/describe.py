"""What policies are installed, and what can be set of each."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from qcutsim.dispatch.policies import policy_class, policy_kinds


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a policy: its default, what is allowed, and what it means."""

    name: str
    default: Any
    allowed: str
    meaning: str


class PolicyDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An installed policy; ``summary`` is what it does, in a sentence or two."""

    kind: str
    summary: str
    parameters: tuple[Parameter, ...]


def describe_policies() -> tuple[PolicyDescription, ...]:
    """Every installed policy, by kind.

    Raises:
        InputError: one of them cannot be loaded.
    """
    return tuple(_describe(kind) for kind in policy_kinds())


def _describe(kind: str) -> PolicyDescription:
    found = policy_class(kind)
    model = found.config
    schema = msgspec.json.schema(model)["$defs"][model.__name__]["properties"]
    summary = (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ").replace("``", "")
    return PolicyDescription(
        kind=kind,
        summary=summary,
        parameters=tuple(
            Parameter(
                name=name,
                default=about.get("default"),
                allowed=_allowed(about),
                meaning=about.get("description", ""),
            )
            for name, about in schema.items()
            if name != "kind"
        ),
    )


_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def _allowed(about: dict[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(map(str, about["enum"]))
    bounds = [f"{sign} {about[name]:g}" for name, sign in _BOUNDS.items() if name in about]
    return " ".join([str(about.get("type", "any")), *bounds])
