"""How a policy is named and its parameters given, and what is said where that went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from scenes import dispatcher_of

from qcutsim.dispatch import (
    KindOf,
    PolicyConfig,
    QuerySubmitted,
    Start,
    TaskId,
    make_policy,
    policies,
    policy_class,
    policy_config,
    policy_kinds,
)
from qcutsim.dispatch.policies.batched import BatchedConfig
from qcutsim.dispatch.policies.eager import Eager
from qcutsim.dispatch.policies.speculative import SpeculativeConfig
from qcutsim.errors import InputError

KINDS = [
    "batched",
    "eager",
    "longest_first",
    "speculative",
    "staggered",
    "variance_first",
    "work_stealing",
]


class LastFirstConfig(PolicyConfig, frozen=True, kw_only=True, tag="last_first"):
    """Last first has no parameters."""


class LastFirst(Eager):
    """A query's last task goes first."""

    kind = "last_first"
    config: ClassVar[type[PolicyConfig]] = LastFirstConfig

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        super().enqueue(tasks[::-1], kind_of, now_s)


class MisnamedConfig(PolicyConfig, frozen=True, kw_only=True, tag="misnamed_config"):
    """Its tag is not its policy's kind."""


class Misnamed(Eager):
    kind = "misnamed"
    config: ClassVar[type[PolicyConfig]] = MisnamedConfig


def install(monkeypatch: pytest.MonkeyPatch, **plugins: str) -> None:
    """Let these be all the policies there are, by entry point."""
    points = {name: EntryPoint(name, value, "qcutsim.policies") for name, value in plugins.items()}
    monkeypatch.setattr(policies, "_installed", lambda: points)
    monkeypatch.setattr(policies, "policy_class", policy_class.__wrapped__)


def test_six_policies_are_installed():
    assert policy_kinds() == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_is_made_by_its_kind_and_calls_itself_so(kind: str):
    assert make_policy(kind).kind == policy_class(kind).kind == kind
    assert type(policy_config(kind)) is policy_class(kind).config
    assert policy_config({"kind": kind}) == policy_config(kind)


def test_defaults_are_filled_in():
    assert policy_config({"kind": "batched", "size": 3}) == BatchedConfig(
        size=3, delay_s=0.0, loop="closed"
    )
    assert policy_config("speculative") == SpeculativeConfig(
        quantile=0.75, slowdown=1.5, copies=2, cap=0.25, samples=5
    )


def test_parameters_made_before_serve_as_they_are():
    config = BatchedConfig(size=1)
    assert policy_config(config) == config
    handle = dispatcher_of(config, workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 2)) == [Start(0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("keen", "no policy 'keen' is installed; there are: batched, eager, longest_first, "),
        ({"kind": "keen", "size": 1}, "no policy 'keen' is installed"),
        ({"size": 1}, r"policy is {'size': 1}; expected a kind, or .* kinds: batched, eager, "),
        ({"kind": 3}, "expected a kind"),
        ({"kind": "eager", "size": 1}, "policy 'eager': .*unknown field `size`"),
        ({"kind": "batched", "sise": 1}, "policy 'batched': .*unknown field `sise`"),
        ({"kind": "batched", "size": "2"}, "policy 'batched': Expected `int`.*size"),
        ({"kind": "batched", "loop": "ajar"}, "policy 'batched': .*'ajar'.*loop"),
        ({"kind": "staggered", "by": "query"}, "policy 'staggered': .*'query'.*by"),
        ({"kind": "work_stealing", "deal": "random"}, "policy 'work_stealing': .*'random'.*deal"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy: Any, message: str):
    with pytest.raises(InputError, match=message):
        make_policy(policy)


@pytest.mark.parametrize(
    ("kind", "parameter", "values"),
    [
        ("batched", "size", [0, 1_000_001]),
        ("batched", "delay_s", [-0.1, 1e7, float("inf"), float("nan")]),
        ("staggered", "spacing_s", [-0.1, 1e7]),
        ("speculative", "quantile", [0.0, 1.0]),
        ("speculative", "slowdown", [0.9, 1e7]),
        ("speculative", "copies", [1, 101]),
        ("speculative", "cap", [0.0, 1.1]),
        ("speculative", "samples", [0, 513]),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(
    kind: str, parameter: str, values: list[float]
):
    for value in values:
        with pytest.raises(InputError, match=f"policy '{kind}': Expected .*{parameter}"):
            policy_config({"kind": kind, parameter: value})


def test_parameters_made_before_are_checked_too():
    with pytest.raises(InputError, match="size"):
        policy_config(BatchedConfig(size=0))


def test_a_plugin_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, last_first=f"{__name__}:LastFirst")
    assert policy_kinds() == ["last_first"]
    handle = dispatcher_of("last_first", workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 3)) == [Start(0, 2, 0, 0)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("keen", "qcutsim.dispatch.policies.eager:Eager", "'keen' .* calls itself 'eager'"),
        ("misnamed", f"{__name__}:Misnamed", "its parameters 'misnamed_config'"),
        ("gone", "qcutsim.dispatch.policies.gone:Gone", "'gone' cannot be loaded from .*:Gone"),
        ("gone", "qcutsim.dispatch.policies.eager:Gone", "'gone' cannot be loaded from .*:Gone"),
        ("idle", "qcutsim.dispatch:IdleWorkers", "'idle' .* is no subclass of Policy"),
        ("order", "qcutsim.dispatch:order_key", "'order' .* is no subclass of Policy"),
    ],
)
def test_a_plugin_that_is_not_what_it_says_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
):
    install(monkeypatch, **{name: value})
    with pytest.raises(InputError, match=message):
        make_policy(name)
