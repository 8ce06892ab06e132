"""The pure dispatcher: events in, actions out; one code for real and simulated time."""

from __future__ import annotations

from qcutsim.dispatch.actions import (
    Abandon,
    Action,
    BeginMerge,
    BeginReconstruction,
    Cancel,
    CompleteQuery,
    FailQuery,
    SetTimer,
    Start,
)
from qcutsim.dispatch.codec import action_from_plain, event_from_plain, to_plain
from qcutsim.dispatch.dispatcher import MAX_ATTEMPTS, Copy, Dispatcher
from qcutsim.dispatch.events import (
    Event,
    Merge,
    MergeFinished,
    QuerySubmitted,
    ReconstructionFinished,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TimerFired,
    WorkerJoined,
    WorkerLost,
    order_key,
)
from qcutsim.dispatch.invariants import check_invariants
from qcutsim.dispatch.nodetimes import NodeTimes
from qcutsim.dispatch.policies import (
    IdleWorkers,
    KindOf,
    Policy,
    PolicyConfig,
    PolicyLike,
    TaskId,
    make_policy,
    policy_class,
    policy_config,
    policy_kinds,
)
from qcutsim.dispatch.policies.describe import Parameter, PolicyDescription, describe_policies

__all__ = [
    "MAX_ATTEMPTS",
    "Abandon",
    "Action",
    "BeginMerge",
    "BeginReconstruction",
    "Cancel",
    "CompleteQuery",
    "Copy",
    "Dispatcher",
    "Event",
    "FailQuery",
    "IdleWorkers",
    "KindOf",
    "Merge",
    "MergeFinished",
    "NodeTimes",
    "Parameter",
    "Policy",
    "PolicyConfig",
    "PolicyDescription",
    "PolicyLike",
    "QuerySubmitted",
    "ReconstructionFinished",
    "SetTimer",
    "Start",
    "TaskCancelled",
    "TaskFailed",
    "TaskFinished",
    "TaskId",
    "TaskKind",
    "TimerFired",
    "WorkerJoined",
    "WorkerLost",
    "action_from_plain",
    "check_invariants",
    "describe_policies",
    "event_from_plain",
    "make_policy",
    "order_key",
    "policy_class",
    "policy_config",
    "policy_kinds",
    "to_plain",
]
