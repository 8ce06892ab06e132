"""The paper's questions as tables, as lines that answer them, as a page, and as figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.table import Table

from qcutsim.analysis import CoresUsed, MidCircuitCost
from qcutsim.report.evidence import as_markdown, as_table
from qcutsim.reproduction import CALIBRATED_ON, Growth, Ratio, Reproduction

MOST_LOCKED_CORES = 1.15
"""More cores in use, or a larger speed-up, are no sign of a lock that all share."""

_GROWTH = (
    "pipeline",
    "cuts",
    "measured query s",
    "over uncut",
    "simulated epoch s",
    "90 % interval",
    "epoch by measured queries s",
)
_SHARES = (
    "pipeline",
    "cuts",
    "queries",
    "of execute + reconstruct, median",
    "p95",
    "of the query, median",
    "p95",
    "published median",
    "p95",
    "Amdahl bound",
)
_RATIO = ("measured s", "simulated s", "measured", "simulated", "error %")
_SPEED_UPS = ("pipeline", "cuts", "pool", "workers", *_RATIO)
_SLOWDOWNS = ("pipeline", "pool", "workers", "policy", "p", *_RATIO)


def reproduction_tables(found: Reproduction) -> list[Table]:
    """RQ1, Table 1, RQ2 and RQ3."""
    return [
        as_table("RQ1 (Fig. 4): time against cuts, one thread", _GROWTH, _growth(found)),
        as_table("RQ2 (Table 1): reconstruction's part, threads", _SHARES, _shares(found)),
        as_table("RQ2 (Fig. 5): speed-up over one worker", _SPEED_UPS, _speed_ups(found)),
        as_table("RQ3 (Fig. 6): slowdown by stragglers", _SLOWDOWNS, _slowdowns(found)),
    ]


def reproduction_page(found: Reproduction, figures: Sequence[Path]) -> str:
    """The whole as Markdown."""
    how = "`qcutsim reproduce --quick`" if found.is_quick else "`qcutsim reproduce`"
    rq1, rq2, rq3 = (f"![{path.stem}]({path.name})" for path in figures)
    parts = [
        "# DistributedEstimator (arXiv 2602.16233), reproduced",
        f"Written by {how}; nothing in it is written by hand. Measured on "
        f"{'; '.join(found.machines)}. Simulations are calibrated on the queries with "
        f"{', '.join(f'`{test}`' for test in CALIBRATED_ON)}; what else they say is a prediction.",
        "\n".join(f"- {line}" for line in reproduction_lines(found)),
        "## RQ1: training time against cuts (Fig. 4)",
        rq1,
        "An epoch is five steps of one gradient by parameter shift (17 queries).",
        as_markdown(_GROWTH, _growth(found)),
        "## RQ2: reconstruction's part (Table 1)",
        "On threads, over all pool sizes, by both denominators; the bound is that of one worker.",
        as_markdown(_SHARES, _shares(found)),
        "## RQ2: speed-up (Fig. 5)",
        rq2,
        as_markdown(_SPEED_UPS, _speed_ups(found)),
        "## RQ3: stragglers (Fig. 6)",
        rq3,
        "Slowdown is the makespan over that of the same configuration without stragglers.",
        as_markdown(_SLOWDOWNS, _slowdowns(found)),
    ]
    return "\n\n".join(parts) + "\n"


def reproduction_lines(found: Reproduction) -> list[str]:
    """What was found, and what explains the difference to the paper."""
    return [
        *_on_growth(found),
        *_on_shares(found),
        *_on_cores(found),
        *_on_policies(found),
    ]


def _on_growth(found: Reproduction) -> Iterator[str]:
    of = {(row.pipeline, row.cuts): row for row in found.growth}
    for cuts in sorted({cuts for _, cuts in of if cuts > 0}):
        theirs, ours = of.get(("upstream", cuts)), of.get(("planned", cuts))
        if theirs and ours:
            yield (
                f"{_cuts(cuts)}: a query takes {theirs.query_s:.3g} s the paper's way and "
                f"{ours.query_s:.3g} s planned, {theirs.query_s / ours.query_s:.3g} : 1"
            )


def _on_shares(found: Reproduction) -> Iterator[str]:
    costs = {(cost.pipeline, cost.cuts): cost for cost in found.mid_circuit}
    for row in found.shares:
        if row.pipeline != "upstream" or row.published is None:
            continue
        yield (
            f"{_cuts(row.cuts)}, upstream: reconstruction is "
            f"{_percent(row.of_execute_reconstruct[0])} % of execute + reconstruct and "
            f"{_percent(row.of_query[0])} % of the query; published {_percent(row.published[0])} %"
        )
        cost = costs.get(("upstream", row.cuts))
        if cost is not None:
            yield _on_mid_circuit(cost, row.published[0])


def _on_mid_circuit(cost: MidCircuitCost, published: float) -> str:
    return (
        f"{_cuts(cost.cuts)}, why: subexperiments that measure mid-circuit take "
        f"{1e3 * cost.mid_circuit_s:.1f} ms here, the others {1e3 * cost.plain_s:.1f} ms; the "
        f"former are {_percent(cost.part)} % of the tasks' time. Were all as quick as the latter, "
        f"reconstruction would be {_percent(cost.share_if_plain)} % of execute + reconstruct "
        f"(published {_percent(published)} %)"
    )


def _on_cores(found: Reproduction) -> Iterator[str]:
    bounds = {(row.pipeline, row.cuts): row.amdahl_bound for row in found.shares}
    ups = {
        (row.cuts, row.workers): row.measured
        for row in found.speed_ups
        if (row.pipeline, row.pool) == ("upstream", "threads") and row.measured is not None
    }
    for used in _largest(found.cores):
        bound = bounds.get(("upstream", used.cuts))
        up = ups.get((used.cuts, used.workers))
        if bound is None or up is None:
            continue
        is_locked = used.cores < MOST_LOCKED_CORES and up < MOST_LOCKED_CORES
        lock = "one interpreter lock, which Aer holds, bounds" if is_locked else "no lock bounds"
        yield (
            f"{_cuts(used.cuts)}, upstream: {used.workers} threads are {up:.2f} times as fast as "
            f"one and keep {used.cores:.2f} cores busy: {lock} them; Amdahl's bound by "
            f"reconstruction would be {bound:.1f}"
        )


def _largest(cores: Iterable[CoresUsed]) -> Iterator[CoresUsed]:
    """Of each number of cuts, the largest thread pool of the paper's pipeline."""
    upstream = sorted(
        (row for row in cores if row.pipeline == "upstream"),
        key=lambda row: (row.cuts, row.workers),
    )
    for _, rows in groupby(upstream, key=lambda row: row.cuts):
        yield list(rows)[-1]


