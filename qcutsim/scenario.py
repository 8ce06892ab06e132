"""Scenario YAML: one file that drives a real run and a simulation of the same thing.

A scenario is one configuration and a ``sweep`` over it. The sweep is a list of axes that are
crossed; each axis maps one or more dotted fields to lists of equal length that vary together::

    sweep:
      - workload.partition_labels: [AAAA, AABB, ABBC]
        queries: [4, 4, 1]
      - pool.workers: [1, 2, 4]
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec

from qcutsim.errors import ScenarioError
from qcutsim.yamlfile import Path_, YamlFile, convert, load_yaml

_LARGEST_SEED = 2**63 - 1

AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a query evaluates.

    ``partition_labels`` has one letter a qubit (as qiskit-addon-cutting takes them); qubits with
    the same letter stay together, a gate between two letters is cut. All the same: uncut.
    """

    dataset: Literal["iris"] = "iris"
    partition_labels: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]+$")]
    observable: str = "ZZZZ"
    shots: Annotated[int, msgspec.Meta(ge=1, le=10**7)] = 1024
    pipeline: Literal["upstream"] = "upstream"
    shape: str | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workers. ``dedicated`` (a machine for each worker) can only be simulated."""

    kind: Literal["threads", "processes", "dedicated"] = "processes"
    workers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1


class EagerPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Dispatch the next task as soon as a worker is idle."""

    kind: Literal["eager"] = "eager"


class Stragglers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays injected at the worker: each task sleeps ``delay_s`` with ``probability``."""

    probability: Share = 0.0
    delay_s: Seconds = 0.0


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How queries come: one after the other, or as a Poisson stream (simulated only)."""

    kind: Literal["sequence", "poisson"] = "sequence"
    rate_per_s: Annotated[float, msgspec.Meta(ge=1e-6, le=1e6)] | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One configuration, fully resolved. ``queries`` is how many it runs in each repetition."""

    workload: Workload
    pool: Pool = Pool()
    policy: EagerPolicy = EagerPolicy()
    stragglers: Stragglers = Stragglers()
    arrivals: Arrivals = Arrivals()
    queries: AtLeastOne = 1

    @property
    def key(self) -> str:
        """A short hash of the configuration, without how often it is run."""
        shown = msgspec.to_builtins(self)
        del shown["queries"]
        return key_of(shown)[:12]


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    seed: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_SEED)] = 0
    repetitions: AtLeastOne = 1
    replications: AtLeastOne = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """A validated scenario: its cells and how often they are run.

    ``repetitions`` are interleaved rounds over all cells; ``replications`` are independent
    draws of the service times of each query, in simulations only.
    """

    name: str
    seed: int
    repetitions: int
    replications: int
    cells: tuple[Cell, ...]
    source: Path | None = None

    def resolved(self) -> dict[str, Any]:
        """The whole scenario as plain data, as it is written into logs."""
        return {
            "name": self.name,
            "seed": self.seed,
            "repetitions": self.repetitions,
            "replications": self.replications,
            "cells": [msgspec.to_builtins(cell) for cell in self.cells],
        }

    @property
    def key(self) -> str:
        """SHA-256 of the resolved scenario; equal keys ask for the same thing."""
        return key_of(self.resolved())

    @classmethod
    def from_resolved(cls, data: dict[str, Any]) -> Self:
        """The scenario that :meth:`resolved` wrote into a log.

        Raises:
            ScenarioError: the data is not a scenario of this version.
        """
        try:
            head = {name: value for name, value in data.items() if name != "cells"}
            known = msgspec.convert(head, _Head)
            cells = msgspec.convert(data.get("cells"), tuple[Cell, ...])
        except msgspec.ValidationError as error:
            raise ScenarioError(f"the scenario in the log cannot be used: {error}") from None
        return cls(known.name, known.seed, known.repetitions, known.replications, cells)


def record_fields(cell: Cell, repetition: int, index: int) -> dict[str, Any]:
    """What a ``query`` record says of the configuration it belongs to."""
    return {
        "cell": cell.key,
        "repetition": repetition,
        "index": index,
        "dataset": cell.workload.dataset,
        "partition_labels": cell.workload.partition_labels,
        "observable": cell.workload.observable,
        "shots": cell.workload.shots,
        "pipeline": cell.workload.pipeline,
        "pool": cell.pool.kind,
        "workers": cell.pool.workers,
        "policy": cell.policy.kind,
        "straggler_probability": cell.stragglers.probability,
        "straggler_delay_s": cell.stragglers.delay_s,
    }


def key_of(data: Any) -> str:
    """SHA-256 (hex) of plain data in canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()


def load_scenario(path: str | os.PathLike[str], *, seed: int | None = None) -> Scenario:
    """Read and validate a scenario file; ``seed`` replaces the one in the file.

    Raises:
        ScenarioError: names file, line, column, field, value, and what is allowed.
    """
    if seed is not None and not 0 <= seed <= _LARGEST_SEED:
        raise ScenarioError(
            f"seed: {seed} was given to replace the one in {path}; "
            f"expected a whole number from 0 to {_LARGEST_SEED}"
        )
    file = load_yaml(Path(path))
    if not isinstance(file.data, dict):
        raise ScenarioError(f"{file.where(())}: a scenario is a mapping that begins 'name: ...'")
    known_head = {f.encode_name for f in msgspec.structs.fields(_Head)}
    known_cell = {f.encode_name for f in msgspec.structs.fields(Cell)}
    for name in file.data:
        if name not in known_head | known_cell | {"sweep"}:
            allowed = ", ".join(sorted(known_head | known_cell | {"sweep"}))
            raise ScenarioError(
                f"{file.where((name,))}: {name}: unknown field; allowed here: {allowed}"
            )
    head = convert(file, {k: v for k, v in file.data.items() if k in known_head}, _Head)
    base = {k: v for k, v in file.data.items() if k in known_cell}
    cells = tuple(_cells(file, base))
    return Scenario(
        name=head.name,
        seed=head.seed if seed is None else seed,
        repetitions=head.repetitions,
        replications=head.replications,
        cells=cells,
        source=file.path,
    )


