"""One configuration of a scenario: what is evaluated, on which workers, under which policy."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

import msgspec

from qcutsim.dispatch import CancelMode, PolicyConfig, cancel_mode, policy_config
from qcutsim.errors import ScenarioError
from qcutsim.stragglers import Stragglers
from qcutsim.workload import Allocation

AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]

_ENTRY_POINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_LONGEST_NAME = 40


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a query evaluates.

    ``partition_labels`` has one letter a qubit (as qiskit-addon-cutting takes them); qubits with
    the same letter stay together, a gate between two letters is cut. All the same: uncut.
    ``reconstruction``, ``chunk`` (subexperiments a task) and ``allocation`` (how shots are spread
    over subexperiments, by default evenly) belong to the pipeline ``planned``.

    Args:
        dataset: the model of arXiv:2602.16233 on a sample of it; not with a circuit.
        circuit: instead, one's own: an OpenQASM 2 or 3 file, its path relative to the scenario,
            or ``package.module:function`` that returns a QuantumCircuit. Free parameters are
            drawn uniformly from [0, 2 pi) for each query; final measurements are removed.
        circuit_parameters: keyword arguments of that function.
        circuit_sha256: of the file, or of the function's name and arguments; filled in. Where it
            is given, the file must have it.
        partition_labels: one letter a qubit; gates between two letters are cut.
        observable: Pauli letters, one a qubit.
        shape: a file that 'qcutsim shape' wrote, or the folder; what a simulation takes.
    """

    dataset: Literal["iris"] | msgspec.UnsetType = "iris"
    circuit: Annotated[str, msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    circuit_parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    circuit_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    partition_labels: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]+$")]
    observable: str = "ZZZZ"
    shots: Annotated[int, msgspec.Meta(ge=1, le=10**7)] = 1024
    allocation: Allocation | msgspec.UnsetType = msgspec.UNSET
    pipeline: Literal["upstream", "planned"] = "upstream"
    reconstruction: str | None = None
    chunk: AtLeastOne | None = None
    shape: str | None = None

    def __post_init__(self) -> None:
        if self.circuit is msgspec.UNSET:
            return
        msgspec.structs.force_setattr(self, "dataset", msgspec.UNSET)
        if is_entry_point(self.circuit) and self.circuit_sha256 is msgspec.UNSET:
            msgspec.structs.force_setattr(self, "circuit_sha256", _entry_point_sha256(self))

    @property
    def title(self) -> str:
        """The data set, or a circuit's name and the first digits of its hash.

        Raises:
            ScenarioError: the circuit is a file that was not looked at.
        """
        if self.circuit is msgspec.UNSET:
            return str(self.dataset)
        if self.circuit_sha256 is msgspec.UNSET:
            raise ScenarioError(
                f"workload.circuit: of the file {self.circuit!r} 'circuit_sha256' is not known; "
                "load_scenario fills it in"
            )
        return f"{circuit_name(self.circuit)}-{self.circuit_sha256[:8]}"

    @property
    def shot_allocation(self) -> Allocation:
        """How its shots are spread."""
        return "uniform" if self.allocation is msgspec.UNSET else self.allocation


def is_entry_point(circuit: str) -> bool:
    """Whether a circuit is ``package.module:function``, and not a file."""
    return _ENTRY_POINT.fullmatch(circuit) is not None


def circuit_name(circuit: str) -> str:
    """Of a file its name without folder and ending, of an entry point the function's."""
    name = circuit.rpartition(":")[2] if is_entry_point(circuit) else PurePath(circuit).stem
    return re.sub(r"[^\w.+-]", "_", name)[:_LONGEST_NAME]


def _entry_point_sha256(work: Workload) -> str:
    parameters = {} if work.circuit_parameters is msgspec.UNSET else work.circuit_parameters
    return key_of({"circuit": work.circuit, "parameters": parameters})


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine or device of a simulated pool.

    Args:
        workers: on it.
        cores: what they share; without it each has its own.
        speed: of its workers, 1 for those that were calibrated.
        latency_s: one way between it and the coordinator.
        bandwidth_bytes_per_s: of that way; unlimited where it is not given.
        queue_delay_s: what a task waits for the device before it starts.
        queue_delay: instead, a distribution of ``scipy.stats``, as of stragglers.
    """

    workers: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    cores: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    speed: Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)] = 1.0
    latency_s: Seconds = 0.0
    bandwidth_bytes_per_s: Annotated[float, msgspec.Meta(ge=1, le=1e15)] | None = None
    queue_delay_s: Seconds = 0.0
    queue_delay: dict[str, Any] | None = None

    @property
    def shares_cores(self) -> bool:
        """Whether a worker may have to wait for another one's core."""
        return self.cores is not None and self.workers > 1


