"""Figures of speed-up, of what stragglers cost, and of policies."""

from __future__ import annotations

from qcutsim.analysis import Configuration, Interval
from qcutsim.report.pagedata import (
    Absent,
    Axis,
    Evidence,
    Figure,
    Mark,
    initial,
    number,
    span,
)
from qcutsim.report.worlds import World

PANELS = ("dataset", "pipeline", "cuts")

_INTERVALS = (
    "Bars and bands hold 90 %: of a two-stage bootstrap of measured queries (400 resamples, rounds "
    "then queries; none where there are fewer than 5), of the replications of simulated ones (none "
    "where there are fewer than 10), with what the model itself may be off by."
)


def speed_up(evidence: Evidence) -> Figure | Absent:
    """Speed-up over one worker, against workers."""
    title = "Speed-up over one worker"
    found = [
        (world, key, up)
        for world, key in evidence.seen()
        if (up := world.speed_up(key)) is not None
    ]
    if not any(key.workers > 1 for _, key, _ in found):
        return Absent(
            name="speed-up",
            title=title,
            why="no configuration was seen both on one worker and on more; sweep pool.workers "
            "over [1, 2, 4]",
        )
    quiet = any(not key.stragglers for _, key, _ in found)
    return Figure(
        name="speed-up",
        kind="points",
        title=title,
        note="Makespan of the median query on one worker over that on so many. Measured: hollow "
        f"points; simulated: dashed lines, dotted where extrapolated. {_INTERVALS}",
        x=Axis(label="workers", scale="log2"),
        y=Axis(label="speed-up", scale="log2", unit="x"),
        panels=PANELS,
        filters={"stragglers": "-" if quiet else "", "policy": "", "workers": ""},
        marks=tuple(evidence.mark(world, key, key.workers, up) for world, key, up in found),
        table=evidence.table(
            ("speed-up", "90 % interval", "makespan s", "queries"),
            (
                (
                    world.origin,
                    key,
                    (
                        number(up.estimate),
                        span(up),
                        number(world.summaries[key].makespan_s),
                        str(world.summaries[key].queries),
                    ),
                )
                for world, key, up in found
            ),
        ),
    )


def straggler_slowdown(evidence: Evidence) -> Figure | Absent:
    """Makespan with stragglers over makespan without, against their probability."""
    title = "Slowdown by stragglers"
    late = [
        (world, key, down)
        for world, key in evidence.seen()
        if key.stragglers and (down := world.slowdown(key)) is not None
    ]
    if not late:
        has_late = any(key.stragglers for key in evidence.keys)
        return Absent(
            name="stragglers",
            title=title,
            why="no configuration was seen both with stragglers and without; sweep "
            "stragglers.probability over [0, 0.1]"
            if has_late
            else "nothing was run with stragglers; give stragglers.probability and "
            "stragglers.delay_s",
        )
    calm = {(world.origin, key.undisturbed): world for world, key, _ in late}
    found = [
        (world, key, Interval(estimate=1.0, low=None, high=None))
        for (_, key), world in calm.items()
        if key in evidence.number
    ]
    return Figure(
        name="stragglers",
        kind="points",
        title=title,
        note="Makespan of the median query with stragglers over that of the same configuration "
        f"without. {_INTERVALS}",
        x=Axis(label="probability that a task is a straggler"),
        y=Axis(label="slowdown", unit="x"),
        panels=PANELS,
        filters=initial((key for _, key, _ in late), "policy", "workers"),
        marks=tuple(
            evidence.mark(world, key, key.straggler_probability, down)
            for world, key, down in (*found, *late)
        ),
        joined="all",
        table=evidence.table(
            ("slowdown", "90 % interval", "makespan s"),
            (
                (
                    world.origin,
                    key,
                    (number(down.estimate), span(down), number(world.summaries[key].makespan_s)),
                )
                for world, key, down in late
            ),
        ),
    )


def policies(evidence: Evidence) -> Figure | Absent:
    """Makespan of each policy over that of ``eager``, by what stragglers there are."""
    title = "Policies under stragglers"
    marks: list[Mark] = []
    rows = []
    for world, key in evidence.seen():
        base = _base(world, key)
        if base is None:
            continue
        ratio = world.ratio(key, base)
        stragglers = key.stragglers or "none"
        marks.append(evidence.mark(world, key, stragglers, ratio, series=key.policy))
        values = (number(ratio.estimate), span(ratio), number(world.summaries[key].makespan_s))
        rows.append((world.origin, key, values))
    if not marks:
        return Absent(
            name="policies",
            title=title,
            why="only one policy was seen in each configuration; sweep policy, as in "
            "scenarios/policies.yaml",
        )
    return Figure(
        name="policies",
        kind="heat",
        title=title,
        note="Makespan of the median query over that of the policy eager in the same "
        "configuration: below 1 is faster. Where eager was not seen, over the first policy by "
        "name.",
        x=Axis(label="stragglers", scale="words"),
        y=Axis(label="makespan over eager's", scale="words", unit="x"),
        panels=("dataset", "pipeline", "cuts", "pool", "workers", "window"),
        filters={"workers": "", "window": "", "reconstruction": ""},
        marks=tuple(marks),
        table=evidence.table(("over eager", "90 % interval", "makespan s"), rows),
    )


def _base(world: World, key: Configuration) -> Configuration | None:
    """What a policy is held against, where there is more than one of them."""
    same = world.policies_of(key)
    if len(same) < 2:
        return None
    return next((other for other in same if other.policy == "eager"), same[0])
