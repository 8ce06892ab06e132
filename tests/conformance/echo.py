"""Task functions for worker processes of the tests."""

from __future__ import annotations


def echo(payload: bytes) -> bytes:
    """Give the payload back; the payload ``fail`` raises."""
    if payload == b"fail":
        raise ValueError("asked to fail")
    return payload
