"""The pure dispatcher: events in, actions out; one code for real and simulated time."""

from __future__ import annotations

from qcutsim.dispatch.actions import Action, BeginReconstruction, CompleteQuery, FailQuery, Start
from qcutsim.dispatch.codec import action_from_plain, event_from_plain, to_plain
from qcutsim.dispatch.dispatcher import MAX_ATTEMPTS, Dispatcher
from qcutsim.dispatch.events import (
    Event,
    QuerySubmitted,
    ReconstructionFinished,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
    order_key,
)
from qcutsim.dispatch.invariants import check_invariants
from qcutsim.dispatch.policies import Copy, IdleWorkers, Policy, make_policy, policy_kinds

__all__ = [
    "MAX_ATTEMPTS",
    "Action",
    "BeginReconstruction",
    "CompleteQuery",
    "Copy",
    "Dispatcher",
    "Event",
    "FailQuery",
    "IdleWorkers",
    "Policy",
    "QuerySubmitted",
    "ReconstructionFinished",
    "Start",
    "TaskFailed",
    "TaskFinished",
    "WorkerJoined",
    "WorkerLost",
    "action_from_plain",
    "check_invariants",
    "event_from_plain",
    "make_policy",
    "order_key",
    "policy_kinds",
    "to_plain",
]
