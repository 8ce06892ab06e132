"""What the compiled engine takes, and what it leaves to SimPy."""

from __future__ import annotations

from importlib.util import find_spec

import msgspec

from qcutsim.cell import Cell

POLICIES = ("eager", "batched", "staggered", "longest_first", "work_stealing", "speculative")
"""In the order of their numbers in the compiled code."""

MOST_COPIES = 4
"""Of a task: memory is laid out for all of them."""


def is_available() -> bool:
    """Whether numba is installed (extra ``fast``)."""
    return find_spec("numba") is not None


def why_not(cell: Cell, *, has_merges: bool = False, is_learned: bool = False) -> str | None:
    """Why the compiled engine does not take a cell; ``None``: it does.

    Args:
        cell: what is simulated.
        has_merges: whether its reconstruction merges while tasks execute.
        is_learned: whether what its workers share is a learned rate.
    """
    reasons = {
        f"policy {cell.policy['kind']!r} (it takes {', '.join(POLICIES)})": (
            cell.policy["kind"] not in POLICIES
        ),
        f"more than {MOST_COPIES} copies of a task": cell.policy.get("copies", 1) > MOST_COPIES,
        "a window of queries": cell.window > 1,
        "queries that come by themselves": cell.arrivals.kind != "sequence",
        "a timeout": cell.timeout_s is not None,
        "several hosts": cell.pool.hosts is not msgspec.UNSET,
        "workers that fail": cell.pool.failures is not msgspec.UNSET,
        "a training run": cell.training is not msgspec.UNSET,
        "merges beside the tasks": has_merges,
        "a learned rate of sharing": is_learned,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
