"""What each strategy would have to do for a query, for the choice between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qcutsim.estimator.combination import combine
from qcutsim.estimator.contraction import (
    GROUP_ELEMENTS,
    ContractionTree,
    incremental_path,
    optimised_path,
    tree_path,
)
from qcutsim.estimator.pipeline import Query
from qcutsim.estimator.plan import CutPlan, Limits
from qcutsim.estimator.reconstruction import make_reconstruction
from qcutsim.estimator.workoptions import PartitionedQuery, WorkOptions
from qcutsim.reconstructionchoice import Choice, StrategyWork, choose_reconstruction


def strategy_works(plan: CutPlan, values: int, limits: Limits) -> tuple[StrategyWork, ...]:
    """What ``auto`` chooses from: strategies that fit the limits, ``contracted`` first.

    Args:
        plan: of the query.
        values: that are reconstructed.
        limits: of memory and joint terms.
    """
    return tuple(_strategy_works(plan, values, limits))


def _strategy_works(plan: CutPlan, values: int, limits: Limits) -> Iterator[StrategyWork]:
    network = plan.network
    tree = network.tree(optimised_path)
    yield StrategyWork(kind="contracted", work=tree.work * values, steps=len(tree.steps))
    partitions = len(plan.partitions)
    if plan.coefficients <= limits.joint_terms:
        yield StrategyWork(
            kind="vectorised",
            work=plan.coefficients * partitions * values,
            steps=plan.coefficients,
            is_sum=True,
        )
    units = _units(plan)
    if partitions == 1 or max(units) == 0:
        return  # nothing can be merged before the last
    for kind, path in (("incremental", incremental_path), ("tree", tree_path)):
        tree = network.tree(path)
        fits = tree.total * values <= GROUP_ELEMENTS and 8 * tree.peak <= limits.memory_bytes
        if fits:
            yield StrategyWork(
                kind=kind,
                work=tree.work * values,
                steps=len(tree.steps),
                merges=max(units) + 1,
                joins=partitions - 1 if kind == "tree" else 0,
                last_work=_last_work(tree, units) * values,
            )


def _units(plan: CutPlan) -> list[int]:
    """The unit of each partition, by which alike ones end together, in order of execution."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(one.template, len(numbers)) for one in plan.partitions]


def _last_work(tree: ContractionTree, units: Sequence[int]) -> int:
    """Multiply-adds of the steps that wait for the last unit."""
    waits = [unit == max(units) for unit in units]
    waits += [False] * (tree.inputs - len(units))
    work = 0
    for step in tree.steps:
        waits.append(waits[step.left] or waits[step.right])
        if waits[-1]:
            work += step.left_elements * math.prod(step.right_shape)
    return work


def with_choice(
    options: WorkOptions, query: Query, partitioned: PartitionedQuery
) -> tuple[WorkOptions, Choice]:
    """The options with the strategy that is chosen for a query."""
    plan = partitioned.plan
    choice = choose_reconstruction(
        strategy_works(plan, len(combine(query, plan.terms)[0]), options.limits),
        workers=options.workers,
        subexperiments=plan.subexperiments,
        may_overlap=query.shots.allocation == "uniform",
    )
    return replace(options, reconstruction=make_reconstruction(choice.kind)), choice
