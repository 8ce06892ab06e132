"""Error at equal shots, long chains, and growth with cuts and qubits."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from estimator_cases import (
    CUTS,
    EQUAL_TOTAL,
    OBSERVABLE,
    SHOTS,
    Binding,
    FloatArray,
    Graph,
    binding,
    in_fresh_process,
    query_circuit,
)
from estimator_peers import QacEmulation
from estimator_rows import Context, heading, own_estimator

from qcutsim import DistributedEstimator


def measure_errors(context: Context) -> None:
    """RMS error of ours and of QAC's, at equal total shots."""
    ours, theirs = context.times(400, 100), context.times(4000, 1000)
    heading(f"RMS error at {EQUAL_TOTAL:,} shots a query, 3 cuts")
    bindings = [binding(17 * number, 1 + number) for number in range(context.times(6, 2))]
    generator = np.random.default_rng(1)
    circuit = query_circuit()
    print(
        f"  {'exact':>8}  {'QAC RMS':>8}  {'formula':>8}  {'ours RMS':>8}  {'expected':>8}  "
        f"{'reported':>8}  {'ratio':>6}  {'1024 each: ours':>15}"
    )
    own_all, qac_all = [], []
    for number, at in enumerate(bindings):
        emulation = QacEmulation(at, cuts=CUTS, shots=SHOTS)
        if abs(emulation.exact - at.exact) > 1e-9:
            raise RuntimeError(f"QAC's circuits give {emulation.exact}, the circuit {at.exact}")
        qac = emulation.draw(theirs, generator) - at.exact
        with own_estimator("batched", total_shots=EQUAL_TOTAL) as estimator:
            report = estimator.plan(circuit, OBSERVABLE, at.values)
            own, reported = _repeat(estimator, circuit, at, ours)
        with own_estimator("batched", shots=SHOTS) as estimator:
            each, _ = _repeat(estimator, circuit, at, ours)
        own_all.append(own)
        qac_all.append(qac)
        assert report.expected_stds is not None
        print(
            f"  {at.exact:8.4f}  {_rms(qac):8.5f}  {emulation.std:8.5f}  {_rms(own):8.5f}  "
            f"{float(report.expected_stds[0]):8.5f}  {reported:8.5f}  "
            f"{_rms(own) / _rms(qac):6.3f}  {_rms(each):15.5f}"
        )
        if number == 0:
            first = emulation
    own_rms, qac_rms = (_rms(np.concatenate(one)) for one in (own_all, qac_all))
    verdict = "met" if own_rms <= qac_rms / 2 else "MISSED"
    print(
        f"  7. all together: ours {own_rms:.5f}, QAC {qac_rms:.5f}: {own_rms / qac_rms:.3f} of it "
        f"(target at most 0.5: {verdict})"
    )
    print(
        f"  Ours: {ours} real queries a row. QAC: {theirs} draws a row from the exact\n"
        f"  distributions of the {first.circuits} circuits that it generates, put together with "
        "its weights;\n  'formula' is the standard deviation of that sum in closed form. "
        "'expected' is what plan() says,\n  'reported' the error bars (root mean square)."
    )
    run = context.qac_run(bindings[0])
    distance, freedom = first.chi_square(run)
    print(
        f"  Emulation against a real run of QAC: chi-square of its circuits' means {distance:.0f} "
        f"with {freedom} degrees of freedom (expected {freedom} +- {(2 * freedom) ** 0.5:.0f})."
    )
    if context.upstream_stds:
        stds = ", ".join(f"{std:.5f}" for std in context.upstream_stds)
        print(f"  Pipeline 'upstream' reported for its real runs of the first row: {stds}.")


def _repeat(
    estimator: DistributedEstimator, circuit: Any, at: Binding, times: int
) -> tuple[FloatArray, float]:
    """Errors of so many queries, and the root mean square of the error bars."""
    pub = (circuit, OBSERVABLE, at.values)
    found = [estimator.run([pub]).result()[0].data for _ in range(times)]
    errors = np.array([float(one.evs) for one in found]) - at.exact
    return errors, _rms(np.array([float(one.stds) for one in found]))


