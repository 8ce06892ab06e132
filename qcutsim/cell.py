"""One configuration of a scenario: what is evaluated, on which workers, under which policy."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from qcutsim.dispatch import CancelMode, PolicyConfig, cancel_mode, policy_config
from qcutsim.stragglers import Stragglers

AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a query evaluates.

    ``partition_labels`` has one letter a qubit (as qiskit-addon-cutting takes them); qubits with
    the same letter stay together, a gate between two letters is cut. All the same: uncut.
    ``reconstruction`` and ``chunk`` (subexperiments a task) belong to the pipeline ``planned``.
    """

    dataset: Literal["iris"] = "iris"
    partition_labels: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]+$")]
    observable: str = "ZZZZ"
    shots: Annotated[int, msgspec.Meta(ge=1, le=10**7)] = 1024
    pipeline: Literal["upstream", "planned"] = "upstream"
    reconstruction: str | None = None
    chunk: AtLeastOne | None = None
    shape: str | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workers. ``dedicated`` (a machine for each worker) can only be simulated.

    ``cancel`` says what is done to a running task that nobody needs any more (see
    :data:`qcutsim.dispatch.CancelMode`); ``restart_s`` how long a simulated worker that was killed
    takes to come back.
    """

    kind: Literal["inline", "threads", "processes", "dedicated"] = "processes"
    workers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    cancel: CancelMode | None = None
    restart_s: Seconds | None = None


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
        queries: how many are run in each repetition.
    """

    workload: Workload
    pool: Pool = Pool()
    policy: dict[str, Any] = msgspec.field(default_factory=lambda: {"kind": "eager"})
    stragglers: Stragglers = Stragglers()
    arrivals: Arrivals = Arrivals()
    window: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    queries: AtLeastOne = 1

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
    def key(self) -> str:
        """A short hash of the configuration, without how often it is run."""
        shown = msgspec.to_builtins(self)
        del shown["queries"]
        return key_of(shown)[:12]


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
    }


def key_of(data: Any) -> str:
    """SHA-256 (hex) of plain data in canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()
