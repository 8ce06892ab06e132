"""Scenario YAML: one file that drives a real run and a simulation of the same thing.

A scenario is one configuration and a ``sweep`` over it. The sweep is a list of axes that are
crossed; each axis maps one or more dotted fields to lists of equal length that vary together. An
axis may also be a list of parts, one after the other: each part maps fields to a value or to a
list of values, and its lists are crossed. In place of a list a range may stand
(:mod:`qcutsim.ranges`)::

    sweep:
      - workload.partition_labels: [AAAA, AABB, ABBC]
        queries: [4, 4, 1]
      - - {pool.workers: [1, 2, 4]}
        - {pool.workers: 4, stragglers.probability: [0.05, 0.1]}
      - window: {log: {from: 1, to: 16, steps: 5}}
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

from qcutsim.allocationchecks import check_allocation
from qcutsim.cell import AtLeastOne, Cell, key_of
from qcutsim.dispatch import CANCEL_MODES, policy_class
from qcutsim.errors import InputError, ScenarioError
from qcutsim.owncircuit import OwnCircuits, refuse_data_set_beside_circuit
from qcutsim.reconstructionchoice import AUTO
from qcutsim.simulatedonly import check_simulated_only, check_worker_count
from qcutsim.stragglers import frozen_distribution
from qcutsim.sweeps import Point, assign, axes_of, points_of
from qcutsim.yamlfile import Path_, Problems, YamlFile, convert, load_yaml, unknown_field

_LARGEST_SEED = 2**63 - 1
_MOST_REPLICATIONS = 1_000_000
_TEXTS = ("partition_labels", "observable")


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scenario says of all of its cells.

    Args:
        name: of the study.
        seed: of everything random.
        repetitions: interleaved rounds over all cells.
        replications: independent draws of the service times of each query, in simulations only.
    """

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

    def _repr_html_(self) -> str:
        from qcutsim.report import as_html  # a notebook asks from below; nothing else does

        return as_html(self)

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
        return key_of(self.resolved() | {"cells": [cell.identity() for cell in self.cells]})

    @classmethod
    def from_resolved(cls, data: dict[str, Any]) -> Self:
        """The scenario that :meth:`resolved` wrote into a log.

        Raises:
            ScenarioError: the data is not a scenario of this version.
        """
        if not data:
            raise ScenarioError(
                "the log does not hold the scenario it was made from (another program wrote it): "
                "it can be calibrated on, and not be simulated anew"
            )
        try:
            head = {name: value for name, value in data.items() if name != "cells"}
            known = msgspec.convert(head, Head)
            cells = msgspec.convert(data.get("cells"), tuple[Cell, ...])
        except msgspec.ValidationError as error:
            raise ScenarioError(f"the scenario in the log cannot be used: {error}") from None
        return cls(known.name, known.seed, known.repetitions, known.replications, cells)


def load_scenario(
    path: str | os.PathLike[str], *, seed: int | None = None, replications: int | None = None
) -> Scenario:
    """Read and validate a scenario file; ``seed`` and ``replications`` replace those in the file.

    Raises:
        ScenarioError: names file, line, column, field, value, and what is allowed.
    """
    if seed is not None and not 0 <= seed <= _LARGEST_SEED:
        raise ScenarioError(
            f"seed: {seed} was given to replace the one in {path}; "
            f"expected a whole number from 0 to {_LARGEST_SEED}"
        )
    if replications is not None and not 1 <= replications <= _MOST_REPLICATIONS:
        raise ScenarioError(
            f"replications: {replications} was given to replace the one in {path}; expected a "
            f"whole number from 1 to {_MOST_REPLICATIONS}"
        )
    problems = Problems(Path(path))
    try:
        file = load_yaml(Path(path), texts=_TEXTS)
    except ScenarioError as error:
        problems.add(*error.problems)
        problems.raise_any()
        raise
    if not isinstance(file.data, dict):
        raise ScenarioError(f"{file.where(())}: a scenario is a mapping that begins 'name: ...'")
    known_head = {f.encode_name for f in msgspec.structs.fields(Head)}
    known_cell = {f.encode_name for f in msgspec.structs.fields(Cell)}
    _refuse_unknown(file, sorted(known_head | known_cell | {"sweep"}), problems)
    head = Head(name="")
    with problems:
        head = convert(file, {k: v for k, v in file.data.items() if k in known_head}, Head)
    base = {k: v for k, v in file.data.items() if k in known_cell}
    cells = tuple(_cells(file, base, problems))
    problems.raise_any()
    return Scenario(
        name=head.name,
        seed=head.seed if seed is None else seed,
        repetitions=head.repetitions,
        replications=head.replications if replications is None else replications,
        cells=cells,
        source=file.path,
    )


