"""Speed: a query, a gradient, and reconstruction alone, each against a peer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from estimator_cases import (
    CUTS,
    EQUAL_TOTAL,
    LABELS,
    OBSERVABLE,
    SHOTS,
    binding,
    exact_gradient,
    exact_value,
    gradient_of,
    gradient_pubs,
    in_fresh_process,
    many_bindings,
    query_circuit,
)
from estimator_peers import QAC, run_qac
from estimator_rows import (
    Context,
    Row,
    heading,
    own_estimator,
    print_ratio,
    print_rows,
    run_job,
    timed,
)
from qiskit_aer.primitives import SamplerV2

from qcutsim import Limits
from qcutsim.estimator import (
    CircuitBindings,
    CutOptions,
    PlannedPipeline,
    Query,
    Shots,
    make_backend,
    make_reconstruction,
)
from qcutsim.estimator.chunks import result_array
from qcutsim.estimator.combination import combine
from qcutsim.estimator.errorbars import point_errors
from qcutsim.estimator.plannedwork import PlannedWork
from qcutsim.estimator.reconstruction import Problem
from qcutsim.estimator.sampling import PartitionData
from qcutsim.runtime import load_function

BINDINGS = 100
SAMPLES = 16


def measure_queries(context: Context) -> None:
    """One query, and one of a hundred in a PUB, against QAC and PennyLane."""
    heading("One query, 3 cuts")
    at, circuit = binding(0, 1), query_circuit()
    many = many_bindings(BINDINGS)
    many_exact = [exact_value(circuit, row) for row in many]
    pub, many_pub = (circuit, OBSERVABLE, at.values), (circuit, OBSERVABLE, many)
    upstream_row = Row(f"{QAC}, pipeline 'upstream', a job a circuit", EQUAL_TOTAL)
    qac_row = Row(f"{QAC} called directly, a job a circuit", EQUAL_TOTAL)
    one_job_row = Row(f"{QAC} called directly, a job a partition", EQUAL_TOTAL)
    own: list[tuple[Row, str, dict[str, int], Any, list[float]]] = [
        (
            Row("aer, equal total shots", EQUAL_TOTAL),
            "aer",
            {"total_shots": EQUAL_TOTAL},
            pub,
            [at.exact],
        ),
        (
            Row("batched, equal total shots", EQUAL_TOTAL),
            "batched",
            {"total_shots": EQUAL_TOTAL},
            pub,
            [at.exact],
        ),
        (Row("batched, 1024 each", 60 * SHOTS), "batched", {"shots": SHOTS}, pub, [at.exact]),
        (
            Row("batched, 1024 each, of 100 in a PUB", 60 * SHOTS),
            "batched",
            {"shots": SHOTS},
            many_pub,
            many_exact,
        ),
    ]
    peers = list(_pennylane_rows(context))
    with contextlib.ExitStack() as stack:
        estimators = [
            stack.enter_context(own_estimator(backend, **shots)) for _, backend, shots, _, _ in own
        ]
        for estimator, (_, _, _, job, _) in zip(estimators, own, strict=True):
            for _ in range(3):
                estimator.run([job]).result()
        upstream = stack.enter_context(own_estimator("aer", shots=SHOTS, pipeline="upstream"))
        for number in range(context.times(3, 1)):
            seconds, result = timed(partial(run_job, upstream, [pub]))
            upstream_row.add(seconds, [float(result[0].data.evs) - at.exact])
            context.upstream_stds.append(float(result[0].data.stds))
            upstream_row.note = f"reported std {context.upstream_stds[-1]:.3g}"
            for row, one_job in ((qac_row, False), (one_job_row, True)):
                run = run_qac(at, cuts=CUTS, shots=SHOTS, seed=number, one_job=one_job)
                row.add(run.total_s, [run.value - at.exact])
                if not one_job:
                    context.qac_runs.append(run)
                    row.note = (
                        f"generate {run.generate_s:.2f} s, execute {run.execute_s:.1f} s, "
                        f"reconstruct {run.reconstruct_s:.1f} s"
                    )
            for _ in range(context.times(40, 20)):
                for estimator, (row, _, _, job, exact) in zip(estimators, own, strict=True):
                    seconds, result = timed(partial(run_job, estimator, [job]))
                    values = np.asarray(result[0].data.evs).reshape(-1)
                    row.add(seconds / len(values), (values - exact).tolist())
                for row, order in peers:
                    answer = context.peer.ask("query", at, **order) if context.peer else {}
                    times = row.seconds if row.cold_s else row.cold_s
                    times.append(answer["seconds"])
                    row.errors.append(answer["value"] - at.exact)
                    row.note = f"{answer['tapes']} tapes"
            for row, backend, shots, _, exact in own:
                cold_s = _cold_s({"bindings": len(exact)}, backend, shots)
                row.cold_s.append(cold_s / len(exact))
    for row in (upstream_row, qac_row, one_job_row):
        row.cold_s.append(row.seconds[0])
    rows = [one[0] for one in own]
    print_rows([upstream_row, qac_row, one_job_row, *rows, *(row for row, _ in peers)], "query")
    if context.peer is None:
        print("  PennyLane: not measured: give --peer-python")
    print("  QAC keeps nothing between queries: its cold time is that of its first query here.")
    aer, _, batched, of_many = rows
    forced = [row for row, order in peers if order["shots"] and order["cuts"] == CUTS]
    best = min(forced, key=lambda row: row.median_s, default=Row("", None))
    print_ratio("1. aer over 'upstream' at equal total shots", upstream_row, aer, 200)
    print_ratio("   aer over QAC called directly", qac_row, aer, 200)
    print_ratio("   aer over QAC, a job a partition", one_job_row, aer, 200)
    print_ratio(f"2. batched over PennyLane, shots forced ({best.name})", best, batched, 3)
    print_ratio("3. batched, one of 100 bindings, over 'upstream'", upstream_row, of_many, 20_000)
    print_ratio(
        "   batched, one of 100 bindings, over QAC called directly", qac_row, of_many, 20_000
    )


def _cold_s(case: dict[str, int], backend: str, shots: dict[str, int]) -> float:
    """Seconds of the first job in a fresh process."""
    options = {"partition_labels": LABELS[CUTS], "pool": "inline", "seed": 1}
    found = in_fresh_process(case, {"backend": backend, **options, **shots})
    if "refused" in found:
        raise RuntimeError(f"a job failed in its own process: {found['refused']}")
    cold_s: float = found["cold_s"]
    return cold_s


def _pennylane_rows(context: Context) -> Iterator[tuple[Row, dict[str, Any]]]:
    if context.peer is None:
        return
    for device in context.peer.devices:
        for cuts, shots in ((CUTS, SHOTS), (CUTS, None), (2, SHOTS)):
            kind = "shots forced" if shots else "analytic"
            tapes = {2: 19, 3: 31}[cuts]
            name = f"PennyLane {context.peer.version}, {device}, {cuts} wire cuts, {kind}"
            row = Row(name, tapes * shots if shots else None)
            yield row, {"cuts": cuts, "shots": shots, "device": device}


def measure_gradients(context: Context) -> None:
    """Gradient of the 8 weights for 16 samples: one job of 256 PUBs against PennyLane's."""
    heading(f"Gradient of 8 weights for {SAMPLES} samples, 3 cuts, 1024 shots each")
    points = [binding(sample, 1) for sample in range(SAMPLES)]
    exact = [exact_gradient(query_circuit(), at) for at in points]
    pubs = gradient_pubs(SAMPLES)
    row = Row(f"batched, one job of {len(pubs)} PUBs", None)
    devices = context.peer.devices if context.peer else []
    peers = {
        device: Row(f"PennyLane, {device}, param_shift, one sample x {SAMPLES}", None)
        for device in devices
    }
    with own_estimator("batched", shots=SHOTS) as estimator:
        for _ in range(3):
            run_job(estimator, pubs)
        for number in range(context.times(5, 2)):
            for _ in range(3):
                seconds, results = timed(partial(run_job, estimator, pubs))
                values = np.array([float(one.data.evs) for one in results])
                found = np.concatenate([gradient_of(v) for v in np.split(values, SAMPLES)])
                row.add(seconds, (found - np.concatenate(exact)).tolist())
            row.shots = results[0].metadata["shots_spent"]
            sample = number % SAMPLES
            for device, peer in peers.items():
                assert context.peer is not None
                answer = context.peer.ask(
                    "gradient", points[sample], cuts=CUTS, shots=SHOTS, device=device
                )
                times = peer.seconds if peer.cold_s else peer.cold_s
                times.append(SAMPLES * answer["seconds"])
                peer.errors.extend((np.array(answer["value"]) - exact[sample]).tolist())
                peer.shots = SAMPLES * answer["tapes"] * SHOTS
    for _ in range(context.times(3, 1)):
        row.cold_s.append(_cold_s({"samples": SAMPLES}, "batched", {"shots": SHOTS}))
    print_rows([row, *peers.values()], "batch")
    if not peers:
        print("  PennyLane: not measured: give --peer-python")
    best = min(peers.values(), key=lambda one: one.median_s, default=Row("", None))
    print_ratio("4. batched over PennyLane", best, row, 20)


