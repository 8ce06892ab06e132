"""Text of others, such as names in a log, so that it shows as what it is."""

from __future__ import annotations

from unicodedata import category

_JOINERS = "\u200c\u200d"
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
"""Categories of characters that show as nothing, or turn what stands beside them."""


def visible(text: str, keep: str = "") -> str:
    """The text with its control characters, and those that turn its direction, spelled out.

    Args:
        text: any.
        keep: characters that stay all the same, as line ends.

    >>> visible("a\\x1b[2Jb")
    'a\\\\u001b[2Jb'
    """
    if text.isprintable():
        return text
    stay = _JOINERS + keep
    return "".join(
        f"\\u{ord(c):04x}" if category(c) in _UNSEEN and c not in stay else c for c in text
    )
