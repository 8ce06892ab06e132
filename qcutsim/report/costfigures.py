"""Figures of where the time goes, of tails, of what cuts cost, and of the simulation's error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from qcutsim.analysis import STAGES, Configuration
from qcutsim.records import QueryRecord
from qcutsim.report.pagedata import (
    Absent,
    Axis,
    Curve,
    Evidence,
    Figure,
    Mark,
    Table,
    initial,
    number,
    span,
)
from qcutsim.report.scalingfigures import PANELS
from qcutsim.report.worlds import World

MOST_QUANTILES = 60
"""Of a distribution; it is drawn whole where it has no more queries."""

TERMS_OF_A_CUT = 6
OVERHEAD_OF_A_CUT = 9
"""Of a cut CX or CZ: 6 terms, kappa 3 (Mitarai and Fujii, New J. Phys. 23, 023021, 2021)."""


def stage_shares(evidence: Evidence) -> Figure:
    """What part of a query each stage takes, by cuts."""
    seen = list(evidence.seen())
    return Figure(
        name="stages",
        kind="bars",
        title="Where the time goes: stages by cuts",
        note="Parts of the sum of the median stage times. The table has the part of "
        "reconstruction both of the whole and of execution and reconstruction alone.",
        x=Axis(label="part of the time", unit="%"),
        y=Axis(label="cuts", scale="words"),
        panels=("dataset", "pipeline", "pool"),
        filters=initial((key for _, key in seen), "policy", "stragglers", most=1) | {"workers": ""},
        parts=STAGES,
        marks=tuple(
            Mark(
                c=evidence.number[key],
                origin=world.origin,
                x=key.cuts,
                y=tuple(round(share, 5) for share in world.summaries[key].stage_shares),
                queries=world.summaries[key].queries,
                is_extrapolated=world.summaries[key].is_extrapolated,
                tip=f"makespan {number(world.summaries[key].makespan_s)} s",
            )
            for world, key in seen
        ),
        table=evidence.table(
            (*(f"{stage} %" for stage in STAGES), "of execute + reconstruct %", "makespan s"),
            ((world.origin, key, _share_cells(world, key)) for world, key in seen),
        ),
    )


def _share_cells(world: World, key: Configuration) -> tuple[str, ...]:
    summary = world.summaries[key]
    execute_s, reconstruct_s = summary.stages_s[2:]
    both_s = execute_s + reconstruct_s
    of_both = f"{100 * reconstruct_s / both_s:.1f}" if both_s > 0 else "-"
    shares = (f"{100 * share:.1f}" for share in summary.stage_shares)
    return (*shares, of_both, number(summary.makespan_s))


def tails(evidence: Evidence) -> Figure:
    """How many queries take at least so long."""
    seen = list(evidence.seen())
    curves, marks, rows = [], [], []
    for world, key in seen:
        totals = world.totals(key)
        shares = _levels(len(totals))
        places = np.floor(shares * len(totals)).astype(int).clip(0, len(totals) - 1)
        curves.append(
            Curve(
                c=evidence.number[key],
                origin=world.origin,
                xs=tuple(float(f"{value:.4g}") for value in totals[places]),
                ys=tuple(float(f"{1 - share:.4g}") for share in shares),
                is_extrapolated=world.summaries[key].is_extrapolated,
            )
        )
        points = {name: float(np.quantile(totals, share)) for name, share in _QUANTILES.items()}
        marks += [
            Mark(
                c=evidence.number[key],
                origin=world.origin,
                x=value,
                y=round(1 - _QUANTILES[name], 4),
                queries=len(totals),
                series=name,
            )
            for name, value in points.items()
            if len(totals) * (1 - _QUANTILES[name]) >= 1
        ]
        cells = (*map(number, points.values()), number(float(totals[-1])), str(len(totals)))
        rows.append((world.origin, key, cells))
    return Figure(
        name="tails",
        kind="points",
        title="Tails: how many queries take so long",
        note="The part of a configuration's queries that took at least so many seconds; "
        f"marked: {', '.join(_QUANTILES)}, where at least one query lies beyond. With more than "
        f"{MOST_QUANTILES} queries a curve is drawn through {MOST_QUANTILES} of them, denser "
        "towards the tail.",
        x=Axis(label="time of a query", scale="log10", unit="s"),
        y=Axis(label="part that took as long", scale="log10", unit="%"),
        panels=PANELS,
        filters=initial((key for _, key in seen), "stragglers", "policy", "workers"),
        curves=tuple(curves),
        marks=tuple(marks),
        joined="none",
        table=evidence.table((*(f"{name} s" for name in _QUANTILES), "longest s", "queries"), rows),
    )


_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _levels(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Parts of the queries at or below the points of a curve."""
    if count <= MOST_QUANTILES:
        return np.arange(count) / count
    beyond = np.geomspace(1, 1 / count, MOST_QUANTILES)
    return 1 - beyond