def measure_reconstruction(context: Context) -> None:
    """From worker results to the value: ours against QAC's loop over shots."""
    heading("Reconstruction alone, 3 cuts, 1024 shots a subexperiment")
    at = binding(0, 1)
    qac_run = context.qac_run(at)
    query = Query(
        circuits=(CircuitBindings(query_circuit(), at.values[None, :]),),
        observables=({OBSERVABLE: 1.0},),
        points=np.zeros((1, 2), dtype=np.int64),
        cut=CutOptions(partition_labels=LABELS[CUTS]),
        shots=Shots(each=SHOTS),
        seed=1,
    )
    sampled, counts = _run_work(query, SamplerV2())
    exact, probabilities = _run_work(query, "batched")
    data = _partition_data(sampled, counts)
    combination = combine(query, sampled.plan.terms)[1]
    strategy = make_reconstruction("contracted")
    problem = _problem(sampled, data)
    values = strategy.values(problem)

    def error_bar() -> float:
        errors = point_errors(
            _problem(sampled, data), values, combination, wants_covariance=False, limits=Limits()
        )
        return float(errors.stds[0])

    qac_row = Row(f"{QAC}: reconstruct_expectation_values", EQUAL_TOTAL)
    own: list[tuple[Row, Callable[[], float]]] = [
        (
            Row("from counts, value", 60 * SHOTS),
            lambda: float(strategy.values(_problem(sampled, _partition_data(sampled, counts)))[0]),
        ),
        (
            Row("from counts, value and error bar", 60 * SHOTS),
            lambda: float(sampled.reconstruct(counts).values[0]),
        ),
        (
            Row("the same, counts drawn from probabilities first", 60 * SHOTS),
            lambda: float(exact.reconstruct(probabilities).values[0]),
        ),
    ]
    bar = Row("of these: error bar", None)
    for row, call in own:
        row.cold_s.append(timed(call)[0])
    for _ in range(context.times(5, 2)):
        seconds, value = timed(qac_run.reconstruct)
        qac_row.add(seconds, [value - at.exact])
        for _ in range(40):
            for row, call in own:
                seconds, value = timed(call)
                row.add(seconds, [value - at.exact])
            bar.add(timed(error_bar)[0], [0.0])
    print_rows([qac_row, *(row for row, _ in own)], "query")
    print(f"  {bar.name}: {1e3 * bar.median_s:.3g} ms. Errors are those of one run's counts.")
    print_ratio("5. value from counts, over QAC", qac_row, own[0][0], 2000)
    print_ratio("   value and error bar, over QAC (which has none)", qac_row, own[1][0], 2000)


