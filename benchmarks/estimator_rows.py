"""Rows and tables of the estimator's benchmark, and what its sections share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from estimator_cases import CUTS, LABELS, SHOTS, Binding
from estimator_peers import PennyLane, QacRun, run_qac

from qcutsim import DistributedEstimator


@dataclass(slots=True)
class Row:
    """Times of one thing, in seconds a unit (a query, a gradient), and its errors."""

    name: str
    shots: int | None
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean(np.square(self.errors))))

    def add(self, seconds: float, errors: Sequence[float]) -> None:
        """Another measurement."""
        self.seconds.append(seconds)
        self.errors.extend(errors)


@dataclass(slots=True)
class Context:
    """What the sections share."""

    is_quick: bool
    peer: PennyLane | None
    qac_runs: list[QacRun] = field(default_factory=list)
    upstream_stds: list[float] = field(default_factory=list)

    def times(self, usual: int, quick: int) -> int:
        """How often to repeat."""
        return quick if self.is_quick else usual

    def qac_run(self, at: Binding) -> QacRun:
        """A real run of QAC, from an earlier section if there was one."""
        if not self.qac_runs:
            self.qac_runs.append(run_qac(at, cuts=CUTS, shots=SHOTS, seed=1))
        return self.qac_runs[-1]


def print_rows(rows: Sequence[Row], unit: str) -> None:
    """A table of times in milliseconds."""
    width = max(len(row.name) for row in rows)
    print(
        f"  {'':{width}}  {'warm ms a ' + unit:>14}  {'quartiles':>21}  {'n':>4}  {'cold ms':>9}"
        f"  {'shots':>10}  RMS error (n)"
    )
    for row in rows:
        if not row.seconds:
            print(f"  {row.name:{width}}  {row.note}")
            continue
        low, high = np.quantile(row.seconds, [0.25, 0.75]) * 1e3
        spread = f"{short(low)} to {short(high)}"
        cold = short(1e3 * statistics.median(row.cold_s)) if row.cold_s else "-"
        shots = "exact" if row.shots is None else f"{row.shots:,}"
        print(
            f"  {row.name:{width}}  {short(1e3 * row.median_s):>14}  {spread:>21}  "
            f"{len(row.seconds):4}  {cold:>9}  {shots:>10}  {row.rms:.2g} ({len(row.errors)})"
            f"{'  ' + row.note if row.note else ''}"
        )


def print_ratio(what: str, slow: Row, fast: Row, target: float) -> None:
    """How many times as fast, in medians and between quartiles, and whether that is enough."""
    if not slow.seconds:
        print(f"  {what}: not measured")
        return
    ratio = slow.median_s / fast.median_s
    cautious = float(np.quantile(slow.seconds, 0.25) / np.quantile(fast.seconds, 0.75))
    verdict = "met" if ratio >= target else "MISSED"
    print(
        f"  {what}: {ratio:,.1f} x (lower quartile over our upper one: {cautious:,.1f} x; "
        f"target {target:,.0f} x: {verdict})"
    )


def short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def heading(title: str) -> None:
    print(f"\n{title}", flush=True)


def own_estimator(backend: str, **options: Any) -> DistributedEstimator:
    return DistributedEstimator(
        partition_labels=LABELS[CUTS], backend=backend, pool="inline", seed=1, **options
    )


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start_s = time.perf_counter()
    result = call()
    return time.perf_counter() - start_s, result


def run_job(estimator: DistributedEstimator, pubs: Sequence[Any]) -> Any:
    """Evaluate PUBs and wait."""
    return estimator.run(pubs).result()
