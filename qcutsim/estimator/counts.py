"""Whole numbers of any size, for people."""

from __future__ import annotations

import math

_LONGEST = 10**15


def show_count(count: int) -> str:
    """With thousands separators, or as a power of ten where that is easier to read.

    >>> show_count(46656)
    '46,656'
    >>> show_count(6**1024)
    '10^796.8'
    """
    return f"{count:,}" if count < _LONGEST else f"10^{math.log10(count):.1f}"
