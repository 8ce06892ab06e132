"""The settings that a plan searches: every combination of cuts, strategy, shots, pool and policy.

A scenario's sweep narrows the search: a field that it varies is searched over its values, others
over all there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.cell import Cell, Host, Pool
from qcutsim.dispatch import CANCEL_MODES, policy_config, policy_kinds
from qcutsim.errors import InputError, ScenarioError
from qcutsim.scenario import Scenario
from qcutsim.workload import DEFAULT_RECONSTRUCTION, shape_path

RECONSTRUCTIONS = ("contracted", "incremental", "tree", "vectorised")
"""Of the pipeline ``planned``. ``tree`` joins on the workers, the others on the coordinator."""

CHUNKS = (1, 2, 8)
"""Subexperiments a task, of the shapes that come with qcutsim."""

WORKERS = (1, 2, 4, 8, 16)
"""Pool sizes where neither the scenario nor the caller names any."""

HOLD_BACK = ("batched", "staggered")
"""Policies that wait for the sake of what a simulation of time does not see, as memory."""

CHAINS = ("iris",)
"""Data sets whose circuits are chains, so that the ways to cut them are known without qiskit."""

MOST_LABELS = 64
"""Ways to cut; those with more cuts than these are left out, and named."""

MOST_SETTINGS = 20_000
"""More are too many to simulate: a smaller question is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What each part of a setting is chosen from; ``strategies`` are (pipeline, reconstruction)."""

    labels: tuple[str, ...]
    strategies: tuple[tuple[str, str | None], ...]
    chunks: tuple[int | None, ...]
    shots: tuple[int, ...]
    kinds: tuple[str, ...]
    workers: tuple[int, ...]
    policies: tuple[dict[str, Any], ...]


def canonical(labels: str) -> str:
    """The same partition with the letters A, B, ... in the order in which they come."""
    order = {letter: number for number, letter in enumerate(dict.fromkeys(labels))}
    return "".join(_letter(order[letter]) for letter in labels)


def _letter(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[number]


def chain_partitions(qubits: int, max_qubits: int) -> Iterator[str]:
    """Labels of a chain cut into runs of at most ``max_qubits`` qubits, the fewest cuts first.

    In the model of arXiv:2602.16233 gates join neighbours only, so each boundary between two runs
    is one cut.
    """
    for cuts in range(min(qubits, 52)):
        for places in itertools.combinations(range(1, qubits), cuts):
            ends = (0, *places, qubits)
            runs = [end - begin for begin, end in itertools.pairwise(ends)]
            if max(runs) <= max_qubits:
                yield "".join(_letter(n) * run for n, run in enumerate(runs))


def widest(labels: str) -> int:
    """Qubits of the largest partition."""
    return max(labels.count(letter) for letter in set(labels))


def base_of(scenario: Scenario) -> Cell:
    """The first cell; all others must ask the same but for what a plan chooses.

    Raises:
        ScenarioError: they do not.
    """
    first = scenario.cells[0]
    rest = _flat(_undecided(first))
    for cell in scenario.cells[1:]:
        other = _flat(_undecided(cell))
        for name in sorted(rest.keys() | other.keys()):
            if rest.get(name) != other.get(name):
                raise ScenarioError(
                    f"{scenario.source or scenario.name}: {name}: takes several values "
                    f"({rest.get(name)!r}, {other.get(name)!r}), and a plan does not choose it; "
                    "give it one"
                )
    return first


def _undecided(cell: Cell) -> Any:
    """Plain data of what a plan leaves as it is."""
    plain = msgspec.to_builtins(cell)
    for name in ("partition_labels", "shots", "pipeline", "reconstruction", "chunk", "shape"):
        del plain["workload"][name]
    del plain["pool"]["kind"], plain["policy"]
    if cell.pool.hosts is msgspec.UNSET:
        del plain["pool"]["workers"]
    return plain


def _flat(data: Any, at: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {at: data}
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(value, f"{at}.{name}" if at else name)
    return found


def choices_of(
    scenario: Scenario,
    pipelines: Sequence[str],
    kinds: Sequence[str],
    *,
    max_qubits: int | None = None,
    workers: Sequence[int] | None = None,
    speed: float = 1.0,
) -> tuple[Choices, list[str]]:
    """What to choose from, and in words what of it was left out.

    Args:
        scenario: its sweep narrows the choice.
        pipelines: that are calibrated.
        kinds: of pools that are calibrated.
        max_qubits: of the largest partition.
        workers: pool sizes, instead of those that the scenario sweeps.
        speed: of the workers, 1 for those that were calibrated.

    Raises:
        ScenarioError: its cells differ in what a plan does not choose.
        InputError: no partition is narrow enough, or no pool can be as asked.
    """
    base = base_of(scenario)
    cells = scenario.cells
    policies, held_back = _policies(cells)
    labels, left_out = _labels(scenario, max_qubits)
    swept_kinds = _swept(cells, lambda cell: cell.pool.kind)
    if base.pool.kind == "dedicated" and not swept_kinds:
        swept_kinds = ["dedicated"]  # the scenario says what machines there are
    sizes = tuple(workers or _swept(cells, lambda cell: cell.pool.workers) or WORKERS)
    if base.pool.hosts is not msgspec.UNSET:
        sizes = (base.pool.workers,)
        if workers:
            left_out.append("other numbers of workers: the scenario's pool.hosts say how many")
    shots = _swept(cells, lambda cell: cell.workload.shots) or [base.workload.shots]
    own_chunk: list[int | None] = list(CHUNKS) if base.workload.chunk is None else []
    if base.workload.chunk is not None or base.workload.shape is not None:
        own_chunk.insert(0, base.workload.chunk)  # of the shape, where none is said
    possible = []
    for kind in swept_kinds or kinds:
        reason = _pool_refusal(base, kind, speed)
        left_out += [] if reason is None else [f"pools of kind {kind}: {reason}"]
        possible += [kind] if reason is None else []
    if not possible:
        raise InputError(f"{scenario.source or scenario.name}: no pool is left: {left_out[-1]}")
    return Choices(
        labels=labels,
        strategies=tuple(_strategies(cells, pipelines)),
        chunks=tuple(_swept(cells, lambda cell: cell.workload.chunk) or own_chunk),
        shots=tuple(shots),
        kinds=tuple(possible),
        workers=sizes,
        policies=policies,
    ), [*left_out, *held_back]


def _swept(cells: Sequence[Cell], field: Callable[[Cell], Any]) -> list[Any]:
    """The values that a field takes; none where it takes one only."""
    found = [value for value in dict.fromkeys(map(field, cells)) if value is not None]
    return found if len(found) > 1 else []


def _labels(scenario: Scenario, max_qubits: int | None) -> tuple[tuple[str, ...], list[str]]:
    own = [cell.workload.partition_labels for cell in scenario.cells]
    qubits = len(own[0])
    most = qubits if max_qubits is None else max_qubits
    if most < 1:
        raise InputError(f"--max-qubits {most}: expected at least 1")
    found = [label for label in dict.fromkeys(own) if widest(label) <= most]
    left_out = [
        f"{label}: has {widest(label)} qubits in one partition, more than {most}"
        for label in dict.fromkeys(own)
        if widest(label) > most
    ]
    if len(set(own)) == 1 and scenario.cells[0].workload.dataset in CHAINS:
        known = {canonical(label) for label in found}
        chains = (one for one in chain_partitions(qubits, most) if one not in known)
        found += itertools.islice(chains, MOST_LABELS - len(found))
        if (further := next(chains, None)) is not None:
            left_out.append(
                f"{further} and what has as many cuts or more: only {MOST_LABELS} partitions are "
                "searched; sweep workload.partition_labels to name others"
            )
    if not found:
        raise InputError(
            f"--max-qubits {most}: every partition of {scenario.source or scenario.name} is wider "
            f"({', '.join(left_out)}); sweep narrower workload.partition_labels"
        )
    return tuple(found), left_out


def _strategies(
    cells: Sequence[Cell], pipelines: Sequence[str]
) -> Iterator[tuple[str, str | None]]:
    swept = _swept(cells, lambda cell: cell.workload.pipeline)
    for pipeline in [one for one in pipelines if not swept or one in swept]:
        if pipeline == "upstream":
            yield pipeline, None
            continue
        named = _swept(cells, lambda cell: cell.workload.reconstruction)
        for reconstruction in named or RECONSTRUCTIONS:
            yield pipeline, reconstruction


def _policies(cells: Sequence[Cell]) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """Those of the scenario, first; where it has one only, also each other with its defaults."""
    own = {msgspec.json.encode(cell.policy): cell.policy for cell in cells}
    found, left_out = list(own.values()), []
    if len(found) > 1:
        return tuple(found), []
    for kind in policy_kinds():
        if kind == found[0]["kind"]:
            continue
        if kind in HOLD_BACK:
            left_out.append(f"the policy {kind!r}: it only holds tasks back; sweep it to judge it")
            continue
        try:
            found.append(msgspec.to_builtins(policy_config(kind)))
        except InputError as error:  # it has no defaults
            left_out.append(f"the policy {kind!r}: {error}")
    return tuple(found), left_out


def candidates(
    base: Cell,
    choices: Choices,
    *,
    speed: float,
    cores: int | None,
    beside: Path | None = None,
) -> Iterator[Cell]:
    """Every setting that can be asked for, the scenario's own values first.

    Args:
        base: what is not chosen.
        choices: what the rest is chosen from.
        speed: of the workers, 1 for those that were calibrated.
        cores: that processes share.
        beside: the scenario's folder, which the shapes that it names may stand in.
    """
    for labels, (pipeline, reconstruction), shots in itertools.product(
        choices.labels, choices.strategies, choices.shots
    ):
        for chunk in (None,) if pipeline == "upstream" else choices.chunks:
            workload = msgspec.structs.replace(
                base.workload,
                partition_labels=labels,
                pipeline=pipeline,
                reconstruction=reconstruction,
                chunk=chunk,
                shots=shots,
                allocation=msgspec.UNSET if pipeline == "upstream" else base.workload.allocation,
                shape=_own_shape(base, (labels, pipeline, reconstruction, chunk), beside),
            )
            for kind, size in itertools.product(choices.kinds, choices.workers):
                if kind == "inline" and size > 1:  # it is its caller
                    continue
                pool = _pool(base.pool, kind, size, speed, cores)
                for policy in choices.policies:
                    yield msgspec.structs.replace(base, workload=workload, pool=pool, policy=policy)


def _own_shape(
    base: Cell, of: tuple[str, str, str | None, int | None], beside: Path | None
) -> str | None:
    """The scenario's own folder of shapes, or its file, for the workload that it was made for.

    ``of`` has labels, pipeline, reconstruction and chunk.
    """
    work = base.workload
    if work.shape is None or shape_path(work.shape, beside).is_dir():
        return work.shape
    default = DEFAULT_RECONSTRUCTION if work.pipeline == "planned" else None
    reconstruction = work.reconstruction or default
    own = (work.partition_labels, work.pipeline, reconstruction, work.chunk)
    return work.shape if own == of else None


def _pool_refusal(base: Cell, kind: str, speed: float) -> str | None:
    pool = base.pool
    is_remote = pool.hosts is not msgspec.UNSET or pool.failures is not msgspec.UNSET
    if (is_remote or speed != 1) and kind not in ("processes", "dedicated"):
        return "its workers are this process, so that hosts, failures and a speed do not apply"
    if pool.cancel is not None and pool.cancel not in CANCEL_MODES[kind]:
        return f"cannot cancel by {pool.cancel!r}"
    if kind == "inline" and base.timeout_s is not None:
        return "cannot give a task up, as timeout_s asks"
    return None


def _pool(base: Pool, kind: str, workers: int, speed: float, cores: int | None) -> Pool:
    hosts = base.hosts
    if speed != 1:
        of = (Host(workers=workers, cores=cores),) if hosts is msgspec.UNSET else hosts
        if kind == "dedicated":
            of = tuple(msgspec.structs.replace(host, cores=None) for host in of)
        hosts = tuple(msgspec.structs.replace(host, speed=host.speed * speed) for host in of)
    return msgspec.structs.replace(base, kind=kind, workers=workers, hosts=hosts)
