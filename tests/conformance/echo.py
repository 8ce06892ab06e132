"""Task functions for the workers of the tests."""

from __future__ import annotations

import os
import socket


def echo(payload: bytes, context: bytes) -> bytes:
    """Give the payload back; the payload ``fail`` raises."""
    if payload == b"fail":
        raise ValueError("asked to fail")
    return payload


def with_context(payload: bytes, context: bytes) -> bytes:
    """Give the context and the payload back."""
    return context + payload


def die(payload: bytes, context: bytes) -> bytes:
    """End the worker at once."""
    os._exit(7)


def call_home(payload: bytes, context: bytes) -> bytes:
    """Tell the Unix socket named by the payload this process's id, and return its answer."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(payload.decode())
        line.sendall(b"%d\n" % os.getpid())
        return line.recv(1 << 10)
