"""A query of the planned pipeline: its chunks, and how their results become estimates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.adaptive import TwoStageSampling
from qcutsim.estimator.allocation import allocate, setting_weights, stages_of
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.backends import ChunkOrder
from qcutsim.estimator.choosing import strategy_works
from qcutsim.estimator.combination import combine
from qcutsim.estimator.errorbars import point_errors
from qcutsim.estimator.merging import Merging, make_merges, merge_shape, merged
from qcutsim.estimator.pipeline import Accounting, Estimates, Query
from qcutsim.estimator.reconstruction import (
    JointTerms,
    PathContraction,
    Problem,
    joint_settings,
    read_operand,
)
from qcutsim.estimator.sampling import PartitionData, sample
from qcutsim.estimator.units import ChunkTask, Unit, distinct_rows, make_units, split
from qcutsim.estimator.workchecks import check_joint_terms, check_memory
from qcutsim.estimator.workoptions import (
    PartitionedQuery,
    WorkOptions,
)
from qcutsim.runtime import MergeTask, load_function
from qcutsim.seeds import stream
from qcutsim.workload import SHAPE_SCHEMA, TaskClass, WorkloadShape

MOST_EXPECTED = 2000
"""Subexperiments that are worked out, at most, to tell a standard error before a run."""


class PlannedWork:
    """A query's chunks, and how their results become estimates."""

    def __init__(
        self,
        options: WorkOptions,
        query: Query,
        partitioned: PartitionedQuery,
        reason: str | None = None,
    ) -> None:
        plan = self.plan = partitioned.plan
        self._options = options
        self._reason = reason
        self._query = query
        self._weights = plan.cut_weights(partitioned.angles)
        self._joint = self._draw_joint_terms()
        check_joint_terms(plan, options, is_sample=self._joint is not None)
        self._settings = self._settings_of_partitions()
        distinct = [distinct_rows(partitioned.angles[:, p.angles]) for p in plan.partitions]
        self._row_of_binding = [inverse for _, inverse in distinct]
        self._units = make_units(
            plan,
            [rows for rows, _ in distinct],
            self._settings,
            are_alike=self._joint is None,
        )
        check_memory(plan, self._units, query.bindings, options.limits)
        self._shots = allocate(
            query.shots, plan, self._weights, self._settings, query.norm, options.limits
        )
        self._wanted, self._combination = combine(query, plan.terms)
        self._two_stages = self._make_stages()
        self._classes: dict[TaskClass, int] = {}
        self.subexperiments = list(self._make_tasks()) if plan.terms else []

    def _draw_joint_terms(self) -> JointTerms | None:
        samples = self._options.num_samples
        if samples is None:
            return None
        if samples > self._options.limits.joint_terms:
            raise InputError(
                f"num_samples is {samples:,} (limit {self._options.limits.joint_terms:,}); draw "
                "fewer, or raise limits.joint_terms"
            )
        return JointTerms.sample(self._weights, samples, stream(self._query.seed, "qpd"))

    def _settings_of_partitions(self) -> list[IntArray]:
        sizes = [
            self.plan.template_of(p).program.slot_sizes for p in range(len(self.plan.partitions))
        ]
        if self._joint is None:
            return [np.arange(math.prod(size)) for size in sizes]
        return [np.unique(s) for s in joint_settings(self.plan.cuts, sizes, self._joint)]

    def _make_stages(self) -> TwoStageSampling | None:
        """How shots are sampled where their variance decides how many there are."""
        if self._shots is None or self._query.shots.allocation == "uniform":
            return None
        return TwoStageSampling(
            stages_of(self._options, self._spent_shots(), self._executed()),
            self._units,
            self._query.seed,
            self._combination,
            self._data_of,
            self._problem,
            self._options.limits,
        )

    def _executed(self) -> int:
        return sum(unit.subexperiments for unit in self._units)

    def _spent_shots(self) -> int:
        if self._shots is None:
            return 0
        return sum(int(unit.deal_out(self._shots).sum()) for unit in self._units)

    def _make_tasks(self) -> Iterator[ChunkTask]:
        backend = self._options.backend
        if not backend.is_exact and self._shots is None:
            raise InputError(
                f"backend {backend.name!r} samples, so exact values cannot be had from it; give "
                "shots or total_shots, or take backend='aer' without noise, or 'batched'"
            )
        of_setting = setting_weights(self.plan, self._weights, self._settings)
        for number, unit in enumerate(self._units):
            weights = unit.bases * unit.weights(of_setting)
            shots = np.zeros((len(unit.values), len(unit.settings), unit.bases), dtype=np.int64)
            if self._shots is not None:
                shots = unit.deal_out(self._shots)
            seeds: IntArray = np.zeros((0,), dtype=np.int64)
            if not backend.is_exact:
                generator = stream(self._query.seed, "subexperiment", number)
                seeds = generator.integers(0, 2**31 - 1, size=shots.shape)
            for row_slice, setting_slice in split(unit, self._chunk_of(unit)):
                at = (row_slice, setting_slice)
                order = ChunkOrder(
                    unit.template.encoded,
                    unit.values[row_slice],
                    unit.settings[setting_slice],
                    shots[at],
                    seeds[at] if len(seeds) else seeds,
                )
                label = self.plan.partitions[unit.partitions[0][0]].label
                of = TaskClass(
                    partition=label,
                    width=unit.template.width,
                    depth=unit.template.depth,
                    mid_circuit_measurements=0,
                    subexperiments=len(order.values) * len(order.settings) * unit.bases,
                )
                index = self._classes.setdefault(of, len(self._classes))
                mean = int(shots[at].mean()) if self._shots is not None else 0
                weight = float(weights[at].sum())
                yield ChunkTask(number, *at, order, backend, index, mean, weight)

    def _chunk_of(self, unit: Unit) -> int:
        """Subexperiments a task: enough to keep every worker busy, and worth a dispatch.

        What is worth it is measured; the backend's own guess serves before there is a measure.
        """
        if self._options.chunk is not None:
            return self._options.chunk
        if self._options.workers == 1:
            return unit.subexperiments
        share = -(-unit.subexperiments // (4 * self._options.workers))
        circuit = (0, unit.template.width, unit.template.depth)
        worthwhile = self._options.times.worthwhile_chunk(circuit)
        return max(worthwhile or self._options.backend.chunk_subexperiments, share)

    @cached_property
    def shape(self) -> WorkloadShape:
        indices = [task.class_index for task in self.subexperiments]
        return WorkloadShape(
            schema=SHAPE_SCHEMA,
            pipeline="planned",
            partition_labels=self._query.cut.shown,
            observable=_shown(self._query),
            cuts=len(self.plan.cuts),
            coefficients=self.plan.coefficients,
            classes=tuple(self._classes),
            order=tuple((index, len(list(run))) for index, run in groupby(indices)),
            reconstruction=self._options.reconstruction.kind,
            reconstruction_steps=self.accounting.reconstruction_work,
            merges=tuple(merge_shape(merge) for merge in self.merges),
            strategies=strategy_works(self.plan, len(self._wanted), self._options.limits),
            weights=tuple(float(f"{task.weight:.6g}") for task in self.subexperiments),
        )

    @cached_property
    def accounting(self) -> Accounting:
        plan = self.plan
        asked = 0
        if self._shots is not None:
            asked = self._query.bindings * sum(int(shots.sum()) for shots in self._shots)
        distinct = sum(
            len(settings) * len(plan.template_of(p).program.bases)
            for p, settings in enumerate(self._settings)
        )
        return Accounting(
            cuts=len(plan.cuts),
            coefficients=plan.coefficients,
            generated=sum(t.program.settings * len(t.program.bases) for t in plan.templates),
            distinct=distinct if plan.terms else 0,
            executed=self._executed() if plan.terms else 0,
            sampling_overhead=plan.sampling_overhead(self._weights),
            shots_asked=asked,
            shots_spent=self._spent_shots(),
            allocation=self._query.shots.allocation,
            reconstruction=self._options.reconstruction.kind,
            reconstruction_work=self._work(),
            reconstruction_reason=self._reason,
        )

    def _work(self) -> int:
        if not self.plan.terms:
            return 0
        problem = self._problem([])
        return self._options.reconstruction.work(problem)

    def _problem(self, data: Sequence[PartitionData]) -> Problem:
        bindings, terms = self._wanted[:, 0], self._wanted[:, 1]
        return Problem(
            network=self.plan.network,
            cuts=self.plan.cuts,
            data=data,
            rows=[inverse[bindings] for inverse in self._row_of_binding],
            subobservables=[p.terms.subobservable_of[terms] for p in self.plan.partitions],
            weights=[w if len(w) == 1 else w[bindings] for w in self._weights],
            values=len(self._wanted),
            joint=self._joint,
            loops=self._loops(),
        )

    def _loops(self) -> list[int]:
        """Steps of a loop over one subexperiment's shots, or outcomes, for each partition."""
        if self._shots is not None:
            return [int(shots.mean()) for shots in self._shots]
        return [self.plan.template_of(p).program.outcomes for p in range(len(self._settings))]

    def _sampled(self, results: Sequence[bytes]) -> tuple[list[PartitionData], int]:
        """Data of all partitions, and how many shots were spent on it."""
        if self._two_stages is None:
            return self._collect(results), self._spent_shots()
        return self._two_stages.sampled(
            [self._gather(number, results) for number in range(len(self._units))]
        )

    def _collect(self, results: Sequence[bytes], *, sampled: bool = True) -> list[PartitionData]:
        """Data of all partitions, with shots as they are allocated beforehand."""
        data: dict[int, PartitionData] = {}
        for number in range(len(self._units)):
            data |= self._collect_unit(number, results, sampled=sampled)
        return [data[partition] for partition in range(len(data))]

    def _collect_unit(
        self, number: int, results: Sequence[bytes], *, sampled: bool = True
    ) -> dict[int, PartitionData]:
        """Put a unit's chunks together, sample in one canonical order, deal out to partitions."""
        unit, shots = self._units[number], self._shots
        gathered = self._gather(number, results)
        if sampled and shots is not None and self._options.backend.is_exact:
            generator = stream(self._query.seed, "shots", number)
            gathered = sample(gathered, unit.deal_out(shots), generator)
        return {
            partition: self._data_of(
                partition, gathered[rows], None if shots is None else shots[partition]
            )
            for partition, rows in unit.partitions
        }

    def _gather(self, number: int, results: Sequence[bytes]) -> FloatArray:
        own = self._unit_tasks[number]
        return self._units[number].gather(
            [self.subexperiments[i] for i in own], [results[i] for i in own]
        )

    def _data_of(
        self, partition: int, frequencies: FloatArray, shots: IntArray | FloatArray | None
    ) -> PartitionData:
        return PartitionData(
            frequencies,
            shots,
            self.plan.partitions[partition].terms,
            self._settings[partition],
            self.plan.template_of(partition).program.slot_sizes,
        )

    @cached_property
    def _unit_tasks(self) -> list[range]:
        ends = np.cumsum([0, *np.bincount([task.unit for task in self.subexperiments])]).tolist()
        return [range(start, stop) for start, stop in pairwise(ends)]

    @cached_property
    def _merging(self) -> Merging | None:
        """How partitions are merged while others execute, where the strategy does."""
        strategy = self._options.reconstruction
        if not isinstance(strategy, PathContraction) or not self.plan.terms:
            return None
        problem = self._problem([])
        return Merging(
            tree=strategy.tree(self.plan.network),
            couplings=problem.couplings,
            unit_of=self._unit_of_partition(),
            values=problem.values,
            unit_tasks=self._unit_tasks,
            unit_sizes=[unit.subexperiments for unit in self._units],
            collect=self._collect_unit,
            read=lambda partition, data: read_operand(
                data.tensor(),
                problem.rows[partition],
                problem.subobservables[partition],
                data.sizes,
            ),
        )

    def _unit_of_partition(self) -> list[int]:
        found = {p: u for u, unit in enumerate(self._units) for p, _ in unit.partitions}
        return [found[partition] for partition in range(len(found))]

    @cached_property
    def merges(self) -> Sequence[MergeTask]:
        overlap = self._options.reconstruction.overlap
        if overlap is None or self._merging is None or self._two_stages is not None:
            return []  # shots that all pilots decide on are there for all partitions at once
        return make_merges(self._merging, overlap, self._options.workers)

    def expected_stds(self) -> FloatArray | None:
        """Standard errors to expect, from exact outcome distributions worked out here and now.

        ``None`` where values are exact, the backend cannot tell probabilities, or there are more
        than ``MOST_EXPECTED`` subexperiments.
        """
        backend = self._options.backend
        if self._shots is None or not backend.is_exact or not self.plan.terms:
            return None
        if self._executed() > MOST_EXPECTED:
            return None
        function = load_function(backend.task_function)
        results = [function(task.encode(), task.context) for task in self.subexperiments]
        known = self._collect(results, sampled=False)
        each: Sequence[IntArray] = self._shots
        if self._two_stages is not None:
            each = self._two_stages.best_shots(known)
        # The covariance of observed means divides by shots - 1, that of true ones by shots.
        data = [replace(one, shots=own + 1) for one, own in zip(known, each, strict=True)]
        problem = self._problem(data)
        return point_errors(
            problem,
            self._options.reconstruction.values(problem),
            self._combination,
            wants_covariance=False,
            limits=self._options.limits,
            means_are_true=True,
        ).stds

    def reconstruct(self, results: Sequence[Any]) -> Estimates:
        combination = self._combination
        if not self.plan.terms:  # nothing but multiples of the identity
            count = len(combination.constants)
            covariance = np.zeros((count, count)) if self._query.wants_covariance else None
            return Estimates(combination.constants, np.zeros(count), covariance)
        if self.merges and self._merging is not None:
            data, last = merged(self._merging, self.merges, results)
            spent = self._spent_shots()
            problem = self._problem(data)
            values = np.broadcast_to(last.reshape(-1), (problem.values,))
        else:
            data, spent = self._sampled(results)
            problem = self._problem(data)
            values = self._options.reconstruction.values(problem)
        errors = point_errors(
            problem,
            values,
            combination,
            wants_covariance=self._query.wants_covariance,
            limits=self._options.limits,
        )
        return Estimates(
            combination.apply(values), errors.stds, errors.covariance, errors.is_first_order, spent
        )


def _shown(query: Query) -> str:
    """The observable as it is logged."""
    terms = query.terms()
    return terms[0] if len(terms) == 1 else f"{len(terms)} terms"
