"""A calibration profile as tables: what was learned, from how much, and how well it fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.markup import escape
from rich.table import Table

from qcutsim.calibrate import CalibrationProfile, Goodness, PoolModel, Sharing
from qcutsim.report.tables import make_table

MOST_CORES = 2**20
"""A host with more has as many as its workers want."""

NOTABLE_WAITING = 0.03
"""A share of waiting from which a reader is warned; a quiet host stays below 0.01."""


def profile_tables(profile: CalibrationProfile) -> list[Table]:
    """Classes of tasks, stages on the coordinator, and what each pool shares and costs."""
    return [_task_table(profile), _stage_table(profile), _pool_table(profile)]


def _task_table(profile: CalibrationProfile) -> Table:
    table = make_table(
        f"Service of a task alone: pipeline {profile.pipeline}, {profile.shots} shots, "
        f"{profile.queries} queries",
        "pool",
        "mid-circuit",
        "width",
        "depth",
        "subexperiments",
        "tasks",
        "median ms",
        "p95 ms",
        "CPU ms",
        "mean +- % (90 %)",
        "family",
        "KS",
        "Wasserstein ms",
    )
    for kind, pool in sorted(profile.pools.items()):
        for task in pool.tasks:
            median_s, high_s = task.at(np.array([0.5, 0.95]))
            table.add_row(
                escape(kind),
                *map(str, task.features),
                str(task.service_s.samples),
                f"{1e3 * median_s:.3f}",
                f"{1e3 * high_s:.3f}",
                f"{1e3 * task.cpu_s.median:.3f}",
                _half_width(task.bootstrap),
                task.family.name if task.family else "table",
                *_fit(task.goodness),
            )
    return table


def _stage_table(profile: CalibrationProfile) -> Table:
    table = make_table(
        "Stages on the coordinator",
        "stage",
        "labels",
        "work",
        "queries",
        "median ms",
        "mean +- % (90 %)",
        "family",
        "KS",
        "Wasserstein ms",
        "grows by work ms",
    )
    for stage in ("partition", "generate", "reconstruct"):
        scale = profile.scales.get(stage)
        for model in getattr(profile, stage):
            table.add_row(
                stage,
                escape(model.partition_labels),
                str(model.work),
                str(model.seconds.samples),
                f"{1e3 * model.at(np.array([0.5]))[0]:.3f}",
                _half_width(model.bootstrap),
                model.family.name if model.family else "table",
                *_fit(model.goodness),
                f"{1e3 * scale.seconds.get('work', 0.0):.3g}" if scale else "-",
            )
    return table


def _pool_table(profile: CalibrationProfile) -> Table:
    table = make_table("Pools", "pool", "model", "value")
    for kind, pool in sorted(profile.pools.items()):
        for name, value in _pool_rows(pool):
            table.add_row(escape(kind), name, value)
    return table


def _pool_rows(pool: PoolModel) -> list[tuple[str, str]]:
    sharing, effects, late = pool.sharing, pool.effects, pool.stragglers
    rows = [
        ("calibrated on pools of", ", ".join(map(str, pool.workers))),
        ("shares", _shown_sharing(sharing)),
        ("efficiency of sharing", f"{sharing.efficiency:.3f} ({sharing.efficiency_from})"),
        ("dispatch us a task", _microseconds(pool.dispatch_s.mean, pool.dispatch_s_per_byte)),
        ("start us a task", f"{1e6 * pool.start_s.mean:.1f}"),
        ("collection us a task", _microseconds(pool.collect_s.mean, pool.collect_s_per_byte)),
        ("of it the coordinator's", f"{100 * pool.collect_cpu_share:.0f} %"),
        ("idle gap us between two tasks", f"{1e6 * pool.idle_gap_s.median:.1f}"),
        ("spread between blocks", f"{100 * effects.block_sd:.1f} % ({effects.blocks} blocks)"),
        ("spread between queries", f"{100 * effects.query_sd:.1f} % ({effects.queries} queries)"),
        ("spread between tasks", f"{100 * effects.task_sd:.1f} %"),
        ("stragglers not injected", f"{100 * late.probability:.2f} % of the tasks"),
        ("waiting for a core, alone", f"{100 * pool.waiting_share:.1f} %"),
    ]
    if late.excess_s is not None:
        tail = f", tail index {late.tail.shape:.2f}" if late.tail else ""
        rows.append(("their excess ms", f"{1e3 * late.excess_s.median:.2f} in median{tail}"))
    if pool.warm_up:
        factors = ", ".join(f"{factor:.2f}" for factor in pool.warm_up)
        rows.append(("first queries of a block, factor", factors))
    if pool.cold_start_s is not None:
        rows.append(("first task of a worker, more ms", f"{1e3 * pool.cold_start_s.median:.1f}"))
    if pool.scale is not None:
        terms = ", ".join(f"{1e6 * v:.3g} us x {n}" for n, v in pool.scale.seconds.items())
        error = f"{100 * pool.scale.relative_error:.0f} % over {pool.scale.fitted_to} classes"
        rows.append(("other classes", f"{terms} (off by {error})"))
    return rows


def _microseconds(mean_s: float, per_byte_s: float) -> str:
    per_byte = f" + {1e9 * per_byte_s:.3g} ns a byte" if per_byte_s > 0 else ""
    return f"{1e6 * mean_s:.1f}{per_byte}"


def _half_width(ratios: Sequence[float]) -> str:
    if not ratios:
        return "-"
    low, high = np.quantile(ratios, [0.05, 0.95])
    return f"{50 * (high - low):.1f}"


def _fit(goodness: Goodness | None) -> tuple[str, str]:
    if goodness is None:
        return "-", "-"
    return f"{goodness.ks:.3f}", f"{1e3 * goodness.wasserstein_s:.4f}"


def _shown_sharing(sharing: Sharing) -> str:
    if sharing.resource == "cores" and sharing.capacity > MOST_CORES:
        return "nothing"
    if sharing.resource == "learned":
        rates = ", ".join(
            f"{r:.2f} of {n}" for n, r in zip(sharing.sizes, sharing.rates, strict=True)
        )
        return f"a rate learned from makespans: {rates} busy workers"
    return f"{sharing.capacity} {sharing.resource}"


def profile_notes(profile: CalibrationProfile) -> Sequence[str]:
    """What to know before trusting the profile, a line each."""
    notes = [
        f"pool {kind}: workers alone waited {100 * pool.waiting_share:.0f} % of their time for a "
        "core; other programs used the host, so expect larger errors or calibrate on a quiet one"
        for kind, pool in sorted(profile.pools.items())
        if pool.waiting_share > NOTABLE_WAITING
    ]
    return notes + [f"not known: {line}" for line in profile.lacks]


def profile_origin(profile: CalibrationProfile) -> Sequence[str]:
    """Where it comes from, a line each."""
    lines = []
    for manifest in profile.manifests:
        machine = manifest.machine
        lines.append(
            f"{profile.origin} with qcutsim {manifest.qcutsim} ({manifest.commit or 'no commit'}) "
            f"on {machine.processor}, {machine.cores} cores, {machine.system}, Python "
            f"{manifest.python}"
        )
    if profile.discrepancy_sd is not None:
        lines.append(
            f"simulated makespans of the {profile.assessed} configurations it was calibrated on "
            f"are off by {100 * profile.discrepancy_sd:.1f} % (root mean square)"
        )
    if profile.only:
        lines.append(f"only queries with {' and '.join(profile.only)}")
    if profile.held_out:
        lines.append(f"without queries with {' and '.join(profile.held_out)}")
    if profile.skipped_lines:
        lines.append(f"{profile.skipped_lines} unreadable lines were skipped")
    return lines
