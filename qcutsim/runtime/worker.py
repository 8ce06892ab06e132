"""A worker process: ``python -m qcutsim.runtime.worker FD MODULE:FUNCTION``.

It serves tasks from the socket ``FD`` one at a time until the socket closes. Interrupts are the
coordinator's to handle; when the coordinator is gone the worker ends.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
import traceback
from collections import deque

import msgspec

from qcutsim.runtime.messages import (
    MOST_CONTEXTS,
    CancelMessage,
    ContextMessage,
    FrameReader,
    ReadyMessage,
    TaskMessage,
    WorkerMessage,
    frame,
)
from qcutsim.runtime.work import TaskFunction, load_function, perform


class _Line:
    """The worker's end of the socket. Raises ``EOFError`` when the coordinator is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._decoder: msgspec.msgpack.Decoder[WorkerMessage] = msgspec.msgpack.Decoder(
            WorkerMessage
        )
        self._waiting: deque[WorkerMessage] = deque()

    def receive(self) -> WorkerMessage:
        """The next message, when it comes."""
        while not self._waiting:
            self._read()
        return self._waiting.popleft()

    def is_cancelled_within(self, task: TaskMessage, delay_s: float) -> bool:
        """Wait; returns early, with ``True``, when the task is cancelled."""
        wanted = CancelMessage(task.query, task.task, task.attempt)
        end_s = time.monotonic() + delay_s
        while wanted not in self._waiting:
            left_s = end_s - time.monotonic()
            if left_s <= 0 or not select.select([self._connection], [], [], left_s)[0]:
                return False
            self._read()
        self._waiting.remove(wanted)
        return True

    def _read(self) -> None:
        data = self._connection.recv(1 << 20)
        if not data:
            raise EOFError
        self._waiting.extend(self._decoder.decode(body) for body in self._reader.feed(data))


def serve(connection: socket.socket, function_name: str) -> None:
    """Load the function, say so, and run tasks until the connection closes."""
    try:
        function = load_function(function_name)
    except Exception:  # whatever an import raises: the coordinator, which waits, is told
        connection.sendall(frame(ReadyMessage(traceback.format_exc(limit=1))))
        return
    connection.sendall(frame(ReadyMessage(None)))
    line = _Line(connection)
    contexts: dict[int, bytes] = {0: b""}
    while True:
        message = line.receive()
        if isinstance(message, TaskMessage):
            connection.sendall(_run(function, message, contexts[message.context], line))
        elif isinstance(message, ContextMessage):
            if len(contexts) > MOST_CONTEXTS:
                del contexts[next(number for number in contexts if number)]
            contexts[message.number] = message.content


def _run(function: TaskFunction, task: TaskMessage, context: bytes, line: _Line) -> bytes:
    return frame(
        perform(
            function,
            task,
            context,
            time.process_time,
            lambda delay_s: line.is_cancelled_within(task, delay_s),
        )
    )


def main() -> None:
    """Serve the socket named on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            serve(connection, sys.argv[2])
        except (EOFError, ConnectionError):
            return


if __name__ == "__main__":
    main()
