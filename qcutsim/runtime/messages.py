"""What passes between the coordinator and a worker process, and how it is framed.

A frame is an 8-byte big-endian length and a MessagePack array. Nothing is pickled.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

MOST_CONTEXTS = 256
"""Contexts that a worker keeps; the one it got first goes first. Both ends count alike."""

_LENGTH = struct.Struct(">Q")


class TaskMessage(msgspec.Struct, frozen=True, array_like=True, tag="task"):
    """Run this: ``payload`` and the context of that number are what the task function takes.

    Context 0 is empty.
    """

    query: int
    task: int
    attempt: int
    delay_s: float
    payload: bytes
    context: int = 0


class ContextMessage(msgspec.Struct, frozen=True, array_like=True, tag="context"):
    """Keep this: what later tasks have in common."""

    number: int
    content: bytes


class CancelMessage(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """If this copy still sleeps, let it be."""

    query: int
    task: int
    attempt: int


WorkerMessage = TaskMessage | ContextMessage | CancelMessage
"""What a worker process is told."""


class ResultMessage(msgspec.Struct, frozen=True, array_like=True):
    """What became of a task. ``started_s`` and ``ended_s`` are readings of ``time.monotonic``."""

    query: int
    task: int
    attempt: int
    started_s: float
    ended_s: float
    cpu_s: float | None
    result: bytes
    error: str | None
    is_cancelled: bool = False


class ReadyMessage(msgspec.Struct, frozen=True, array_like=True):
    """The worker has loaded its task function; ``error`` says why it could not."""

    error: str | None


encode = msgspec.msgpack.Encoder().encode


def frame(message: msgspec.Struct) -> bytes:
    """One message as the bytes to send."""
    body = encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a byte stream into frame bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take in received bytes and yield the bodies that are complete."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield body