def _refuse_unknown(file: YamlFile, allowed: list[str], problems: Problems) -> None:
    for name in file.data:
        if name not in allowed:
            problems.add(f"{file.where((name,))}: {name}: {unknown_field(name, allowed)}")


def _cells(file: YamlFile, base: dict[str, Any], problems: Problems) -> Iterator[Cell]:
    axes: list[list[Point]] = []
    with problems:
        for number in range(len(axes_of(file))):
            axes.append([])
            with problems:
                axes[-1] = points_of(file, number)
    seen: set[str] = set()
    circuits = OwnCircuits(file.path.parent)
    for choice in itertools.product(*axes):
        data = copy.deepcopy(base)
        origin: dict[Path_, Path_] = {}
        with problems:
            for setting in choice:
                for dotted, (value, at) in setting.items():
                    assign(file, data, dotted, value, at)
                    origin[tuple(dotted.split("."))] = at
            cell = _cell(file, data, origin, problems, circuits)
            if cell is None:
                continue
            if cell.key in seen:
                raise ScenarioError(
                    f"{file.where(('sweep',))}: sweep: two of its cells are the same "
                    "configuration; remove the value that stands twice"
                )
            seen.add(cell.key)
            yield cell


def _cell(
    file: YamlFile,
    data: dict[str, Any],
    origin: dict[Path_, Path_],
    problems: Problems,
    circuits: OwnCircuits,
) -> Cell | None:
    """The cell of these values; ``None``: something is wrong with them."""
    values = YamlFile(file.path, data, file.marks, origin)
    if "workload" not in data:
        raise ScenarioError(
            f"{file.where(())}: workload: missing; it says what a query evaluates, "
            "as in 'workload: {partition_labels: AABB}'"
        )
    if isinstance(data.get("policy"), str):
        data["policy"] = {"kind": data["policy"]}
    if "policy" in data:
        is_known = False
        with problems:
            _check_policy(values, data["policy"])
            is_known = True
        if not is_known:  # to see what else is wrong
            data["policy"] = {"kind": "eager"}
    check_worker_count(values, data.get("pool"))
    problems.add(*refuse_data_set_beside_circuit(values, data["workload"]))
    cell = convert(values, data, Cell)
    wrong = [
        *_check_workload(values, cell),
        *check_allocation(values, cell),
        *_check_workers(values, cell),
    ]
    if not wrong:
        work = circuits.identified(values, cell.workload)
        cell = msgspec.structs.replace(cell, workload=work)
    problems.add(*wrong)
    check_simulated_only(values, cell)
    return None if wrong else cell


def _check_policy(values: YamlFile, policy: Any) -> None:
    """``policy`` names one that is installed, and each parameter is one of its own."""
    if not isinstance(policy, dict) or not isinstance(policy.get("kind"), str):
        raise ScenarioError(
            f"{values.where(('policy',))}: policy: expected a kind and its parameters, as in "
            f"'policy: {{kind: eager}}'; found {policy!r}"
        )
    try:
        model = policy_class(policy["kind"]).config
    except InputError as error:
        raise ScenarioError(f"{values.where(('policy', 'kind'))}: policy.kind: {error}") from None
    convert(values, policy, model, ("policy",))


