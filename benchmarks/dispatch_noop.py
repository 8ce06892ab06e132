"""The task that does nothing, for our workers and for the executors of the standard library."""

from __future__ import annotations


def noop(payload: bytes, context: bytes) -> bytes:
    return b""
