"""A worker process: ``python -m qcutsim.runtime.worker FD MODULE:FUNCTION``.

It serves tasks from the socket ``FD`` one at a time until the socket closes. Interrupts are the
coordinator's to handle; when the coordinator is gone the worker ends.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
import traceback

import msgspec

from qcutsim.runtime.messages import FrameReader, ReadyMessage, TaskMessage, frame
from qcutsim.runtime.work import load_function, perform


def serve(connection: socket.socket, function_name: str) -> None:
    """Load the function, say so, and run tasks until the connection closes."""
    try:
        function = load_function(function_name)
    except Exception:
        connection.sendall(frame(ReadyMessage(traceback.format_exc(limit=1))))
        return
    connection.sendall(frame(ReadyMessage(None)))
    decoder = msgspec.msgpack.Decoder(TaskMessage)
    reader = FrameReader()
    while data := connection.recv(1 << 20):
        for body in reader.feed(data):
            done = perform(function, decoder.decode(body), time.process_time)
            connection.sendall(frame(done))


def main() -> None:
    """Serve the socket named on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            serve(connection, sys.argv[2])
        except (ConnectionError, BrokenPipeError):
            return


if __name__ == "__main__":
    main()