def _rms(errors: FloatArray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def measure_chains(context: Context) -> None:
    """Long chains, cold, plan included."""
    heading("Chains (RY, CX chain, RY, Z on all), one qubit a partition, cold, plan included")
    cases = [
        ("6. 12 qubits, 11 cuts, aer", 12, {"backend": "aer", "pool": "inline"}, 1.0),
        ("   the same, aer's own pool (starts workers)", 12, {"backend": "aer"}, None),
        ("   12 qubits, 11 cuts, batched", 12, {"backend": "batched", "pool": "inline"}, 1.0),
        ("   1,025 qubits, 1,024 cuts, batched", 1025, {"backend": "batched"}, 10.0),
    ]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in cases}
    for repetition in range(context.times(5, 2)):
        for name, qubits, options, _target in cases:
            found[name].append(
                in_fresh_process(
                    {"shape": "chain", "gate": "cx", "qubits": qubits},
                    {
                        "partition_labels": list(range(qubits)),
                        "shots": SHOTS,
                        "seed": repetition,
                        **options,
                    },
                )
            )
    for name, qubits, _, target in cases:
        runs = found[name]
        if refused := [run["refused"] for run in runs if "refused" in run]:
            print(f"  {name}: {refused[0]}")
            continue
        cold = sorted(run["cold_s"] for run in runs)
        median = statistics.median(cold)
        warm = statistics.median(run["warm_s"] for run in runs)
        exact = Graph("chain", "cx", qubits).exact()
        assert exact is not None
        values = [value for run in runs for value in run["values"]]
        verdict = ""
        if target is not None:
            verdict = f" (target {target:.0f} s: {'met' if median < target else 'MISSED'})"
        print(
            f"  {name}: cold {median:.3f} s ({cold[0]:.3f} to {cold[-1]:.3f}){verdict}, warm "
            f"{warm:.3f} s, memory +{runs[0]['memory_mb']:.0f} MB;\n"
            f"      {runs[0]['metadata']['subexperiments_distinct']:,} subexperiments, exact value "
            f"{exact:.4f}, RMS error {_rms(np.array(values) - exact):.4f} ({len(values)}), "
            f"error bar {runs[0]['std']:.4f}"
        )


def measure_growth(context: Context) -> None:
    """Size by size, until a plan is refused."""
    heading(
        "Growth: one qubit a partition, batched, 1024 shots a subexperiment, each size in a fresh "
        "process"
    )
    print(
        "  Memory is by how much the resident set rose at most over what it was after imports.\n"
        "  Sizes end where the plan refuses, or at the last one shown."
    )
    print(
        f"  {'':16} {'qubits':>6} {'cuts':>5} {'6^k':>9} {'distinct':>9} {'contraction':>11} "
        f"{'cold s':>8} {'warm s':>8} {'MB':>7}  {'std':>8}  RMS error (n)"
    )
    small, large = ([4, 8, 16, 64], [4, 8, 16, 32, 64, 128, 256, 512, 1024])
    sizes = {
        "chain": small if context.is_quick else large,
        "ring": small if context.is_quick else large,
        "all-to-all": [3, 4, 5] if context.is_quick else list(range(3, 12)),
    }
    for gate in ("cx", "rzz"):
        for shape, all_sizes in sizes.items():
            for qubits in all_sizes:
                if not _print_growth(Graph(shape, gate, qubits)):
                    break


def _print_growth(graph: Graph) -> bool:
    """One line; false where larger sizes need not be tried."""
    cuts = len(graph.edges)
    found = in_fresh_process(
        {"shape": graph.shape, "gate": graph.gate, "qubits": graph.qubits},
        {
            "partition_labels": list(range(graph.qubits)),
            "backend": "batched",
            "pool": "inline",
            "shots": SHOTS,
            "seed": 1,
        },
        repeats=5,
    )
    start = f"  {graph.shape + ' ' + graph.gate:16} {graph.qubits:6} {cuts:5}"
    if "refused" in found:
        print(f"{start}  {found['refused']}", flush=True)
        return False
    metadata, std = found["metadata"], found["std"]
    exact = graph.exact()
    errors = None if exact is None else np.array(found["values"]) - exact
    rms = "-" if errors is None else f"{_rms(errors):.2g} ({len(errors)})"
    order = " (first order)" if metadata["is_first_order"] else ""
    print(
        f"{start} {_power(metadata['coefficients']):>9} "
        f"{metadata['subexperiments_distinct']:9,} {metadata['reconstruction_work']:11,} "
        f"{found['cold_s']:8.3f} {found['warm_s']:8.3f} {found['memory_mb']:7,.0f}  {std:8.2g}  "
        f"{rms}{order}",
        flush=True,
    )
    return True


def _power(digits: str) -> str:
    """A whole number of any length, briefly."""
    return digits if len(digits) < 7 else f"{digits[0]}.{digits[1]}e{len(digits) - 1}"
