"""Time, cost and statistical error held against each other: what nothing beats, and what to take.

The standard error is nominal: that of sampling the joint terms of the quasi-probability
decomposition one shot at a time, ``prod(kappa) / sqrt(shots of a partition)`` (Eq. (5) of Mitarai
and Fujii, Quantum 5, 388 (2021), arXiv:1909.07534). kappa, the sum of the absolute weights of a
cut, is 3 for a CX or CZ gate (at most 3 for any rotation about a product of two Pauli operators;
6 terms) and 4 for a wire (8 terms).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

TIE = 0.02
"""Settings that are closer than this are taken as equal; a simulation does not tell more."""

_GATE_TERMS, _GATE_KAPPA = 6, 3.0
_WIRE_TERMS, _WIRE_KAPPA = 8, 4.0
_LARGEST_KAPPA = 7.0
"""Of any two-qubit gate (SWAP, arXiv:2205.00016)."""


class Objectives(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting is judged by; less is better.

    Args:
        time_s: of the whole workload, in median.
        late_s: what it takes in one case of twenty, which deadlines are held against.
        cost: in the unit of the prices.
        error: standard error of a query's estimate.
    """

    time_s: float
    late_s: float
    cost: float
    error: float


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting is to stay within; ``None``: anything goes."""

    deadline_s: float | None = None
    budget: float | None = None
    error: float | None = None

    def misses(self, of: Objectives) -> dict[str, float]:
        """By what part a setting is above each target that it does not meet."""
        held = {
            "deadline": (of.late_s, self.deadline_s),
            "budget": (of.cost, self.budget),
            "target error": (of.error, self.error),
        }
        return {
            name: value / limit - 1 if limit > 0 else math.inf
            for name, (value, limit) in held.items()
            if limit is not None and not value <= limit
        }


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The number of the chosen setting, and by what part it misses targets: empty where it meets
    them all."""

    index: int
    misses: dict[str, float]


def pareto_front(options: Sequence[Objectives]) -> list[int]:
    """Numbers of the settings that no other one beats in time, cost and error together.

    One beats another where it is nowhere worse and somewhere better; of equals the first counts.

    Returns:
        In the order of time.
    """
    values = np.array([(o.time_s, o.cost, o.error) for o in options]).reshape(-1, 3)
    front: list[int] = []
    for number in np.lexsort((np.arange(len(values)), *values.T[::-1])).tolist():
        # What beats it comes before it in this order.
        if not (values[front] <= values[number]).all(axis=1).any():
            front.append(number)
    return front


def choose(options: Sequence[Objectives], targets: Targets) -> Choice:
    """The setting to take: with a deadline the cheapest in time, without one the fastest.

    Of those within :data:`TIE` of it the cheapest (with a deadline: the fastest), of those the
    most exact, of those the first. Where none meets all targets: the one whose largest miss is
    the smallest.

    Raises:
        ValueError: there is nothing to choose from.
    """
    misses = [targets.misses(option) for option in options]
    numbers = [number for number, missed in enumerate(misses) if not missed]
    if not numbers:
        index = min(range(len(options)), key=lambda n: (max(misses[n].values()), n))
        return Choice(index=index, misses=misses[index])
    time_s: Callable[[int], float] = lambda n: options[n].time_s  # noqa: E731
    cost: Callable[[int], float] = lambda n: options[n].cost  # noqa: E731
    first, second = (time_s, cost) if targets.deadline_s is None else (cost, time_s)
    for of in (first, second, lambda n: options[n].error):
        least = min(map(of, numbers))
        numbers = [number for number in numbers if of(number) <= (1 + TIE) * least]
    return Choice(index=numbers[0], misses={})


def nominal_error(*, cuts: int, coefficients: int, partitions: int, shots: int) -> float:
    """Nominal standard error of a Pauli observable's estimate.

    Args:
        cuts: of gates or wires.
        coefficients: joint terms of the decomposition.
        partitions: which a joint term takes one shot each of.
        shots: of the whole query.

    Raises:
        ValueError: there are no shots or no partitions.
    """
    if shots < 1 or partitions < 1:
        raise ValueError(f"{shots} shots and {partitions} partitions give no estimate")
    return largest_kappa(cuts, coefficients) * math.sqrt(partitions / shots)


def largest_kappa(cuts: int, coefficients: int) -> float:
    """An upper bound of the product of kappa over cuts that have so many joint terms.

    Its square is the sampling overhead.
    """
    for wires in range(cuts + 1):
        if _GATE_TERMS ** (cuts - wires) * _WIRE_TERMS**wires == coefficients:
            return _GATE_KAPPA ** (cuts - wires) * _WIRE_KAPPA**wires
    return _LARGEST_KAPPA**cuts
