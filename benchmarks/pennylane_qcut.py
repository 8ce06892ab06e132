"""PennyLane's qcut on the estimator benchmark's query; run by the interpreter that has PennyLane.

    PEER_PYTHON benchmarks/pennylane_qcut.py    (started by benchmarks/estimator.py)

Reads one JSON order a line and answers each with one line. ``qml.cut_circuit`` drops shots in
silence, so they are forced: each fragment tape it makes gets shots before it is executed. The
clock runs over everything: building the tape, cutting it, executing, putting together.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any

qml: Any = import_module("pennylane")

QUBITS = 4
FRAGMENT_WIRES = 2
"""Width of the widest fragment: CNOT i with the wires that it joins."""


def cut_tape(angles: list[float], weights: list[float], cuts: int) -> Any:
    """The query as a tape; wires 1..cuts are cut after the CNOT that targets them.

    That is between the two CNOTs of wires 1 and 2; wire 3 is cut after its only CNOT, which
    of the places for a third wire cut costs PennyLane the fewest fragments (31).
    """
    operations = []
    for wire in range(QUBITS):
        operations += [
            qml.Hadamard(wire),
            qml.PhaseShift(2 * angles[wire], wire),
            qml.RY(weights[wire], wire),
        ]
    for wire in range(1, QUBITS):
        operations.append(qml.CNOT([wire - 1, wire]))
        if wire <= cuts:
            operations.append(qml.WireCut(wire))
    operations += [qml.RY(weights[QUBITS + wire], wire) for wire in range(QUBITS)]
    observable = qml.prod(*(qml.Z(wire) for wire in range(QUBITS)))
    tape = qml.tape.QuantumScript(operations, [qml.expval(observable)])
    # Parameters in order: phase and RY of each wire, then the last RYs.
    tape.trainable_params = [
        *range(1, 2 * QUBITS, 2),
        *range(2 * QUBITS, 3 * QUBITS),
    ]
    return tape


def expand(tape: Any, shots: int | None) -> tuple[list[Any], Any]:
    """Fragment tapes, each with its shots, and what puts their results together."""
    tapes, process = qml.cut_circuit(tape, device_wires=qml.wires.Wires(range(FRAGMENT_WIRES)))
    return [one.copy(shots=shots) for one in tapes] if shots else list(tapes), process


def query(device: Any, order: dict[str, Any]) -> dict[str, Any]:
    """One value."""
    start_s = time.perf_counter()
    tape = cut_tape(order["angles"], order["weights"], order["cuts"])
    tapes, process = expand(tape, order["shots"])
    generated_s = time.perf_counter()
    value = float(process(qml.execute(tapes, device, diff_method=None)))
    end_s = time.perf_counter()
    return {
        "seconds": end_s - start_s,
        "generate_s": generated_s - start_s,
        "value": value,
        "tapes": len(tapes),
    }


def gradient(device: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Derivatives by all weights of one sample, by PennyLane's parameter shift, in one batch."""
    start_s = time.perf_counter()
    tape = cut_tape(order["angles"], order["weights"], order["cuts"])
    shifted, combine = qml.gradients.param_shift(tape)
    batch: list[Any] = []
    parts = []
    for one in shifted:
        tapes, process = expand(one, order["shots"])
        parts.append((len(batch), len(batch) + len(tapes), process))
        batch += tapes
    results = qml.execute(batch, device, diff_method=None)
    found = combine([process(results[start:end]) for start, end, process in parts])
    values = [float(one) for one in found]
    end_s = time.perf_counter()
    return {"seconds": end_s - start_s, "value": values, "tapes": len(batch)}


def make_devices() -> dict[str, Any]:
    """Devices that this installation has."""
    devices = {}
    for name in ("default.qubit", "lightning.qubit"):
        try:
            devices[name] = qml.device(name, wires=FRAGMENT_WIRES, seed=1)
        except Exception as error:  # a plug-in that is missing or broken is not measured
            print(f"PennyLane device {name}: {error}", file=sys.stderr)
    return devices


def main() -> None:
    devices = make_devices()
    print(json.dumps({"version": qml.__version__, "devices": list(devices)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        run = {"query": query, "gradient": gradient}[order["do"]]
        print(json.dumps(run(devices[order["device"]], order)), flush=True)


if __name__ == "__main__":
    main()
