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
from qcutsim.dispatch.cancelling import CANCEL_MODES, CancelMode, cancel_mode
from qcutsim.dispatch.codec import action_from_plain, event_from_plain, to_plain
from qcutsim.dispatch.dispatcher import MAX_ATTEMPTS, MOST_IDLE_WAKES, Copy, Dispatcher
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
    "CANCEL_MODES",
    "MAX_ATTEMPTS",
    "MOST_IDLE_WAKES",
    "Abandon",
    "Action",
    "BeginMerge",
    "BeginReconstruction",
    "Cancel",
    "CancelMode",
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
    "cancel_mode",
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
