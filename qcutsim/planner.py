"""Which setting to take: every one simulated, judged by time, cost and statistical error.

Time is that of the scenario's whole ``queries`` (of all steps, where it trains), cost is workers x
time x the price of a worker-hour, and shots x the price of a shot (the coordinator is free, and so
are the shots of speculative copies); the error is that of one query's estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.analysis import (
    FEWEST_REPLICATIONS,
    Attribution,
    Targets,
    attribute,
    choose,
    nominal_error,
    pareto_front,
)
from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell, is_entry_point
from qcutsim.errors import InputError
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord, TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.settings import MOST_SETTINGS, base_of, candidates, choices_of
from qcutsim.weighing import LeftOut, Prices, Setting, Terms, Weighing

REPLICATIONS = 20
"""Of each setting."""

ATTRIBUTED = 3
"""Replications whose critical path is followed."""

MOST_ATTRIBUTED_TASKS = 20_000
"""Critical paths are followed through about so many task records."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a plan.

    Args:
        name: of the scenario.
        seed: of everything random.
        settings: how many were judged.
        targets: what the setting was to stay within.
        prices: of workers and shots.
        front: settings that no other one beats, in the order of time.
        recommended: which to take.
        misses: by what part it is above the targets that it does not meet.
        critical_path: what the makespan of the recommended one goes into, as parts of it.
        cutting: whether cutting is worth it, in a sentence.
        left_out: what was not judged.
        extrapolations: in what settings lay outside the calibrated range.
        substitutes: classes of subexperiment that were not calibrated.
    """

    name: str
    seed: int
    settings: int
    targets: Targets
    prices: Prices
    front: tuple[Setting, ...]
    recommended: Setting
    misses: dict[str, float]
    critical_path: dict[str, float]
    cutting: str
    left_out: tuple[LeftOut, ...]
    extrapolations: tuple[str, ...]
    substitutes: tuple[str, ...]


def search_settings(
    scenario: Scenario,
    profiles: Sequence[CalibrationProfile],
    *,
    targets: Targets | None = None,
    prices: Prices | None = None,
    max_qubits: int | None = None,
    workers: Sequence[int] | None = None,
    speed: float = 1.0,
    replications: int = REPLICATIONS,
    extrapolate: bool = False,
    expected_errors: bool = False,
    shapes: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Search:
    """Simulate every setting of a question and recommend one.

    Searched are partitions, pipeline and reconstruction, chunk, shots (where there is a target
    error, also as many as meet it), the pool's kind and size, and the policy. How the work of a
    reconstruction is split between workers and coordinator is the choice of the reconstruction:
    ``tree`` joins on the workers, and its shape depends on their number; the others leave it to
    the coordinator.

    Args:
        scenario: the question; what it sweeps narrows the search.
        profiles: one for each pipeline to consider.
        targets: what the setting is to stay within, each above 0.
        prices: of workers and shots.
        max_qubits: of the largest partition; by default any.
        workers: pool sizes.
        speed: of the workers, 1 for those that were calibrated; others can only be simulated.
        replications: of each setting; 10 or more give intervals, which a deadline needs.
        extrapolate: also judge what lies outside the calibrated range.
        expected_errors: all errors from exact outcome distributions; what has none, as the
            pipeline ``upstream``, is left out. Needs the extra ``real``.
        shapes: a folder of workload shapes beside those that are shipped; what is missing there
            is made, which needs the extra ``real``.
        on_progress: called with (settings simulated, all of them).

    Raises:
        InputError: the question is wrong, or nothing of it can be simulated.
        MissingExtraError: what was asked for needs the extra ``real``.
    """
    by_pipeline = _by_pipeline(profiles)
    if not 1e-3 <= speed <= 1e3:
        raise InputError(f"--speed {speed:g}: expected 0.001 to 1000, 1 as calibrated")
    if replications < 1:
        raise InputError(f"--replications {replications}: expected at least 1")
    targets = targets or Targets()
    _check_targets(targets, replications)
    kinds = dict.fromkeys(kind for profile in profiles for kind in profile.pools)
    choices, others = choices_of(
        scenario,
        list(by_pipeline),
        list(kinds),
        max_qubits=max_qubits,
        workers=workers,
        speed=speed,
    )
    asked = list(
        candidates(
            base_of(scenario),
            choices,
            speed=speed,
            cores=_cores(profiles),
            beside=None if scenario.source is None else scenario.source.parent,
        )
    )
    if len(asked) > MOST_SETTINGS:
        raise InputError(
            f"{scenario.source or scenario.name}: {len(asked):,} settings are more than "
            f"{MOST_SETTINGS:,}; ask for fewer --workers, or sweep what is to be searched"
        )
    terms = Terms(
        targets=targets,
        prices=prices or Prices(),
        replications=replications,
        extrapolate=extrapolate,
        expected_errors=expected_errors,
        shapes=shapes,
    )
    weighing = Weighing(scenario, by_pipeline, terms)
    for pipeline in dict.fromkeys(cell.workload.pipeline for cell in scenario.cells):
        if pipeline not in by_pipeline:
            others.append(f"the pipeline {pipeline!r}: no profile of it was given")
    found = weighing.weigh(
        asked, solve_shots=len(choices.shots) == 1, screens=True, on_progress=on_progress
    )
    left_out = [LeftOut(reason=text, settings=0, what=()) for text in others]
    return recommend(weighing, found, max_qubits=max_qubits, left_out=left_out)


def _check_targets(targets: Targets, replications: int) -> None:
    """Raises ``InputError``: one cannot be met, or cannot be told from so few replications."""
    limits = {
        "--deadline": targets.deadline_s,
        "--budget": targets.budget,
        "--target-error": targets.error,
    }
    for name, limit in limits.items():
        if limit is not None and not 0 < limit < math.inf:
            raise InputError(f"{name} {limit:g}: expected a number above 0, or no {name}")
    if targets.deadline_s is not None and replications < FEWEST_REPLICATIONS:
        raise InputError(
            f"--replications {replications}: with a deadline, which 19 in 20 runs are to meet, "
            f"expected at least {FEWEST_REPLICATIONS}"
        )


def _by_pipeline(profiles: Sequence[CalibrationProfile]) -> dict[str, CalibrationProfile]:
    found = {profile.pipeline: profile for profile in profiles}
    if len(found) < len(profiles) or not profiles:
        raise InputError(
            f"{len(profiles)} profiles were given, of the pipelines "
            f"{', '.join(profile.pipeline for profile in profiles) or '(none)'}; give one of each"
        )
    return found


def _cores(profiles: Sequence[CalibrationProfile]) -> int | None:
    """What processes of the calibrated hosts share."""
    sharings = [pool.sharing for profile in profiles for pool in profile.pools.values()]
    return max((one.capacity for one in sharings if one.resource == "cores"), default=None)


def recommend(
    weighing: Weighing,
    settings: Sequence[Setting],
    *,
    max_qubits: int | None = None,
    left_out: Sequence[LeftOut] = (),
) -> Search:
    """The answer from settings that were weighed.

    Raises:
        InputError: there are none.
    """
    scenario, terms = weighing.scenario, weighing.terms
    told = (*left_out, *weighing.told())
    if not settings:
        reasons = "; ".join(map(_reason, told))
        raise InputError(
            f"{scenario.source or scenario.name}: no setting can be simulated under what was "
            f"given: {reasons}; --extrapolate leaves the calibrated range, --shapes DIR makes "
            "shapes"
        )
    objectives = [setting.objectives for setting in settings]
    choice = choose(objectives, terms.targets)
    recommended = settings[choice.index]
    return Search(
        name=scenario.name,
        seed=scenario.seed,
        settings=len(settings),
        targets=terms.targets,
        prices=terms.prices,
        front=tuple(settings[number] for number in pareto_front(objectives)),
        recommended=recommended,
        misses=choice.misses,
        critical_path=_critical_path(weighing, recommended.cell),
        cutting=_cutting([*settings, *weighing.screened], recommended, max_qubits),
        left_out=told,
        extrapolations=tuple(sorted(weighing.extrapolations)),
        substitutes=tuple(sorted(weighing.substitutes)),
    )


def _reason(one: LeftOut) -> str:
    return f"{one.reason} ({', '.join(one.what[:3])})" if one.what else one.reason


def _critical_path(weighing: Weighing, cell: Cell) -> dict[str, float]:
    """Parts of the makespan, the largest first; what takes nothing is left out."""
    simulation = weighing.simulation_of(cell)
    pieces = dict.fromkeys(Attribution.__struct_fields__, 0.0)
    seen, tasks, total_s = 0, list[TaskRecord](), 0.0
    few = range(min(ATTRIBUTED, weighing.terms.replications))
    for record in simulation.cell_records(cell, few, with_tasks=True):
        if isinstance(record, TaskRecord):
            tasks.append(record)
        elif isinstance(record, QueryRecord):
            found = attribute(record, tasks if len(tasks) <= MOST_ATTRIBUTED_TASKS else ())
            for name in pieces:
                pieces[name] += getattr(found, name)
            total_s += record.total_s
            seen, tasks = seen + len(tasks), []
            if seen >= MOST_ATTRIBUTED_TASKS:
                break
    parts = {name.removesuffix("_s"): value / total_s for name, value in pieces.items()}
    return {
        name: part for name, part in sorted(parts.items(), key=lambda of: -of[1]) if part > 1e-6
    }


def _cutting(settings: Sequence[Setting], taken: Setting, max_qubits: int | None) -> str:
    """Whether cutting is worth it."""
    qubits = len(taken.cell.workload.partition_labels)
    if max_qubits is not None and max_qubits < qubits:
        return f"The circuit has {qubits} qubits, more than {max_qubits}: it has to be cut."
    fits = f"Uncut, the circuit fits on a device of {qubits} qubits"
    whole = [setting for setting in settings if setting.cuts == 0]
    parts = [setting for setting in settings if setting.cuts > 0]
    if not whole:
        shots = taken.total_shots
        error = nominal_error(cuts=0, coefficients=1, partitions=1, shots=shots)
        return (
            f"{fits}; that was not judged (see what was left out). From the {shots:,} shots of the "
            f"recommended setting its standard error would nominally be {error:.2g}, against "
            f"{taken.objectives.error:.2g} ({taken.error_rule}): run it before cutting."
        )
    best = min(whole, key=lambda setting: setting.objectives.time_s)
    told = f"{fits} and takes {_shown(best)}"
    if not parts:
        return f"{told}; no cut setting was judged."
    cut = min(parts, key=lambda setting: setting.objectives.time_s)
    told += f", against {_shown(cut)} of the fastest cut setting"
    if best.objectives.time_s > cut.objectives.time_s:
        return f"{told}: cutting makes it faster."
    equal_error = best.objectives.error * (best.total_shots / cut.total_shots) ** 0.5
    if equal_error <= cut.objectives.error:
        return (
            f"{told}. From as many shots uncut has a standard error of {equal_error:.2g}: cutting "
            "is not worth it."
        )
    return f"{told}. From as many shots uncut is less exact ({equal_error:.2g}): it depends."


def _shown(setting: Setting) -> str:
    of = setting.objectives
    return (
        f"{of.time_s:.3g} s with a standard error of {of.error:.2g} from {setting.total_shots:,} "
        "shots a query"
    )


def scenario_data(search: Search, way: Path = Path()) -> dict[str, Any]:
    """The recommended setting as the values of a scenario file; defaults are left out.

    Args:
        search: recommends it.
        way: from the folder of that file to the one of the scenario that was asked, beside which
            its own circuit stands.
    """
    cell = search.recommended.cell
    usual = msgspec.to_builtins(Cell(workload=cell.workload))
    plain = msgspec.to_builtins(cell)
    circuit = cell.workload.circuit
    if circuit is not msgspec.UNSET and not is_entry_point(circuit):
        plain["workload"]["circuit"] = str(way / circuit)
    chosen = ("workload", "pool", "policy")
    others = [name for name in plain if name not in chosen and plain[name] != usual.get(name)]
    return {
        "name": f"{search.name}-recommended",
        "seed": search.seed,
        **{name: _without_none(plain[name]) for name in (*chosen, *others)},
    }


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(of) for name, of in value.items() if of is not None}
    return [_without_none(of) for of in value] if isinstance(value, list | tuple) else value


def scenario_text(search: Search, comments: Sequence[str] = (), way: Path = Path()) -> str:
    """A scenario file of the recommended setting, opened by comments; see :func:`scenario_data`."""
    import yaml

    head = "".join(f"# {line}\n" for text in comments for line in text.splitlines())
    body = yaml.safe_dump(
        scenario_data(search, way), sort_keys=False, default_flow_style=None, width=96
    )
    return head + str(body)
