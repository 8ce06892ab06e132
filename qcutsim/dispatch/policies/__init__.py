"""Dispatch policies: one class decides what to release, when, and to whom.

A policy is found by its ``kind`` among the entry points ``qcutsim.policies``.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from qcutsim.dispatch.policies.base import Copy, IdleWorkers, Policy
from qcutsim.errors import InputError

__all__ = ["Copy", "IdleWorkers", "Policy", "make_policy", "policy_kinds"]

_GROUP = "qcutsim.policies"


def policy_kinds() -> list[str]:
    """The kinds of policy installed, sorted."""
    return sorted(_installed())


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUP)}


def make_policy(kind: str) -> Policy:
    """A fresh policy of the given kind.

    Raises:
        InputError: no such policy is installed.
    """
    point = _installed().get(kind)
    if point is None:
        raise InputError(f"no policy {kind!r} is installed; there are: {', '.join(policy_kinds())}")
    policy: Policy = point.load()()
    return policy