def _run_work(query: Query, backend: Any) -> tuple[PlannedWork, list[bytes]]:
    made = make_backend(backend, noise_model=None, device="cpu", pass_manager=None)
    pipeline = PlannedPipeline(made)
    work = pipeline.generate(query, pipeline.partition(query))
    run = load_function(pipeline.task_function)
    return work, [run(task.encode(), task.context) for task in work.subexperiments]


def _partition_data(work: PlannedWork, results: Sequence[bytes]) -> list[PartitionData]:
    """One binding's frequencies, dealt out to partitions."""
    plan = work.plan
    members: dict[int, list[int]] = {}
    for number, partition in enumerate(plan.partitions):
        members.setdefault(partition.template, []).append(number)
    data: dict[int, PartitionData] = {}
    for numbers, result in zip(members.values(), results, strict=True):
        program = plan.template_of(numbers[0]).program
        frequencies = result_array(result, len(numbers), program.settings, program)
        for position, number in enumerate(numbers):
            data[number] = PartitionData(
                frequencies[position : position + 1],
                np.full((program.settings, len(program.bases)), SHOTS),
                plan.partitions[number].terms,
                np.arange(program.settings),
                program.slot_sizes,
            )
    return [data[number] for number in range(len(data))]


def _problem(work: PlannedWork, data: Sequence[PartitionData]) -> Problem:
    plan, zero = work.plan, np.zeros(1, dtype=np.int64)
    return Problem(
        network=plan.network,
        cuts=plan.cuts,
        data=data,
        rows=[zero] * len(data),
        subobservables=[partition.terms.subobservable_of[zero] for partition in plan.partitions],
        weights=plan.cut_weights(np.zeros((1, 0))),
        values=1,
        loops=[SHOTS] * len(data),
    )