@cache
def _reconstructions() -> frozenset[str]:
    """Those installed, by name: none is loaded for a check."""
    return frozenset(point.name for point in entry_points(group="qcutsim.reconstructions"))


def _check_workload(values: YamlFile, cell: Cell) -> Iterator[str]:
    work = cell.workload
    observable = values.where(("workload", "observable"))
    if not work.observable or set(work.observable) - set("IXYZ"):
        yield (
            f"{observable}: workload.observable: expected Pauli letters I, X, Y, Z, "
            f"found {work.observable!r}"
        )
        return
    if len(work.partition_labels) != len(work.observable):
        yield (
            f"{values.where(('workload', 'partition_labels'))}: workload.partition_labels: "
            f"{work.partition_labels!r} has {len(work.partition_labels)} letters, "
            f"the observable {work.observable!r} has {len(work.observable)} qubits; "
            "give one letter a qubit"
        )
    if work.dataset == "iris" and len(work.observable) != 4:
        yield (
            f"{observable}: workload.observable: {work.observable!r} has "
            f"{len(work.observable)} qubits; Iris has 4 features, one a qubit: give 4 letters"
        )
    known = _reconstructions() | {AUTO}
    if work.reconstruction is not None and work.reconstruction not in known:
        yield (
            f"{values.where(('workload', 'reconstruction'))}: workload.reconstruction: found "
            f"{work.reconstruction!r}; allowed: {', '.join(sorted(known))}"
        )
    for name in ("reconstruction", "chunk"):
        if work.pipeline == "upstream" and getattr(work, name) is not None:
            yield (
                f"{values.where(('workload', name))}: workload.{name}: belongs to "
                "'pipeline: planned'; the pipeline 'upstream' does it as the library does"
            )


def _check_workers(values: YamlFile, cell: Cell) -> Iterator[str]:
    pool, stragglers = cell.pool, cell.stragglers
    modes = CANCEL_MODES[pool.kind]
    if pool.cancel is not None and pool.cancel not in modes:
        yield (
            f"{values.where(('pool', 'cancel'))}: pool.cancel: a pool of kind {pool.kind!r} cannot "
            f"{pool.cancel!r}; allowed: {', '.join(modes)}"
        )
    if pool.kind == "inline" and cell.timeout_s is not None:
        yield (
            f"{values.where(('timeout_s',))}: timeout_s: an inline pool cannot give a task up; "
            "take 'kind: threads' or 'kind: processes'"
        )
    if pool.kind == "inline" and pool.workers > 1:
        yield (
            f"{values.where(('pool', 'workers'))}: pool.workers: an inline pool has one worker, "
            f"found {pool.workers}; take 'kind: threads' or 'kind: processes'"
        )
    is_delayed = stragglers.delay_s > 0 or stragglers.distribution is not None
    if stragglers.probability > 0 and not is_delayed:
        yield (
            f"{values.where(('stragglers', 'probability'))}: stragglers.probability: says how "
            "often there is a delay, and nothing says how long: give 'delay_s' or 'distribution'"
        )
    if stragglers.distribution is not None:
        where = values.where(("stragglers", "distribution"))
        if stragglers.delay_s:
            yield (
                f"{where}: stragglers.distribution: 'delay_s' says the delay already; give one of "
                "them"
            )
        try:
            frozen_distribution(stragglers.distribution)
        except InputError as error:
            yield f"{where}: stragglers.distribution: {error}"
    if cell.window > 1 and cell.arrivals.kind != "sequence":
        yield (
            f"{values.where(('window',))}: window: goes with 'arrivals.kind: sequence'; queries "
            "that come by themselves do not wait for each other"
        )
    if (cell.arrivals.kind == "poisson") != (cell.arrivals.rate_per_s is not None):
        yield (
            f"{values.where(('arrivals',))}: arrivals: 'rate_per_s' goes with 'kind: poisson', "
            "and only with it"
        )
