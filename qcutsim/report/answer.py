"""The answer in a few sentences: what bounds the time, what more workers and cuts give, what
stragglers cost and policies save, how far the simulation is from the measurement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qcutsim.analysis import STAGES, Attribution, Configuration, Interval, attribute
from qcutsim.report.pagedata import Evidence, number
from qcutsim.report.worlds import World

MOST_ANSWERS = 4
"""Of several datasets and pipelines."""

_PIECES = {
    "service": "the tasks' own work",
    "contention": "waiting for cores that the other workers use",
    "dispatch": "waiting for a worker or the coordinator",
    "straggler": "injected delays",
}


def answer(evidence: Evidence) -> list[str]:
    """A sentence for each dataset and pipeline, and one about the simulation."""
    groups = dict.fromkeys((key.dataset, key.pipeline) for key in evidence.keys)
    lines = ["".join(_of_group(evidence, *group)) for group in list(groups)[:MOST_ANSWERS]]
    return [*lines, _trust(evidence)]


def _of_group(evidence: Evidence, dataset: str, pipeline: str) -> Iterator[str]:
    keys = [k for k in evidence.keys if (k.dataset, k.pipeline) == (dataset, pipeline)]
    world, focus = _focus(evidence, keys)
    shares = world.summaries[focus].stage_shares
    share, stage = max(zip(shares, STAGES, strict=True))
    yield (
        f"{dataset}, pipeline {pipeline}: {_NOUN[stage]} bounds the time, {100 * share:.0f} % of "
        f"it with {_cuts(focus.cuts)} on {_pool(focus)}{_beside(focus)} ({_origin(world, focus)})"
    )
    if stage == "execute" and (piece := _largest_piece(evidence, world, focus)) is not None:
        yield f", most of that {piece}"
    yield "".join(f". {gain[0].upper()}{gain[1:]}" for gain in _gains(evidence, keys)) + "."


_NOUN = {
    "partition": "partitioning",
    "generate": "generation",
    "execute": "execution",
    "reconstruct": "reconstruction",
}


def _focus(evidence: Evidence, keys: list[Configuration]) -> tuple[World, Configuration]:
    """Most cuts, then most workers, without stragglers where there is such; measured first."""
    for world in evidence.worlds:
        own = [key for key in keys if key in world.summaries]
        if own:
            return world, max(
                own,
                key=lambda key: (not key.stragglers, key.cuts, key.workers, key.policy == "eager"),
            )
    raise ValueError("no configuration to tell of")


def _largest_piece(evidence: Evidence, world: World, key: Configuration) -> str | None:
    """What the critical path's execution mostly goes into, where that is known."""
    shares: dict[str, float] = {}
    if key in world.statistics:
        path = world.statistics[key].critical_path
        shares = {name: value.estimate for name, value in path.items()}
    for one in evidence.sources.timelines:
        if one.origin == world.origin and Configuration.of(one.query) == key:
            found = attribute(one.query, one.tasks)
            for name in Attribution.__struct_fields__:
                shares[name.removesuffix("_s")] = getattr(found, name) / one.query.total_s
    known = {name: share for name, share in shares.items() if name in _PIECES}
    return _PIECES[max(known, key=lambda name: known[name])] if known else None


def _gains(evidence: Evidence, keys: list[Configuration]) -> Iterator[str]:
    measured_up_to = 1
    for world in evidence.worlds:
        ups = [
            (up.estimate, key)
            for key in keys
            if key in world.summaries
            and not key.stragglers
            and key.workers > measured_up_to
            and (up := world.speed_up(key)) is not None
        ]
        if not ups:
            continue
        # Of pools that are as fast within 1 % the smallest is the one to take.
        most = max(ups)[0]
        gain, best = min((u for u in ups if u[0] >= 0.99 * most), key=lambda u: u[1].workers)
        span = _span(world, best, world.speed_up(best))
        what = "more workers give" if measured_up_to == 1 else "beyond what was measured they give"
        yield (
            f"{what} up to {number(gain)}x the speed of one, with {_pool(best)} and "
            f"{_cuts(best.cuts)} ({_origin(world, best)}{span})"
        )
        measured_up_to = max(key.workers for _, key in ups)
    yield from _cost_of_a_cut(evidence, keys)
    yield from _cost_of_stragglers(evidence, keys)
    yield from _best_policy(evidence, keys)


def _cost_of_stragglers(evidence: Evidence, keys: list[Configuration]) -> Iterator[str]:
    """The worst of them, and the pool that bears the same best; measured first."""
    for world in evidence.worlds:
        late = {
            key: down.estimate
            for key in keys
            if key in world.summaries and key.stragglers and (down := world.slowdown(key))
        }
        if not late:
            continue
        worst = max(late, key=lambda key: (key.policy == "eager", late[key]))
        same = [key for key in late if key._replace(workers=worst.workers) == worst]
        best = min(same, key=lambda key: late[key])
        span = _span(world, worst, world.slowdown(worst))
        yield (
            f"stragglers ({_late(worst)}) make a query take {number(late[worst])}x as long with "
            f"{_cuts(worst.cuts)} on {_pool(worst)} ({_origin(world, worst)}{span})"
        ) + ("" if best == worst else f" and {number(late[best])}x on {_pool(best)}")
        return


