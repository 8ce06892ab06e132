"""Which reconstruction a query gets where ``auto`` is asked for: a pure rule for both worlds.

The estimator and the simulator put in the same numbers, counted from the plan, and no measured
ones: the choice is the same on any machine, in a real run and in its simulation.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

AUTO = "auto"

CONTRACTION_S = 8e-6
"""A contraction at all. Of this and what follows benchmarks/reconstruction_choice.py says how near
it comes to what is measured."""

SUM_S = 2.5e-5
"""A sum over joint terms at all."""

STEP_S = 3e-6
"""A step of a contraction, whatever its size: a batched matrix product in NumPy."""

MULTIPLY_S = 1.5e-9
"""A multiply-add of a contraction."""

TERM_S = 2.5e-7
"""A joint term that is summed over one by one: to enumerate it and look its settings up."""

FACTOR_S = 1e-8
"""A factor of a joint term's product."""

MERGE_S = 1e-4
"""A merge on the coordinator beside the dispatching."""

JOIN_S = 4e-4
"""A join on a worker: its dispatch, and the way of its tensors."""


class StrategyWork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a strategy has to do for one query, counted from its plan.

    Args:
        kind: of the strategy.
        work: elementary steps, in its own measure: multiply-adds of a contraction, factors of
            joint terms of a sum.
        steps: array operations of a contraction, joint terms of a sum.
        is_sum: whether it sums over joint terms.
        merges: partitions, alike ones together, that the coordinator merges on arrival.
        joins: steps that workers do.
        last_work: of ``work`` what is left once the last partitions are complete.
    """

    kind: str
    work: int
    steps: int
    is_sum: bool = False
    merges: int = 0
    joins: int = 0
    last_work: int = 0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy chosen, why, and the seconds that each was expected to add to a query."""

    kind: str
    reason: str
    expected_s: dict[str, float]


def expected_s(strategy: StrategyWork, *, workers: int, subexperiments: int) -> float:
    """Seconds that a strategy adds to the makespan of a query.

    A strategy that merges on arrival has only the last partitions' part left when the barrier
    opens, unless there are workers for all subexperiments, which then end together. Joins run
    beside each other as far as workers and pairs go.
    """
    if strategy.is_sum:
        return SUM_S + TERM_S * strategy.steps + FACTOR_S * strategy.work
    operations_s = CONTRACTION_S + STEP_S * strategy.steps
    if not strategy.merges:
        return operations_s + MULTIPLY_S * strategy.work
    ends_together = workers >= subexperiments
    left = strategy.work if ends_together else strategy.last_work
    overhead_s = MERGE_S * strategy.merges
    if strategy.joins:
        beside = max(1, min(workers, (strategy.joins + 1) // 2))
        overhead_s += JOIN_S * strategy.joins / beside
        left = -(-left // beside)
    return operations_s + overhead_s + MULTIPLY_S * left


def choose_reconstruction(
    strategies: Sequence[StrategyWork],
    *,
    workers: int,
    subexperiments: int,
    may_overlap: bool = True,
) -> Choice:
    """The strategy with the least expected time; of equal ones the first.

    Args:
        strategies: what can be had, at least one that does not merge on arrival.
        workers: of the pool.
        subexperiments: of a query.
        may_overlap: whether partitions can be merged before all are complete.
    """
    possible = [one for one in strategies if may_overlap or not one.merges]
    seconds = {
        one.kind: expected_s(one, workers=workers, subexperiments=subexperiments)
        for one in possible
    }
    best = min(seconds, key=lambda kind: seconds[kind])
    others = ", ".join(
        f"{kind} {_shown(value)}"
        for kind, value in sorted(seconds.items(), key=lambda entry: entry[1])
        if kind != best
    )
    reason = f"least expected time, {_shown(seconds[best])}" + (f" ({others})" if others else "")
    if not may_overlap:
        reason += "; nothing can be merged before all shots are allocated"
    return Choice(kind=best, reason=reason, expected_s=seconds)


def _shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
