"""Points of queries put back into the shapes of their PUBs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.primitives import DataBin, PrimitiveResult, PubResult

from qcutsim.estimator.arrays import IntArray
from qcutsim.estimator.estimate import QueryOutcome
from qcutsim.estimator.pubs import Placement


class PointResults:
    """Collects outcomes of queries.

    Args:
        shapes: of the PUBs.
        precisions: that the PUBs asked for.
        wants_covariance: whether to put a covariance matrix over all points together.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        precisions: Sequence[float | None],
        wants_covariance: bool,
    ) -> None:
        self._shapes = shapes
        self._evs = [np.full(shape, np.nan) for shape in shapes]
        self._stds = [np.full(shape, np.nan) for shape in shapes]
        self._metadata: list[dict[str, Any]] = [{"precision_asked": p} for p in precisions]
        self._offsets = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        total = int(self._offsets[-1])
        self._covariance = np.zeros((total, total)) if wants_covariance else None

    def add(self, outcome: QueryOutcome, placement: Placement, chosen: IntArray) -> None:
        """Put the points ``chosen`` of a query where they belong."""
        pubs, flat = placement.pubs[chosen], placement.flat[chosen]
        for position, (pub, entry) in enumerate(zip(pubs.tolist(), flat.tolist(), strict=True)):
            self._evs[pub].reshape(-1)[entry] = outcome.estimates.values[position]
            self._stds[pub].reshape(-1)[entry] = outcome.estimates.stds[position]
        together = set(pubs.tolist())
        for pub in together:
            shared = {"pubs_evaluated_together": len(together), **_metadata(outcome)}
            _merge(self._metadata[pub], shared)
        if self._covariance is not None and outcome.estimates.covariance is not None:
            at = self._offsets[pubs] + flat
            self._covariance[np.ix_(at, at)] = outcome.estimates.covariance

    def finish(self, seed: int) -> PrimitiveResult[PubResult]:
        """All results; numbers of a PUB without shape are zero-dimensional arrays."""
        results = [
            PubResult(DataBin(evs=evs, stds=stds, shape=tuple(shape)), metadata)
            for evs, stds, shape, metadata in zip(
                self._evs, self._stds, self._shapes, self._metadata, strict=True
            )
        ]
        whole: dict[str, Any] = {"version": 2, "seed": seed}
        if self._covariance is not None:
            whole["covariance"] = self._covariance
        return PrimitiveResult(results, whole)


def _metadata(outcome: QueryOutcome) -> dict[str, Any]:
    """Costs and stage times of the query that a PUB was evaluated in, with others perhaps."""
    accounting = outcome.accounting
    return {
        "cuts": accounting.cuts,
        "coefficients": accounting.coefficients,
        "sampling_overhead": accounting.sampling_overhead,
        "subexperiments_generated": accounting.generated,
        "subexperiments_distinct": accounting.distinct,
        "subexperiments_executed": accounting.executed,
        "shots_asked": accounting.shots_asked,
        "shots_spent": outcome.shots_spent,
        "allocation": accounting.allocation,
        "reconstruction": accounting.reconstruction,
        "reconstruction_work": accounting.reconstruction_work,
        "reconstruction_reason": accounting.reconstruction_reason,
        "is_first_order": outcome.estimates.is_first_order,
        "partition_s": outcome.partition_s,
        "generate_s": outcome.generate_s,
        "execute_s": outcome.execute_s,
        "reconstruct_s": outcome.reconstruct_s,
        "total_s": outcome.total_s,
    }


_ADDED = (
    "subexperiments_generated",
    "subexperiments_executed",
    "shots_asked",
    "shots_spent",
    "reconstruction_work",
    "partition_s",
    "generate_s",
    "execute_s",
    "reconstruct_s",
    "total_s",
)
"""What adds up over the queries of one PUB."""


def _merge(known: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if name in known and name in _ADDED:
            known[name] += value
        else:
            known[name] = value