def _cells(file: YamlFile, base: dict[str, Any]) -> Iterator[Cell]:
    seen: set[str] = set()
    for choice in itertools.product(*(_axis(file, i) for i in range(len(_axes(file))))):
        data = copy.deepcopy(base)
        origin: dict[Path_, Path_] = {}
        for setting in choice:
            for dotted, (value, at) in setting.items():
                _assign(file, data, dotted, value, at)
                origin[tuple(dotted.split("."))] = at
        cell = _cell(file, data, origin)
        if cell.key in seen:
            raise ScenarioError(
                f"{file.where(('sweep',))}: sweep: two of its cells are the same configuration; "
                "remove the value that stands twice"
            )
        seen.add(cell.key)
        yield cell


def _axes(file: YamlFile) -> list[Any]:
    axes = file.data.get("sweep", [])
    if not isinstance(axes, list):
        raise ScenarioError(
            f"{file.where(('sweep',))}: sweep: expected a list of axes, found {axes!r}"
        )
    return axes


def _axis(file: YamlFile, number: int) -> list[dict[str, tuple[Any, Path_]]]:
    axis = _axes(file)[number]
    at: Path_ = ("sweep", number)
    if not isinstance(axis, dict) or not axis:
        raise ScenarioError(
            f"{file.where(at)}: sweep: an axis maps fields to lists, "
            f"as in 'pool.workers: [1, 2, 4]'; found {axis!r}"
        )
    lengths = set()
    for dotted, values in axis.items():
        if any(_overlap(dotted, other) for earlier in _axes(file)[:number] for other in earlier):
            raise ScenarioError(
                f"{file.where((*at, dotted))}: sweep.{dotted}: another axis sets it already; "
                "vary a field in one axis only"
            )
        if not isinstance(values, list) or not values:
            raise ScenarioError(
                f"{file.where((*at, dotted))}: sweep.{dotted}: expected a non-empty list, "
                f"found {values!r}"
            )
        lengths.add(len(values))
    if len(lengths) > 1:
        raise ScenarioError(
            f"{file.where(at)}: sweep: fields of one axis vary together and need lists of the "
            f"same length; found lengths {', '.join(str(n) for n in sorted(lengths))}"
        )
    return [
        {dotted: (values[i], (*at, dotted, i)) for dotted, values in axis.items()}
        for i in range(lengths.pop())
    ]


def _overlap(one: str, other: str) -> bool:
    """Whether one dotted field is, or lies within, the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _assign(file: YamlFile, data: dict[str, Any], dotted: str, value: Any, at: Path_) -> None:
    *parents, last = dotted.split(".")
    target = data
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise ScenarioError(f"{file.where(at[:-1])}: sweep: '{dotted}' is not a field")
    target[last] = value


def _cell(file: YamlFile, data: dict[str, Any], origin: dict[Path_, Path_]) -> Cell:
    marks = dict(file.marks)
    values = YamlFile(file.path, data, marks)
    for field, at in origin.items():
        for place in [place for place in marks if place[: len(field)] == field]:
            del marks[place]
        for place, mark in file.marks.items():
            if place[: len(at)] == at:
                marks[field + place[len(at) :]] = mark
        for end in range(1, len(field)):
            marks.setdefault(field[:end], file.marks[at])
    if "workload" not in data:
        raise ScenarioError(
            f"{file.where(())}: workload: missing; it says what a query evaluates, "
            "as in 'workload: {partition_labels: AABB}'"
        )
    cell = convert(values, data, Cell)
    _check_cell(values, cell)
    return cell


def _check_cell(values: YamlFile, cell: Cell) -> None:
    work = cell.workload
    observable = values.where(("workload", "observable"))
    if not work.observable or set(work.observable) - set("IXYZ"):
        raise ScenarioError(
            f"{observable}: workload.observable: expected Pauli letters I, X, Y, Z, "
            f"found {work.observable!r}"
        )
    if len(work.partition_labels) != len(work.observable):
        raise ScenarioError(
            f"{values.where(('workload', 'partition_labels'))}: workload.partition_labels: "
            f"{work.partition_labels!r} has {len(work.partition_labels)} letters, "
            f"the observable {work.observable!r} has {len(work.observable)} qubits; "
            "give one letter a qubit"
        )
    if work.dataset == "iris" and len(work.observable) != 4:
        raise ScenarioError(
            f"{observable}: workload.observable: {work.observable!r} has "
            f"{len(work.observable)} qubits; Iris has 4 features, one a qubit: give 4 letters"
        )
    if (cell.arrivals.kind == "poisson") != (cell.arrivals.rate_per_s is not None):
        raise ScenarioError(
            f"{values.where(('arrivals',))}: arrivals: 'rate_per_s' goes with 'kind: poisson', "
            "and only with it"
        )