def _on_policies(found: Reproduction) -> Iterator[str]:
    """The most stragglers that were measured; of how many queries, since they spread widely."""
    measured = [row for row in found.slowdowns if row.measured_s is not None]
    most = max((row.straggler_probability for row in measured), default=0.0)
    worst = [row for row in measured if row.straggler_probability == most]
    for (pipeline, pool), rows in groupby(worst, key=lambda row: (row.pipeline, row.pool)):
        ordered = sorted(rows, key=lambda row: row.measured_s or 0.0)
        told = ", ".join(
            f"{row.policy} {row.measured_s:.3g} s ({row.simulated_s or float('nan'):.3g})"
            for row in ordered
        )
        yield (
            f"stragglers p = {most:g}, {pipeline}, {pool}, median of {ordered[0].queries} queries "
            f"(simulated): {told}"
        )


def _growth(found: Reproduction) -> Iterator[Sequence[str]]:
    for row in found.growth:
        yield (
            row.pipeline,
            str(row.cuts),
            f"{row.query_s:.3g}",
            _number(row.over_uncut),
            _number(row.epoch_s.estimate if row.epoch_s else None),
            _interval(row),
            f"{row.epoch_by_queries_s:.3g}",
        )


def _interval(row: Growth) -> str:
    if row.epoch_s is None or row.epoch_s.low is None or row.epoch_s.high is None:
        return "-"
    return f"{row.epoch_s.low:.3g} - {row.epoch_s.high:.3g}"


def _shares(found: Reproduction) -> Iterator[Sequence[str]]:
    for row in found.shares:
        published = row.published if row.pipeline == "upstream" else None
        yield (
            row.pipeline,
            str(row.cuts),
            str(row.queries),
            *(f"{value:.3f}" for value in (*row.of_execute_reconstruct, *row.of_query)),
            *(("-", "-") if published is None else (f"{value:.3f}" for value in published)),
            _number(row.amdahl_bound),
        )


def _speed_ups(found: Reproduction) -> Iterator[Sequence[str]]:
    for row in found.speed_ups:
        yield (row.pipeline, str(row.cuts), row.pool, str(row.workers), *_ratio(row))


def _slowdowns(found: Reproduction) -> Iterator[Sequence[str]]:
    for row in found.slowdowns:
        probability = f"{row.straggler_probability:g}"
        yield (row.pipeline, row.pool, str(row.workers), row.policy, probability, *_ratio(row))


def _ratio(row: Ratio) -> Iterator[str]:
    yield from map(_number, (row.measured_s, row.simulated_s, row.measured, row.simulated))
    yield "-" if row.error is None else f"{100 * row.error:+.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _cuts(cuts: int) -> str:
    return f"{cuts} cut{'s' if cuts != 1 else ''}"