class Failures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Simulated workers die after an exponential time of mean ``mtbf_s`` and are replaced after
    ``repair_s``."""

    mtbf_s: Annotated[float, msgspec.Meta(ge=1e-3, le=1e12)]
    repair_s: Seconds


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simulated training run: epochs of optimiser steps of ``queries`` queries each.

    A step begins when the one before has ended: its queries, and ``step_s`` of the optimiser.
    """

    epochs: AtLeastOne = 1
    steps: AtLeastOne
    step_s: Seconds = 0.0


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workers. ``dedicated`` (a machine for each worker) can only be simulated.

    ``cancel`` says what is done to a running task that nobody needs any more (see
    :data:`qcutsim.dispatch.CancelMode`); ``restart_s`` how long a simulated worker that was killed
    takes to come back. ``hosts`` and ``failures`` are simulated only; with hosts ``workers`` is
    their sum.
    """

    kind: Literal["inline", "threads", "processes", "dedicated"] = "processes"
    workers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    cancel: CancelMode | None = None
    restart_s: Seconds | None = None
    hosts: Annotated[tuple[Host, ...], msgspec.Meta(min_length=1)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    failures: Failures | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.hosts is not msgspec.UNSET and self.workers == 1:
            total = sum(host.workers for host in self.hosts)
            msgspec.structs.force_setattr(self, "workers", total)

    @property
    def shares_cores(self) -> bool:
        """Whether a worker may have to wait for another one, for a core or a lock."""
        if self.kind == "dedicated" or self.workers == 1:
            return False
        return self.hosts is msgspec.UNSET or any(host.shares_cores for host in self.hosts)


class Arrivals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How queries come: one after the other, or as a Poisson stream (simulated only)."""

    kind: Literal["sequence", "poisson"] = "sequence"
    rate_per_s: Annotated[float, msgspec.Meta(ge=1e-6, le=1e6)] | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One configuration, fully resolved.

    Args:
        workload: what a query evaluates.
        pool: the workers.
        policy: its ``kind`` and all of its parameters.
        stragglers: injected delays.
        arrivals: how queries come.
        window: how many queries are in flight at once, where they come one after the other; 1 is
            the barrier of arXiv:2602.16233.
        timeout_s: a task that runs longer counts as lost.
        queries: how many are run in each repetition, or, in a training run, in each step.
        training: a training run of such queries, simulated only.
    """

    workload: Workload
    pool: Pool = Pool()
    policy: dict[str, Any] = msgspec.field(default_factory=lambda: {"kind": "eager"})
    stragglers: Stragglers = Stragglers()
    arrivals: Arrivals = Arrivals()
    window: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    queries: AtLeastOne = 1
    training: Training | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        # A policy that is given by its kind is that kind with its defaults.
        filled = msgspec.to_builtins(policy_config(self.policy))
        msgspec.structs.force_setattr(self, "policy", filled)

    @property
    def policy_config(self) -> PolicyConfig:
        """The policy's parameters."""
        return policy_config(self.policy)

    @property
    def cancel_mode(self) -> CancelMode:
        """What its pool does to a running task that nobody needs any more."""
        return cancel_mode(self.pool.kind, self.pool.cancel)

    @property
    def queries_together(self) -> int:
        """Those of one repetition, which one dispatcher runs: of all steps where it trains."""
        if self.training is msgspec.UNSET:
            return self.queries
        return self.training.epochs * self.training.steps * self.queries

    @property
    def key(self) -> str:
        """A short hash of the configuration, without how often it is run.

        In a training run ``queries`` is how large a step is.
        """
        shown = self.identity()
        if self.training is msgspec.UNSET:
            del shown["queries"]
        return key_of(shown)[:12]

    def identity(self) -> dict[str, Any]:
        """As plain data, a circuit's file by its name: where it stands does not matter."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        circuit = self.workload.circuit
        if circuit is not msgspec.UNSET and not is_entry_point(circuit):
            shown["workload"]["circuit"] = circuit_name(circuit)
        return shown


def record_fields(cell: Cell, repetition: int, index: int) -> dict[str, Any]:
    """What a ``query`` record says of the configuration it belongs to."""
    return {
        "cell": cell.key,
        "repetition": repetition,
        "index": index,
        "dataset": cell.workload.title,
        "partition_labels": cell.workload.partition_labels,
        "observable": cell.workload.observable,
        "shots": cell.workload.shots,
        "allocation": cell.workload.shot_allocation,
        "pipeline": cell.workload.pipeline,
        "pool": cell.pool.kind,
        "workers": cell.pool.workers,
        "policy": cell.policy["kind"],
        "policy_parameters": {k: v for k, v in cell.policy.items() if k != "kind"},
        "cancel": cell.cancel_mode,
        "chunk": cell.workload.chunk,
        "window": cell.window,
        "timeout_s": cell.timeout_s,
        "straggler_probability": cell.stragglers.probability,
        "straggler_delay_s": cell.stragglers.delay_s,
        "straggler_distribution": cell.stragglers.distribution,
        "straggler_per": cell.stragglers.per,
        "machines": _machines(cell),
    }


def _machines(cell: Cell) -> str | None:
    """Hosts, failures and training in words, where a cell has some."""
    words = []
    if cell.pool.hosts is not msgspec.UNSET:
        words += [_host(host) for host in cell.pool.hosts]
    if cell.pool.failures is not msgspec.UNSET:
        failures = cell.pool.failures
        words.append(f"failing every {failures.mtbf_s:g} s for {failures.repair_s:g} s")
    if cell.training is not msgspec.UNSET:
        training = cell.training
        words.append(f"{training.epochs} epochs x {training.steps} steps x {cell.queries} queries")
        if training.step_s:
            words[-1] += f" and {training.step_s:g} s"
    return ", ".join(words) or None


def _host(host: Host) -> str:
    """As ``4 on 2 cores (speed 0.5, 0.01 s away)``; what is usual is not said."""
    queue = f"{host.queue_delay_s:g} s"
    if host.queue_delay is not None:
        queue = " ".join(str(value) for value in host.queue_delay.values())
    others = {
        f"speed {host.speed:g}": host.speed != 1,
        f"{host.latency_s:g} s away": host.latency_s > 0,
        f"{host.bandwidth_bytes_per_s or 0:g} bytes/s": host.bandwidth_bytes_per_s is not None,
        f"queue {queue}": host.queue_delay is not None or host.queue_delay_s > 0,
    }
    said = ", ".join(words for words, is_said in others.items() if is_said)
    cores = "own" if host.cores is None else str(host.cores)
    return f"{host.workers} on {cores} cores" + (f" ({said})" if said else "")


def key_of(data: Any) -> str:
    """SHA-256 (hex) of plain data in canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()
