"""A task function whose module can be loaded once only, and others that misbehave."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_marker = Path(os.environ["FLAKY_MARKER"])
if _marker.exists():
    raise RuntimeError("the licence has run out")
_marker.touch()


def die(payload: bytes, context: bytes) -> bytes:
    """End the worker at once."""
    os._exit(7)


def leave(payload: bytes, context: bytes) -> bytes:
    """Ask the interpreter to exit."""
    sys.exit("enough")


def answer_in_words(payload: bytes, context: bytes) -> bytes:
    """Return what is not bytes."""
    return "words"  # type: ignore[return-value]
