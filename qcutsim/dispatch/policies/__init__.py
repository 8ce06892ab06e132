"""Dispatch policies: one class decides what to release, when, and to whom.

A policy is found by its ``kind`` among the entry points ``qcutsim.policies``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from qcutsim.dispatch.policies.base import (
    IdleWorkers,
    KindOf,
    Policy,
    PolicyConfig,
    TaskId,
    policy_failure,
)
from qcutsim.errors import InputError, QcutsimError

__all__ = [
    "IdleWorkers",
    "KindOf",
    "Policy",
    "PolicyConfig",
    "PolicyLike",
    "TaskId",
    "make_policy",
    "policy_class",
    "policy_config",
    "policy_kinds",
]

PolicyLike = str | Mapping[str, Any] | PolicyConfig
"""A policy as users give it: its kind, ``{"kind": ..., parameter: ...}``, or its parameters."""

_GROUP = "qcutsim.policies"


def policy_kinds() -> list[str]:
    """The kinds of policy installed, sorted."""
    return sorted(_installed())


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUP)}


@cache
def policy_class(kind: str) -> type[Policy]:
    """The policy of that kind.

    Raises:
        InputError: no such policy is installed, or what is installed under the name is none.
    """
    point = _installed().get(kind)
    if point is None:
        raise InputError(f"no policy {kind!r} is installed; there are: {', '.join(policy_kinds())}")
    try:
        found = point.load()
    except Exception as error:
        raise InputError(f"policy {kind!r} cannot be loaded from {point.value}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Policy)):
        raise InputError(f"policy {kind!r} ({point.value}) is no subclass of Policy")
    config = getattr(found, "config", None)
    if not (isinstance(config, type) and issubclass(config, PolicyConfig)):
        raise InputError(f"policy {kind!r} ({point.value}) has no 'config', a model of parameters")
    tag = config.__struct_config__.tag
    if not found.kind == tag == kind:
        raise InputError(
            f"policy {kind!r} ({point.value}) calls itself {found.kind!r} and its parameters "
            f"{tag!r}; the entry point, 'kind' and the config's tag must agree"
        )
    return found


def policy_config(policy: PolicyLike) -> PolicyConfig:
    """A policy's parameters, checked, defaults filled in.

    Raises:
        InputError: no such policy is installed, or a parameter is not one of its own or out of
            range.
    """
    if isinstance(policy, PolicyConfig):
        return policy_config(msgspec.to_builtins(policy))
    given = {"kind": policy} if isinstance(policy, str) else policy
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if not isinstance(kind, str):
        raise InputError(
            f"policy is {policy!r}; expected a kind, or {{'kind': ..., parameter: ...}}; kinds: "
            f"{', '.join(policy_kinds())}"
        )
    try:
        return msgspec.convert(given, policy_class(kind).config)
    except msgspec.ValidationError as error:
        raise InputError(f"policy {kind!r}: {error}") from None


def make_policy(policy: PolicyLike) -> Policy:
    """A fresh policy.

    Raises:
        InputError: as :func:`policy_config`, or the policy refuses its parameters.
        PolicyError: the policy's own code raised something else.
    """
    config = policy_config(policy)
    kind = str(config.__struct_config__.tag)
    found = policy_class(kind)
    try:
        return found(config)
    except QcutsimError:
        raise
    except Exception as error:
        raise policy_failure(kind, "__init__", error) from error
