"""Events and actions as plain data, for ``event`` records, and back, for replay."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from qcutsim.dispatch.actions import Action
from qcutsim.dispatch.events import Event

_EVENTS = {cls.__name__: cls for cls in get_args(Event)}
_ACTIONS = {cls.__name__: cls for cls in get_args(Action)}


def to_plain(item: Event | Action) -> dict[str, Any]:
    """``{"type": class name, field: value, ...}``."""
    return {"type": type(item).__name__, **msgspec.structs.asdict(item)}


def event_from_plain(data: dict[str, Any]) -> Event:
    """The event that :func:`to_plain` wrote. Raises ``KeyError`` for an unknown type."""
    event: Event = _decode(data, _EVENTS)
    return event


def action_from_plain(data: dict[str, Any]) -> Action:
    """The action that :func:`to_plain` wrote. Raises ``KeyError`` for an unknown type."""
    action: Action = _decode(data, _ACTIONS)
    return action


def _decode(data: dict[str, Any], classes: dict[str, Any]) -> Any:
    fields = {name: value for name, value in data.items() if name != "type"}
    return msgspec.convert(fields, classes[data["type"]])
