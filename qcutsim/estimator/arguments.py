"""Arguments of the estimator, checked when they are given."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, get_args

import numpy as np

from qcutsim.errors import InputError
from qcutsim.workload import Allocation

MOST_COUNT = 10**15
"""More shots than this are a mistake."""

LONGEST_S = 1e6
"""A longer timeout is a mistake."""

LARGEST_WINDOW = 10_000
"""More queries in flight are a mistake."""


class Unset:
    """The type of :data:`UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()
"""No number of shots was given: a run's precision decides."""


def check_counts(**counts: Any) -> None:
    """Raises ``InputError`` where a number is neither ``None`` nor a count, and names it."""
    for name, count in counts.items():
        is_count = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
        if count is not None and not (is_count and 1 <= count <= MOST_COUNT):
            raise InputError(
                f"{name} is {count!r}; expected a whole number of at least 1 (at most "
                f"{MOST_COUNT:.0e})"
            )


def check_seconds(**times: Any) -> float | None:
    """The one time given. Raises ``InputError`` where it is no positive number of seconds."""
    ((name, seconds),) = times.items()
    if seconds is None:
        return None
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= LONGEST_S:
        raise InputError(
            f"{name} is {seconds!r}; expected a number of seconds above 0 (at most {LONGEST_S:.0e})"
        )
    return float(seconds)


def check_window(window: Any) -> int:
    """The window. Raises ``InputError`` where it is no number of queries."""
    is_count = isinstance(window, (int, np.integer)) and not isinstance(window, bool)
    if not is_count or not 1 <= window <= LARGEST_WINDOW:
        raise InputError(
            f"window is {window!r}; expected a whole number of at least 1 (at most "
            f"{LARGEST_WINDOW:,})"
        )
    return int(window)


def check_seed(seed: Any) -> int:
    """The seed, or a fresh one for ``None``. Raises ``InputError`` where it is no seed."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
        return int(seed)
    raise InputError(f"seed is {seed!r}; expected a whole number of at least 0")


def check_allocation(allocation: Any, *, is_exact: bool) -> Allocation:
    """The allocation. Raises ``InputError`` where it is none, or there are no shots for it."""
    if allocation not in get_args(Allocation):
        raise InputError(
            f"allocation is {allocation!r}; expected one of {', '.join(get_args(Allocation))}"
        )
    if is_exact and allocation != "uniform":
        raise InputError(
            f"allocation is {allocation!r} and shots is None: exact values take no shots; give "
            "shots or total_shots, or no allocation"
        )
    found: Allocation = allocation
    return found


def check_labels(labels: Any) -> Sequence[Hashable] | None:
    """Partition labels as given. Raises ``InputError`` where they are no labels at all."""
    if labels is None:
        return None
    try:
        listed: Sequence[Hashable] = tuple(labels)
        hash(listed)
    except TypeError:
        raise InputError(
            f"partition_labels is {labels!r}; expected one label a qubit, such as 'AABB'"
        ) from None
    return labels if isinstance(labels, str) else listed
