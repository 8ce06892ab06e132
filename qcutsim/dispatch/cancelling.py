"""What pools can do to a running task that nobody needs any more: the same in both worlds."""

from __future__ import annotations

from typing import Literal

CancelMode = Literal["none", "sleep_only", "kill"]
"""``none``: it runs to its end. ``sleep_only``: an injected delay is cut short, work is not (a
thread inside Aer cannot be stopped). ``kill``: its worker is killed and replaced, which takes a
start.
"""

CANCEL_MODES: dict[str, tuple[CancelMode, ...]] = {
    "inline": ("none",),
    "threads": ("sleep_only", "none"),
    "processes": ("sleep_only", "none", "kill"),
    "dedicated": ("sleep_only", "none", "kill"),
}
"""What each kind of pool can do, the default first."""


def cancel_mode(kind: str, asked: CancelMode | None) -> CancelMode:
    """What a pool of that kind does: what was asked for, or its default."""
    return asked or CANCEL_MODES[kind][0]