def _best_policy(evidence: Evidence, keys: list[Configuration]) -> Iterator[str]:
    """Of the comparison of most policies, with stragglers where there are; measured first."""
    for world in evidence.worlds:
        seen = [world.policies_of(key) for key in keys if key in world.summaries]
        groups = [own for own in seen if len(own) > 1]
        if not groups:
            continue
        own = max(groups, key=lambda own: (len(own), bool(own[0].stragglers), own[0].workers))
        base = next((key for key in own if key.policy == "eager"), own[0])
        best = min(own, key=lambda key: world.summaries[key].makespan_s)
        ratio = world.ratio(best, base)
        where = f"{_late(best)}, {_cuts(best.cuts)} on {_pool(best)}, {_origin(world, best)}"
        if best == base or (ratio.high is not None and ratio.high >= 1):
            yield f"of {len(own)} policies none is clearly quicker than {base.policy} ({where})"
        else:
            yield (
                f"of {len(own)} policies {best.policy} is the quickest, {number(ratio.estimate)}x "
                f"the time of {base.policy} ({where}{_span(world, best, ratio)})"
            )
        return


def _late(key: Configuration) -> str:
    if not key.stragglers:
        return "no stragglers"
    chance, _, law = key.stragglers.partition(" x ")
    return f"probability {chance}, delay {law}"


def _beside(key: Configuration) -> str:
    return (f" under {key.policy}" if key.policy != "eager" else "") + (
        f" with stragglers ({_late(key)})" if key.stragglers else ""
    )


def _span(world: World, key: Configuration, of: Interval | None) -> str:
    """The interval, or that there is too little for one."""
    if of is not None and of.low is not None and of.high is not None:
        return f", 90 % interval {number(of.low)} to {number(of.high)}"
    count = world.summaries[key].queries
    return f", from {count} {'query' if count == 1 else 'queries'}: too few for an interval"


def _cost_of_a_cut(evidence: Evidence, keys: list[Configuration]) -> Iterator[str]:
    """The last cut that was seen on the same pool, in the world that saw most cuts."""
    found = []
    for world in evidence.worlds:
        alike: dict[Configuration, list[Configuration]] = {}
        for key in keys:
            if key in world.summaries and not key.stragglers:
                rest = key._replace(cuts=0, partition_labels="")
                alike.setdefault(rest, []).append(key)
        for own in alike.values():
            before, last = sorted(own, key=lambda key: key.cuts)[-2:] if len(own) > 1 else own * 2
            if last.cuts == before.cuts + 1:
                found.append((last.cuts, world is evidence.measured, last, before, world))
    if found:
        *_, last, before, world = max(found, key=lambda f: (f[0], f[1], -f[2].workers))
        ratio = world.summaries[last].makespan_s / world.summaries[before].makespan_s
        yield (
            f"with {_cuts(last.cuts)} a query takes {number(ratio)}x as long as with "
            f"{before.cuts} on {_pool(last)} ({_origin(world, last)})"
        )


def _trust(evidence: Evidence) -> str:
    real, virtual = (world.summaries for world in evidence.worlds)
    off = {
        key: abs(virtual[key].makespan_s / real[key].makespan_s - 1)
        for key in evidence.keys
        if key in real and key in virtual
    }
    if off:
        median, high, most = np.quantile(list(off.values()), [0.5, 0.9, 1.0])
        worst = max(off, key=lambda key: off[key])
        return (
            f"Simulated makespans are off by {100 * median:.1f} % in median and "
            f"{100 * high:.1f} % at p90, over {len(off)} configurations that were measured too; "
            f"most, {100 * most:.1f} %, for {_cuts(worst.cuts)}, pipeline {worst.pipeline}, on "
            f"{_pool(worst)}{_beside(worst)}."
        )
    which = "simulated" if real else "measured"
    if real and virtual:
        return (
            "No configuration was both measured and simulated: how far to trust the simulation "
            "is not known from this."
        )
    return (
        f"Nothing {which} was given: how far the simulation is from a measurement is not known "
        "from this."
    )


def _origin(world: World, key: Configuration) -> str:
    is_far = world.summaries[key].is_extrapolated
    return f"{world.origin}, extrapolated" if is_far else world.origin


def _cuts(cuts: int) -> str:
    return f"{cuts} cut{'' if cuts == 1 else 's'}"


def _pool(key: Configuration) -> str:
    one = {"threads": "thread", "processes": "process"}
    if key.pool in one:
        return f"{key.workers} {one[key.pool] if key.workers == 1 else key.pool}"
    return f"{key.workers} {key.pool} worker{'' if key.workers == 1 else 's'}"