def errors(evidence: Evidence) -> Figure | Absent:
    """Simulated against measured makespan."""
    title = "Simulated against measured"
    real, virtual = evidence.worlds
    both = [k for k in evidence.keys if k in real.summaries and k in virtual.summaries]
    if not both:
        lacks = [world.origin for world in evidence.worlds if not world.summaries]
        why = f"nothing {lacks[0]} was given" if lacks else "no configuration is in both worlds"
        return Absent(
            name="errors",
            title=title,
            why=f"{why}; simulate the scenario that was measured, and give both folders",
        )
    marks, rows = [], []
    for key in both:
        seen, predicted = real.makespan(key), virtual.makespan(key)
        error = predicted.estimate / seen.estimate - 1
        tip = f"error {100 * error:+.1f} %"
        if seen.low is not None and seen.high is not None:
            tip += f"; measured {span(seen)} s"
        marks.append(evidence.mark(virtual, key, seen.estimate, predicted, tip=tip))
        cells = (number(seen.estimate), span(seen), number(predicted.estimate), span(predicted))
        rows.append(("both", key, (*cells, f"{100 * error:+.1f}")))
    return Figure(
        name="errors",
        kind="points",
        title=title,
        note="Makespan of the median query, a point a configuration; the line is where both are "
        "equal, the band 10 % about it. Bars hold 90 % of the replications.",
        x=Axis(label="measured makespan", scale="log10", unit="s"),
        y=Axis(label="simulated makespan", scale="log10", unit="s"),
        panels=("dataset", "pipeline"),
        filters={"policy": "", "stragglers": "", "workers": ""},
        marks=tuple(marks),
        joined="none",
        has_diagonal=True,
        table=evidence.table(
            ("measured s", "90 % interval", "simulated s", "90 % interval", "error %"), rows
        ),
    )


def growth(evidence: Evidence) -> Figure | Absent:
    """What grows with cuts: subexperiments, coefficients, shots, time, variance."""
    title = "What cuts cost"
    cuts = sorted({key.cuts for key in evidence.keys})
    if len(cuts) < 2:
        return Absent(
            name="growth",
            title=title,
            why=f"every query had {cuts[0]} cut{'' if cuts[0] == 1 else 's'}; sweep "
            "workload.partition_labels",
        )
    marks = [
        evidence.mark(world, key, key.cuts, world.makespan(key), panel="makespan, s")
        for world, key in evidence.seen()
    ]
    for alike in _pipelines(evidence):
        for own in alike.values():
            marks += _analytic(evidence, own[0])
            marks += _recorded(evidence, own)
    shown = [key for key in evidence.keys if not key.stragglers]
    return Figure(
        name="growth",
        kind="points",
        title=title,
        note="Recorded of each query: subexperiments, tasks, makespan, variance (the square of the "
        "standard error, where it was estimated); all but the makespan are medians over everything "
        "of that pipeline and so many cuts, whatever is filtered. Analytic, dash-dotted: 6^k "
        "coefficients and a sampling overhead of 9^k for k cut CX gates. 9^k / shots is what "
        "sampling joint terms would give at so many shots: a guide, not a prediction.",
        x=Axis(label="cuts"),
        y=Axis(label="", scale="log10"),
        panels=("dataset", "pipeline"),
        filters={"stragglers": "-" if shown else ""}
        | initial(shown or evidence.keys, "policy", "workers"),
        marks=tuple(marks),
        joined="all",
        table=_growth_table(evidence),
    )


def _pipelines(evidence: Evidence) -> Iterable[dict[int, list[Configuration]]]:
    """Of each dataset and pipeline the configurations of each number of cuts."""
    found: dict[tuple[str, str], dict[int, list[Configuration]]] = {}
    for key in evidence.keys:
        found.setdefault((key.dataset, key.pipeline), {}).setdefault(key.cuts, []).append(key)
    return found.values()


def _analytic(evidence: Evidence, key: Configuration) -> Iterable[Mark]:
    values = {
        ("count", "6^k coefficients (analytic)"): TERMS_OF_A_CUT**key.cuts,
        ("count", "9^k sampling overhead (analytic)"): OVERHEAD_OF_A_CUT**key.cuts,
        ("variance", "9^k / shots (analytic)"): OVERHEAD_OF_A_CUT**key.cuts / max(key.shots, 1),
    }
    for (panel, series), value in values.items():
        yield Mark(
            c=evidence.number[key],
            origin="analytic",
            x=key.cuts,
            y=float(value),
            panel=panel,
            series=series,
        )


def _recorded(evidence: Evidence, keys: list[Configuration]) -> Iterable[Mark]:
    """Of all that was measured; a simulation only repeats the counts of the shape it was given."""
    world = next(w for w in evidence.worlds if any(key in w.summaries for key in keys))
    queries = [query for key in keys for query in world.queries.get(key, ())]
    values = _medians(queries)
    for panel, series in (
        ("count", "subexperiments"),
        ("count", "tasks"),
        ("variance", "variance"),
    ):
        value = values[series]
        if value is not None and value > 0:
            yield Mark(
                c=evidence.number[keys[0]],
                origin=world.origin,
                x=keys[0].cuts,
                y=value,
                queries=len(queries),
                panel=panel,
                series=f"{series} (recorded)",
            )


def _medians(queries: Sequence[QueryRecord]) -> dict[str, float | None]:
    variances = [query.std**2 for query in queries if query.std is not None]
    return {
        "subexperiments": float(np.median([query.subexperiments for query in queries])),
        "tasks": float(np.median([query.executed for query in queries])),
        "coefficients": float(np.median([query.coefficients for query in queries])),
        "variance": float(np.median(variances)) if variances else None,
    }


def _growth_table(evidence: Evidence) -> Table:
    rows = []
    for world, key in evidence.seen():
        found = _medians(world.queries[key])
        cells = [number(found[name]) for name in ("subexperiments", "tasks", "coefficients")]
        analytic = (str(TERMS_OF_A_CUT**key.cuts), str(OVERHEAD_OF_A_CUT**key.cuts))
        makespan = number(world.summaries[key].makespan_s)
        rows.append((world.origin, key, (*cells, *analytic, makespan, number(found["variance"]))))
    return evidence.table(
        (
            "subexperiments",
            "tasks",
            "coefficients",
            "6^k (analytic)",
            "9^k (analytic)",
            "makespan s",
            "variance",
        ),
        rows,
    )
