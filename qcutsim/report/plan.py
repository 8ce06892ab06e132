"""A plan's answer: the settings that nothing beats, the one to take, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from qcutsim.analysis import TIE
from qcutsim.cell import Pool
from qcutsim.planner import Search
from qcutsim.report.tables import make_table
from qcutsim.simulatedonly import refusal
from qcutsim.weighing import Prices, Setting, strategy_name

SHOWN = 25
"""Settings of the front that are shown; all of them are in ``--json``."""

_PIECES = {
    "partition": "cutting the circuit",
    "generate": "generating the subexperiments",
    "dispatch": "waiting for an idle worker or the coordinator",
    "start": "handing tasks to workers",
    "straggler": "stragglers",
    "service": "the tasks' own work",
    "contention": "workers sharing the host",
    "lost": "copies that were lost",
    "collect": "collecting results",
    "barrier": "the barrier",
    "execute": "executing",
    "reconstruct": "reconstructing",
    "between": "what lies between stages",
}

_CAN_HELP = {
    "partition": "fewer cuts",
    "generate": "fewer cuts or larger chunks",
    "dispatch": "more workers, or larger chunks",
    "start": "larger chunks",
    "straggler": "a policy that copies late tasks, or fewer stragglers",
    "service": "more or faster workers, or fewer cuts",
    "contention": "workers with cores of their own",
    "lost": "fewer failures",
    "collect": "larger chunks",
    "reconstruct": "another reconstruction or fewer cuts, not more workers",
}
"""What makes each piece of the critical path shorter."""


def plan_tables(search: Search) -> list[Table]:
    """The Pareto front by time; the recommended setting is marked."""
    shown = list(search.front[:SHOWN])
    if search.recommended not in shown:
        shown.append(search.recommended)
        shown.sort(key=lambda setting: setting.objectives.time_s)
    table = make_table(
        f"Settings that none beats in time, cost and error: {search.name} (> is recommended)",
        "",
        "cuts",
        "labels",
        "strategy",
        "shots",
        "pool",
        "workers",
        "policy",
        "time s",
        "90 % interval",
        _cost_name(search.prices),
        f"standard error ({search.recommended.error_rule})",
    )
    for setting in shown:
        mark = ">" if setting == search.recommended else ""
        table.add_row(mark, *map(escape, _cells(setting)))
    return [table]


def _cells(setting: Setting) -> tuple[str, ...]:
    cell, of = setting.cell, setting.objectives
    return (
        str(setting.cuts),
        cell.workload.partition_labels,
        strategy_name(cell),
        f"{cell.workload.shots:,}",
        cell.pool.kind,
        str(cell.pool.workers),
        cell.policy["kind"],
        f"{of.time_s:.3g}{'*' if setting.is_extrapolated else ''}",
        _range(setting),
        f"{of.cost:.3g}",
        f"{of.error:.2g}",
    )


def plan_lines(search: Search) -> Sequence[str]:
    """The answer in words: what to take, whether it meets the targets, why, and what is missing."""
    return [*answer_lines(search), *_reservations(search)]


def answer_lines(search: Search) -> Sequence[str]:
    """What to take, whether it meets the targets, why, and whether cutting is worth it."""
    lines = [f"recommended: {_in_words(search)}"]
    if search.misses:
        by = ", ".join(f"the {name} {_times(1 + part)}" for name, part in search.misses.items())
        lines.append(f"no setting meets all targets; this one comes closest: {by}")
    if search.recommended not in search.front:
        lines.append(
            f"another setting is better by less than {_part(TIE)}, which a simulation does not tell"
        )
    if (reason := refusal(search.recommended.cell)) is not None:
        lines.append(f"it can only be simulated: {reason}")
    return [*lines, _why(search), search.cutting]


def _in_words(search: Search) -> str:
    setting, of = search.recommended, search.recommended.objectives
    work, pool = setting.cell.workload, setting.cell.pool
    cuts = f"{setting.cuts} cut{'' if setting.cuts == 1 else 's'}"
    queries = setting.cell.queries_together
    return (
        f"{work.partition_labels} ({cuts}), {strategy_name(setting.cell)}, {work.shots:,} shots a "
        f"subexperiment, {_workers(pool)}, {setting.cell.policy['kind']}: "
        f"{of.time_s:.3g} s ({_range(setting)}) for {queries} "
        f"{'query' if queries == 1 else 'queries'}, {of.cost:.3g} "
        f"{_cost_name(search.prices)}, standard error {of.error:.2g} ({setting.error_rule})"
    )


def _workers(pool: Pool) -> str:
    """As ``1 process`` or ``4 threads``."""
    one = {"processes": "process", "threads": "thread"}.get(pool.kind, pool.kind)
    return f"{pool.workers} {one if pool.workers == 1 else pool.kind}"


def _why(search: Search) -> str:
    stage, share = max(search.recommended.stage_shares.items(), key=lambda of: of[1])
    pieces = list(search.critical_path.items())[:4]
    path = ", ".join(f"{_PIECES.get(name, name)} {_part(part)}" for name, part in pieces)
    can_help = dict(_CAN_HELP)
    if search.recommended.cell.policy["kind"] == "speculative":  # that copies late tasks already
        can_help["straggler"] = "fewer stragglers"
    help_ = next((can_help[name] for name, _ in pieces if name in can_help), None)
    hint = "" if help_ is None else f"; what would help most: {help_}"
    return (
        f"why: the stage {stage!r} bounds it, {_part(share)} of a query. Along the critical path: "
        f"{path}{hint}"
    )


def _reservations(search: Search) -> Iterator[str]:
    if len(search.front) > SHOWN:
        yield f"{len(search.front) - SHOWN} more settings of the front are in --json"
    if search.extrapolations:
        yield f"extrapolated (* in the table): {'; '.join(search.extrapolations)}"
    if search.substitutes:
        yield f"not calibrated, replaced by the nearest class, scaled: {len(search.substitutes)}"
    judged = f"judged {search.settings:,} settings"
    yield judged + ("; left out:" if search.left_out else "")
    for one in search.left_out:
        named = textwrap.shorten("; ".join(one.what), 120, placeholder=" ...")
        count = f"{one.settings:,} settings, " if one.settings else ""
        yield f"  {count}{one.reason}" + (f": {named}" if named else "")


def _cost_name(prices: Prices) -> str:
    return "worker-hours" if prices == Prices() else "cost"


def _range(setting: Setting) -> str:
    of = setting.time_s
    return "-" if of.low is None or of.high is None else f"{of.low:.3g} - {of.high:.3g}"


def _part(value: float) -> str:
    return f"{100 * value:.3g} %"


def _times(ratio: float) -> str:
    return f"missed by {_part(ratio - 1)}" if ratio < 2 else f"missed {ratio:.3g} times over"
