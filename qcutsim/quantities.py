"""Durations and lists of counts as people write them on a command line."""

from __future__ import annotations

import re

from qcutsim.errors import InputError

_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)")
_DURATION = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")
_COUNTS = re.compile(r"(\d{1,9})(?:\s*\.\.\s*(\d{1,9}))?")

MOST_COUNTS = 1000
"""A longer list is a mistake."""


def parse_duration_s(text: str, name: str) -> float:
    """Seconds of ``90s``, ``15m``, ``1h30m``.

    Args:
        text: numbers, each with a unit: ms, s, m, h or d.
        name: of the option, for the message.

    Raises:
        InputError: it is no duration, or none above zero.
    """
    if _DURATION.fullmatch(text):
        total_s = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
        if 0 < total_s < float("inf"):
            return total_s
    hint = f"; did you mean {text.strip()}s?" if re.fullmatch(r"\s*[1-9]\d*\s*", text) else ""
    raise InputError(
        f"{name} {text!r}: expected a duration above zero with its unit (ms, s, m, h, d), as 90s, "
        f"15m or 1h30m{hint}"
    )


def parse_counts(text: str, name: str, most: int) -> tuple[int, ...]:
    """Whole numbers of ``1,2,4,8`` or ``1..64``, or both; each once, in order.

    Args:
        text: numbers and ranges, whose ends belong to them.
        name: of the option, for the message.
        most: the largest number allowed.

    Raises:
        InputError: it is no such list.
    """
    found: set[int] = set()
    for part in text.split(","):
        matched = _COUNTS.fullmatch(part.strip())
        low = int(matched[1]) if matched else 0
        high = int(matched[2] or low) if matched else 0
        if not 1 <= low <= high <= most or high - low >= MOST_COUNTS:
            raise InputError(
                f"{name} {text!r}: {part.strip()!r} is not a number from 1 to {most:,}, nor a "
                f"rising range of at most {MOST_COUNTS:,} of them; expected a list as 1,2,4,8 or "
                "1..64"
            )
        found.update(range(low, high + 1))
    return tuple(sorted(found))
